package local_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/definition"
	"github.com/sluice-ci/sluice/internal/local"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// TestFiveAtATime: of seven approvals of a PARALLEL execution five ask. Each
// answer lets another one ask, also in a system that was opened again after it.
func TestFiveAtATime(t *testing.T) {
	text := strings.Replace(sim[:strings.Index(sim, "        - name: Gate")], "pipelineType: V2", "pipelineType: V2\n  executionMode: PARALLEL", 1)
	for i := range 7 {
		text += fmt.Sprintf("        - {name: Gate%d, actionTypeId: {category: Approval, owner: AWS, provider: Manual, version: 1}}\n", i+1)
	}
	def, err := definition.Read("app.yaml", []byte(text), definition.Options{RoleARN: "arn:aws:iam::000000000000:role/local", ArtifactBucket: "artifacts"})
	if err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	open := func() *local.System {
		s, err := local.Open(t.Context(), local.Options{Data: data, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	if _, _, err := s.Register(t.Context(), []definition.Definition{def}); err != nil {
		t.Fatal(err)
	}
	id, err := s.Service.StartExecution(t.Context(), orchestrator.Start{Pipeline: "app"})
	if err != nil {
		t.Fatal(err)
	}
	for answered := range 7 {
		var asking []record.Action
		await(t, func() (bool, string) {
			all, err := s.Records.Actions(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			asking = nil
			for _, a := range all {
				if a.Status == pipeline.InProgress && a.Result.Token != "" {
					asking = append(asking, a)
				}
			}
			want := min(pipeline.MaxParallelActions, 7-answered)
			if len(asking) > want {
				t.Fatalf("after %d answers %d ask; want %d", answered, len(asking), want)
			}
			return len(asking) == want, fmt.Sprintf("%d to ask", want)
		})
		a := asking[0]
		if _, err := s.Service.PutApproval(t.Context(), orchestrator.Approval{Pipeline: "app", Stage: a.Stage, Action: a.Name, Token: a.Result.Token, Approved: true}); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open()
	}
	defer s.Close()
	await(t, func() (bool, string) {
		e, err := s.Records.Execution(t.Context(), "app", id)
		if err != nil {
			t.Fatal(err)
		}
		return e.Value.Status == pipeline.Succeeded, fmt.Sprintf("success, not %s %s", e.Value.Status, e.Value.StatusSummary)
	})
}
