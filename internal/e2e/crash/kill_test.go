package e2e_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/codepipeline"
	"github.com/sluice-ci/sluice/internal/codepipeline/client"
	"github.com/sluice-ci/sluice/internal/local"
	"github.com/sluice-ci/sluice/internal/mapping"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

var kills = flag.Int("kills", 100, "how often TestKill kills the system")

// killed is demo-like: a git source, commands one after the other and side by
// side, an approval, a deployment. Every command leaves a line in effects.
const killed = `
name: killed
pipelineType: V2
executionMode: PARALLEL
stages:
  - name: Source
    actions:
      - name: Checkout
        actionTypeId: {category: Source, owner: AWS, provider: CodeCommit, version: 1}
        configuration: {RepositoryName: app, BranchName: main}
        outputArtifacts: [{name: Code}]
  - name: Build
    actions:
      - &{Compile 1}
      - &{Pack 2}
  - name: Test
    actions:
      - &{Unit 1}
      - &{Lint 1}
  - name: Release
    actions:
      - name: Gate
        actionTypeId: {category: Approval, owner: AWS, provider: Manual, version: 1}
      - name: Copy
        runOrder: 2
        actionTypeId: {category: Deploy, owner: AWS, provider: S3, version: 1}
        configuration: {BucketName: web, Extract: "false", ObjectKey: "#{codepipeline.PipelineExecutionId}.zip"}
        inputArtifacts: [{name: Code}]
`

// TestKill kills the system with SIGKILL at random moments while executions
// are started and approved, and starts it again. Afterwards every start that
// was acknowledged is there and has ended well, and every command had its
// effect once, but for those whose work was recorded as lost.
func TestKill(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d, %d kills", seed, *kills)
	folder := killFolder(t)
	load := &load{seen: map[string]bool{}}
	for range *kills {
		c := startChild(t, folder)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { load.start(ctx, c.api) })
		wg.Go(func() { load.approve(ctx, c.api) })
		moment := time.NewTimer(time.Duration(rng.IntN(300)) * time.Millisecond)
		select {
		case <-moment.C:
		case <-t.Context().Done():
		}
		c.kill()
		cancel()
		wg.Wait()
	}
	if len(load.seen) < *kills/4 {
		t.Fatalf("only %d starts were acknowledged; the load was too small to show anything", len(load.seen))
	}
	s, err := local.Open(t.Context(), options(t, folder))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	lost, tries := 0, 0
	for id := range load.seen {
		l, n := checkKilled(t, s, folder, id)
		lost, tries = lost+l, tries+n
	}
	t.Logf("%d starts acknowledged and ended, %d action executions, %d of them lost and tried again", len(load.seen), tries, lost)
}

// killFolder makes a repository, a pipeline and a mapping.
func killFolder(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	repo := filepath.Join(folder, "repo")
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", repo, "-c", "user.name=A", "-c", "user.email=a@example.com"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	if err := os.MkdirAll(repo, 0o755); err != nil {
		t.Fatal(err)
	}
	git("init", "-q", "-b", "main")
	write(t, filepath.Join(repo, "file"), "content\n")
	git("add", ".")
	git("commit", "-q", "-m", "first")
	text := killed
	for _, a := range []string{"Compile 1", "Pack 2", "Unit 1", "Lint 1"} {
		name, order, _ := strings.Cut(a, " ")
		text = strings.Replace(text, "- &{"+a+"}", fmt.Sprintf(`- name: %s
        runOrder: %s
        actionTypeId: {category: Compute, owner: AWS, provider: Commands, version: 1}
        commands: ["echo '#{codepipeline.PipelineExecutionId} %s' >> %s/effects"]
        inputArtifacts: [{name: Code}]`, name, order, name, folder), 1)
	}
	write(t, filepath.Join(folder, "pipeline.yaml"), text)
	write(t, filepath.Join(folder, "sluice.local.yaml"), "repositories:\n  app: repo\nbuckets:\n  web: deployed\n")
	if err := os.Mkdir(filepath.Join(folder, "deployed"), 0o755); err != nil {
		t.Fatal(err)
	}
	return folder
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A load starts and approves executions through the API and remembers every
// start that was acknowledged.
type load struct {
	mu   sync.Mutex
	seen map[string]bool // guarded by mu
}

func (l *load) start(ctx context.Context, api *client.Client) {
	for ctx.Err() == nil {
		in := codepipeline.StartPipelineExecutionInput{Name: "killed", ClientRequestToken: orchestrator.NewID()}
		var out codepipeline.StartPipelineExecutionOutput
		if err := api.Do(ctx, "StartPipelineExecution", in, &out); err != nil {
			if pipeline.CodeOf(err) == pipeline.ConcurrentExecutionsLimit {
				continue // approvals make room
			}
			return // it was killed
		}
		l.mu.Lock()
		l.seen[out.PipelineExecutionID] = true
		l.mu.Unlock()
	}
}

func (l *load) approve(ctx context.Context, api *client.Client) {
	for ctx.Err() == nil {
		var out codepipeline.ListActionExecutionsOutput
		if err := api.Do(ctx, "ListActionExecutions", codepipeline.ListActionExecutionsInput{PipelineName: "killed"}, &out); err != nil {
			return
		}
		for _, a := range out.Details {
			if a.ActionName != "Gate" || a.Status != pipeline.InProgress || a.Output.ExecutionResult == nil {
				continue
			}
			in := codepipeline.PutApprovalResultInput{
				PipelineName: "killed", StageName: "Release", ActionName: "Gate",
				Token: a.Output.ExecutionResult.ExternalExecutionID,
			}
			in.Result.Status = "Approved"
			if err := api.Do(ctx, "PutApprovalResult", in, nil); err != nil && pipeline.CodeOf(err) == pipeline.ServiceUnavailable {
				return
			}
		}
	}
}

// checkKilled waits for an execution to end and counts its effects. It returns
// how many tries of actions were lost, and how many there were.
func checkKilled(t *testing.T, s *local.System, folder, id string) (lost, tries int) {
	t.Helper()
	if _, err := s.Records.Execution(t.Context(), "killed", id); err != nil {
		t.Fatalf("an acknowledged start is gone: %v", err)
	}
	e := ended(t, s, "killed", id)
	all, err := s.Records.Actions(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if e.Status != pipeline.Succeeded {
		if gaveUp := slices.ContainsFunc(all, func(a record.Action) bool { return a.Try == maxLost && isLost(a) }); e.Status != pipeline.Failed || !gaveUp {
			t.Errorf("execution %s ended as %s: %s", id, e.Status, e.StatusSummary)
		}
		return 0, 0
	}
	effects, err := os.ReadFile(filepath.Join(folder, "effects"))
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string][]record.Action{}
	for _, a := range all {
		byName[a.Name] = append(byName[a.Name], a)
	}
	for _, name := range []string{"Compile", "Pack", "Unit", "Lint"} {
		had := bytes.Count(effects, []byte(id+" "+name+"\n"))
		again := 0
		for _, a := range byName[name] {
			if isLost(a) {
				again++
			}
		}
		if had < 1 || had > 1+again || len(byName[name]) != 1+again {
			t.Errorf("execution %s: %s had its effect %d times in %d tries, %d of them lost", id, name, had, len(byName[name]), again)
		}
		lost, tries = lost+again, tries+len(byName[name])
	}
	if _, err := os.Stat(filepath.Join(folder, "deployed", id+".zip")); err != nil {
		t.Errorf("execution %s: %v", id, err)
	}
	return lost, tries
}

// maxLost is after how many lost tries an action fails (docs/architecture.md).
const maxLost = 5

func isLost(a record.Action) bool {
	return a.Result.Error != nil && a.Result.Error.Code == action.SystemUnavailable
}

func options(t *testing.T, folder string) local.Options {
	t.Helper()
	m, err := mapping.Read(filepath.Join(folder, "sluice.local.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return local.Options{Data: filepath.Join(folder, "data"), Mapping: m, Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))}
}
