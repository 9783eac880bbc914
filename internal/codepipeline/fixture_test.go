package codepipeline_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/stage"
	"github.com/sluice-ci/sluice/internal/store"
)

const (
	account  = "111122223333"
	region   = "us-east-1"
	alice    = "arn:aws:iam::111122223333:user/alice"
	approval = "aaaaaaaa-0000-4000-8000-000000000001" // token of the approval that waits
	secret   = "canary-oauth-token"
	task     = "canary-task-token"
)

// dawn is when everything in the fixture begins.
var dawn = time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)

// execution returns the id of the n-th execution in the fixture, ran that of
// the n-th action execution.
func execution(n int) string { return fmt.Sprintf("eeeeeeee-0000-4000-8000-%012d", n) }
func ran(n int) string       { return fmt.Sprintf("dddddddd-0000-4000-8000-%012d", n) }

// at returns a moment minutes after dawn.
func at(minutes int) time.Time { return dawn.Add(time.Duration(minutes) * time.Minute) }

// web is a pipeline with a secret, a condition and an approval.
func web(version int) pipeline.Declaration {
	return pipeline.Declaration{
		Name:          "web",
		RoleARN:       "arn:aws:iam::111122223333:role/pipeline",
		ArtifactStore: &pipeline.ArtifactStore{Type: "S3", Location: "artifacts"},
		Version:       version,
		ExecutionMode: pipeline.Superseded,
		Type:          pipeline.V2,
		Variables:     []pipeline.Variable{{Name: "color", Default: "blue"}},
		Stages: []pipeline.Stage{
			{Name: "Source", Actions: []pipeline.Action{fetch}},
			{Name: "Build", Actions: []pipeline.Action{build}},
			{Name: "Deploy", Actions: []pipeline.Action{ask, ship}, BeforeEntry: &pipeline.Gate{Conditions: []pipeline.Condition{{
				Result: "FAIL",
				Rules:  []pipeline.Rule{{Name: "Hours", TypeID: pipeline.RuleTypeID{Category: "Rule", Provider: "DeploymentWindow"}, Configuration: map[string]string{"Cron": "* * * * * *"}}},
			}}}},
		},
	}
}

var (
	fetch = pipeline.Action{
		Name:            "Fetch",
		TypeID:          pipeline.ActionTypeID{Category: pipeline.Source, Owner: pipeline.ThirdParty, Provider: "GitHub", Version: "1"},
		Configuration:   map[string]string{"Owner": "octo", "Repo": "web", "Branch": "main", "OAuthToken": secret},
		OutputArtifacts: []pipeline.OutputArtifact{{Name: "Code"}},
		Namespace:       "Git",
	}
	build = pipeline.Action{
		Name:            "Compile",
		TypeID:          pipeline.ActionTypeID{Category: pipeline.Build, Owner: pipeline.AWS, Provider: "CodeBuild", Version: "1"},
		Configuration:   map[string]string{"ProjectName": "#{variables.color}"},
		InputArtifacts:  []pipeline.InputArtifact{{Name: "Code"}},
		OutputArtifacts: []pipeline.OutputArtifact{{Name: "Site"}},
	}
	ask = pipeline.Action{
		Name:   "Ask",
		TypeID: pipeline.ActionTypeID{Category: pipeline.Approval, Owner: pipeline.AWS, Provider: "Manual", Version: "1"},
	}
	ship = pipeline.Action{
		Name:           "Ship",
		RunOrder:       2,
		TypeID:         pipeline.ActionTypeID{Category: pipeline.Deploy, Owner: pipeline.AWS, Provider: "ECS", Version: "1"},
		Configuration:  map[string]string{"ClusterName": "c", "ServiceName": "s"},
		InputArtifacts: []pipeline.InputArtifact{{Name: "Site"}},
	}
)

// fill puts the fixture into s: web with five executions, night in PARALLEL
// mode with one, and ten pipelines that never ran.
func fill(t *testing.T, s store.Store) {
	t.Helper()
	put := func(key store.Key, v any) {
		if err := s.Write(context.Background(), store.Op{Key: key, If: store.Any, Value: record.Encode(v)}); err != nil {
			t.Fatal(err)
		}
	}
	declare := func(d pipeline.Declaration, tags ...record.Tag) {
		put(store.Key{PK: record.PipelinesKey, SK: d.Name}, true)
		put(record.PipelineKey(d.Name), record.Pipeline{Name: d.Name, Version: d.Version, NextSeq: 6, Tags: tags, Created: dawn, Updated: at(1)})
		put(record.VersionKey(d.Name, d.Version), record.Version{Declaration: d, Created: at(1)})
	}
	start := func(e record.Execution) {
		put(record.ExecutionKey(e.ID), e)
		put(record.HistoryKey(e.Pipeline, e.Seq), e.ID)
		if !e.Status.Final() {
			put(record.ActiveKey(e.Pipeline, e.ID), true)
		}
	}
	act := func(a record.Action) {
		put(a.Key(), a)
		put(record.LatestKey(a.Pipeline, a.Stage, a.Name), record.ActionID{Execution: a.Execution, Attempt: a.Attempt, Stage: a.Stage, Name: a.Name, Try: a.Try})
	}

	declare(web(2))
	declare(web(3), record.Tag{Key: "team", Value: "shop"})
	start(run(1, 2, pipeline.Succeeded, 2))
	start(run(2, 3, pipeline.Succeeded, 2))
	failed := run(3, 3, pipeline.Failed, 1)
	failed.Stop = &record.Stop{Reason: "too late", By: alice, At: at(33)}
	start(failed)
	start(run(4, 3, pipeline.InProgress, 2))
	waiting := run(5, 3, pipeline.Stopping, 2)
	waiting.Trigger = record.Trigger{Type: "WebhookV2", Detail: "push to main by <octo>"}
	start(waiting)

	act(fetched(record.Action{ID: ran(1), Execution: execution(3), Seq: 3, Attempt: 1, Started: at(30)}))
	act(compiled(record.Action{ID: ran(2), Execution: execution(3), Seq: 3, Attempt: 1, Started: at(31), Status: pipeline.Failed,
		Result: action.Result{Summary: "exit status 1", Error: &action.Error{Code: action.JobFailed, Message: "exit status 1"}, ExternalID: "blue:1", ExternalURL: "http://127.0.0.1/log"}}))
	act(compiled(record.Action{ID: ran(3), Execution: execution(3), Seq: 3, Attempt: 2, Started: at(32), Status: pipeline.Abandoned}))
	act(fetched(record.Action{ID: ran(4), Execution: execution(4), Seq: 4, Attempt: 1, Started: at(40)}))
	act(compiled(record.Action{ID: ran(5), Execution: execution(4), Seq: 4, Attempt: 1, Started: at(41), Status: pipeline.Succeeded, Result: action.Result{
		Variables: map[string]string{"SIZE": "12"},
		Outputs:   []action.Artifact{{Name: "Site", Ref: blob.Ref{Bucket: "artifacts", Key: "web/Site/x1", Digest: "sha256:0"}}},
	}}))
	act(waits(record.Action{ID: ran(6), Pipeline: "web", Version: 3, Execution: execution(4), Seq: 4, Stage: "Deploy", Attempt: 1, Started: at(42)}))
	act(record.Action{ID: ran(7), Pipeline: "web", Version: 3, Execution: execution(2), Seq: 2, Stage: "Deploy", Name: "Ship", Attempt: 1, Status: pipeline.Succeeded, Started: at(22), Updated: at(23), Token: task,
		Job: action.Job{Action: ship, Region: region}, Raw: ship.Configuration, Result: action.Result{Summary: "Simulated: no account to deploy to", Simulated: true}})

	hours := record.Action{ID: ran(8), Pipeline: "web", Version: 3, Execution: execution(4), Seq: 4, Stage: "Deploy", Gate: record.BeforeEntry, Name: "Hours", Attempt: 1, Try: 1,
		Status: pipeline.Succeeded, Started: at(41), Updated: at(42), Raw: map[string]string{"Cron": "* * * * * *"},
		Job: action.Job{Region: region, Action: pipeline.Action{Name: "Hours", Configuration: map[string]string{"Cron": "* * * * * *"},
			TypeID: pipeline.ActionTypeID{Category: pipeline.RuleCategory, Owner: pipeline.AWS, Provider: "DeploymentWindow", Version: "1"}}},
		Result: action.Result{Summary: "The window is open"}}
	put(hours.Key(), hours)
	put(record.GateKey(execution(4), 1, "Deploy", record.BeforeEntry), record.Gate{Status: pipeline.Succeeded, Updated: at(42)})

	put(record.StageKey("web", "Source"), record.Stage{Latest: &record.StageExecution{Execution: execution(5), Status: pipeline.Succeeded, Type: "STANDARD"}})
	put(record.StageKey("web", "Build"), record.Stage{Latest: &record.StageExecution{Execution: execution(5), Status: pipeline.Succeeded, Type: "STANDARD"},
		Retries: record.Retries{Manual: 1, Latest: "ManualStageRetry"}})
	put(record.StageKey("web", "Deploy"), record.Stage{
		Lock:       stage.State{Disabled: true, Owner: execution(4), Waiting: []stage.Waiter{{Execution: execution(8), Seq: 1, Entry: 3, Free: true}, {Execution: execution(5), Seq: 5, Entry: 3}}},
		Latest:     &record.StageExecution{Execution: execution(4), Status: pipeline.InProgress, Type: "STANDARD"},
		Transition: stage.Transition{Reason: "freeze", ChangedBy: alice, ChangedAt: at(39)},
	})

	night := web(1)
	night.Name, night.ExecutionMode, night.Stages = "night", pipeline.Parallel, night.Stages[:2]
	night.Stages[1] = pipeline.Stage{Name: "Deploy", Actions: []pipeline.Action{ask}}
	declare(night)
	parallel := run(9, 1, pipeline.InProgress, 1)
	parallel.Pipeline, parallel.Mode, parallel.Seq = "night", pipeline.Parallel, 1
	start(parallel)
	act(waits(record.Action{ID: ran(9), Pipeline: "night", Version: 1, Execution: execution(9), Seq: 1, Stage: "Deploy", Attempt: 1, Started: at(90)}))
	put(record.StageKey("night", "Deploy"), record.Stage{Latest: &record.StageExecution{Execution: execution(9), Status: pipeline.InProgress, Type: "STANDARD"}})

	for i := range 10 {
		d := web(1)
		d.Name = fmt.Sprintf("idle-%d", i)
		declare(d)
	}
}

// run returns the n-th execution of web.
func run(n, version int, status pipeline.Status, stage int) record.Execution {
	return record.Execution{
		ID: execution(n), Pipeline: "web", Version: version, Seq: int64(n), Status: status, Mode: pipeline.Superseded, Type: "STANDARD", Attempt: 1, Stage: stage,
		Trigger:   record.Trigger{Type: "StartPipelineExecution", Detail: alice},
		Variables: []record.Variable{{Name: "color", Value: "red"}},
		Revisions: []record.Revision{{Action: "Fetch", Artifact: "Code", Revision: commit}},
		Started:   at(10 * n), Updated: at(10*n + 5),
	}
}

var commit = action.Revision{ID: "0123456789012345678901234567890123456789", Summary: "Paint it red & go", URL: "https://github.com/octo/web/commit/0123456", Created: dawn}

func fetched(a record.Action) record.Action {
	a.Pipeline, a.Version, a.Stage, a.Name, a.Status, a.Token, a.Updated = "web", 3, "Source", "Fetch", pipeline.Succeeded, task, a.Started.Add(time.Second)
	a.Job, a.Raw = action.Job{Action: fetch, Region: region}, fetch.Configuration
	a.Result = action.Result{Revision: &commit, Outputs: []action.Artifact{{Name: "Code", Ref: blob.Ref{Bucket: "artifacts", Key: "web/Code/x0"}}}}
	return a
}

func compiled(a record.Action) record.Action {
	a.Pipeline, a.Version, a.Stage, a.Name, a.Token, a.Updated = "web", 3, "Build", "Compile", task, a.Started.Add(time.Second)
	resolved := build
	resolved.Configuration = map[string]string{"ProjectName": "red"}
	a.Job = action.Job{Action: resolved, Region: region, Inputs: []action.Artifact{{Name: "Code", Ref: blob.Ref{Bucket: "artifacts", Key: "web/Code/x0"}}}}
	a.Raw = build.Configuration
	return a
}

func waits(a record.Action) record.Action {
	a.Name, a.Status, a.Token, a.Updated = "Ask", pipeline.InProgress, task, a.Started
	a.Job, a.Result = action.Job{Action: ask, Region: region}, action.Result{Token: approval}
	return a
}
