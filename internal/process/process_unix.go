//go:build unix && !linux

package process

import (
	"os"
	"syscall"
)

// forkExec starts a child that leads a new process group. There is no
// parent-death signal here: a crash of this process leaves it running.
func forkExec(args []string, attr *syscall.ProcAttr) (int, error) {
	attr.Sys = &syscall.SysProcAttr{Setpgid: true}
	return syscall.ForkExec(args[0], args, attr)
}

// awaitExit waits for the process and reaps it: there is no portable way to
// look without. For a moment its id may name another group.
func awaitExit(pid int) (exit Exit, reaped bool, err error) {
	exit, err = reap(pid)
	return exit, true, err
}

func pipe() (*os.File, int, error) {
	var fds [2]int
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := syscall.Pipe(fds[:]); err != nil {
		return nil, 0, os.NewSyscallError("pipe", err)
	}
	return ours(fds), fds[1], nil
}

func socket() (*os.File, int, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, 0, os.NewSyscallError("socketpair", err)
	}
	return ours(fds), fds[1], nil
}

func ours(fds [2]int) *os.File {
	syscall.CloseOnExec(fds[0])
	syscall.CloseOnExec(fds[1])
	syscall.SetNonblock(fds[0], true)
	return os.NewFile(uintptr(fds[0]), "|")
}

// Sweep finds nothing: there is no way here to read the environment of
// another process. What left its group survives a stop.
func Sweep(string) (int, error) { return 0, nil }
