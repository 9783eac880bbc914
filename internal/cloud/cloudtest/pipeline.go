package cloudtest

import (
	"encoding/json"
	"testing"

	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// Machine and Role are what a deployment made for every pipeline of a World.
const (
	Machine = "arn:aws:states:" + Region + ":" + Account + ":stateMachine:sluice-web:1"
	Role    = "arn:aws:iam::" + Account + ":role/sluice-pipeline-web"
)

// Pipeline returns a declaration with an action of every category: the source
// Fetch in the stage Source, and Build, Copy, Call and Ask in the stage Work.
func Pipeline(name string) pipeline.Declaration {
	aws := func(c pipeline.Category, provider string) pipeline.ActionTypeID {
		return pipeline.ActionTypeID{Category: c, Owner: pipeline.AWS, Provider: provider, Version: "1"}
	}
	input := []pipeline.InputArtifact{{Name: "Code"}}
	return pipeline.Declaration{
		Name: name, RoleARN: Role, Type: pipeline.V2, ExecutionMode: pipeline.Superseded,
		ArtifactStore: &pipeline.ArtifactStore{Type: "S3", Location: "sluice-artifacts"},
		Stages: []pipeline.Stage{
			{Name: "Source", Actions: []pipeline.Action{{
				Name: "Fetch", TypeID: aws(pipeline.Source, "S3"), OutputArtifacts: []pipeline.OutputArtifact{{Name: "Code"}},
				Configuration: map[string]string{"S3Bucket": "incoming", "S3ObjectKey": "app.zip", "PollForSourceChanges": "false"},
			}}},
			{Name: "Work", Actions: []pipeline.Action{
				{Name: "Build", TypeID: aws(pipeline.Build, "CodeBuild"), InputArtifacts: input, Configuration: map[string]string{"ProjectName": "project"}},
				{Name: "Copy", TypeID: aws(pipeline.Deploy, "S3"), InputArtifacts: input, Configuration: map[string]string{"BucketName": "site", "Extract": "true"}},
				{Name: "Call", TypeID: aws(pipeline.Invoke, "Lambda"), Configuration: map[string]string{"FunctionName": "function"}},
				{Name: "Ask", TypeID: aws(pipeline.Approval, "Manual")},
			}},
		},
	}
}

// Deploy registers the pipeline called name.
func (w *World) Deploy(t testing.TB, name string) {
	t.Helper()
	_, err := w.Process(t).Deploy(t.Context(), orchestrator.Deployment{
		Declaration: Pipeline(name), Home: record.Home{Machine: Machine, Role: Role}, By: "test",
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Begin deploys web and starts an execution of it, up to where its machine is
// to enter the first stage.
func (w *World) Begin(t testing.TB) record.Execution {
	t.Helper()
	w.Deploy(t, "web")
	id, err := w.Process(t).StartExecution(t.Context(), orchestrator.Start{Pipeline: "web", Trigger: record.Trigger{Type: "StartPipelineExecution"}})
	if err != nil {
		t.Fatal(err)
	}
	w.Deliver(t)
	e, err := w.Records.Execution(t.Context(), "web", id)
	if err != nil {
		t.Fatal(err)
	}
	return e.Value
}

// InSource is Begin, and the execution is inside its first stage.
func (w *World) InSource(t testing.TB) record.Execution {
	t.Helper()
	e := w.Begin(t)
	w.enter(t, orchestrator.EnterRequest{Token: "into Source", Run: e.Run, Execution: e.ID, Enter: "Source"})
	return e
}

// InWork is InSource, and the execution is inside its second stage.
func (w *World) InWork(t testing.TB) record.Execution {
	t.Helper()
	e := w.InSource(t)
	w.Act(t, e, "Source", "Fetch")
	w.enter(t, orchestrator.EnterRequest{Token: "into Work", Run: e.Run, Execution: e.ID, Leave: "Source", Enter: "Work"})
	return e
}

func (w *World) enter(t testing.TB, in orchestrator.EnterRequest) {
	t.Helper()
	if err := w.Process(t).Enter(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	w.Deliver(t)
}

// Act runs an action of e and returns its record.
func (w *World) Act(t testing.TB, e record.Execution, stage, name string) record.Action {
	t.Helper()
	in := orchestrator.RunRequest{Token: "task of " + name, Run: e.Run, Execution: e.ID, Stage: stage, Action: name}
	if err := w.Process(t).RunAction(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	w.Deliver(t)
	all, err := w.Records.LatestActions(t.Context(), e.Pipeline, stage)
	if err != nil {
		t.Fatal(err)
	}
	return all[name]
}

// Task returns the payload of the task that runs an action of e.
func (w *World) Task(t testing.TB, e record.Execution, stage, name string) []byte {
	t.Helper()
	b, err := json.Marshal(orchestrator.RunRequest{Token: "task of " + name, Run: e.Run, Execution: e.ID, Stage: stage, Action: name})
	if err != nil {
		t.Fatal(err)
	}
	return b
}
