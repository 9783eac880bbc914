package commands_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/actiontest"
	"github.com/sluice-ci/sluice/internal/action/background"
	"github.com/sluice-ci/sluice/internal/action/commands"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/blob/dir"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

var ids atomic.Int64

func newJob(cmds ...string) action.Job {
	return action.Job{
		ID: fmt.Sprintf("job-%d", ids.Add(1)), Pipeline: "demo", Region: "eu-west-1", Account: "123456789012",
		Action: pipeline.Action{Name: "Run", Commands: cmds},
	}
}

type setup struct {
	data     string
	blobs    blob.Store
	runner   *background.Runner
	provider *commands.Provider
	ended    chan string
}

func newSetup(t testing.TB) *setup {
	t.Helper()
	s := &setup{data: t.TempDir(), ended: make(chan string, 100)}
	store, err := dir.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s.blobs = store
	s.open(t, func(id string) { s.ended <- id })
	t.Cleanup(func() {
		if n, err := s.runner.Sweep(); n != 0 || err != nil {
			t.Errorf("%d processes left, %v", n, err)
		}
		store.Close()
	})
	return s
}

func (s *setup) open(t testing.TB, ended func(string)) *commands.Provider {
	t.Helper()
	var err error
	if s.runner, err = background.New(s.data, background.Options{Ended: ended}); err != nil {
		t.Fatal(err)
	}
	if s.provider, err = commands.New(s.runner, s.blobs, commands.Options{}); err != nil {
		t.Fatal(err)
	}
	return s.provider
}

// finish runs a job and returns its end and its log.
func (s *setup) finish(t testing.TB, job action.Job) (action.Result, string) {
	t.Helper()
	if _, err := s.provider.Start(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	<-s.ended
	r, err := s.provider.Poll(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(s.runner.LogFile(job.ID))
	if err != nil {
		t.Error(err)
	}
	return r, string(log)
}

// input stores files as an artifact.
func (s *setup) input(t testing.TB, name string, files map[string]string) action.Artifact {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range files {
		w, _ := z.Create(name)
		w.Write([]byte(text))
	}
	z.Close()
	ref, err := s.blobs.Create(t.Context(), "bucket", fmt.Sprintf("demo/%s/%d", name, ids.Add(1)), &b)
	if err != nil {
		t.Fatal(err)
	}
	return action.Artifact{Name: name, Ref: ref, Revision: "r1"}
}

func output(name string) action.Artifact {
	return action.Artifact{Name: name, Ref: blob.Ref{Bucket: "bucket", Key: fmt.Sprintf("demo/%s/%d", name, ids.Add(1))}}
}

// names returns the names in an artifact.
func (s *setup) names(t testing.TB, a action.Artifact) string {
	t.Helper()
	o, err := s.blobs.Open(t.Context(), a.Ref)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	z, err := zip.NewReader(o, a.Ref.Size)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range z.File {
		names = append(names, f.Name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func TestContract(t *testing.T) {
	contract(t, func(p *commands.Provider) action.Provider { return p })
}

// ahead prepares every job before it is started for the first time.
type ahead struct {
	*commands.Provider
	mu   *sync.Mutex
	seen map[string]bool // by job
}

// Start implements action.Provider.
func (a ahead) Start(ctx context.Context, job action.Job) (action.Result, error) {
	a.mu.Lock()
	if !a.seen[job.ID] {
		a.seen[job.ID] = true
		a.Prepare(job)
	}
	a.mu.Unlock()
	return a.Provider.Start(ctx, job)
}

func TestContractPrepared(t *testing.T) {
	mu, seen := new(sync.Mutex), map[string]bool{}
	contract(t, func(p *commands.Provider) action.Provider { return ahead{p, mu, seen} })
}

func contract(t *testing.T, as func(*commands.Provider) action.Provider) {
	actiontest.Run(t, func(t *testing.T) actiontest.Harness {
		s, counts := newSetup(t), t.TempDir()
		count := func(job action.Job) string { return filepath.Join(counts, job.ID) }
		with := func(make func(job *action.Job)) func(*testing.T) action.Job {
			return func(*testing.T) action.Job {
				job := newJob()
				job.Action.Commands = []string{"echo x >>" + count(job)}
				make(&job)
				return job
			}
		}
		return actiontest.Harness{
			Open: func(t *testing.T, ended func(string)) action.Provider { return as(s.open(t, ended)) },
			Succeeds: with(func(job *action.Job) {
				job.Action.Commands = append(job.Action.Commands, "echo out >file")
				job.Outputs = []action.Artifact{output("Out")}
			}),
			Fails: with(func(job *action.Job) { job.Action.Commands = append(job.Action.Commands, "false") }),
			Blocks: func(t *testing.T) (action.Job, func()) {
				job := newJob()
				fifo := filepath.Join(t.TempDir(), "fifo")
				if err := syscall.Mkfifo(fifo, 0o600); err != nil {
					t.Fatal(err)
				}
				job.Action.Commands = []string{"echo x >>" + count(job), "echo x >" + fifo, "sleep 1000"}
				return job, func() { os.ReadFile(fifo) }
			},
			Lost: true,
			Done: func(t *testing.T, job action.Job) int {
				b, _ := os.ReadFile(count(job))
				return bytes.Count(b, []byte("\n"))
			},
			Blobs: s.blobs,
		}
	})
}

// TestDiscard: of a job that was made ready and does not come to be, nothing is
// left, and no command of it has run.
func TestDiscard(t *testing.T) {
	s := newSetup(t)
	file := filepath.Join(t.TempDir(), "ran")
	job := newJob("touch " + file)
	job.Inputs = []action.Artifact{s.input(t, "First", map[string]string{"a": "a"})}
	s.provider.Prepare(job)()
	if n, err := s.runner.Sweep(); n != 0 || err != nil {
		t.Errorf("%d processes left, %v", n, err)
	}
	for _, name := range []string{file, s.runner.WorkFolder(job.ID), s.runner.LogFile(job.ID)} {
		if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v; want that it does not exist", name, err)
		}
	}
}

// TestLeavesNothing: what a command left running, in a session of its own and
// without a thread to its parents, ends with the action.
func TestLeavesNothing(t *testing.T) {
	s := newSetup(t)
	file := filepath.Join(t.TempDir(), "pid")
	job := newJob("setsid sleep 7777 >/dev/null 2>&1 & echo $! >"+file, "until grep -q ^sleep /proc/$!/cmdline; do :; done")
	if r, log := s.finish(t, job); r.Status != pipeline.Succeeded {
		t.Fatalf("%s, %+v\n%s", r.Status, r.Error, log)
	}
	if err := s.runner.Close(); err != nil { // waits until all is tidy
		t.Error(err)
	}
	pid, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if line, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/cmdline"); err == nil && bytes.Contains(line, []byte("7777")) {
		t.Errorf("process %s lives on", pid)

	}
}

// TestPreparedByTheDead: a process that died after it had made ready does not
// keep the next one from doing the job.
func TestPreparedByTheDead(t *testing.T) {
	s := newSetup(t)
	job := newJob("test -f a && test ! -f b")
	job.Inputs = []action.Artifact{s.input(t, "First", map[string]string{"a": "a"})}
	left := filepath.Join(s.runner.WorkFolder(job.ID), "src")
	if err := errors.Join(os.MkdirAll(left, 0o700), os.WriteFile(filepath.Join(left, "b"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if r, log := s.finish(t, job); r.Status != pipeline.Succeeded {
		t.Errorf("%s, %+v\n%s", r.Status, r.Error, log)
	}
}

func TestCommands(t *testing.T) {
	for _, ahead := range []bool{false, true} {
		t.Run(fmt.Sprint("prepared ", ahead), func(t *testing.T) { runsCommands(t, ahead) })
	}
}

func runsCommands(t *testing.T, ahead bool) {
	s := newSetup(t)
	job := newJob("cd sub && test -f file", "A=$(cat file)", "export B=$A-b; echo $CODEBUILD_INITIATOR", `cat "$CODEBUILD_SRC_DIR_Second/other"; echo $GIVEN`)
	job.Inputs = []action.Artifact{s.input(t, "First", map[string]string{"sub/file": "text"}), s.input(t, "Second", map[string]string{"other": "two\n"})}
	job.Outputs = []action.Artifact{output("Out")}
	job.Action.OutputArtifacts = []pipeline.OutputArtifact{{Name: "Out", Files: []string{"sub/*"}}}
	job.Action.OutputVariables = []string{"B", "UNSET", "CODEBUILD_BUILD_ID"}
	job.Action.EnvironmentVariables = []pipeline.EnvironmentVariable{{Name: "GIVEN", Value: "it's given"}}
	if ahead {
		s.provider.Prepare(job)
	}
	r, log := s.finish(t, job)
	if r.Status != pipeline.Succeeded {
		t.Fatalf("%s, %+v\n%s", r.Status, r.Error, log)
	}
	if len(r.Variables) != 2 || r.Variables["B"] != "text-b" || r.Variables["CODEBUILD_BUILD_ID"] != "demo-Run:"+job.ID {
		t.Errorf("variables %v", r.Variables)
	}
	if got := s.names(t, r.Outputs[0]); got != "sub/file" {
		t.Errorf("output has %s", got)
	}
	for _, want := range []string{"Running command cd sub && test -f file\n", "\ncodepipeline/demo\n", "\ntwo\nit's given\n"} {
		if !strings.Contains(log, want) {
			t.Errorf("log lacks %q:\n%s", want, log)
		}
	}
	if err := s.runner.Close(); err != nil { // waits until all is tidy
		t.Error(err)
	}
	if left, _ := os.ReadDir(filepath.Join(s.data, "work")); len(left) != 0 {
		t.Errorf("work folders left: %v", left)
	}
}

func TestFailures(t *testing.T) {
	tests := []struct {
		name string
		job  func(*setup, *action.Job)
		code string
		want string
	}{
		{"stops at the first failure", func(_ *setup, j *action.Job) { j.Action.Commands = []string{"exit 3", "echo not"} }, "JobFailed", "Error while executing command: exit 3. Reason: exit status 3"},
		{"no commands", func(_ *setup, j *action.Job) {}, "ConfigurationError", "action Run has no commands"},
		{"no files", func(_ *setup, j *action.Job) {
			j.Action.Commands = []string{"true"}
			j.Outputs = []action.Artifact{output("Out")}
		}, "JobFailed", "output artifact Out: no matching artifact paths found: [**/*]"},
		{"secret without a store", func(_ *setup, j *action.Job) {
			j.Action.Commands = []string{"true"}
			j.Action.EnvironmentVariables = []pipeline.EnvironmentVariable{{Name: "S", Value: "x", Type: "SECRETS_MANAGER"}}
		}, "ConfigurationError", "environment variable S: there is no store of secrets here"},
		{"input that changed", func(s *setup, j *action.Job) {
			j.Action.Commands = []string{"true"}
			j.Inputs = []action.Artifact{{Name: "In", Ref: blob.Ref{Bucket: "bucket", Key: "none", Digest: "sha256:" + strings.Repeat("0", 64)}}}
		}, "JobFailed", "input artifact In: "},
		{"output variable", func(_ *setup, j *action.Job) {
			j.Action.Commands, j.Action.OutputVariables = []string{"true"}, []string{"a;b"}
		}, "ConfigurationError", `output variable "a;b"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, job := newSetup(t), newJob()
			tt.job(s, &job)
			r, log := s.finish(t, job)
			if r.Status != pipeline.Failed || r.Error.Code != tt.code || !strings.HasPrefix(r.Error.Message, tt.want) {
				t.Errorf("%s, %+v; want %s: %s", r.Status, r.Error, tt.code, tt.want)
			}
			if strings.Contains(log, "\nnot\n") {
				t.Errorf("log: %s", log)
			}
		})
	}
}

// A flood of output neither hangs the job nor fills the disk.
func TestFlood(t *testing.T) {
	s := newSetup(t)
	job := newJob("yes 'a line of output' | head -c 100000000")
	r, log := s.finish(t, job)
	if r.Status != pipeline.Succeeded || len(log) > 64<<20+200 || !strings.Contains(log, "[Sluice] the log is full") {
		t.Errorf("%s, log of %d bytes", r.Status, len(log))
	}
}

// BenchmarkTrue is a Commands action with one command, from Start to Poll of
// its end. Compare with BenchmarkForkExec.
func BenchmarkTrue(b *testing.B) {
	s := newSetup(b)
	for b.Loop() {
		job := newJob("true")
		if _, err := s.provider.Start(b.Context(), job); err != nil {
			b.Fatal(err)
		}
		<-s.ended
		if r, err := s.provider.Poll(b.Context(), job); r.Status != pipeline.Succeeded || err != nil {
			b.Fatal(r, err)
		}
	}
}

func BenchmarkForkExec(b *testing.B) {
	for b.Loop() {
		pid, err := syscall.ForkExec("/bin/sh", []string{"sh", "-c", "true"}, &syscall.ProcAttr{Env: os.Environ()})
		if err != nil {
			b.Fatal(err)
		}
		syscall.Wait4(pid, nil, 0, nil)
	}
}
