package orchestrator_test

import (
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

func TestLostWorkIsTriedAgain(t *testing.T) {
	w := newWorld(t, 7)
	lose := 2
	w.outcome = func(j action.Job) action.Result {
		if j.Action.Name == "Compile" && lose > 0 {
			lose--
			return action.Result{Status: action.Lost}
		}
		return action.Result{}
	}
	w.create(app(pipeline.Superseded))
	id := w.start()
	w.settle()
	w.want(id, pipeline.InProgress)
	if a := w.latest("Build", "Compile"); a.Try != 3 || a.Status != pipeline.Succeeded {
		t.Errorf("try %d of Compile is %s; want try 3 Succeeded", a.Try, a.Status)
	}
}

// TestCallFromBeforeTheRetry: a call that the machine gave up, and that comes
// when its stage has been repeated meanwhile, neither begins anything nor takes
// the place of the task that waits.
func TestCallFromBeforeTheRetry(t *testing.T) {
	w := newWorld(t, 12)
	d := app(pipeline.Superseded)
	d.Stages[1].OnFailure = &pipeline.OnFailure{Result: "RETRY"}
	w.create(d)
	tries := 0
	w.outcome = func(j action.Job) action.Result {
		if j.Action.Name != "Compile" {
			return action.Result{}
		}
		if tries++; tries == 1 {
			return action.Fail(action.JobFailed, "as the test says")
		}
		return w.hold("Compile", j)
	}
	id := w.start()
	before := w.now
	w.settle()
	late := orchestrator.RunRequest{Token: "late", Run: w.execution(id).Run, Execution: id, Stage: "Build", Action: "Compile", Visit: before.Format(time.RFC3339Nano)}
	waits := w.latest("Build", "Compile")
	if err := w.svc.RunAction(t.Context(), late); err != nil {
		t.Fatal(err)
	}
	if a := w.latest("Build", "Compile"); a.Attempt != 2 || a.Token != waits.Token {
		t.Errorf("attempt %d of Compile waits with token %q; want attempt 2 with %q", a.Attempt, a.Token, waits.Token)
	}
	w.outcome = nil
	w.ends("Build", "Compile", w.end(waits.Job))
	w.settle()
	if a := w.latest("Release", "Gate"); a.Status != pipeline.InProgress {
		t.Errorf("the execution has not gone on: %+v", w.execution(id))
	}
}

// TestEndsWhileCalledAgain: the task of an action is called again, and the
// action ends between the two looks at its record. The new token is answered.
func TestEndsWhileCalledAgain(t *testing.T) {
	w := newWorld(t, 10)
	w.create(app(pipeline.Superseded))
	w.start()
	for w.latest("Build", "Compile").Status != pipeline.InProgress {
		w.happen()
	}
	a := w.latest("Build", "Compile")
	w.store.afterRead = func() {
		id := record.ActionID{Execution: a.Execution, Attempt: a.Attempt, Stage: a.Stage, Name: a.Name, Try: a.Try}
		if err := w.svc.Report(t.Context(), id, w.end(a.Job)); err != nil {
			t.Fatal(err)
		}
	}
	again := orchestrator.RunRequest{Token: "again", Run: a.Run, Execution: a.Execution, Stage: a.Stage, Action: a.Name}
	if err := w.svc.RunAction(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	rows, err := w.svc.Outbox(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		for _, answer := range row.Answers {
			if answer.Token == "again" && answer.Error == "" {
				return
			}
		}
	}
	t.Errorf("none of the %d rows to deliver answers the token", len(rows))
}
