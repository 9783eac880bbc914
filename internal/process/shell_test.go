package process_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/process"
)

// shells returns the shells of this machine that builds may ask for.
func shells(t *testing.T) []string {
	t.Helper()
	found := []string{"/bin/sh"}
	for _, p := range []string{"/bin/bash", "/usr/bin/bash"} {
		if _, err := os.Stat(p); err == nil {
			return append(found, p)
		}
	}
	t.Log("there is no bash here: only /bin/sh is tested")
	return found
}

// newShell returns a shell and a function that closes it and returns its log.
func newShell(t *testing.T, path string) (*process.Shell, func() string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "log")
	log, err := process.CreateLog(file, process.LogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s := &process.Shell{
		Path: path, Dir: dir, Env: process.Environment(os.Environ(), nil), Mark: mark(t), Log: log, Scratch: dir,
		Now: func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) },
	}
	return s, func() string {
		t.Helper()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := log.Close(); err != nil {
			t.Error(err)
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
}

func TestShell(t *testing.T) {
	type step struct {
		command string
		status  int
	}
	tests := []struct {
		name  string
		steps []step
		want  string // the log
	}{
		{"directory and variables stay", []step{{"mkdir d; cd d", 0}, {"A=1; export B=2", 0}, {`echo "$(basename "$PWD") $A $B"`, 0}}, "d 1 2\n"},
		{"functions stay", []step{{"greet() { echo hello $1; }", 0}, {"greet you", 0}}, "hello you\n"},
		{"status", []step{{"false", 1}, {"(exit 42)", 42}, {"true", 0}}, ""},
		{"several lines", []step{{"for i in 1 2; do\n  echo \"n $i\"\ndone\ncat <<X\nit's\n  here\nX", 0}}, "n 1\nn 2\nit's\n  here\n"},
		{"quotes and percent", []step{{`echo 'a  b' "c\"d" 100%`, 0}}, "a  b c\"d 100%\n"},
		{"exit keeps what was exported", []step{{"mkdir e; cd e; export A='x y'", 0}, {"exit 7", 7}, {`echo "$(basename "$PWD") $A"`, 0}}, "e x y\n"},
		{"exit 0", []step{{"exit 0", 0}, {"echo on", 0}}, "on\n"},
		{"set -e", []step{{"set -e", 0}, {"false; echo not", 1}, {"echo on", 0}}, "on\n"},
		{"continue outside a loop", []step{{"continue", 0}, {"echo on", 0}}, "on\n"},
		{"standard input is empty", []step{{"cat", 0}, {"echo on", 0}}, "on\n"},
		{"descriptor 3 is not inherited", []step{{"(echo x >&3) 2>/dev/null || echo closed", 0}}, "closed\n"},
		{"errors are output", []step{{"echo oops >&2", 0}}, "oops\n"},
		{"signal", []step{{"sh -c 'kill -9 $$'", 137}}, ""},
	}
	for _, path := range shells(t) {
		for _, tt := range tests {
			t.Run(filepath.Base(path)+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				s, finish := newShell(t, path)
				for _, step := range tt.steps {
					got, err := s.Run(t.Context(), step.command)
					if err != nil || got != step.status {
						t.Fatalf("%s: status %d, %v; want %d", step.command, got, err, step.status)
					}
				}
				got := finish()
				for line := range strings.Lines(got) {
					if strings.Contains(line, "Killed") || strings.Contains(line, "only meaningful in a") {
						got = strings.Replace(got, line, "", 1) // bash remarks on both
					}
				}
				if got != tt.want {
					t.Errorf("log = %q; want %q", got, tt.want)
				}
			})
		}
	}
}

// A syntax error is the failure of its command; the shell goes on.
func TestShellSyntaxError(t *testing.T) {
	for _, path := range shells(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			s, finish := newShell(t, path)
			s.Run(t.Context(), "A=1")
			if status, err := s.Run(t.Context(), "if true"); err != nil || status == 0 {
				t.Errorf("status %d, %v; want a failure", status, err)
			}
			if status, err := s.Run(t.Context(), "echo A=$A"); err != nil || status != 0 {
				t.Errorf("status %d, %v; want success", status, err)
			}
			if log := finish(); !strings.Contains(log, "A=1\n") {
				t.Errorf("log = %q; want A=1 in it", log)
			}
		})
	}
}

func TestShellPrintf(t *testing.T) {
	s, finish := newShell(t, "")
	for _, c := range []string{"echo it\\'s", "printf no-newline", "exit 3"} {
		s.Printf("Running command %s", c)
		if _, err := s.Run(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	s.Printf("End of 'it'\nand 100%%")
	want := `[Container] 2026/01/02 03:04:05.000000 Running command echo it\'s
it's
[Container] 2026/01/02 03:04:05.000000 Running command printf no-newline
no-newline[Container] 2026/01/02 03:04:05.000000 Running command exit 3
[Container] 2026/01/02 03:04:05.000000 End of 'it'
and 100%
`
	if got := finish(); got != want {
		t.Errorf("log = %s\nwant %s", got, want)
	}
}

func TestShellValues(t *testing.T) {
	for _, path := range shells(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			s, finish := newShell(t, path)
			defer finish()
			s.Set("GIVEN", "it's\n$HOME")
			if _, err := s.Run(t.Context(), "LOCAL=1; export EMPTY=; BIG=$(head -c 100000 /dev/zero | tr '\\0' x)"); err != nil {
				t.Fatal(err)
			}
			got, err := s.Values(t.Context(), []string{"GIVEN", "LOCAL", "EMPTY", "UNSET", "BIG"})
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := got["UNSET"]; ok || len(got) != 4 {
				t.Errorf("%d values; want 4, and none for UNSET", len(got))
			}
			if got["GIVEN"] != "it's\n$HOME" || got["LOCAL"] != "1" || got["EMPTY"] != "" || len(got["BIG"]) != 100000 {
				t.Errorf("values %.100q", got)
			}
		})
	}
}

func TestShellRunLast(t *testing.T) {
	for _, before := range []bool{false, true} {
		s, finish := newShell(t, "")
		if before {
			s.Run(t.Context(), "A=before")
		}
		status, err := s.RunLast(t.Context(), "echo \"last $A\"\nexit 9")
		if err != nil || status != 9 {
			t.Errorf("status %d, %v; want 9", status, err)
		}
		if got, want := strings.TrimSpace(finish()), "last"; !strings.HasPrefix(got, want) || before != strings.HasSuffix(got, "before") {
			t.Errorf("log = %q", got)
		}
	}
}

// A stop ends the command in progress, and the error is its cause.
func TestShellStop(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("enough")
	s, finish := newShell(t, "")
	fifo := started(t)
	go func() {
		fifo.await()
		cancel(reason)
	}()
	_, err := s.Run(ctx, fifo.tell+"; sleep 1000")
	if !errors.Is(err, reason) {
		t.Errorf("%v; want %v", err, reason)
	}
	finish()
}
