package local_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/definition"
	"github.com/sluice-ci/sluice/internal/local"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

const sim = `
pipeline:
  name: app
  pipelineType: V2
  stages:
    - name: Source
      actions:
        - name: Image
          actionTypeId: {category: Source, owner: AWS, provider: ECR, version: 1}
          configuration: {RepositoryName: app}
          outputArtifacts: [{name: Code}]
    - name: Deploy
      actions:
        - name: Gate
          actionTypeId: {category: Approval, owner: AWS, provider: Manual, version: 1}
        - name: One
          runOrder: 2
          actionTypeId: {category: Deploy, owner: AWS, provider: ECS, version: 1}
          configuration: {ClusterName: c, ServiceName: s}
          inputArtifacts: [{name: Code}]
        - name: Two
          runOrder: 2
          actionTypeId: {category: Deploy, owner: AWS, provider: ECS, version: 1}
          configuration: {ClusterName: c, ServiceName: t}
          inputArtifacts: [{name: Code}]
`

// TestReopen starts an execution in a folder that is opened to look only, opens
// it for real and waits for the approval, closes it, opens it again, approves,
// and sees the execution end.
func TestReopen(t *testing.T) {
	def, err := definition.Read("app.yaml", []byte(sim), definition.Options{RoleARN: "arn:aws:iam::000000000000:role/local", ArtifactBucket: "artifacts"})
	if err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	open := func(paused bool) *local.System {
		s, err := local.Open(t.Context(), local.Options{Data: data, Paused: paused, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open(true)
	if _, _, err := s.Register(t.Context(), []definition.Definition{def}); err != nil {
		t.Fatal(err)
	}
	id, err := s.Service.StartExecution(t.Context(), orchestrator.Start{Pipeline: "app"})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := s.Service.Outbox(t.Context())
	if err != nil || len(rows) != 1 {
		t.Fatalf("a paused system has %d rows to deliver, %v; want 1: it delivers nothing", len(rows), err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(false)
	token := ""
	await(t, func() (bool, string) {
		all, err := s.Records.LatestActions(t.Context(), "app", "Deploy")
		if err != nil {
			t.Fatal(err)
		}
		token = all["Gate"].Result.Token
		return token != "", "the approval to wait"
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(false)
	defer s.Close()
	_, err = s.Service.PutApproval(t.Context(), orchestrator.Approval{Pipeline: "app", Stage: "Deploy", Action: "Gate", Token: token, Approved: true})
	if err != nil {
		t.Fatal(err)
	}
	await(t, func() (bool, string) {
		e, err := s.Records.Execution(t.Context(), "app", id)
		if err != nil {
			t.Fatal(err)
		}
		return e.Value.Status == pipeline.Succeeded, fmt.Sprintf("success, not %s %s", e.Value.Status, e.Value.StatusSummary)
	})
}

// TestUnheardCommitIsDelivered: what a transaction wants done is done although
// its commit was reported as failed, without another start.
func TestUnheardCommitIsDelivered(t *testing.T) {
	def, err := definition.Read("app.yaml", []byte(sim), definition.Options{RoleARN: "arn:aws:iam::000000000000:role/local", ArtifactBucket: "artifacts"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := local.Open(t.Context(), local.Options{Data: t.TempDir(), Seams: local.Seams{SweepEvery: 10 * time.Millisecond}, Simulate: true, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, _, err := s.Register(t.Context(), []definition.Definition{def}); err != nil {
		t.Fatal(err)
	}
	table, err := s.Unheard()
	if err != nil {
		t.Fatal(err)
	}
	deaf, err := orchestrator.New(orchestrator.Ports{Store: table}, orchestrator.Home{Account: local.Account, Region: local.Region}, orchestrator.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := deaf.StartExecution(t.Context(), orchestrator.Start{Pipeline: "app"}); err != nil {
		t.Fatal(err)
	}
	await(t, func() (bool, string) {
		all, err := s.Records.LatestActions(t.Context(), "app", "Deploy")
		if err != nil {
			t.Fatal(err)
		}
		return all["Gate"].Result.Token != "", "the approval to wait"
	})
	await(t, func() (bool, string) {
		rows, err := s.Service.Outbox(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(rows) == 0, "the outbox to be empty"
	})
}

// TestSaltCutShort: a process that died while it wrote the salt leaves a folder
// that opens.
func TestSaltCutShort(t *testing.T) {
	data := t.TempDir()
	salt := filepath.Join(data, "salt")
	if err := os.WriteFile(salt, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	var kept [2]string
	for i := range kept {
		s, err := local.Open(t.Context(), local.Options{Data: data})
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		b, err := os.ReadFile(salt)
		if err != nil {
			t.Fatal(err)
		}
		kept[i] = string(b)
	}
	if kept[0] != kept[1] || len(kept[0]) < 32 {
		t.Errorf("the salts are %q", kept)
	}
}

// TestHostileSourceIsNotWatched: a source that nothing on this machine can
// stand for does not keep the others from being watched.
func TestHostileSourceIsNotWatched(t *testing.T) {
	log := new(lines)
	s, err := local.Open(t.Context(), local.Options{Data: t.TempDir(), Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	text := strings.NewReplacer("provider: ECR", "provider: S3", "{RepositoryName: app}", "{S3Bucket: bucket, S3ObjectKey: a/../../b.zip}").Replace(sim)
	def, err := definition.Read("app.yaml", []byte(text), definition.Options{RoleARN: "arn:aws:iam::000000000000:role/local", ArtifactBucket: "artifacts"})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Register(t.Context(), []definition.Definition{def}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	watched := make(chan error, 1)
	go func() { watched <- s.Watch(ctx) }()
	await(t, func() (bool, string) {
		return strings.Contains(log.String(), "cannot watch"), "a word about the source"
	})
	cancel()
	if err := <-watched; !errors.Is(err, context.Canceled) {
		t.Errorf("Watch ended with %v; want that it went on until it was cancelled", err)
	}
}

// lines is a log that can be read while it is written.
type lines struct {
	mu   sync.Mutex
	text strings.Builder // guarded by mu
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// TestOwnerOnly looks at the modes of everything that a system keeps: tokens and
// secrets of pipelines lie there.
func TestOwnerOnly(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(data, 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := local.Open(t.Context(), local.Options{Data: data})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = filepath.WalkDir(data, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %s; want nothing for others", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// await polls until what holds, for at most 20 seconds.
func await(t *testing.T, what func() (bool, string)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		ok, missing := what()
		if ok {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("waited for %s", missing)
		case <-time.After(2 * time.Millisecond):
		}
	}
}
