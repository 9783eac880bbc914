package events_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/events"
	"github.com/sluice-ci/sluice/internal/bus"
	"github.com/sluice-ci/sluice/internal/definition"
	"github.com/sluice-ci/sluice/internal/local"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

const gated = `
pipeline:
  name: web
  pipelineType: V2
  stages:
    - name: Source
      actions:
        - name: Image
          actionTypeId: {category: Source, owner: AWS, provider: ECR, version: 1}
          configuration: {RepositoryName: web}
          outputArtifacts: [{name: Code}]
    - name: Release
      actions:
        - name: Gate
          actionTypeId: {category: Approval, owner: AWS, provider: Manual, version: 1}
          configuration: {NotificationArn: "arn:aws:sns:local:000000000000:gate"}
        - name: Service
          runOrder: 2
          actionTypeId: {category: Deploy, owner: AWS, provider: ECS, version: 1}
          configuration: {ClusterName: c, ServiceName: s}
          inputArtifacts: [{name: Code}]
`

// said is what the scenario of TestLeaving has to bring about.
var said = []string{
	"CodePipeline Action Execution State Change ABANDONED",
	"CodePipeline Action Execution State Change FAILED",
	"CodePipeline Action Execution State Change STARTED",
	"CodePipeline Action Execution State Change SUCCEEDED",
	"CodePipeline Pipeline Execution State Change FAILED",
	"CodePipeline Pipeline Execution State Change RESUMED",
	"CodePipeline Pipeline Execution State Change STARTED",
	"CodePipeline Pipeline Execution State Change STOPPED",
	"CodePipeline Pipeline Execution State Change STOPPING",
	"CodePipeline Pipeline Execution State Change SUCCEEDED",
	"CodePipeline Stage Execution State Change FAILED",
	"CodePipeline Stage Execution State Change RESUMED",
	"CodePipeline Stage Execution State Change STARTED",
	"CodePipeline Stage Execution State Change STOPPED",
	"CodePipeline Stage Execution State Change SUCCEEDED",
	"Notification",
}

// TestLeaving runs a pipeline that is approved, one that is rejected, and one
// that is retried and stopped, and holds everything that leaves against the
// closed schemas: a member that no schema names has no way out.
func TestLeaving(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range play(t) {
		name := e.DetailType
		detail, err := events.Envelope{Source: e.Source, DetailType: e.DetailType, Detail: e.Detail}.Open()
		if err != nil {
			t.Fatal(err)
		}
		message, typ := e.Detail, ""
		switch d := detail.(type) {
		case events.PipelineStateChange:
			typ, name = "PipelineStateChange", name+" "+string(d.State)
		case events.StageStateChange:
			typ, name = "StageStateChange", name+" "+string(d.State)
		case events.ActionStateChange:
			typ, name = "ActionStateChange", name+" "+string(d.State)
		default:
			var notice struct {
				Message json.RawMessage
				Text    string
			}
			if err := json.Unmarshal(e.Detail, &notice); err != nil {
				t.Fatal(err)
			}
			if notice.Text != "" && notice.Message == nil {
				continue // a mail: people read it, not programs
			}
			message, typ = notice.Message, "ApprovalNotification"
		}
		seen[name] = true
		if err := compile(t, typ).Validate(decode(t, message)); err != nil {
			t.Errorf("%s: %v\n%s", name, err, message)
		}
	}
	if got := slices.Sorted(maps.Keys(seen)); !slices.Equal(got, said) {
		t.Errorf("heard %q; want %q", got, said)
	}
}

// play runs the scenario and returns what was announced, once all of it was.
func play(t *testing.T) []bus.Event {
	t.Helper()
	def, err := definition.Read("web.yaml", []byte(gated), definition.Options{RoleARN: "arn:aws:iam::000000000000:role/local", ArtifactBucket: "artifacts"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := local.Open(t.Context(), local.Options{Data: t.TempDir(), Simulate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if _, _, err := s.Register(t.Context(), []definition.Definition{def}); err != nil {
		t.Fatal(err)
	}
	answer(t, s, start(t, s), true)
	failed := start(t, s)
	answer(t, s, failed, false)
	if err := s.Service.RetryStage(t.Context(), orchestrator.Retry{Pipeline: "web", Stage: "Release", Execution: failed, Mode: pipeline.FailedActions}); err != nil {
		t.Fatal(err)
	}
	asked(t, s, failed)
	if err := s.Service.StopExecution(t.Context(), orchestrator.Stop{Pipeline: "web", Execution: failed, Abandon: true, Reason: "enough"}); err != nil {
		t.Fatal(err)
	}
	await(t, "everything to be announced", func() bool {
		rows, err := s.Service.Outbox(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(rows) == 0
	})
	return announced(t, s)
}

func start(t *testing.T, s *local.System) string {
	t.Helper()
	id, err := s.Service.StartExecution(t.Context(), orchestrator.Start{Pipeline: "web", Trigger: record.Trigger{Type: "StartPipelineExecution", Detail: "arn:aws:iam::000000000000:user/mary"}})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// asked waits until the approval of an execution waits and returns its token.
func asked(t *testing.T, s *local.System, execution string) string {
	t.Helper()
	token := ""
	await(t, "the approval to wait", func() bool {
		all, err := s.Records.LatestActions(t.Context(), "web", "Release")
		if err != nil {
			t.Fatal(err)
		}
		if a := all["Gate"]; a.Execution == execution && a.Status == pipeline.InProgress {
			token = a.Result.Token
		}
		return token != ""
	})
	return token
}

func answer(t *testing.T, s *local.System, execution string, approved bool) {
	t.Helper()
	token, ended := asked(t, s, execution), s.Ended(execution)
	if _, err := s.Service.PutApproval(t.Context(), orchestrator.Approval{Pipeline: "web", Stage: "Release", Action: "Gate", Token: token, Approved: approved}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Fatal("the execution did not end")
	}
}

// announced reads what a client of the laptop can read.
func announced(t *testing.T, s *local.System) []bus.Event {
	t.Helper()
	h, err := s.Handler(80)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "http://localhost:80/events", nil)
	h.ServeHTTP(w, r)
	var page local.Page
	if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	return page.Events
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited too long for %s", what)
		}
	}
}

// TestJobsLeaving holds what the provider of Lambda actions sends, as its own
// tests pin it, against the schema.
func TestJobsLeaving(t *testing.T) {
	files, err := filepath.Glob("../internal/action/aws/lambda/testdata/*.json")
	if err != nil || len(files) < 2 {
		t.Fatalf("%d recorded jobs, %v; want those of the provider's tests", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := compile(t, "JobEvent").Validate(decode(t, text)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}
