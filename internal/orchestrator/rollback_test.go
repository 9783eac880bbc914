package orchestrator_test

import (
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// back is app whose stage Test may be rolled back, without the approval.
func back(automatic bool) pipeline.Declaration {
	d := app(pipeline.Superseded)
	d.Stages[3].Actions = d.Stages[3].Actions[1:]
	if automatic {
		d.Stages[2].OnFailure = &pipeline.OnFailure{Result: "ROLLBACK"}
	}
	return d
}

// last returns the execution that was started last.
func (w *world) last() record.Execution {
	w.t.Helper()
	all, err := w.svc.Records.Executions(w.t.Context(), "app", 0, 1)
	if err != nil || len(all) == 0 {
		w.t.Fatal("no execution", err)
	}
	return all[0]
}

// TestRollback runs a stage again as an earlier execution ran it, and nothing
// else.
func TestRollback(t *testing.T) {
	w := newWorld(t, 21)
	w.create(back(false))
	first := w.start()
	w.settle()
	second := w.start()
	w.settle()
	w.want(first, pipeline.Succeeded)
	w.want(second, pipeline.Succeeded)
	id, err := w.svc.RollbackStage(t.Context(), orchestrator.Rollback{Pipeline: "app", Stage: "Release", Target: first, By: "arn:me"})
	if err != nil {
		t.Fatal(err)
	}
	w.settle()
	w.want(id, pipeline.Succeeded)
	e, target := w.execution(id), w.execution(first)
	if e.Type != record.Rollback || e.Target != first || e.Trigger.Type != "ManualRollback" || !strings.Contains(e.Trigger.Detail, "arn:me") {
		t.Errorf("the rollback is %s to %q by %+v", e.Type, e.Target, e.Trigger)
	}
	if len(e.Revisions) != 1 || e.Revisions[0].ID != target.Revisions[0].ID {
		t.Errorf("it shows the revisions %v; want %v", e.Revisions, target.Revisions)
	}
	w.shows("Release", id, pipeline.Succeeded)
	if l := w.stage("Release").Latest; l.Type != record.Rollback {
		t.Errorf("the stage shows an execution of type %s", l.Type)
	}
	copied := w.latest("Release", "Copy")
	if copied.Execution != id {
		t.Fatalf("Copy ran last in %s; want %s", copied.Execution, id)
	}
	builds, err := w.svc.Records.Tries(t.Context(), first, 1, "Build", "Compile")
	if err != nil {
		t.Fatal(err)
	}
	if got := copied.Job.Inputs[0].Ref.Digest; got != "sha256:"+builds[0].ID {
		t.Errorf("it deployed %s; want the target's build %s", got, builds[0].ID)
	}
	for _, name := range []string{"Checkout", "Compile", "Unit", "Lint"} {
		if w.started[id+" "+name] != 0 {
			t.Errorf("%s ran in the rollback", name)
		}
	}
}

// TestRollbackInTheMiddle ends behind its stage, and its run ends with it.
func TestRollbackInTheMiddle(t *testing.T) {
	w := newWorld(t, 22)
	w.create(back(false))
	first := w.start()
	w.settle()
	id, err := w.svc.RollbackStage(t.Context(), orchestrator.Rollback{Pipeline: "app", Stage: "Test", Target: first})
	if err != nil {
		t.Fatal(err)
	}
	w.settle()
	w.want(id, pipeline.Succeeded)
	if w.started[id+" Unit"] != 1 || w.started[id+" Copy"] != 0 {
		t.Errorf("Unit ran %d times and Copy %d; want 1 and 0", w.started[id+" Unit"], w.started[id+" Copy"])
	}
	if r := w.Runs[w.execution(id).Run]; r.State.Status == "RUNNING" {
		t.Error("its machine run goes on")
	}
}

// TestAutomaticRollback follows a failure, once.
func TestAutomaticRollback(t *testing.T) {
	w := newWorld(t, 23)
	fails := ""
	w.outcome = func(j action.Job) action.Result {
		if j.Action.Name == "Lint" && strings.Contains(fails, j.ExecutionID) {
			return action.Fail(action.JobFailed, "lint found something")
		}
		return action.Result{}
	}
	w.create(back(true))
	zero := w.start()
	fails = zero
	w.settle()
	w.want(zero, pipeline.Failed)
	if e := w.execution(zero); w.last().ID != zero || !strings.Contains(e.StatusSummary, "nothing to roll back to") {
		t.Errorf("the first failure says %q; want that there is nothing to roll back to", e.StatusSummary)
	}
	first := w.start()
	w.settle()
	w.want(first, pipeline.Succeeded)
	second := w.start()
	fails = second
	w.settle()
	w.want(second, pipeline.Failed)
	e := w.last()
	w.want(e.ID, pipeline.Succeeded)
	if e.Type != record.Rollback || e.Target != first || e.Trigger.Type != "AutomatedRollback" || !strings.Contains(e.Trigger.Detail, second) {
		t.Errorf("it was followed by %s to %q because of %+v; want a rollback to %s", e.Type, e.Target, e.Trigger, first)
	}
}

// TestRollbackRefused has the exact error of every refusal.
func TestRollbackRefused(t *testing.T) {
	w := newWorld(t, 24)
	w.outcome = func(j action.Job) action.Result {
		if j.Action.Name == "Lint" && j.ExecutionID == w.last().ID && w.last().Seq == 2 {
			return action.Fail(action.JobFailed, "lint found something")
		}
		return action.Result{}
	}
	d := app(pipeline.Superseded)
	w.create(d)
	first := w.start()
	w.settle()
	if err := w.approve(true); err != nil {
		t.Fatal(err)
	}
	w.settle()
	failed := w.start()
	w.settle()
	w.want(failed, pipeline.Failed)
	held := w.start() // at the approval
	w.settle()
	refused := func(what, stage, target string, want pipeline.Code) {
		t.Helper()
		if _, err := w.svc.RollbackStage(t.Context(), orchestrator.Rollback{Pipeline: "app", Stage: stage, Target: target}); pipeline.CodeOf(err) != want {
			t.Errorf("%s gave %v; want %s", what, err, want)
		}
	}
	refused("a stage in progress", "Release", first, pipeline.UnableToRollbackStage)
	refused("the source stage", "Source", first, pipeline.UnableToRollbackStage)
	refused("a target that failed there", "Test", failed, pipeline.UnableToRollbackStage)
	refused("a target that never was", "Test", "00000000-0000-4000-8000-999999999999", pipeline.PipelineExecutionNotFound)
	refused("a stage that never was", "Nowhere", first, pipeline.StageNotFound)
	if err := w.approve(true); err != nil {
		t.Fatal(err)
	}
	w.settle()
	w.want(held, pipeline.Succeeded)
	id, err := w.svc.RollbackStage(t.Context(), orchestrator.Rollback{Pipeline: "app", Stage: "Build", Target: first})
	if err != nil {
		t.Fatal(err)
	}
	w.settle()
	refused("a rollback as the target", "Build", id, pipeline.UnableToRollbackStage)
	if _, err := w.svc.UpdatePipeline(t.Context(), d, "me"); err != nil {
		t.Fatal(err)
	}
	refused("a target of an older version", "Build", first, pipeline.PipelineExecutionOutdated)
	d.Name, d.ExecutionMode = "wide", pipeline.Parallel
	w.create(d)
	if _, err := w.svc.RollbackStage(t.Context(), orchestrator.Rollback{Pipeline: "wide", Stage: "Build", Target: first}); pipeline.CodeOf(err) != pipeline.PipelineExecutionNotFound {
		t.Errorf("a target of another pipeline gave %v", err)
	}
}

// TestRollbackLeavesWaitersAlone: whoever waits before a closed transition is
// not superseded by a rollback, and enters when it opens.
func TestRollbackLeavesWaitersAlone(t *testing.T) {
	w := newWorld(t, 25)
	w.create(back(false))
	first := w.start()
	w.settle()
	gate := orchestrator.Transition{Pipeline: "app", Stage: "Release", Reason: "hold"}
	if err := w.svc.SetTransition(t.Context(), gate); err != nil {
		t.Fatal(err)
	}
	waiting := w.start()
	w.settle()
	id, err := w.svc.RollbackStage(t.Context(), orchestrator.Rollback{Pipeline: "app", Stage: "Release", Target: first})
	if err != nil {
		t.Fatal(err)
	}
	w.settle()
	w.want(id, pipeline.Succeeded)
	w.want(waiting, pipeline.InProgress)
	gate.Enabled = true
	if err := w.svc.SetTransition(t.Context(), gate); err != nil {
		t.Fatal(err)
	}
	w.settle()
	w.want(waiting, pipeline.Succeeded)
}

// TestRollbackFails: it ends failed, nothing follows from it, and the execution
// that failed before it stays failed.
func TestRollbackFails(t *testing.T) {
	w := newWorld(t, 27)
	w.create(back(true))
	good := w.several(1)[0]
	w.failing("Lint")
	bad := w.several(1)[0]
	e := w.last()
	w.want(good, pipeline.Succeeded)
	w.want(bad, pipeline.Failed)
	w.want(e.ID, pipeline.Failed)
	if e.Type != record.Rollback || e.Target != good || e.Seq != 3 || !strings.Contains(w.execution(e.ID).StatusSummary, "A rollback that failed is not rolled back") {
		t.Errorf("the last execution is %d, %s to %q: %s", e.Seq, e.Type, e.Target, w.execution(e.ID).StatusSummary)
	}
	w.shows("Test", e.ID, pipeline.Failed)
	w.refused("retrying the one that failed first", w.retry(bad, "Test", pipeline.AllActions), pipeline.NotLatestPipelineExecution)
	w.outcome = nil
	w.refused("retrying the rollback", w.retry(e.ID, "Test", pipeline.FailedActions), "")
	w.settle()
	w.want(e.ID, pipeline.Succeeded)
	w.rested()
}

// TestRollbackOfConditions: a condition whose result is ROLLBACK goes back to
// the latest execution that succeeded in the stage and is no rollback itself.
func TestRollbackOfConditions(t *testing.T) {
	for _, kind := range []record.GateKind{record.OnSuccess, record.OnFailure} {
		w := newWorld(t, 28)
		d := behind(kind, "ROLLBACK")
		d.Stages[3].Actions = d.Stages[3].Actions[1:] // without the approval
		w.create(d)
		good := w.several(1)[0]
		w.want(good, pipeline.Succeeded)
		for range 2 { // the second time the latest that succeeded is a rollback
			w.outcome = func(j action.Job) action.Result { // of the execution, not of its rollback
				if e := w.execution(j.ExecutionID); e.Type != record.Rollback && (kind == record.OnFailure && j.Action.Name == "Compile" || kind == record.OnSuccess && j.Action.Name == "One") {
					return action.Fail(action.JobFailed, "as the test says")
				}
				return action.Result{}
			}
			bad := w.several(1)[0]
			w.want(bad, pipeline.Failed)
			e := w.last()
			w.want(e.ID, pipeline.Succeeded)
			if e.Type != record.Rollback || e.Target != good || e.Trigger.Type != "AutomatedRollback" || w.started[e.ID+" Compile"] != 1 {
				t.Errorf("%s: it was followed by %s to %q because of %+v", kind, e.Type, e.Target, e.Trigger)
			}
		}
	}
}

// TestRollbackHasVariables of its target, of the pipeline and of actions.
func TestRollbackHasVariables(t *testing.T) {
	w := newWorld(t, 29)
	d := back(false)
	d.Variables = []pipeline.Variable{{Name: "Color", Default: "blue"}}
	build := &d.Stages[1].Actions[0]
	build.Namespace = "Built"
	build.Configuration["EnvironmentVariables"] = `[{"name":"COLOR","value":"#{variables.Color}"}]`
	scan := act("Scan", pipeline.Invoke, "Lambda", 2)
	scan.Configuration = map[string]string{"FunctionName": "f", "UserParameters": "#{Src.Id} #{Built.Id} #{variables.Color} #{codepipeline.PipelineExecutionId}"}
	d.Stages[2].Actions = append(d.Stages[2].Actions, scan)
	w.create(d)
	first, err := w.svc.StartExecution(t.Context(), orchestrator.Start{Pipeline: "app", Variables: []record.Variable{{Name: "Color", Value: "red"}}})
	if err != nil {
		t.Fatal(err)
	}
	w.settle()
	want := "" // as the first execution had it, with the id of the rollback
	if text := w.latest("Test", "Scan").Job.Action.Configuration["UserParameters"]; strings.Count(text, " ") == 3 {
		want = strings.TrimSuffix(text, first)
	}
	w.several(1)
	id, err := w.svc.RollbackStage(t.Context(), orchestrator.Rollback{Pipeline: "app", Stage: "Test", Target: first})
	if err != nil {
		t.Fatal(err)
	}
	w.settle()
	w.want(id, pipeline.Succeeded)
	if got := w.latest("Test", "Scan").Job.Action.Configuration["UserParameters"]; got != want+id || !strings.Contains(got, " red ") {
		t.Errorf("the rollback got %q; want %q", got, want+id)
	}
}
