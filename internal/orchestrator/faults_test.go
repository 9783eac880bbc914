package orchestrator_test

import (
	"slices"
	"testing"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/machine"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// TestFaults walks at random: things happen in any order, are delivered twice,
// and one write in ten loses its answer or fails. Whatever happens, everything
// that was accepted ends, no stage stays held, and no work is begun twice.
func TestFaults(t *testing.T) {
	seeds := uint64(40)
	if testing.Short() {
		seeds = 10
	}
	for _, d := range []pipeline.Declaration{app(pipeline.Superseded), app(pipeline.Queued), app(pipeline.Parallel), crowd(pipeline.Parallel)} {
		for seed := range seeds {
			walk(t, d, seed)
		}
	}
}

func walk(t *testing.T, d pipeline.Declaration, seed uint64) {
	w := newWorld(t, seed)
	mode := d.ExecutionMode
	fails := map[string]bool{}
	w.outcome = func(j action.Job) action.Result {
		if w.rng.IntN(8) == 0 {
			fails[j.ExecutionID] = true
			return action.Fail(action.JobFailed, "by chance")
		}
		return action.Result{}
	}
	w.create(d)
	w.faults = true
	if slices.ContainsFunc(d.Stages[2].Groups(), d.Crowded) {
		w.always = w.fewAtATime
	}
	var ids []string
	for range 5 {
		ids = append(ids, w.start())
		for range w.rng.IntN(40) { // let some of it happen
			w.happen()
		}
		if w.rng.IntN(3) == 0 {
			stop := orchestrator.Stop{Pipeline: "app", Execution: ids[w.rng.IntN(len(ids))], Abandon: w.rng.IntN(2) == 0}
			w.must(func() error { return w.svc.StopExecution(t.Context(), stop) })
		}
	}
	for range 200 {
		w.settle()
		if !w.approveAny() {
			break
		}
	}
	newest := ids[len(ids)-1]
	for _, id := range ids {
		e := w.execution(id)
		if !e.Status.Final() {
			t.Errorf("%s seed %d: execution %d is %s at stage %d, inside %v", mode, seed, e.Seq, e.Status, e.Stage, e.Inside)
		}
		if id == newest && e.Status == pipeline.SupersededExecution {
			t.Errorf("%s seed %d: the newest execution was superseded", mode, seed)
		}
		if told, want := w.alertsOf(id), e.Status == pipeline.Failed; len(told) > 1 || (len(told) == 1) != want {
			t.Errorf("%s seed %d: execution %d is %s; %d alerts tell of it", mode, seed, e.Seq, e.Status, len(told))
		}
		if e.Status == pipeline.Failed && !fails[id] {
			t.Errorf("%s seed %d: execution %d failed although none of its work did: %s", mode, seed, e.Seq, e.StatusSummary)
		}
	}
	for what, n := range w.started {
		if n > 1 {
			t.Errorf("%s seed %d: %s was begun %d times", mode, seed, what, n)
		}
	}
	w.rested()
	if t.Failed() {
		t.Fatalf("%s seed %d", mode, seed)
	}
}

// rested wants nobody to hold or to wait for a stage, and no run to go on.
func (w *world) rested() {
	w.t.Helper()
	for _, st := range app("").Stages {
		if lock := w.stage(st.Name).Lock; lock.Owner != "" || len(lock.Waiting) > 0 {
			w.t.Errorf("stage %s is left as %+v", st.Name, lock)
		}
	}
	for name, r := range w.Runs {
		if r.State.Status == machine.Running {
			w.t.Errorf("machine run %s never ends", name)
		}
	}
}

// approveAny answers the approvals that wait and reports whether there were any.
func (w *world) approveAny() bool {
	w.t.Helper()
	active, err := w.svc.Records.Active(w.t.Context(), "app", 0)
	if err != nil {
		w.t.Fatal(err)
	}
	any := false
	for _, e := range active {
		actions, err := w.svc.Records.Actions(w.t.Context(), e.ID)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, a := range actions {
			if a.Status != pipeline.InProgress || a.Result.Token == "" {
				continue
			}
			any = true
			if link := w.linkTo(a.ID); link != "" && w.rng.IntN(2) == 0 {
				w.must(func() error {
					_, err := w.svc.Decide(w.t.Context(), orchestrator.Decision{Secret: link, Pipeline: "app", Approved: true, Summary: "ok"})
					return err
				})
				continue
			}
			w.must(func() error {
				_, err := w.svc.PutApproval(w.t.Context(), orchestrator.Approval{
					Pipeline: "app", Stage: a.Stage, Action: a.Name, Token: a.Result.Token, Approved: true, Summary: "ok",
				})
				return err
			})
		}
	}
	return any
}

// fewAtATime wants no execution to run more actions than it may.
func (w *world) fewAtATime() {
	w.t.Helper()
	active, err := w.svc.Records.Active(w.t.Context(), "app", 0)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range active {
		if running, _ := w.underWay(e.ID); len(running) > pipeline.MaxParallelActions {
			w.t.Fatalf("%d actions run at a time", len(running))
		}
	}
}
