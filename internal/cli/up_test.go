package cli_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/cli"
	"github.com/sluice-ci/sluice/internal/git/gittest"
)

// A tap is a writer that another goroutine reads while it is written to.
type tap struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (w *tap) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(b)
}

func (w *tap) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// await waits until what was written has text in it.
func (w *tap) await(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(w.String(), text); {
		if time.Now().After(deadline) {
			t.Fatalf("waited for %q; there is\n%s", text, w.String())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// TestUp starts a server, finds it by its folder, runs a simulated pipeline on
// it and stops it.
func TestUp(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	var stdout, stderr tap
	ctx, stop := context.WithCancel(t.Context())
	exit := make(chan int, 1)
	go func() {
		exit <- cli.Main(ctx, cli.Env{
			Args:   []string{"up", "testdata/pipelines", "--listen", "127.0.0.1:0", "--data", data, "--simulate"},
			Stdout: &stdout, Stderr: &stderr, Getenv: func(string) string { return "" },
		})
	}()
	defer stop()
	stdout.await(t, "\n")
	url, ok := strings.CutPrefix(strings.TrimSpace(stdout.String()), "listening on ")
	if text, _ := os.ReadFile(filepath.Join(data, "endpoint")); !ok || !strings.HasPrefix(string(text), url+"\n") {
		t.Errorf("stdout %q, endpoint file %q; want the same URL in both", stdout.String(), text)
	}

	if got := sluice(t, "list", "--data", data); got.exit != 0 || !strings.Contains(got.stdout, "\nweb ") {
		t.Errorf("list: exit code %d: %s%s", got.exit, got.stdout, got.stderr)
	}
	got := sluice(t, "start", "web", "--watch", "--endpoint", url)
	if got.exit != cli.ExitWaiting || !strings.Contains(got.stdout, "Build/Compile: Succeeded 0.0s [simulated]") {
		t.Errorf("start: exit code %d; want %d:\n%s%s", got.exit, cli.ExitWaiting, got.stdout, got.stderr)
	}
	if got := sluice(t, "run", "testdata/pipelines/web.yaml", "--simulate", "--data", data); got.exit != cli.ExitUsage {
		t.Errorf("run beside a server: exit code %d; want %d", got.exit, cli.ExitUsage)
	}
	if got := sluice(t, "approve", "web", "--watch", "--data", data); got.exit != 0 {
		t.Errorf("approve: exit code %d:\n%s%s", got.exit, got.stdout, got.stderr)
	}

	stop()
	if code := <-exit; code != 0 {
		t.Errorf("up: exit code %d: %s", code, stderr.String())
	}
	if strings.Count(stdout.String(), "\n") != 1 {
		t.Errorf("stdout is %q; want one line", stdout.String())
	}
	if _, err := os.Stat(filepath.Join(data, "endpoint")); err == nil {
		t.Error("the endpoint file is still there")
	}

	// Without the server the same commands open the folder themselves.
	if got := sluice(t, "list", "web", "--data", data); got.exit != 0 || !strings.Contains(got.stdout, "Succeeded") {
		t.Errorf("list without a server: exit code %d: %s%s", got.exit, got.stdout, got.stderr)
	}
	got = sluice(t, "start", "web", "--data", data)
	if got.exit != cli.ExitWaiting {
		t.Errorf("start without a server: exit code %d; want %d", got.exit, cli.ExitWaiting)
	}
	if got := sluice(t, "reject", "web", "--data", data); got.exit != 0 || !strings.Contains(got.stdout, ": Failed") {
		t.Errorf("reject: exit code %d: %s%s", got.exit, got.stdout, got.stderr)
	}
}

// A moment is a writer that does something at the first word, before whoever
// writes goes on.
type moment struct {
	once sync.Once
	what func()
}

func (m *moment) Write(b []byte) (int, error) {
	m.once.Do(m.what)
	return len(b), nil
}

// TestUpNoticesAtOnce pushes in the moment in which the server says that it
// listens: the push starts a run, although nothing was watched before.
func TestUpNoticesAtOnce(t *testing.T) {
	repo, folder := gittest.New(t), t.TempDir()
	mapping, data := filepath.Join(folder, "sluice.local.yaml"), filepath.Join(folder, "data")
	if err := os.WriteFile(mapping, []byte("repositories: {web: "+repo.Path+"}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var stderr tap
	ctx, stop := context.WithCancel(t.Context())
	exit := make(chan int, 1)
	go func() {
		exit <- cli.Main(ctx, cli.Env{
			Args:   []string{"up", "testdata/pipelines", "--listen", "127.0.0.1:0", "--data", data, "--mapping", mapping, "--simulate"},
			Stdout: &moment{what: func() { repo.Commit("first", "file", "content") }}, Stderr: &stderr, Getenv: func(string) string { return "" },
		})
	}()
	defer func() { stop(); <-exit }()
	stderr.await(t, "APPROVAL NEEDED: web")
}
