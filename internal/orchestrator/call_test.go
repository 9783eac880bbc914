package orchestrator_test

import (
	"testing"

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
