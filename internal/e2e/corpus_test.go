package e2e_test

import (
	"encoding/json"
	"log/slog"
	"os"
	"testing"

	"github.com/sluice-ci/sluice/internal/compile"
	"github.com/sluice-ci/sluice/internal/definition"
	"github.com/sluice-ci/sluice/internal/definition/corpustest"
	"github.com/sluice-ci/sluice/internal/engine"
	"github.com/sluice-ci/sluice/internal/local"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// TestCorpus runs every definition of the corpus that CodePipeline would
// accept, all at once, in one system with simulated actions, to its end.
// Whether the others are refused for the right reason is tested with the
// reader of definitions.
func TestCorpus(t *testing.T) {
	folder := os.Getenv(corpustest.Env)
	if folder == "" {
		t.Skipf("left out: %s does not name a folder of real pipeline definitions", corpustest.Env)
	}
	cases, err := corpustest.Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	s, err := local.Open(t.Context(), local.Options{Data: t.TempDir(), Simulate: true, Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	running := map[string]string{} // execution id by pipeline
	for i, c := range cases {
		def, err := definition.Read(c.File, c.JSON, definition.Options{RoleARN: "arn:aws:iam::123456789012:role/pipe", ArtifactBucket: "artifacts"})
		if err != nil {
			continue
		}
		name := start(t, s, i, def)
		running[name.pipeline] = name.execution
	}
	if len(running) < 100 {
		t.Fatalf("only %d definitions of %d were accepted", len(running), len(cases))
	}
	t.Logf("%d of %d definitions run", len(running), len(cases))
	for name, id := range running {
		if e := ended(t, s, name, id); e.Status != pipeline.Succeeded {
			t.Errorf("%s ended as %s: %s", name, e.Status, e.StatusSummary)
		}
	}
}

type started struct{ pipeline, execution string }

// start registers a definition under a name of its own and starts it with a
// value for every variable.
func start(t *testing.T, s *local.System, i int, def definition.Definition) started {
	t.Helper()
	d := def.Declaration
	d.Name = "c" + string(rune('a'+i/26%26)) + string(rune('a'+i%26)) + "-" + d.Name[:min(len(d.Name), 80)]
	text, err := json.Marshal(compile.Machine(d, compile.Local))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := engine.Load(text); err != nil {
		t.Errorf("%s: its machine is refused: %v", def.File, err)
	}
	def.Declaration = d
	if _, _, err := s.Register(t.Context(), []definition.Definition{def}); err != nil {
		t.Fatalf("%s: %v", def.File, err)
	}
	in := orchestrator.Start{Pipeline: d.Name}
	for _, v := range d.Variables {
		in.Variables = append(in.Variables, record.Variable{Name: v.Name, Value: "value"})
	}
	id, err := s.Service.StartExecution(t.Context(), in)
	if err != nil {
		t.Fatalf("%s: %v", def.File, err)
	}
	return started{d.Name, id}
}

// ended approves what waits until the execution has ended.
func ended(t *testing.T, s *local.System, name, id string) record.Execution {
	t.Helper()
	var e record.Execution
	await(t, name+" to end", func() bool {
		v, err := s.Records.Execution(t.Context(), name, id)
		if err != nil {
			t.Fatal(err)
		}
		e = v.Value
		if !e.Status.Final() {
			approveAll(t, s, name, id)
		}
		return e.Status.Final()
	})
	return e
}

func approveAll(t *testing.T, s *local.System, name, id string) {
	t.Helper()
	all, err := s.Records.Actions(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if a.Status != pipeline.InProgress || a.Result.Token == "" {
			continue
		}
		_, err := s.Service.PutApproval(t.Context(), orchestrator.Approval{Pipeline: name, Stage: a.Stage, Action: a.Name, Token: a.Result.Token, Approved: true, Summary: "ok"})
		if err != nil && pipeline.CodeOf(err) != pipeline.ApprovalAlreadyCompleted {
			t.Fatal(err)
		}
	}
}
