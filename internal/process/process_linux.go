package process

import (
	"os"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// A spawn asks the starter for a child.
type spawn struct {
	args []string
	attr *syscall.ProcAttr
	done chan<- spawned
}

type spawned struct {
	pid int
	err error
}

// starter is the one thread that starts children. The kernel sends a child its
// parent-death signal when the thread that started it ends, not the process,
// so that thread must live as long as this process does. That makes it a
// property of the process, which is why it is a variable of the package.
var starter = sync.OnceValue(func() chan<- spawn {
	requests := make(chan spawn)
	go func() {
		runtime.LockOSThread() // never unlocked
		for s := range requests {
			pid, err := syscall.ForkExec(s.args[0], s.args, s.attr)
			s.done <- spawned{pid, err}
		}
	}()
	return requests
})

// forkExec starts a child that leads a new process group and is killed when
// this process dies, however that happens.
func forkExec(args []string, attr *syscall.ProcAttr) (int, error) {
	attr.Sys = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	done := make(chan spawned, 1)
	starter() <- spawn{args, attr, done}
	s := <-done
	return s.pid, s.err
}

// awaitExit returns when the process has ended. It stays a zombie, so that
// its id cannot come to mean another process.
func awaitExit(pid int) (exit Exit, reaped bool, err error) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return Exit{}, false, os.NewSyscallError("waitid", err)
		}
	}
}

// pipe returns our reading end, which can wait with a deadline, and the
// writing end that a child gets.
func pipe() (*os.File, int, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, 0, os.NewSyscallError("pipe2", err)
	}
	return ours(fds[0]), fds[1], nil
}

// socket returns both ends of a stream: ours, and the one that a child gets.
func socket() (*os.File, int, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, 0, os.NewSyscallError("socketpair", err)
	}
	return ours(fds[0]), fds[1], nil
}

// ours makes a descriptor one whose reads do not occupy a thread. The other
// end stays blocking: commands expect that.
func ours(fd int) *os.File {
	unix.SetNonblock(fd, true)
	return os.NewFile(uintptr(fd), "|")
}
