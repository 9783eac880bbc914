package orchestrator_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

func TestUpdateCancelsApproval(t *testing.T) {
	w := newWorld(t, 6)
	w.create(app(pipeline.Superseded))
	id := w.start()
	w.settle()
	token := w.latest("Release", "Gate").Result.Token
	if _, err := w.svc.UpdatePipeline(t.Context(), app(pipeline.Superseded), "me"); err != nil {
		t.Fatal(err)
	}
	w.settle()
	w.want(id, pipeline.Cancelled)
	_, err := w.svc.PutApproval(t.Context(), orchestrator.Approval{Pipeline: "app", Stage: "Release", Action: "Gate", Token: token, Approved: true})
	if pipeline.CodeOf(err) != pipeline.InvalidApprovalToken {
		t.Errorf("the old token gave %v; want InvalidApprovalTokenException", err)
	}
}

// TestParallelGoesOnAfterUpdate: executions of a PARALLEL pipeline outlive a
// change of its mode, and each of their approvals can still be answered.
func TestParallelGoesOnAfterUpdate(t *testing.T) {
	w := newWorld(t, 9)
	w.create(app(pipeline.Parallel))
	ids := []string{w.start(), w.start()}
	w.settle()
	if _, err := w.svc.UpdatePipeline(t.Context(), app(pipeline.Queued), "me"); err != nil {
		t.Fatal(err)
	}
	w.settle()
	for _, id := range ids {
		w.want(id, pipeline.InProgress)
	}
	if !w.approveAny() {
		t.Error("no approval waits")
	}
	w.settle()
	for _, id := range ids {
		w.want(id, pipeline.Succeeded)
	}
}

// TestUpdateWhileRunning has every change of mode, and none, while one
// execution waits for people, one waits in front of its stage, or beside it,
// and one builds. PARALLEL ones go on as if nothing had happened; of the others
// the one that builds may finish its build, and all end cancelled.
func TestUpdateWhileRunning(t *testing.T) {
	modes := []pipeline.Mode{pipeline.Superseded, pipeline.Queued, pipeline.Parallel}
	for _, from := range modes {
		for _, to := range modes {
			t.Run(string(from+" to "+to), func(t *testing.T) {
				w := newWorld(t, 71)
				w.create(app(from))
				ids := w.several(2)
				w.outcome = func(j action.Job) action.Result { return w.hold("Compile", j) }
				ids = append(ids, w.several(1)...)
				builds := w.latest("Build", "Compile")
				next := app(to)
				next.Stages[1].Actions[0].Configuration = map[string]string{"ProjectName": "other"}
				if _, err := w.svc.UpdatePipeline(t.Context(), next, "me"); err != nil {
					t.Fatal(err)
				}
				w.settle()
				w.outcome = nil
				w.want(ids[2], pipeline.InProgress)
				fourth := w.several(1)[0] // begins on the new version, in its mode
				if e := w.execution(fourth); e.Version != 2 || e.Mode != to {
					t.Errorf("the next execution runs version %d in %s; want 2 in %s", e.Version, e.Mode, to)
				}
				w.jobs[builds.ID].result = w.end(builds.Job)
				if err := w.svc.Resume(t.Context(), builds.ID); err != nil {
					t.Fatal(err)
				}
				w.settle()
				for range 3 {
					w.approveAny()
					w.settle()
				}
				status := pipeline.Cancelled
				if from == pipeline.Parallel {
					status = pipeline.Succeeded
				}
				for _, id := range ids {
					w.want(id, status)
					if e := w.execution(id); e.Version != 1 || w.started[id+" Compile"] != 1 {
						t.Errorf("%s shows version %d and Compile ran %d times", id, e.Version, w.started[id+" Compile"])
					}
				}
				w.want(fourth, pipeline.Succeeded)
				w.rested()
				if from != pipeline.Parallel && w.started[ids[2]+" Unit"] > 0 {
					t.Error("a stage began in an execution that is cancelled")
				}
			})
		}
	}
}

// TestCancelledIsShown: the stage shows that its execution was cancelled, a
// build beside an approval may finish, and nobody is asked any more.
func TestCancelledIsShown(t *testing.T) {
	w := newWorld(t, 72)
	d := app(pipeline.Superseded)
	scan := d.Stages[2].Actions[0]
	scan.Name = "Scan"
	d.Stages[3].Actions = append(d.Stages[3].Actions, scan) // beside the approval
	w.create(d)
	w.outcome = func(j action.Job) action.Result { return w.hold("Scan", j) }
	id := w.several(1)[0]
	if _, err := w.svc.UpdatePipeline(t.Context(), app(pipeline.Superseded), "me"); err != nil {
		t.Fatal(err)
	}
	w.settle()
	w.want(id, pipeline.InProgress)
	if gate := w.latest("Release", "Gate"); gate.Status != pipeline.Failed || gate.Result.Summary != "The approval action has been canceled." {
		t.Errorf("the approval is %s: %s", gate.Status, gate.Result.Summary)
	}
	w.ends("Release", "Scan", succeeded)
	w.settle()
	w.want(id, pipeline.Cancelled)
	w.shows("Release", id, pipeline.Cancelled)
	if e := w.execution(id); !strings.Contains(e.StatusSummary, "changed while") {
		t.Errorf("it says %q", e.StatusSummary)
	}
}

// TestAcrossVersions: an execution of an older version is neither retried nor
// gone back to.
func TestAcrossVersions(t *testing.T) {
	w := newWorld(t, 73)
	w.create(back(false))
	good := w.several(1)[0]
	w.failing("Lint")
	bad := w.several(1)[0]
	w.want(bad, pipeline.Failed)
	if _, err := w.svc.UpdatePipeline(t.Context(), back(true), "me"); err != nil {
		t.Fatal(err)
	}
	w.settle()
	for _, mode := range []pipeline.RetryMode{pipeline.FailedActions, pipeline.AllActions} {
		err := w.retry(bad, "Test", mode)
		w.refused("the retry", err, pipeline.StageNotRetryable)
		if err == nil || !strings.Contains(err.Error(), "the pipeline was changed since") {
			t.Errorf("it says %v", err)
		}
	}
	_, err := w.svc.RollbackStage(t.Context(), orchestrator.Rollback{Pipeline: "app", Stage: "Test", Target: good})
	w.refused("the rollback", err, pipeline.PipelineExecutionOutdated)
	w.failing("Lint")
	last := w.several(1)[0]
	if e := w.execution(last); e.Status != pipeline.Failed || !strings.Contains(e.StatusSummary, "nothing to roll back to") || w.last().ID != last {
		t.Errorf("an automatic rollback to the older version: %s, %s", e.Status, e.StatusSummary)
	}
}

// TestParallelPassesNewLocks: an execution that began in PARALLEL goes through
// the stages that are left as it would have: nobody in them holds it up, it
// holds up nobody and supersedes nobody, and it is not shown in their state.
// Only a closed transition holds it.
func TestParallelPassesNewLocks(t *testing.T) {
	for _, to := range []pipeline.Mode{pipeline.Superseded, pipeline.Queued} {
		w := newWorld(t, 74)
		w.create(app(pipeline.Parallel))
		w.close("Test", true)
		old := w.several(3) // all wait in front of Test
		if _, err := w.svc.UpdatePipeline(t.Context(), app(to), "me"); err != nil {
			t.Fatal(err)
		}
		w.settle()
		for _, id := range old {
			w.want(id, pipeline.InProgress)
			w.refused("retrying what waits", w.retry(id, "Test", pipeline.AllActions), pipeline.StageNotRetryable)
		}
		young := w.several(1)[0] // waits there too
		if got := w.stage("Test").Lock; len(got.Waiting) != 4 {
			t.Errorf("%s: in front of the closed transition wait %+v; want four", to, got.Waiting)
		}
		w.close("Test", false)
		w.shows("Test", young, pipeline.Succeeded)
		w.shows("Release", young, pipeline.InProgress)
		for _, id := range append(old, young) { // each has its approval, at once
			if e := w.execution(id); e.Stage != 3 || !e.Inside {
				t.Errorf("%s: execution %d is at stage %d, inside %v", to, e.Seq, e.Stage, e.Inside)
			}
		}
		w.refused("abandoning an old one", w.stop(old[0], true), "")
		w.settle()
		w.shows("Release", young, pipeline.InProgress)
		w.approveAny()
		w.settle()
		for _, id := range append(old[1:], young) {
			w.want(id, pipeline.Succeeded)
		}
		w.rested()
	}
}

// TestParallelWaitsBesideTheNewMode: executions that were PARALLEL when the
// pipeline was updated go on beside its new mode. They are neither superseded
// nor queued, and a grant that they have not heard of yet stays theirs.
func TestParallelWaitsBesideTheNewMode(t *testing.T) {
	for _, opens := range []string{"before the update", "after it"} {
		for _, mode := range []pipeline.Mode{pipeline.Superseded, pipeline.Queued} {
			t.Run(string(mode)+", the transition opens "+opens, func(t *testing.T) {
				w := newWorld(t, 10)
				w.create(app(pipeline.Parallel))
				gate := func(open bool) {
					if err := w.svc.SetTransition(t.Context(), orchestrator.Transition{Pipeline: "app", Stage: "Release", Enabled: open, Reason: "why"}); err != nil {
						t.Fatal(err)
					}
				}
				gate(false)
				ids := []string{w.start(), w.start()}
				w.settle()
				if opens == "before the update" {
					gate(true) // nobody has heard of it yet
				}
				if _, err := w.svc.UpdatePipeline(t.Context(), app(mode), "me"); err != nil {
					t.Fatal(err)
				}
				if opens == "after it" {
					gate(true)
				}
				w.settle()
				for w.approveAny() {
					w.settle()
				}
				for _, id := range ids {
					w.want(id, pipeline.Succeeded)
				}
			})
		}
	}
}

// TestLateUpdate: an update that comes to the stages after a newer one leaves
// them the newer mode.
func TestLateUpdate(t *testing.T) {
	w := newWorld(t, 11)
	w.create(app(pipeline.Superseded))
	w.settle()
	w.store.afterRead = func() { // the first one has written its version and looks for who is to be cancelled
		if _, err := w.svc.UpdatePipeline(t.Context(), app(pipeline.Queued), "me"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.svc.UpdatePipeline(t.Context(), app(pipeline.Parallel), "me"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Source", "Release"} {
		st, err := w.svc.Records.Stage(t.Context(), "app", name)
		if err != nil || st.Value.Lock.Mode != pipeline.Queued {
			t.Errorf("stage %s is %s, %v; want QUEUED, as the pipeline", name, st.Value.Lock.Mode, err)
		}
	}
}

// TestNewModeBeforeTheStagesHeard: executions of a new version keep to its
// mode, however far the update has come with the stages.
func TestNewModeBeforeTheStagesHeard(t *testing.T) {
	w := newWorld(t, 12)
	w.create(app(pipeline.Parallel))
	w.start()
	w.settle()
	w.store.afterRead = func() { // the update has written its version
		ids := []string{w.start(), w.start()}
		w.settle()
		if a, b := w.execution(ids[0]), w.execution(ids[1]); !a.Inside || b.Inside {
			t.Errorf("inside their stages: %v and %v; want the first one only, and the second behind it", a.Inside, b.Inside)
		}
	}
	if _, err := w.svc.UpdatePipeline(t.Context(), app(pipeline.Queued), "me"); err != nil {
		t.Fatal(err)
	}
}

// TestUpdateCutShort cuts an update short behind its first write. The sweep
// cancels what waits for people, and leaves alone what began in PARALLEL.
func TestUpdateCutShort(t *testing.T) {
	for mode, want := range map[pipeline.Mode]pipeline.Status{pipeline.Queued: pipeline.Cancelled, pipeline.Parallel: pipeline.InProgress} {
		w := newWorld(t, 13)
		w.create(app(mode))
		id := w.several(1)[0] // at the approval
		svc, _ := w.cutAfter(1)
		if _, err := svc.UpdatePipeline(t.Context(), app(pipeline.Superseded), "me"); !errors.Is(err, errCut) {
			t.Fatalf("the update says %v", err)
		}
		w.want(id, pipeline.InProgress)
		if err := w.svc.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.settle()
		w.want(id, want)
	}
}
