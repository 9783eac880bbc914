package orchestrator_test

import (
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

const nobody = "00000000-0000-4000-8000-999999999999"

// TestRetryRefused has the exact error of every retry that is not to be.
func TestRetryRefused(t *testing.T) {
	failedTest := func(w *world) string {
		w.create(app(pipeline.Superseded))
		w.failing("Lint")
		return w.several(1)[0]
	}
	for _, tt := range []struct {
		name  string
		open  func(w *world) string
		stage string
		code  pipeline.Code
		text  string
	}{
		{"another stage than failed", failedTest, "Build", pipeline.StageNotRetryable, "no action of it failed"},
		{"a stage it has not come to", failedTest, "Release", pipeline.StageNotRetryable, "no action of it failed"},
		{"no such stage", failedTest, "Nowhere", pipeline.StageNotFound, "Nowhere"},
		{"no such execution", func(w *world) string { failedTest(w); return nobody }, "Test", pipeline.StageNotRetryable, nobody},
		{"in progress", func(w *world) string { w.create(app(pipeline.Superseded)); return w.several(1)[0] }, "Release", pipeline.StageNotRetryable, "is in progress"},
		{"stopping", func(w *world) string {
			w.create(app(pipeline.Superseded))
			id := w.several(1)[0]
			w.refused("stopping", w.stop(id, false), "")
			return id
		}, "Release", pipeline.StageNotRetryable, "no action of it failed"},
		{"all succeeded", func(w *world) string {
			w.create(back(false))
			return w.several(1)[0]
		}, "Release", pipeline.StageNotRetryable, "no action of it failed"},
		{"superseded", func(w *world) string {
			w.create(app(pipeline.Superseded))
			return w.several(3)[1]
		}, "Release", pipeline.StageNotRetryable, "ended before it entered"},
		{"skipped", func(w *world) string {
			w.create(skipping())
			w.script("One", "", false)
			id := w.several(1)[0]
			w.refused("the rejection", w.approve(false), "")
			w.settle()
			return id
		}, "Build", pipeline.StageNotRetryable, "no action of it failed"},
		{"somebody entered since", func(w *world) string {
			id := failedTest(w)
			w.several(1)
			return id
		}, "Test", pipeline.NotLatestPipelineExecution, "is not the latest"},
		{"already retried", func(w *world) string {
			id := failedTest(w)
			w.refused("the first retry", w.retry(id, "Test", pipeline.AllActions), "")
			return id
		}, "Test", pipeline.StageNotRetryable, "is in progress"},
		{"deleted", func(w *world) string {
			id := failedTest(w)
			w.refused("the deletion", w.svc.DeletePipeline(w.t.Context(), "app", "me"), "")
			return id
		}, "Test", pipeline.PipelineNotFound, "does not include a pipeline named 'app'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, mode := range []pipeline.RetryMode{pipeline.FailedActions, pipeline.AllActions} {
				w := newWorld(t, 101)
				id := tt.open(w)
				before := w.svc.Records
				e, _ := before.Execution(t.Context(), "", id)
				err := w.retry(id, tt.stage, mode)
				if pipeline.CodeOf(err) != tt.code || err != nil && !strings.Contains(err.Error(), tt.text) {
					t.Errorf("%s gave %v; want %s: %s", mode, err, tt.code, tt.text)
				}
				if now, _ := before.Execution(t.Context(), "", id); now.At != e.At {
					t.Error("what was refused has changed the execution")
				}
			}
		})
	}
}

// skipping is app with a second build, of nothing that anybody needs, that an
// entry condition skips.
func skipping() pipeline.Declaration {
	d := behind(record.BeforeEntry, "SKIP")
	d.Stages[1].Actions[0].Namespace = "Built"
	d.Stages[3].Actions = d.Stages[3].Actions[:1]
	return d
}

// TestSkippedStage: its actions do not run and the next stage does, but nobody
// finds its variables; it is not gone back to.
func TestSkippedStage(t *testing.T) {
	w := newWorld(t, 102)
	d := skipping()
	d.Stages[3].Actions[0].RunOrder = 2
	report := act("Report", pipeline.Invoke, "Lambda", 1)
	report.Configuration = map[string]string{"FunctionName": "f", "UserParameters": "#{Built.Id}"}
	d.Stages[3].Actions = append(d.Stages[3].Actions, report)
	w.create(d)
	w.script("One", "", false)
	id := w.several(1)[0]
	w.want(id, pipeline.Failed)
	if w.started[id+" Compile"] != 0 || w.started[id+" Unit"] != 1 || w.started[id+" Report"] != 0 {
		t.Errorf("Compile ran %d times, Unit %d, Report %d; want 0, 1, 0", w.started[id+" Compile"], w.started[id+" Unit"], w.started[id+" Report"])
	}
	if a := w.latest("Release", "Report"); a.Status != pipeline.Failed || a.Result.Error.Code != action.ConfigurationError || !strings.Contains(a.Result.Summary, "#{Built.Id}") {
		t.Errorf("what reads its variables is %s: %+v; want that it names the reference", a.Status, a.Result)
	}
	w.shows("Build", id, pipeline.Skipped)
	_, err := w.svc.RollbackStage(t.Context(), orchestrator.Rollback{Pipeline: "app", Stage: "Build", Target: id})
	w.refused("going back to it", err, pipeline.UnableToRollbackStage)
}

// TestOverrideRefused has the error of every override that is not to be.
func TestOverrideRefused(t *testing.T) {
	waits := func(kind record.GateKind, result string) func(w *world) string {
		return func(w *world) string {
			w.script("", "One", false)
			w.create(behind(kind, result))
			return w.several(1)[0]
		}
	}
	for _, tt := range []struct {
		name  string
		open  func(w *world) string
		stage string
		gate  record.GateKind
		code  pipeline.Code
		text  string
	}{
		{"one whose result is SKIP", waits(record.BeforeEntry, "SKIP"), "Build", record.BeforeEntry, pipeline.ConditionNotOverridable, "its result is SKIP"},
		{"another gate", waits(record.BeforeEntry, "FAIL"), "Build", record.OnSuccess, pipeline.ConditionNotOverridable, "it has none"},
		{"another stage", waits(record.BeforeEntry, "FAIL"), "Test", record.BeforeEntry, pipeline.ConditionNotOverridable, "is not in it"},
		{"no such stage", waits(record.BeforeEntry, "FAIL"), "Nowhere", record.BeforeEntry, pipeline.StageNotFound, "Nowhere"},
		{"no such execution", func(w *world) string { waits(record.OnSuccess, "ROLLBACK")(w); return nobody }, "Build", record.OnSuccess, pipeline.ConditionNotOverridable, nobody},
		{"an older execution", func(w *world) string {
			id := waits(record.OnSuccess, "FAIL")(w)
			w.refused("stopping", w.stop(id, true), "")
			w.settle()
			w.several(1)
			return id
		}, "Build", record.OnSuccess, pipeline.NotLatestPipelineExecution, "is not the latest"},
		{"one of another version", func(w *world) string {
			d := behind(record.BeforeEntry, "FAIL")
			d.ExecutionMode = pipeline.Parallel
			w.script("", "One", false)
			w.create(d)
			id := w.several(1)[0]
			_, err := w.svc.UpdatePipeline(w.t.Context(), behind(record.BeforeEntry, "FAIL"), "me")
			w.refused("the update", err, "")
			return id
		}, "Build", record.BeforeEntry, pipeline.ConditionNotOverridable, "was changed since"},
		{"one that waits outside", func(w *world) string {
			waits(record.BeforeEntry, "FAIL")(w)
			return w.several(1)[0]
		}, "Build", record.BeforeEntry, pipeline.NotLatestPipelineExecution, "is not the latest"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, 103)
			id := tt.open(w)
			err := w.svc.OverrideCondition(t.Context(), orchestrator.Override{Pipeline: "app", Stage: tt.stage, Execution: id, Gate: tt.gate})
			if pipeline.CodeOf(err) != tt.code || err != nil && !strings.Contains(err.Error(), tt.text) {
				t.Errorf("it gave %v; want %s: %s", err, tt.code, tt.text)
			}
		})
	}
}

// TestStopRefused: only what is there and under way is stopped.
func TestStopRefused(t *testing.T) {
	w := newWorld(t, 104)
	w.create(back(false))
	ended := w.several(1)[0]
	w.want(ended, pipeline.Succeeded)
	for _, abandon := range []bool{false, true} {
		w.refused("one that has ended", w.stop(ended, abandon), pipeline.NotStoppable)
		w.refused("one that never was", w.stop(nobody, abandon), pipeline.NotStoppable)
		w.refused("that of another pipeline", w.svc.StopExecution(t.Context(), orchestrator.Stop{Pipeline: "none", Execution: ended}), pipeline.PipelineNotFound)
	}
}

// TestRollbackNeedsV2 and an order of executions: V1 and PARALLEL have neither.
func TestRollbackNeedsV2(t *testing.T) {
	v1, parallel := back(false), back(false)
	v1.Type, parallel.ExecutionMode = pipeline.V1, pipeline.Parallel
	for text, d := range map[string]pipeline.Declaration{"only pipelines of type V2": v1, "PARALLEL mode": parallel} {
		w := newWorld(t, 26)
		w.create(d)
		id := w.several(1)[0]
		w.want(id, pipeline.Succeeded)
		_, err := w.svc.RollbackStage(t.Context(), orchestrator.Rollback{Pipeline: "app", Stage: "Release", Target: id})
		w.refused("the rollback", err, pipeline.UnableToRollbackStage)
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("it gave %v; want %q", err, text)
		}
	}
}
