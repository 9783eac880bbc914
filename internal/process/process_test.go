package process_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/process"
)

var marks atomic.Int64

// mark returns a mark that no other test has, and has the test fail if a
// process still bears it in the end.
func mark(t testing.TB) string {
	m := "test-" + filepath.Base(os.Args[0]) + "-" + time.Now().Format("150405.000000") + ":" + string(rune('a'+marks.Add(1)))
	t.Cleanup(func() {
		if n, err := process.Sweep(m); n != 0 || err != nil {
			t.Errorf("%d processes left, %v", n, err)
		}
	})
	return m
}

// A signal is how a child tells that it has come somewhere.
type signal struct {
	path string
	tell string // shell command that tells
	t    *testing.T
}

// started returns a signal: a named pipe, so that nobody has to sleep.
func started(t *testing.T) signal {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return signal{path, "echo x >" + path, t}
}

// await returns when the child has told.
func (s signal) await() {
	if _, err := os.ReadFile(s.path); err != nil {
		s.t.Error(err)
	}
}

// sh returns a command for the shell.
func sh(t testing.TB, program string) process.Command {
	return process.Command{Args: []string{"/bin/sh", "-c", program}, Env: process.Environment(os.Environ(), nil), Mark: mark(t)}
}

func run(t *testing.T, ctx context.Context, c process.Command) process.Exit {
	t.Helper()
	p, err := process.Start(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	exit, err := p.Wait()
	if err != nil {
		t.Error(err)
	}
	return exit
}

func TestExit(t *testing.T) {
	tests := []struct{ program, want string }{
		{"true", "exit status 0"},
		{"exit 3", "exit status 3"},
		{"kill -9 $$", "signal: killed"},
	}
	for _, tt := range tests {
		if got := run(t, t.Context(), sh(t, tt.program)).String(); got != tt.want {
			t.Errorf("%s: %s; want %s", tt.program, got, tt.want)
		}
	}
}

func TestOutput(t *testing.T) {
	var b bytes.Buffer
	c := sh(t, "echo one; echo two >&2; cat; pwd; env | grep SLUICE_ACTION | cut -c1-18")
	c.Output, c.Dir = &b, "/"
	run(t, t.Context(), c)
	if got, want := b.String(), "one\ntwo\n/\nSLUICE_ACTION=test\n"; got != want {
		t.Errorf("output %q; want %q", got, want)
	}
}

func TestStartFails(t *testing.T) {
	for _, c := range []process.Command{
		{},
		{Args: []string{"/no/such/program"}, Mark: "m:1", Output: new(bytes.Buffer), Talk: true},
		{Args: []string{"/bin/true"}, Mark: "m:1", Dir: "/no/such/folder"},
	} {
		if _, err := process.Start(t.Context(), c); err == nil {
			t.Errorf("%v: no error", c.Args)
		}
	}
}

// Whatever the children do, after a stop none is alive; mark's cleanup looks.
func TestStopLeavesNothing(t *testing.T) {
	tests := []struct {
		name    string
		program string // %s tells that it has started
		grace   time.Duration
	}{
		{"a child", "%s; sleep 1000", time.Minute},
		{"forks", "sleep 1000 & sleep 1001 & %s; wait", time.Minute},
		{"ignores TERM", "trap '' TERM; %s; sleep 1000; sleep 1000", 10 * time.Millisecond},
		{"a child that ignores TERM", "sh -c \"trap '' TERM; %s; sleep 1000; sleep 1000\" ", 10 * time.Millisecond},
		{"leaves the group", "setsid sh -c '%s; sleep 1000'", 10 * time.Millisecond},
		{"daemon with its output closed", "setsid sh -c '%s; sleep 1000' >/dev/null 2>&1 & sleep 1000", time.Minute},
		{"daemon of a daemon", "setsid sh -c 'setsid sh -c \"%s; sleep 1000\" & exit' & sleep 1000", 10 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s := started(t)
			c := sh(t, strings.Replace(tt.program, "%s", s.tell, 1))
			c.Output, c.Grace, c.Drain = new(bytes.Buffer), tt.grace, 50*time.Millisecond
			p, err := process.Start(ctx, c)
			if err != nil {
				t.Fatal(err)
			}
			s.await()
			cancel()
			if exit, err := p.Wait(); err != nil {
				t.Errorf("%s, %v", exit, err)
			}
			if n, err := process.Sweep(c.Mark); n != 0 || err != nil {
				t.Errorf("%d processes left after Wait, %v", n, err)
			}
		})
	}
}

// TestStopGivesGrace: what ends in its grace may still say something.
func TestStopGivesGrace(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := started(t)
	var b bytes.Buffer
	c := sh(t, "sh -c 'trap \"echo cleaned up; exit 0\" TERM; "+s.tell+"; while :; do sleep 0.01; done'; true")
	c.Output = &b
	p, err := process.Start(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	s.await()
	cancel()
	p.Wait()
	if got := b.String(); !strings.HasSuffix(got, "cleaned up\n") {
		t.Errorf("output %q; want what the child says when it is told to end", got)
	}
}

// What stays in the background after its command has ended is ended too.
func TestWaitAlwaysReturns(t *testing.T) {
	for _, program := range []string{
		"sleep 1000 & echo done",        // in the group
		"setsid sleep 1000 & echo done", // outside it
	} {
		var b bytes.Buffer
		c := sh(t, program)
		c.Output, c.Drain = &b, 20*time.Millisecond
		if exit := run(t, t.Context(), c); exit.Code != 0 || b.String() != "done\n" {
			t.Errorf("%s: %s, output %q", program, exit, b.String())
		}
	}
}

// A process that has shed its mark cannot be found; it does not hang Wait.
func TestWaitWithoutMark(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	c := sh(t, "setsid env -i sh -c 'echo $$ >"+pid+"; exec sleep 1000' & while ! test -s "+pid+"; do :; done; echo done")
	var b bytes.Buffer
	c.Output, c.Drain = &b, 20*time.Millisecond
	run(t, t.Context(), c)
	if b.String() != "done\n" {
		t.Errorf("output %q", b.String())
	}
	text, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	exec := process.Command{Args: []string{"/bin/sh", "-c", "kill -9 " + string(text)}, Mark: mark(t)}
	if exit := run(t, t.Context(), exec); exit.Code != 0 {
		t.Errorf("kill: %s", exit)
	}
}

func TestDeadline(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	exit := run(t, ctx, sh(t, "sleep 1000"))
	if exit.Signal != syscall.SIGTERM {
		t.Errorf("%s; want an end by TERM", exit)
	}
}

// TestCrash kills a process of ours the hard way: its children end with it,
// and those of its children that do not are swept at the next start.
func TestCrash(t *testing.T) {
	if fifo := os.Getenv("PROCESS_TEST_CRASH"); fifo != "" {
		c := sh(t, "setsid sh -c 'echo x >"+fifo+"; sleep 1000' & sleep 1000")
		c.Mark = os.Getenv("PROCESS_TEST_MARK")
		p, err := process.Start(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		p.Wait()
		return
	}
	s, m := started(t), mark(t)
	self, err := syscall.ForkExec(os.Args[0], []string{os.Args[0], "-test.run=^TestCrash$"}, &syscall.ProcAttr{
		Env: append(os.Environ(), "PROCESS_TEST_CRASH="+s.path, "PROCESS_TEST_MARK="+m),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.await()
	syscall.Kill(self, syscall.SIGKILL)
	syscall.Wait4(self, nil, 0, nil)

	n, err := process.Sweep(m[:len(m)-1]) // by prefix, as at a start
	if err != nil || n < 2 {
		t.Errorf("%d swept, %v; want the detached shell and its sleep", n, err)
	}
}

// TestNoZombies: every child is reaped, so none is left to wait for.
func TestNoZombies(t *testing.T) {
	for range 5 {
		c := sh(t, "sleep 1000 & true")
		c.Output = new(bytes.Buffer)
		run(t, t.Context(), c)
	}
	threads, _ := filepath.Glob("/proc/self/task/*/children")
	for _, file := range threads {
		if pids, err := os.ReadFile(file); err == nil && len(pids) > 0 {
			t.Errorf("children left: %s", pids)
		}
	}
}
