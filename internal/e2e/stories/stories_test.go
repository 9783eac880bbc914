package stories_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sluice-ci/sluice/internal/e2e/stories"
)

// TestStories plays every story before `sluice up`: the built program, with a
// data folder and a repository of its own.
func TestStories(t *testing.T) {
	stories.Need(t)
	program := filepath.Join(t.TempDir(), "sluice")
	if out, err := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "../../../cmd/sluice").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	for _, name := range stories.Names(t, ".") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stories.Play(t, ".", name, up(t, program, name))
		})
	}
}

// up starts `sluice up` for the definition of a story. It has to end well.
func up(t *testing.T, program, name string) stories.Place {
	t.Helper()
	folder := t.TempDir()
	code := filepath.Join(folder, "code.git")
	if out, err := exec.Command("git", "init", "-q", "--bare", "-b", "main", code).CombinedOutput(); err != nil {
		t.Fatalf("git init: %v\n%s", err, out)
	}
	mapping := filepath.Join(folder, "sluice.local.yaml")
	if err := os.WriteFile(mapping, fmt.Appendf(nil, "repositories: {%s: %s}\n", name, code), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "up", name, "--mapping", mapping, "--data", filepath.Join(folder, "data"), "--listen", "127.0.0.1:0")
	var log bytes.Buffer
	cmd.Stderr = &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			t.Errorf("sluice up: %v", err)
		}
		if t.Failed() {
			t.Logf("sluice up said:\n%s", &log)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if !ok {
		t.Fatalf("sluice up says %q, %v", line, err)
	}
	return stories.Place{Endpoint: url, Repository: code, Env: []string{
		"AWS_ACCESS_KEY_ID=ada", "AWS_SECRET_ACCESS_KEY=any", "AWS_DEFAULT_REGION=eu-west-1",
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
	}}
}
