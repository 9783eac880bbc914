package orchestrator_test

import (
	"testing"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/machine"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// behindThe calls f once, behind the n-th time that what *then is for happens.
func behindThe(n int, then *func(), f func()) {
	*then = func() {
		if n--; n == 0 {
			f()
			return
		}
		behindThe(n, then, f)
	}
}

// TestRefusalIsOfOneMoment has a stage retried while somebody else retries it:
// who is second has read the execution before the first and the stage behind
// it. At no moment were both so, and what is refused by them is decided anew.
func TestRefusalIsOfOneMoment(t *testing.T) {
	w := newWorld(t, 41)
	w.outcome = func(j action.Job) action.Result {
		if j.Action.Name == "Lint" {
			return action.Fail(action.JobFailed, "lint found something")
		}
		return action.Result{}
	}
	w.create(app(pipeline.Parallel))
	id := w.start()
	w.settle()
	retry := orchestrator.Retry{Pipeline: "app", Stage: "Test", Execution: id, Mode: pipeline.AllActions}
	behindThe(4, &w.store.afterGet, func() { // pipeline, version, whether the execution is the pipeline's, execution
		if err := w.svc.RetryStage(t.Context(), retry); err != nil {
			t.Error(err)
		}
	})
	if code := pipeline.CodeOf(w.svc.RetryStage(t.Context(), retry)); code != pipeline.StageNotRetryable {
		t.Errorf("the second retry gave %q; want StageNotRetryableException, as it does when the first is over", code)
	}
}

// TestUpdateWhileApproved has the only approval that an execution waits for
// answered at the moment an update looks at it. What was answered goes on as
// what runs does at an update; it is not ended.
func TestUpdateWhileApproved(t *testing.T) {
	w := newWorld(t, 42)
	w.create(app(pipeline.Superseded))
	id := w.start()
	w.settle()
	behindThe(2, &w.store.afterRead, func() { // who is active, and what it does
		if err := w.approve(true); err != nil {
			t.Error(err)
		}
	})
	if _, err := w.svc.UpdatePipeline(t.Context(), app(pipeline.Superseded), "me"); err != nil {
		t.Fatal(err)
	}
	w.settle()
	w.want(id, pipeline.Cancelled)
	if got := w.Runs[w.execution(id).Run].State.Status; got != machine.Failed {
		t.Errorf("the run is %s; want that it has come to its end", got)
	}
}
