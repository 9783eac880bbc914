package demo_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/demo"
	"github.com/sluice-ci/sluice/internal/git"
)

// head returns the commit that main of the origin names.
func head(t *testing.T, d demo.Demo) string {
	t.Helper()
	if _, err := git.Open(d.Origin()); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("git", "--git-dir="+d.Origin(), "rev-parse", "refs/heads/main").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func TestPush(t *testing.T) {
	t.Setenv("HOME", t.TempDir()) // no identity of the user
	t.Setenv("GIT_DIR", "/nowhere")
	folder := filepath.Join(t.TempDir(), "demo")
	d, err := demo.Create(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	first, message, err := d.Push(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	os.Unsetenv("GIT_DIR")
	if got := head(t, d); got != first || message == "" {
		t.Errorf("origin is at %s; want %s (%s)", got, first, message)
	}
	for _, name := range []string{"hello/main.go", "hello/go.mod", "hello/.gitignore", "pipelines/pipeline.yaml", "pipelines/sluice.local.yaml"} {
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
			t.Error(err)
		}
	}

	// A second demo keeps what a person changed and pushes another commit.
	mine := filepath.Join(d.Pipelines(), "pipeline.yaml")
	if err := os.WriteFile(mine, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	again, err := demo.Create(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	second, _, err := again.Push(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if second == first || head(t, d) != second {
		t.Errorf("origin is at %s after a second push of %s; first was %s", head(t, d), second, first)
	}
	if text, _ := os.ReadFile(mine); string(text) != "mine" {
		t.Errorf("pipeline.yaml is %q; want it untouched", text)
	}
}

// TestProgram holds the program to its own test and to gofmt, as its pipeline
// does.
func TestProgram(t *testing.T) {
	d, err := demo.Create(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{`test -z "$(gofmt -l .)"`, "go vet ./...", "go test ./...",
		`go build -buildvcs=false -ldflags "-X main.commit=abc" -o hello . && ./hello | grep -F "commit abc."`} {
		cmd := exec.Command("sh", "-c", line)
		cmd.Dir = d.WorkTree()
		cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod", "GOTOOLCHAIN=local", "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", line, err, out)
		}
	}
}
