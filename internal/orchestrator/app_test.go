package orchestrator_test

import (
	"slices"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

func act(name string, category pipeline.Category, provider string, order int) pipeline.Action {
	return pipeline.Action{Name: name, RunOrder: order, TypeID: pipeline.ActionTypeID{Category: category, Owner: pipeline.AWS, Provider: provider, Version: "1"}}
}

// app is a pipeline with everything that matters for the order of things.
func app(mode pipeline.Mode) pipeline.Declaration {
	source := act("Checkout", pipeline.Source, "CodeCommit", 1)
	source.Configuration = map[string]string{"RepositoryName": "app", "BranchName": "main"}
	source.Namespace = "Src"
	source.OutputArtifacts = []pipeline.OutputArtifact{{Name: "Code"}}
	build := act("Compile", pipeline.Build, "CodeBuild", 1)
	build.Configuration = map[string]string{"ProjectName": "app", "EnvironmentVariables": `[{"name":"SHA","value":"#{Src.Id}"}]`}
	build.InputArtifacts = []pipeline.InputArtifact{{Name: "Code"}}
	build.OutputArtifacts = []pipeline.OutputArtifact{{Name: "Bin"}}
	unit, lint := act("Unit", pipeline.Test, "CodeBuild", 1), act("Lint", pipeline.Test, "CodeBuild", 1)
	for _, a := range []*pipeline.Action{&unit, &lint} {
		a.Configuration = map[string]string{"ProjectName": "test"}
		a.InputArtifacts = []pipeline.InputArtifact{{Name: "Code"}}
	}
	gate := act("Gate", pipeline.Approval, "Manual", 1)
	deploy := act("Copy", pipeline.Deploy, "S3", 2)
	deploy.Configuration = map[string]string{"BucketName": "web", "Extract": "true"}
	deploy.InputArtifacts = []pipeline.InputArtifact{{Name: "Bin"}}
	return pipeline.Declaration{
		Name: "app", RoleARN: "arn:aws:iam::123456789012:role/pipe", Type: pipeline.V2, ExecutionMode: mode,
		ArtifactStore: &pipeline.ArtifactStore{Type: "S3", Location: "artifacts"},
		Stages: []pipeline.Stage{
			{Name: "Source", Actions: []pipeline.Action{source}},
			{Name: "Build", Actions: []pipeline.Action{build}},
			{Name: "Test", Actions: []pipeline.Action{unit, lint}},
			{Name: "Release", Actions: []pipeline.Action{gate, deploy}},
		},
	}
}

func (w *world) create(d pipeline.Declaration) {
	w.t.Helper()
	w.must(func() error {
		_, err := w.svc.CreatePipeline(w.t.Context(), orchestrator.Create{Declaration: d})
		return err
	})
}

func (w *world) start() string {
	w.t.Helper()
	var id string
	client := orchestrator.NewID() // a lost answer must not start a second execution
	w.must(func() (err error) {
		id, err = w.svc.StartExecution(w.t.Context(), orchestrator.Start{Pipeline: "app", ClientToken: client})
		return err
	})
	return id
}

// latest returns the latest execution of an action.
func (w *world) latest(stage, name string) record.Action {
	w.t.Helper()
	all, err := w.svc.Records.LatestActions(w.t.Context(), "app", stage)
	if err != nil {
		w.t.Fatal(err)
	}
	return all[name]
}

func (w *world) approve(approved bool) error {
	_, err := w.svc.PutApproval(w.t.Context(), orchestrator.Approval{
		Pipeline: "app", Stage: "Release", Action: "Gate", Approved: approved, Summary: "seen", By: "me",
		Token: w.latest("Release", "Gate").Result.Token,
	})
	return err
}

func (w *world) want(id string, status pipeline.Status) {
	w.t.Helper()
	if e := w.execution(id); e.Status != status {
		w.t.Errorf("execution %s is %s (%s); want %s", id, e.Status, e.StatusSummary, status)
	}
}

// refused wants an error of that code.
func (w *world) refused(what string, err error, want pipeline.Code) {
	w.t.Helper()
	if pipeline.CodeOf(err) != want {
		w.t.Errorf("%s gave %v; want %s", what, err, want)
	}
}

// stage returns what is recorded of a stage.
func (w *world) stage(name string) record.Stage {
	w.t.Helper()
	s, err := w.svc.Records.Stage(w.t.Context(), "app", name)
	if err != nil {
		w.t.Fatal(err)
	}
	return s.Value
}

// shows wants a stage to show an execution and its status.
func (w *world) shows(name, id string, status pipeline.Status) {
	w.t.Helper()
	if l := w.stage(name).Latest; l == nil || l.Execution != id || l.Status != status {
		w.t.Errorf("stage %s shows %+v; want %s of %s", name, l, status, id)
	}
}

// until lets things happen one by one until done.
func (w *world) until(done func() bool) {
	w.t.Helper()
	for !done() {
		if len(w.todo) == 0 {
			w.t.Fatal("nothing is left to happen")
		}
		w.happen()
	}
}

// failing makes the actions fail that name says, in executions that it names.
func (w *world) failing(name string, executions ...string) {
	w.outcome = func(j action.Job) action.Result {
		if j.Action.Name == name && (len(executions) == 0 || slices.Contains(executions, j.ExecutionID)) {
			return action.Fail(action.JobFailed, "as the test says")
		}
		return action.Result{}
	}
}

// close closes the way into a stage, or opens it.
func (w *world) close(stage string, closed bool) {
	w.t.Helper()
	if err := w.svc.SetTransition(w.t.Context(), orchestrator.Transition{Pipeline: "app", Stage: stage, Enabled: !closed, Reason: "freeze", By: "me"}); err != nil {
		w.t.Fatal(err)
	}
	w.settle()
}

// stop asks an execution to end.
func (w *world) stop(id string, abandon bool) error {
	return w.svc.StopExecution(w.t.Context(), orchestrator.Stop{Pipeline: "app", Execution: id, Abandon: abandon, Reason: "enough", By: "me"})
}

// retry asks for a stage of an execution to run again.
func (w *world) retry(id, stage string, mode pipeline.RetryMode) error {
	return w.svc.RetryStage(w.t.Context(), orchestrator.Retry{Pipeline: "app", Stage: stage, Execution: id, Mode: mode})
}

// hold leaves the work of actions of that name under way.
func (w *world) hold(name string, j action.Job) action.Result {
	if j.Action.Name == name {
		return action.Result{Status: pipeline.InProgress}
	}
	return action.Result{}
}

// ends ends the work of the latest execution of an action, and says so.
func (w *world) ends(stage, name string, how action.Result) {
	w.t.Helper()
	id := w.latest(stage, name).ID
	w.jobs[id].result = how
	if err := w.svc.Resume(w.t.Context(), id); err != nil {
		w.t.Fatal(err)
	}
}
