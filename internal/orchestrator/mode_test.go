package orchestrator_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/trigger"
)

// several starts so many executions, one after the other.
func (w *world) several(n int) []string {
	w.t.Helper()
	ids := make([]string, n)
	for i := range ids {
		ids[i] = w.start()
		w.settle()
	}
	return ids
}

// waiting returns who waits in front of a stage, in order.
func (w *world) waiting(stage string) []string {
	w.t.Helper()
	var ids []string
	for _, x := range w.stage(stage).Lock.Waiting {
		ids = append(ids, x.Execution)
	}
	return ids
}

// TestQueue: in QUEUED everybody waits, behind an approval and in front of a
// closed transition, and all go on in the order of their starts.
func TestQueue(t *testing.T) {
	w := newWorld(t, 61)
	w.create(app(pipeline.Queued))
	ids := w.several(5)
	if got := w.waiting("Release"); !slices.Equal(got, ids[1:]) {
		t.Fatalf("behind the approval wait %v; want %v", got, ids[1:])
	}
	w.close("Release", true)
	if err := w.approve(true); err != nil {
		t.Fatal(err)
	}
	w.settle()
	w.want(ids[0], pipeline.Succeeded)
	if got := w.waiting("Release"); !slices.Equal(got, ids[1:]) {
		t.Fatalf("in front of the closed transition wait %v; want %v", got, ids[1:])
	}
	w.close("Release", false)
	for _, id := range ids[1:] {
		if gate := w.latest("Release", "Gate"); gate.Execution != id {
			t.Fatalf("the approval is that of %s; want %s", gate.Execution, id)
		}
		if err := w.approve(true); err != nil {
			t.Fatal(err)
		}
		w.settle()
		w.want(id, pipeline.Succeeded)
	}
}

// TestFailureFreesTheStage: whoever waits enters when the one inside has
// failed, been stopped or been rejected, and then the one before may not come
// back. While nobody has entered, it may.
func TestFailureFreesTheStage(t *testing.T) {
	for _, mode := range []pipeline.Mode{pipeline.Superseded, pipeline.Queued} {
		for name, end := range map[string]func(w *world, id string) error{
			"fails":     func(w *world, _ string) error { return w.approve(false) },
			"abandoned": func(w *world, id string) error { return w.stop(id, true) },
			"stops":     func(w *world, id string) error { return w.stop(id, false) },
		} {
			w := newWorld(t, 62)
			w.create(app(mode))
			ids := w.several(2)
			w.refused(name, end(w, ids[0]), "")
			if name == "stops" {
				w.refused(name, w.approve(false), "")
			}
			w.settle()
			if gate := w.latest("Release", "Gate"); gate.Execution != ids[1] || gate.Status != pipeline.InProgress {
				t.Errorf("%s, %s: the approval is %s of %s; want InProgress of the one who waited", mode, name, gate.Status, gate.Execution)
			}
			w.refused("coming back too late", w.retry(ids[0], "Release", pipeline.AllActions), pipeline.NotLatestPipelineExecution)
			w.refused("stopping the second", w.stop(ids[1], true), "")
			w.settle()
			w.refused("the first, when the second has left", w.retry(ids[0], "Release", pipeline.AllActions), pipeline.NotLatestPipelineExecution)
			w.refused("the second, who entered last", w.retry(ids[1], "Release", pipeline.AllActions), "")
		}
	}
}

// TestParallelMeetsNobody: executions of a PARALLEL pipeline are all inside,
// and one that fails is retried whoever has entered since.
func TestParallelMeetsNobody(t *testing.T) {
	w := newWorld(t, 63)
	w.create(app(pipeline.Parallel))
	ids := w.several(3)
	for _, id := range ids {
		if e := w.execution(id); !e.Inside || e.Stage != 3 {
			t.Errorf("execution %s is at stage %d, inside %v", id, e.Stage, e.Inside)
		}
	}
	w.refused("abandoning the first", w.stop(ids[0], true), "")
	w.settle()
	w.refused("retrying the first", w.retry(ids[0], "Release", pipeline.FailedActions), "")
	w.settle()
	for range ids {
		w.approveAny()
		w.settle()
	}
	for _, id := range ids {
		w.want(id, pipeline.Succeeded)
	}
}

// TestLimit: a QUEUED or PARALLEL pipeline has at most 50 executions under way.
// The next start is refused, and one by an event is recorded with its reason;
// so are a retry and a rollback. When one has ended, one may begin.
func TestLimit(t *testing.T) {
	push := trigger.Push{Repository: "app", RefType: trigger.Branch, Ref: "main", Commit: "abc"}
	for _, mode := range []pipeline.Mode{pipeline.Queued, pipeline.Parallel} {
		w := newWorld(t, 64)
		d := back(false)
		d.ExecutionMode = mode
		w.create(d)
		good := w.several(1)[0]
		w.outcome = func(j action.Job) action.Result { return action.Fail(action.JobFailed, "as the test says") }
		failed := w.several(1)[0]
		w.want(failed, pipeline.Failed)
		w.outcome = func(j action.Job) action.Result { return w.hold("Checkout", j) }
		var ids []string
		for range 50 {
			ids = append(ids, w.start())
		}
		start := orchestrator.Start{Pipeline: "app"}
		_, err := w.svc.StartExecution(t.Context(), start)
		w.refused("the 51st", err, pipeline.ConcurrentExecutionsLimit)
		made, err := w.svc.Notice(t.Context(), "event-1", push)
		if err != nil || len(made) != 1 || made[0].Started || made[0].Reason == "" || made[0].Execution != "" {
			t.Errorf("%s: the event came to %+v, %v; want that nothing was started, and why", mode, made, err)
		}
		if mode == pipeline.Parallel {
			w.refused("the retry of another", w.retry(failed, "Source", pipeline.AllActions), pipeline.ConcurrentExecutionsLimit)
		}
		_, err = w.svc.RollbackStage(t.Context(), orchestrator.Rollback{Pipeline: "app", Stage: "Build", Target: good})
		w.refused("a rollback", err, pipeline.UnableToRollbackStage)
		if mode == pipeline.Queued && !strings.Contains(err.Error(), "the limit of 50 concurrent executions") {
			t.Errorf("a rollback gave %v", err)
		}
		w.refused("stopping one", w.stop(ids[49], true), "")
		w.settle()
		again, err := w.svc.Notice(t.Context(), "event-1", push) // it is decided already
		if err != nil || len(again) != 1 || again[0] != made[0] {
			t.Errorf("%s: told again, the event came to %+v, %v", mode, again, err)
		}
		made, err = w.svc.Notice(t.Context(), "event-2", push)
		if err != nil || len(made) != 1 || !made[0].Started || made[0].Execution == "" {
			t.Errorf("%s: with room again, the event came to %+v, %v", mode, made, err)
		}
		decisions, err := w.svc.Records.Decisions(t.Context(), "app", 0)
		if err != nil || len(decisions) != 2 {
			t.Errorf("%s: %d decisions are recorded, %v; want 2", mode, len(decisions), err)
		}
	}
	w := newWorld(t, 65) // SUPERSEDED has no limit: most are superseded
	w.create(app(pipeline.Superseded))
	w.close("Build", true)
	for range 60 {
		w.start()
	}
}

// TestAllSourcesRun: whichever source has changed, all are fetched, and each
// is pinned to what is known of it.
func TestAllSourcesRun(t *testing.T) {
	w := newWorld(t, 66)
	d := app(pipeline.Superseded)
	data := act("Data", pipeline.Source, "S3", 1)
	data.Configuration = map[string]string{"S3Bucket": "in", "S3ObjectKey": "data.zip", "PollForSourceChanges": "false"}
	data.OutputArtifacts = []pipeline.OutputArtifact{{Name: "Data"}}
	d.Stages[0].Actions = append(d.Stages[0].Actions, data)
	w.create(d)
	made, err := w.svc.Notice(t.Context(), "event", trigger.ObjectCreated{Bucket: "in", Key: "data.zip", VersionID: "v7"})
	if err != nil || len(made) != 1 || !made[0].Started {
		t.Fatalf("the event came to %+v, %v", made, err)
	}
	w.settle()
	e := w.execution(made[0].Execution)
	if e.Trigger.Type != "CloudWatchEvent" || len(e.Revisions) != 2 {
		t.Errorf("it was started by %+v with the revisions %+v; want two", e.Trigger, e.Revisions)
	}
	for name, want := range map[string]action.Override{"Checkout": {}, "Data": {Type: "S3_OBJECT_VERSION_ID", Value: "v7"}} {
		if got := w.latest("Source", name).Job.Revision; got != want || w.started[e.ID+" "+name] != 1 {
			t.Errorf("%s was pinned to %+v and ran %d times; want %+v", name, got, w.started[e.ID+" "+name], want)
		}
	}
}

// TestRecorded: an execution shows what it was started with, also when the
// pipeline has changed since.
func TestRecorded(t *testing.T) {
	for _, mode := range []pipeline.Mode{pipeline.Superseded, pipeline.Queued, pipeline.Parallel} {
		w := newWorld(t, 67)
		d := app(mode)
		d.Variables = []pipeline.Variable{{Name: "Color", Default: "blue"}, {Name: "Size", Default: "s"}}
		w.create(d)
		why := record.Trigger{Type: "StartPipelineExecution", Detail: "arn:me"}
		id, err := w.svc.StartExecution(t.Context(), orchestrator.Start{Pipeline: "app", Variables: []record.Variable{{Name: "Color", Value: "red"}}, Trigger: why})
		if err != nil {
			t.Fatal(err)
		}
		w.settle()
		if _, err := w.svc.UpdatePipeline(t.Context(), app(pipeline.Superseded), "me"); err != nil {
			t.Fatal(err)
		}
		w.settle()
		e := w.execution(id)
		got := fmt.Sprint(e.Version, e.Mode, e.Type, e.Trigger, e.Variables, len(e.Revisions), e.Revisions[0].Action)
		want := fmt.Sprint(1, mode, "STANDARD", why, []record.Variable{{Name: "Color", Value: "red"}, {Name: "Size", Value: "s"}}, 1, "Checkout")
		if got != want {
			t.Errorf("it shows %s; want %s", got, want)
		}
	}
}
