package orchestrator_test

import (
	"testing"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

func TestFailAndRetry(t *testing.T) {
	for _, mode := range []pipeline.RetryMode{pipeline.FailedActions, pipeline.AllActions} {
		t.Run(string(mode), func(t *testing.T) {
			w := newWorld(t, 3)
			broken := true
			w.outcome = func(j action.Job) action.Result {
				if j.Action.Name == "Lint" && broken {
					return action.Fail(action.JobFailed, "lint found something")
				}
				return action.Result{}
			}
			w.create(app(pipeline.Superseded))
			id := w.start()
			w.settle()
			w.want(id, pipeline.Failed)
			retry := orchestrator.Retry{Pipeline: "app", Stage: "Test", Execution: id, Mode: mode}
			broken = false
			if err := w.svc.RetryStage(t.Context(), retry); err != nil {
				t.Fatal(err)
			}
			if code := pipeline.CodeOf(w.svc.RetryStage(t.Context(), retry)); code != pipeline.StageNotRetryable {
				t.Errorf("a second retry gave %q; want StageNotRetryableException", code)
			}
			w.settle()
			w.want(id, pipeline.InProgress) // at the approval
			units := map[pipeline.RetryMode]int{pipeline.FailedActions: 1, pipeline.AllActions: 2}
			if got := w.started[id+" Unit"]; got != units[mode] {
				t.Errorf("Unit ran %d times; want %d", got, units[mode])
			}
			if got := w.started[id+" Compile"]; got != 1 {
				t.Errorf("Compile ran %d times; want 1", got)
			}
		})
	}
}

func TestAutomaticRetry(t *testing.T) {
	w := newWorld(t, 4)
	fail := 1
	w.outcome = func(j action.Job) action.Result {
		if j.Action.Name == "Compile" && fail > 0 {
			fail--
			return action.Fail(action.JobFailed, "flaky")
		}
		return action.Result{}
	}
	d := app(pipeline.Superseded)
	d.Stages[1].OnFailure = &pipeline.OnFailure{Result: "RETRY"}
	w.create(d)
	id := w.start()
	w.settle()
	w.want(id, pipeline.InProgress)
	if got := w.started[id+" Compile"]; got != 2 {
		t.Errorf("Compile ran %d times; want 2", got)
	}
}

// TestRetryBesideOthers: what failed may be retried while its siblings run. It
// runs again when they have ended, and they do not.
func TestRetryBesideOthers(t *testing.T) {
	w := newWorld(t, 31)
	lints := 0
	w.outcome = func(j action.Job) action.Result {
		switch j.Action.Name {
		case "Unit":
			return action.Result{Status: pipeline.InProgress}
		case "Lint":
			if lints++; lints == 1 {
				return action.Fail(action.JobFailed, "lint found something")
			}
		}
		return action.Result{}
	}
	w.create(app(pipeline.Superseded))
	id := w.start()
	w.settle()
	if lint, unit := w.latest("Test", "Lint").Status, w.latest("Test", "Unit").Status; lint != pipeline.Failed || unit != pipeline.InProgress {
		t.Fatalf("Lint is %s and Unit %s; want Failed and InProgress", lint, unit)
	}
	retry := orchestrator.Retry{Pipeline: "app", Stage: "Test", Execution: id, Mode: pipeline.AllActions}
	if code := pipeline.CodeOf(w.svc.RetryStage(t.Context(), retry)); code != pipeline.StageNotRetryable {
		t.Errorf("ALL_ACTIONS beside a running action gave %q; want StageNotRetryableException", code)
	}
	retry.Mode = pipeline.FailedActions
	if err := w.svc.RetryStage(t.Context(), retry); err != nil {
		t.Fatal(err)
	}
	if code := pipeline.CodeOf(w.svc.RetryStage(t.Context(), retry)); code != pipeline.StageNotRetryable {
		t.Errorf("a second retry gave %q; want StageNotRetryableException", code)
	}
	w.ends("Test", "Unit", action.Result{Status: pipeline.Succeeded})
	w.settle()
	w.want(id, pipeline.InProgress) // at the approval
	if w.started[id+" Lint"] != 2 || w.started[id+" Unit"] != 1 {
		t.Errorf("Lint ran %d times and Unit %d; want 2 and 1", w.started[id+" Lint"], w.started[id+" Unit"])
	}
}

// TestAutomaticRetryOnce: one for each execution and stage, whoever else is in
// the stage meanwhile; a second failure stays.
func TestAutomaticRetryOnce(t *testing.T) {
	for _, mode := range []pipeline.Mode{pipeline.Superseded, pipeline.Queued, pipeline.Parallel} {
		w := newWorld(t, 81)
		d := app(mode)
		d.Stages[1].OnFailure = &pipeline.OnFailure{Result: "RETRY", Retry: &pipeline.RetryConfiguration{Mode: pipeline.FailedActions}}
		w.create(d)
		w.failing("Compile")
		ids := []string{w.start(), w.start()}
		w.settle()
		for _, id := range ids {
			if mode == pipeline.Superseded && w.execution(id).Status == pipeline.SupersededExecution {
				continue
			}
			w.want(id, pipeline.Failed)
			if got := w.started[id+" Compile"]; got != 2 {
				t.Errorf("%s: Compile ran %d times in %s; want 2", mode, got, id)
			}
			if r := w.stage("Build").Retries; mode != pipeline.Parallel && r != (record.Retries{Auto: 1, Latest: "AutomatedStageRetry"}) {
				t.Errorf("%s: the stage shows the retries %+v", mode, r)
			}
		}
	}
}

// TestEachStageRetriesItself: every stage of an execution has a retry of its
// own, the source stage too.
func TestEachStageRetriesItself(t *testing.T) {
	w := newWorld(t, 82)
	d := app(pipeline.Superseded)
	for i := range d.Stages[:3] {
		d.Stages[i].OnFailure = &pipeline.OnFailure{Result: "RETRY"}
	}
	w.create(d)
	tries := map[string]int{}
	w.outcome = func(j action.Job) action.Result {
		if tries[j.Action.Name]++; tries[j.Action.Name] == 1 {
			return action.Fail(action.JobFailed, "the first time")
		}
		return action.Result{}
	}
	id := w.several(1)[0]
	w.want(id, pipeline.InProgress) // at the approval
	for _, name := range []string{"Checkout", "Compile", "Unit", "Lint"} {
		if tries[name] != 2 {
			t.Errorf("%s ran %d times; want 2", name, tries[name])
		}
	}
}
