package local_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-ci/sluice/internal/definition"
	"github.com/sluice-ci/sluice/internal/local"
	"github.com/sluice-ci/sluice/internal/orchestrator"
)

// TestUnheardCommits: of a commit whose answer is lost the pump hears nothing.
// The next sweep finds what it left in the outbox, and deletes it.
func TestUnheardCommits(t *testing.T) {
	def, err := definition.Read("app.yaml", []byte(sim), definition.Options{RoleARN: "arn:aws:iam::000000000000:role/local", ArtifactBucket: "artifacts"})
	if err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, err := local.Open(t.Context(), local.Options{Data: data, Simulate: true, Seams: local.Seams{
			Hears: func([]orchestrator.Row) []orchestrator.Row { return nil },
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if _, _, err := s.Register(t.Context(), []definition.Definition{def}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Service.StartExecution(t.Context(), orchestrator.Start{Pipeline: "app"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		all, err := s.Records.LatestActions(t.Context(), "app", "Deploy")
		if err != nil || all["Gate"].Result.Token == "" {
			t.Errorf("the approval is not asked for: %+v, %v", all, err)
		}
		if rows, err := s.Service.Outbox(t.Context()); err != nil || len(rows) > 0 {
			t.Errorf("%d rows are left, %v", len(rows), err)
		}
	})
}
