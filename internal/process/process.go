// Package process runs commands on this machine, for builds: cheaply, with
// their output kept, and so that nothing of them is left behind.
//
// A [Command] runs in a process group of its own. When its context ends the
// group is asked to end (TERM), then made to (KILL). Its whole family carries
// a mark in its environment, by which [Sweep] finds what left the group, or
// what a crash of this process left alive. A [Shell] is one shell that many
// commands share. A [Log] keeps output on disk without the secrets a [Masker]
// knows.
//
// It is no sandbox: commands run as the user, see the user's files and reach
// the user's network. What they do not get is this process's environment
// ([Environment]).
//
// # Invariants
//
// Each is held by the test of the same name.
//
//	StopLeavesNothing   After a stop no marked process is alive, whatever it ignores or detaches from.
//	WaitAlwaysReturns   A descendant that keeps the output open cannot hang Wait.
//	SecretsNeverOnDisk  No form of a secret reaches a log, however output is cut into chunks.
package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/sluice-ci/sluice/internal/failpoint"
)

// MarkName is the environment variable that says whose child a process is.
const MarkName = "SLUICE_ACTION"

// A Command is what to run. Args and Mark are required.
type Command struct {
	Args   []string  // Args[0] is a path
	Dir    string    // where it starts; "" is this process's directory
	Env    []string  // all of its environment, but for the mark
	Mark   string    // who it belongs to: <data folder>:<job>
	Output io.Writer // gets stdout and stderr in the order they were written; nil discards them
	Talk   bool      // gives it a socket to this process as descriptor 3

	Grace time.Duration // between TERM and KILL; default 5 s
	Drain time.Duration // how long to wait for output that a survivor keeps open; default 1 s
}

// An Exit is how a process ended.
type Exit struct {
	Code   int            // its exit code; 128 + signal if a signal ended it, as a shell says
	Signal syscall.Signal // zero unless a signal ended it
}

func (e Exit) String() string {
	if e.Signal != 0 {
		return "signal: " + e.Signal.String()
	}
	return fmt.Sprintf("exit status %d", e.Code)
}

// A Process is a Command that was started. Wait must be called once.
type Process struct {
	Talk *os.File // our end of descriptor 3; Wait closes it

	c      Command
	ctx    context.Context
	pid    int
	out    *os.File
	copied chan struct{} // closed when output ended
	err    error         // of Output; valid after copied

	mu     sync.Mutex
	reaped bool          // guarded by mu; the process id means nothing any more
	killed chan struct{} // closed when the grace is over
	timer  *time.Timer   // guarded by mu; of the grace
	cancel func() bool   // ends the watch on ctx
}

// null is what commands read, and where output goes that nobody wants.
var null = sync.OnceValues(func() (*os.File, error) { return os.OpenFile(os.DevNull, os.O_RDWR, 0) })

// Start starts c. When ctx ends the process group is stopped.
func Start(ctx context.Context, c Command) (*Process, error) {
	if len(c.Args) == 0 || c.Mark == "" {
		return nil, errors.New("process.Start: arguments and a mark are required")
	}
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	if c.Grace == 0 {
		c.Grace = 5 * time.Second
	}
	if c.Drain == 0 {
		c.Drain = time.Second
	}
	in, err := null()
	if err != nil {
		return nil, err
	}
	p := &Process{c: c, ctx: ctx, copied: make(chan struct{}), killed: make(chan struct{})}
	files := []uintptr{in.Fd(), in.Fd(), in.Fd()}
	var theirs []int // ends that only the child keeps
	defer func() {
		for _, fd := range theirs {
			syscall.Close(fd)
		}
	}()
	if c.Output != nil {
		r, w, err := pipe()
		if err != nil {
			return nil, fmt.Errorf("run %s: %w", c.Args[0], err)
		}
		p.out, theirs = r, append(theirs, w)
		files[1], files[2] = uintptr(w), uintptr(w)
	}
	if c.Talk {
		ours, w, err := socket()
		if err != nil {
			p.close()
			return nil, fmt.Errorf("run %s: %w", c.Args[0], err)
		}
		p.Talk, theirs = ours, append(theirs, w)
		files = append(files, uintptr(w))
	}
	env := make([]string, 0, len(c.Env)+1)
	env = append(append(env, c.Env...), MarkName+"="+c.Mark)
	err = failpoint.Step("process start", func() (err error) {
		p.pid, err = forkExec(c.Args, &syscall.ProcAttr{Dir: c.Dir, Env: env, Files: files})
		return err
	})
	if err != nil {
		p.close()
		return nil, fmt.Errorf("run %s: %w", c.Args[0], err)
	}
	if p.out == nil {
		close(p.copied)
	} else {
		go p.copy()
	}
	p.cancel = context.AfterFunc(ctx, p.terminate)
	return p, nil
}

func (p *Process) close() {
	if p.out != nil {
		p.out.Close()
	}
	if p.Talk != nil {
		p.Talk.Close()
	}
}

var buffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// copy hands on output until nobody can write any more. It reads on when
// Output fails, so that the child does not block on a full disk.
func (p *Process) copy() {
	defer close(p.copied)
	buf := buffers.Get().(*[32 << 10]byte)
	defer buffers.Put(buf)
	for {
		n, err := p.out.Read(buf[:])
		if n > 0 && p.err == nil {
			_, p.err = p.c.Output.Write(buf[:n])
		}
		if err != nil {
			return
		}
	}
}

// terminate asks the group to end, and makes it when the grace is over.
func (p *Process) terminate() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return
	}
	syscall.Kill(-p.pid, syscall.SIGTERM)
	p.timer = time.AfterFunc(p.c.Grace, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.reaped {
			syscall.Kill(-p.pid, syscall.SIGKILL)
		}
		close(p.killed)
	})
}

// Wait waits for the end of the process and ends what it left behind: its
// group always, and after a stop everything that carries its mark. The error
// is about waiting or about Output, never about how the process ended.
func (p *Process) Wait() (Exit, error) {
	exit, reaped, err := awaitExit(p.pid)
	stopped := !p.cancel()
	if stopped {
		// The leader is often a shell that died at once; its children still
		// have their grace, and hold the output while they use it.
		select {
		case <-p.copied:
		case <-p.killed:
		}
	}
	// The leader is dead but not reaped, so its id still names its group.
	syscall.Kill(-p.pid, syscall.SIGKILL)
	var sweepErr error
	if drained := p.drained(); stopped || !drained {
		_, sweepErr = Sweep(p.c.Mark)
		if !p.drained() {
			p.out.SetReadDeadline(time.Unix(1, 0)) // it has left its mark behind; let it write into nothing
			<-p.copied
		}
	}
	p.mu.Lock()
	if !reaped && err == nil {
		exit, err = reap(p.pid)
	}
	p.reaped = true
	if p.timer != nil {
		p.timer.Stop()
	}
	p.mu.Unlock()
	p.close()
	return exit, errors.Join(err, sweepErr, p.err)
}

// drained waits until output has ended, but not longer than Drain.
func (p *Process) drained() bool {
	select {
	case <-p.copied:
		return true
	default:
	}
	t := time.NewTimer(p.c.Drain)
	defer t.Stop()
	select {
	case <-p.copied:
		return true
	case <-t.C:
		return false
	}
}

// reap takes the exit of a process that has ended, or waits for it.
func reap(pid int) (Exit, error) {
	var status syscall.WaitStatus
	for {
		_, err := syscall.Wait4(pid, &status, 0, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return Exit{Code: -1}, os.NewSyscallError("wait4", err)
		}
		if status.Signaled() {
			return Exit{Code: 128 + int(status.Signal()), Signal: status.Signal()}, nil
		}
		return Exit{Code: status.ExitStatus()}, nil
	}
}
