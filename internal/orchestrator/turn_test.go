package orchestrator_test

import (
	"fmt"
	"testing"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/engine"
	"github.com/sluice-ci/sluice/internal/machine"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/orchestrator/orchestratortest"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// crowd is app with eight builds side by side where Unit and Lint were, and
// one more behind them.
func crowd(mode pipeline.Mode) pipeline.Declaration {
	d := app(mode)
	unit := d.Stages[2].Actions[0]
	d.Stages[2].Actions = nil
	for i := range 9 {
		a := unit
		a.Name, a.RunOrder = fmt.Sprint("Unit", i+1), 1+i/8
		d.Stages[2].Actions = append(d.Stages[2].Actions, a)
	}
	return d
}

// underWay returns what is recorded of stage Test of an execution: the actions
// that run, and how many have begun.
func (w *world) underWay(id string) (running []record.Action, begun int) {
	w.t.Helper()
	all, err := w.svc.Records.Actions(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, a := range all {
		if a.Stage != "Test" {
			continue
		}
		begun++
		if a.Status == pipeline.InProgress {
			running = append(running, a)
		}
	}
	return running, begun
}

// crowded is a world in which an execution has come to stage Test, whose
// builds go on until they are told to end.
func crowded(t *testing.T, mode pipeline.Mode) (w *world, id string) {
	w = newWorld(t, 41)
	w.create(crowd(mode))
	w.outcome = func(j action.Job) action.Result {
		if j.Stage == "Test" {
			return action.Result{Status: pipeline.InProgress}
		}
		return action.Result{}
	}
	id = w.start()
	w.settle()
	return w, id
}

var succeeded = action.Result{Status: pipeline.Succeeded}

// tell ends one of the builds that run.
func (w *world) tell(a record.Action, how action.Result) {
	w.t.Helper()
	w.jobs[a.ID].result = how
	if err := w.svc.Resume(w.t.Context(), a.ID); err != nil {
		w.t.Fatal(err)
	}
	w.settle()
}

// TestFiveAtATime: of eight actions five run. Each that ends lets one begin,
// whose work is begun once, and the ninth follows when all have ended. An
// execution beside it has five of its own.
func TestFiveAtATime(t *testing.T) {
	w, id := crowded(t, pipeline.Parallel)
	other := w.start()
	w.settle()
	for ended := range 9 {
		running, begun := w.underWay(id)
		want := min(pipeline.MaxParallelActions+ended, 8)
		if ended == 8 { // the next run order
			want = 9
		}
		if begun != want || len(running) != want-ended {
			t.Fatalf("after %d ends %d run and %d have begun; want %d begun", ended, len(running), begun, want)
		}
		for _, a := range running {
			if w.started[id+" "+a.Name] != 1 {
				t.Errorf("the work of %s was begun %d times", a.Name, w.started[id+" "+a.Name])
			}
		}
		w.tell(running[0], succeeded)
	}
	w.want(id, pipeline.InProgress) // at the approval
	if e := w.execution(id); e.Stage != 3 {
		t.Errorf("the execution is at stage %d; want 3", e.Stage)
	}
	if running, _ := w.underWay(other); len(running) != pipeline.MaxParallelActions {
		t.Errorf("%d actions of the other execution run; want 5", len(running))
	}
}

// TestOtherModesHaveNoLimit begins all eight.
func TestOtherModesHaveNoLimit(t *testing.T) {
	for _, mode := range []pipeline.Mode{pipeline.Superseded, pipeline.Queued} {
		w, id := crowded(t, mode)
		if running, _ := w.underWay(id); len(running) != 8 {
			t.Errorf("%s: %d actions run; want 8", mode, len(running))
		}
	}
}

// TestTurnEnds has what becomes of the three that wait when one that runs, or
// all of it, ends in some other way than well.
func TestTurnEnds(t *testing.T) {
	failed := action.Fail(action.JobFailed, "as the test says")
	for _, tt := range []struct {
		name   string
		do     func(w *world, id string, running []record.Action)
		status pipeline.Status
		begun  int // tries, in the end
	}{
		{"a sibling fails", func(w *world, _ string, running []record.Action) { w.tell(running[0], failed) }, pipeline.Failed, 8},
		{"lost work keeps its turn", func(w *world, id string, running []record.Action) {
			w.tell(running[0], action.Result{Status: action.Lost})
			if now, begun := w.underWay(id); len(now) != 5 || begun != 6 {
				w.t.Errorf("after the loss %d run and %d have begun; want 5 and 6", len(now), begun)
			}
		}, pipeline.InProgress, 10},
		{"time is up", func(w *world, _ string, running []record.Action) {
			w.now = running[0].Job.Deadline
			if err := w.svc.Sweep(w.t.Context()); err != nil {
				w.t.Fatal(err)
			}
			w.settle()
		}, pipeline.Failed, 8},
		{"stop and wait", func(w *world, id string, _ []record.Action) { w.refused("stopping", w.stop(id, false), "") }, pipeline.Stopped, 5},
		{"stop and abandon", func(w *world, id string, _ []record.Action) { w.refused("stopping", w.stop(id, true), "") }, pipeline.Stopped, 5},
		{"waiting, then abandoning", func(w *world, id string, _ []record.Action) {
			w.refused("stopping", w.stop(id, false), "")
			w.refused("abandoning", w.stop(id, true), "")
		}, pipeline.Stopped, 5},
		{"the run dies", func(w *world, id string, _ []record.Action) {
			w.refused("the end", w.svc.Ended(w.t.Context(), w.execution(id).Run, "killed"), "")
		}, pipeline.Failed, 5},
		{"the machine gives up", func(w *world, id string, running []record.Action) {
			v, err := w.svc.Records.Turns(w.t.Context(), id, 1, "Test")
			if err != nil || len(v.Value.Waiting) != 3 {
				w.t.Fatalf("these wait: %+v, %v", v.Value.Waiting, err)
			}
			tokens := make([]string, 0, 8)
			for i, a := range running {
				tokens = append(tokens, a.Token)
				if i < 3 {
					tokens = append(tokens, v.Value.Waiting[i].Token)
				}
			}
			for _, token := range tokens {
				if err := w.Step(orchestratortest.RunOf(token), engine.TaskFailed{Token: token, Error: "States.Timeout"}); err != nil {
					w.t.Fatal(err)
				}
			}
		}, pipeline.Failed, 5},
		{"the pipeline is updated", func(w *world, id string, _ []record.Action) {
			_, err := w.svc.UpdatePipeline(w.t.Context(), app(pipeline.Queued), "me")
			w.refused("the update", err, "")
		}, pipeline.InProgress, 9},
		{"the pipeline is deleted", func(w *world, id string, _ []record.Action) {
			w.refused("the deletion", w.svc.DeletePipeline(w.t.Context(), "app", "me"), "")
		}, pipeline.Cancelled, 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, id := crowded(t, pipeline.Parallel)
			running, _ := w.underWay(id)
			tt.do(w, id, running)
			w.settle()
			for {
				running, _ := w.underWay(id)
				if len(running) == 0 {
					break
				}
				w.tell(running[0], succeeded)
			}
			w.want(id, tt.status)
			if _, begun := w.underWay(id); begun != tt.begun {
				t.Errorf("%d tries have begun; want %d", begun, tt.begun)
			}
			if r := w.Runs[w.execution(id).Run]; (r.State.Status == machine.Running) != (tt.status == pipeline.InProgress) {
				t.Errorf("the run is %s", r.State.Status)
			}
		})
	}
}

// TestWaitsTurnAgain: the task of an action that waits is called again. Its
// newest call is the one that is answered when the action, begun later, ends;
// one that was given up and comes late changes nothing.
func TestWaitsTurnAgain(t *testing.T) {
	w, id := crowded(t, pipeline.Parallel)
	turns := func() record.Turns {
		t.Helper()
		v, err := w.svc.Records.Turns(t.Context(), id, 1, "Test")
		if err != nil {
			t.Fatal(err)
		}
		return v.Value
	}
	first := turns().Waiting[0]
	call := func(token string, n int) {
		t.Helper()
		if err := w.svc.RunAction(t.Context(), orchestrator.RunRequest{Token: token, Run: first.Run, Call: n, Execution: id, Stage: "Test", Action: first.Action}); err != nil {
			t.Fatal(err)
		}
	}
	call("second", 1)
	call(first.Token, 0)
	if now := turns().Waiting; len(now) != 3 || now[0].Token != "second" || now[0].Action != first.Action {
		t.Fatalf("after two calls these wait: %+v", now)
	}
	running, _ := w.underWay(id)
	w.tell(running[0], succeeded)
	begun := w.latest("Test", first.Action)
	if begun.Token != "second" || begun.Status != pipeline.InProgress {
		t.Fatalf("%s is %s with token %q; want InProgress with that of the second call", begun.Name, begun.Status, begun.Token)
	}
	call("third", 2) // it runs by now: the token is its own
	if a := w.latest("Test", first.Action); a.Token != "third" || len(turns().Waiting) != 2 || len(turns().Running) != 5 || w.started[id+" "+a.Name] != 1 {
		t.Errorf("called again it has token %q, turns %+v, and was begun %d times", a.Token, turns(), w.started[id+" "+a.Name])
	}
}

// TestRetryTakesTurns: actions that failed run again under the same limit.
func TestRetryTakesTurns(t *testing.T) {
	w, id := crowded(t, pipeline.Parallel)
	for {
		running, _ := w.underWay(id)
		if len(running) == 0 {
			break
		}
		w.tell(running[0], action.Fail(action.JobFailed, "as the test says"))
	}
	w.want(id, pipeline.Failed)
	w.refused("the retry", w.retry(id, "Test", pipeline.FailedActions), "")
	w.settle()
	if running, begun := w.underWay(id); len(running) != 5 || begun != 13 {
		t.Errorf("%d run and %d tries have begun; want 5 and 13", len(running), begun)
	}
}
