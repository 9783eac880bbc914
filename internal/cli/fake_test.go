package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/cli"
	"github.com/sluice-ci/sluice/internal/codepipeline"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

var update = flag.Bool("update", false, "write the golden files")

func TestMain(m *testing.M) {
	time.Local = time.UTC
	os.Exit(m.Run())
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const (
	run1 = "11111111-aaaa-4bbb-8ccc-000000000001"
	run2 = "22222222-aaaa-4bbb-8ccc-000000000002"
)

// web is the pipeline that the fake has.
var web = pipeline.Declaration{
	Name: "web", Type: pipeline.V2, Version: 3,
	Stages: []pipeline.Stage{
		{Name: "Source", Actions: []pipeline.Action{act("Fetch", pipeline.Source, "CodeCommit", 1)}},
		{Name: "Build", Actions: []pipeline.Action{act("Compile", pipeline.Build, "CodeBuild", 1), act("Lint", pipeline.Test, "CodeBuild", 1)}},
		{Name: "Approval", Actions: []pipeline.Action{act("Release", pipeline.Approval, "Manual", 1)}},
		{Name: "Deploy", Actions: []pipeline.Action{act("Fargate", pipeline.Deploy, "ECS", 1)}},
	},
}

func act(name string, c pipeline.Category, provider string, order int) pipeline.Action {
	a := pipeline.Action{Name: name, RunOrder: order, TypeID: pipeline.ActionTypeID{Category: c, Owner: pipeline.AWS, Provider: provider, Version: "1"}}
	if c == pipeline.Source {
		a.OutputArtifacts = []pipeline.OutputArtifact{{Name: "Code"}}
	}
	return a
}

// A fake is a server with one pipeline and what the test says of its run.
type fake struct {
	url string

	mu      sync.Mutex
	status  pipeline.Status            // of run1; guarded by mu, as all below
	actions map[string]pipeline.Status // by STAGE/ACTION
	held    bool                       // the way into Deploy is disabled
	mode    pipeline.Mode              // of run1
	logs    map[string]string          // by action execution
	got     map[string]json.RawMessage // the last input of each operation
	after   func(operation string)     // changes the fake once an operation was answered
}

// serve starts a fake whose run has status, and whose actions ran as said.
func serve(t *testing.T, status pipeline.Status, actions ...string) *fake {
	t.Helper()
	f := &fake{status: status, actions: map[string]pipeline.Status{}, logs: map[string]string{}, got: map[string]json.RawMessage{}}
	for _, a := range actions {
		path, s, _ := strings.Cut(a, "=")
		f.actions[path] = pipeline.Status(s)
	}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	f.url = s.URL
	return f
}

// through is a run that has come to the approval.
func waiting(t *testing.T) *fake {
	return serve(t, pipeline.InProgress, "Source/Fetch=Succeeded", "Build/Compile=Succeeded", "Build/Lint=Succeeded", "Approval/Release=InProgress")
}

// ServeHTTP implements http.Handler.
func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if id, ok := strings.CutPrefix(r.URL.Path, "/logs/"); ok {
		offset, _ := strconv.Atoi(r.FormValue("offset"))
		if text, ok := f.logs[id]; ok {
			io.WriteString(w, text[min(offset, len(text)):])
			return
		}
		http.NotFound(w, r)
		return
	}
	operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "CodePipeline_20150709.")
	body, _ := io.ReadAll(r.Body)
	f.got[operation] = body
	var named struct{ Name, PipelineName, PipelineExecutionID string }
	json.Unmarshal(body, &named)
	if name := named.Name + named.PipelineName; name != "" && name != "web" {
		refuse(w, pipeline.PipelineNotFound, "there is no pipeline "+name)
		return
	}
	if named.PipelineExecutionID != "" && named.PipelineExecutionID != run1 {
		refuse(w, pipeline.PipelineExecutionNotFound, "there is no execution "+named.PipelineExecutionID)
		return
	}
	json.NewEncoder(w).Encode(f.answer(operation))
	if f.after != nil {
		f.after(operation)
	}
}

func refuse(w http.ResponseWriter, code pipeline.Code, message string) {
	w.WriteHeader(http.StatusBadRequest)
	json.NewEncoder(w).Encode(map[string]string{"__type": string(code), "message": message})
}

func (f *fake) answer(operation string) any {
	revision := codepipeline.ArtifactRevision{Name: "Code", RevisionID: strings.Repeat("ab12", 10), RevisionSummary: "Fix the \x1b[2Jthing\nat length"}
	trigger := &record.Trigger{Type: "CloudWatchEvent", Detail: "push"}
	switch operation {
	case "ListPipelines":
		return codepipeline.ListPipelinesOutput{Pipelines: []codepipeline.PipelineSummary{{Name: "web", Version: 3, Type: pipeline.V2, Updated: codepipeline.Time{Time: noon}}}}
	case "GetPipeline":
		return codepipeline.GetPipelineOutput{Pipeline: codepipeline.Declaration(web)}
	case "GetPipelineExecution":
		return codepipeline.GetPipelineExecutionOutput{PipelineExecution: codepipeline.PipelineExecution{
			PipelineName: "web", PipelineVersion: 3, PipelineExecutionID: run1, Status: f.status, Trigger: trigger, ExecutionMode: f.mode,
			ArtifactRevisions: []codepipeline.ArtifactRevision{revision},
		}}
	case "ListPipelineExecutions":
		return codepipeline.ListPipelineExecutionsOutput{Summaries: []codepipeline.PipelineExecutionSummary{
			{PipelineExecutionID: run1, Status: f.status, Trigger: trigger, StartTime: codepipeline.Time{Time: noon}, LastUpdateTime: codepipeline.Time{Time: noon.Add(75 * time.Second)},
				SourceRevisions: []codepipeline.SourceRevision{{ActionName: "Fetch", RevisionID: revision.RevisionID, RevisionSummary: revision.RevisionSummary}}},
			{PipelineExecutionID: run2, Status: pipeline.SupersededExecution, StartTime: codepipeline.Time{Time: noon.Add(-time.Hour)}, LastUpdateTime: codepipeline.Time{Time: noon}},
		}}
	case "ListActionExecutions":
		return codepipeline.ListActionExecutionsOutput{Details: f.details()}
	case "GetPipelineState":
		return f.state()
	case "StartPipelineExecution":
		return codepipeline.StartPipelineExecutionOutput{PipelineExecutionID: run1}
	case "RetryStageExecution":
		return codepipeline.RetryStageExecutionOutput{PipelineExecutionID: run1}
	case "StopPipelineExecution":
		return codepipeline.StopPipelineExecutionOutput{PipelineExecutionID: run1}
	case "PutApprovalResult":
		return codepipeline.PutApprovalResultOutput{ApprovedAt: codepipeline.Time{Time: noon}}
	}
	return map[string]string{}
}

// details lists the actions that ran, newest first.
func (f *fake) details() []codepipeline.ActionExecutionDetail {
	var all []codepipeline.ActionExecutionDetail
	at := noon
	for _, s := range web.Stages {
		for _, a := range s.Actions {
			status, ran := f.actions[s.Name+"/"+a.Name]
			if !ran {
				continue
			}
			d := codepipeline.ActionExecutionDetail{
				PipelineExecutionID: run1, ActionExecutionID: "id-" + a.Name, StageName: s.Name, ActionName: a.Name, Status: status,
				StartTime: codepipeline.Time{Time: at}, LastUpdateTime: codepipeline.Time{Time: at.Add(25 * time.Second)},
			}
			d.Input.ActionTypeID = a.TypeID
			switch {
			case a.TypeID.Category == pipeline.Approval:
				d.Input.ResolvedConfiguration = map[string]string{"CustomData": "Release it?"}
			case a.TypeID.Provider == "ECS":
				d.Output.ExecutionResult = &codepipeline.ExecutionResult{ExternalExecutionID: "simulated-1", ExternalExecutionSummary: "Simulated: Deploy ECS does not run on a laptop"}
			case status == pipeline.Failed:
				d.Output.ExecutionResult = &codepipeline.ExecutionResult{ErrorDetails: &action.Error{Code: "JobFailed", Message: "exit status 1"}}
			}
			all = append([]codepipeline.ActionExecutionDetail{d}, all...)
			at = at.Add(25 * time.Second)
		}
	}
	return all
}

func (f *fake) state() codepipeline.GetPipelineStateOutput {
	out := codepipeline.GetPipelineStateOutput{PipelineName: "web", PipelineVersion: 3}
	for _, s := range web.Stages {
		st := codepipeline.StageState{StageName: s.Name, InboundExecutions: []codepipeline.StageExecution{}, InboundTransition: codepipeline.TransitionState{Enabled: true}}
		status := pipeline.Status("")
		for _, a := range s.Actions {
			shown := codepipeline.ActionState{ActionName: a.Name}
			if ran, ok := f.actions[s.Name+"/"+a.Name]; ok {
				shown.LatestExecution = &codepipeline.ActionExecution{ActionExecutionID: "id-" + a.Name, Status: ran}
				if a.TypeID.Category == pipeline.Approval && ran == pipeline.InProgress {
					shown.LatestExecution.Token = "token-1"
				}
				if status = ran; ran == pipeline.Failed {
					shown.LatestExecution.ErrorDetails = &action.Error{Code: "JobFailed", Message: "exit status 1"}
				}
			}
			st.ActionStates = append(st.ActionStates, shown)
		}
		if status != "" {
			st.LatestExecution = &codepipeline.StageExecution{PipelineExecutionID: run1, Status: status}
		}
		if s.Name == "Deploy" && f.held {
			st.InboundTransition = codepipeline.TransitionState{DisabledReason: "freeze"}
			st.InboundExecutions = []codepipeline.StageExecution{{PipelineExecutionID: run1, Status: pipeline.InProgress}}
		}
		out.StageStates = append(out.StageStates, st)
	}
	return out
}

// A result is what a run of the program left behind.
type result struct {
	exit           int
	stdout, stderr string
}

// sluice runs the program in a pipe.
func sluice(t *testing.T, args ...string) result {
	t.Helper()
	return sluiceIn(t, t.Context(), nil, args...)
}

func sluiceIn(t *testing.T, ctx context.Context, terminal func() (int, int, bool), args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	exit := cli.Main(ctx, cli.Env{
		Args: args, Stdout: &stdout, Stderr: &stderr, Terminal: terminal,
		Getenv: func(string) string { return "" },
		Now:    func() time.Time { return noon.Add(2 * time.Minute) },
	})
	return result{exit, stdout.String(), stderr.String()}
}

// golden compares got with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (go test -update writes it):\n%s", file, diff)
	}
}
