package orchestrator_test

import (
	"testing"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/machine"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

func TestStop(t *testing.T) {
	tests := []struct {
		name    string
		abandon bool
		before  pipeline.Status // of the execution, while the approval waits
		gate    pipeline.Status
	}{
		{"and wait", false, pipeline.Stopping, pipeline.InProgress},
		{"and abandon", true, pipeline.Stopped, pipeline.Abandoned},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, 5)
			w.create(app(pipeline.Superseded))
			id := w.start()
			w.settle()
			stop := orchestrator.Stop{Pipeline: "app", Execution: id, Abandon: tt.abandon, Reason: "enough"}
			if err := w.svc.StopExecution(t.Context(), stop); err != nil {
				t.Fatal(err)
			}
			w.settle()
			w.want(id, tt.before)
			if got := w.latest("Release", "Gate").Status; got != tt.gate {
				t.Errorf("the approval is %s; want %s", got, tt.gate)
			}
			again := pipeline.DuplicatedStopRequest
			if tt.abandon {
				again = pipeline.NotStoppable
			} else if err := w.approve(true); err != nil && tt.gate == pipeline.InProgress {
				t.Fatal(err)
			}
			if !tt.abandon {
				w.settle()
				again = pipeline.NotStoppable
			}
			w.want(id, pipeline.Stopped)
			if code := pipeline.CodeOf(w.svc.StopExecution(t.Context(), stop)); code != again {
				t.Errorf("stopping again gave %q; want %q", code, again)
			}
			if got := w.started[id+" Copy"]; got != 0 {
				t.Errorf("the deployment ran %d times after the stop", got)
			}
		})
	}
}

// TestStopEscalates: waiting may be turned into abandoning, once; nothing else
// may be asked again. The stage shows what the execution shows.
func TestStopEscalates(t *testing.T) {
	w := newWorld(t, 5)
	w.create(app(pipeline.Superseded))
	id := w.start()
	w.settle() // to the approval
	for _, step := range []struct {
		abandon bool
		code    pipeline.Code
		status  pipeline.Status
	}{
		{false, "", pipeline.Stopping},
		{false, pipeline.DuplicatedStopRequest, pipeline.Stopping},
		{true, "", pipeline.Stopped},
		{true, pipeline.NotStoppable, pipeline.Stopped},
		{false, pipeline.NotStoppable, pipeline.Stopped},
	} {
		w.refused("stopping", w.stop(id, step.abandon), step.code)
		w.settle()
		w.want(id, step.status)
		w.shows("Release", id, step.status)
	}
	e := w.execution(id)
	if e.Stop == nil || !e.Stop.Abandon || e.Stop.Reason != "enough" || e.Stop.By != "me" {
		t.Errorf("the stop is recorded as %+v", e.Stop)
	}
	if a := w.latest("Release", "Gate"); a.Status != pipeline.Abandoned || w.started[id+" Copy"] > 0 {
		t.Errorf("the approval is %s; Copy ran %d times", a.Status, w.started[id+" Copy"])
	}
	w.refused("retrying it", w.retry(id, "Release", pipeline.FailedActions), "")
	w.settle()
	if err := w.approve(true); err != nil {
		t.Fatal(err)
	}
	w.settle()
	w.want(id, pipeline.Succeeded)
	if e := w.execution(id); e.Stop != nil {
		t.Errorf("after the retry it still shows the stop %+v", e.Stop)
	}
}

// TestStopStartsNothing stops each way at each moment of an execution. No work
// is begun behind it, and the execution comes to rest.
func TestStopStartsNothing(t *testing.T) {
	for _, mode := range []pipeline.Mode{pipeline.Superseded, pipeline.Queued, pipeline.Parallel} {
		for _, abandon := range []bool{false, true} {
			for moment := 0; ; moment++ {
				w := newWorld(t, uint64(moment))
				w.create(app(mode))
				id := w.start()
				for range moment {
					w.happen()
				}
				rested := len(w.todo) == 0
				began := len(w.jobs)
				w.refused("stopping", w.stop(id, abandon), "")
				if len(w.jobs) != began {
					t.Fatalf("%s, abandon %v, moment %d: the stop has begun work", mode, abandon, moment)
				}
				recorded, err := w.svc.Records.Actions(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				w.settle()
				w.approveAny()
				w.settle()
				w.want(id, pipeline.Stopped)
				after, err := w.svc.Records.Actions(t.Context(), id)
				if err != nil || len(after) != len(recorded) {
					t.Fatalf("%s, abandon %v, moment %d: %d actions, %v; there were %d", mode, abandon, moment, len(after), err, len(recorded))
				}
				if r := w.Runs[w.execution(id).Run]; r != nil && r.State.Status == machine.Running {
					t.Fatalf("%s, abandon %v, moment %d: its run goes on", mode, abandon, moment)
				}
				if rested {
					break
				}
			}
		}
	}
}

// TestStoppedWhileItWaits: an execution that never entered the stage has no
// attempt of it that could be retried, and whoever waits behind moves up.
func TestStoppedWhileItWaits(t *testing.T) {
	for _, mode := range []pipeline.Mode{pipeline.Superseded, pipeline.Queued, pipeline.Parallel} {
		w := newWorld(t, 8)
		w.create(app(mode))
		w.start()
		w.settle() // past Build
		w.close("Build", true)
		id := w.start()
		w.settle()
		w.refused("stopping", w.stop(id, false), "")
		w.settle()
		w.want(id, pipeline.Stopped)
		w.refused(string(mode)+": retrying what never entered", w.retry(id, "Build", pipeline.AllActions), pipeline.StageNotRetryable)
		w.close("Build", false)
		if w.started[id+" Compile"] > 0 {
			t.Errorf("%s: the stopped execution has entered", mode)
		}
	}
}

// TestEndsBeforeTheGrantIsHeard: an execution that was granted a stage, and
// ends before it hears of it, has entered it. So it may be retried, and the
// stage is never left to one who may not.
func TestEndsBeforeTheGrantIsHeard(t *testing.T) {
	for _, tt := range []struct {
		name   string
		end    func(w *world, id string) error
		status pipeline.Status
	}{
		{"stopped, waiting", func(w *world, id string) error { return w.stop(id, false) }, pipeline.Stopped},
		{"stopped, abandoning", func(w *world, id string) error { return w.stop(id, true) }, pipeline.Stopped},
		{"its run died", func(w *world, id string) error {
			return w.svc.Ended(w.t.Context(), w.execution(id).Run, "killed")
		}, pipeline.Failed},
	} {
		for _, mode := range []pipeline.Mode{pipeline.Superseded, pipeline.Queued} {
			w := newWorld(t, 7)
			w.create(app(mode))
			w.outcome = func(j action.Job) action.Result { return w.hold("Compile", j) }
			first := w.start()
			w.settle()
			second := w.start()
			w.settle()
			w.ends("Build", "Compile", action.Fail(action.JobFailed, "as the test says"))
			w.outcome = nil
			w.until(func() bool { return w.stage("Build").Lock.Owner == second && !w.execution(second).Inside })
			w.refused(tt.name, tt.end(w, second), "")
			w.settle()
			w.want(first, pipeline.Failed)
			w.want(second, tt.status)
			w.shows("Build", second, tt.status)
			w.refused("retrying the one before", w.retry(first, "Build", pipeline.AllActions), pipeline.NotLatestPipelineExecution)
			w.refused("retrying the one that was granted it", w.retry(second, "Build", pipeline.AllActions), "")
			w.settle()
			if w.started[second+" Compile"] != 1 {
				t.Errorf("%s, %s: Compile ran %d times in the retry", mode, tt.name, w.started[second+" Compile"])
			}
		}
	}
}
