package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Sweep kills every process whose mark begins with prefix and returns, with
// their number, when they are dead. It looks again until it finds none,
// because a process may fork while it is being looked for. What cleared its
// environment, or belongs to another user, is not found.
func Sweep(prefix string) (int, error) {
	return sweep("/proc", []byte(MarkName+"="+prefix), signaller{})
}

// A killer ends processes. A handle is taken before a process is looked at
// again, and names that process even after its id was given to another one.
type killer interface {
	open(pid int) (int, error)
	kill(handle int) error
	awaitDeath(handle int)
	close(handle int)
}

func sweep(proc string, want []byte, k killer) (int, error) {
	killed := 0
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		found, err := sweepOnce(proc, want, k)
		killed += found
		if err != nil || found == 0 {
			return killed, err
		}
	}
	return killed, fmt.Errorf("sweep %s: some do not die, or new ones appear faster than they can be killed", want)
}

func sweepOnce(proc string, want []byte, k killer) (int, error) {
	dir, err := os.Open(proc)
	if err != nil {
		return 0, err
	}
	names, err := dir.Readdirnames(-1)
	dir.Close()
	if err != nil {
		return 0, err
	}
	var dying []int
	buf := make([]byte, 0, 64<<10)
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || pid == os.Getpid() {
			continue
		}
		environ := proc + "/" + name + "/environ"
		if !marked(environ, want, &buf) {
			continue
		}
		h, err := k.open(pid)
		if err != nil {
			continue // it has ended
		}
		// Only now is it certain that h is the process that bears the mark:
		// had the id been given to another one before, the mark would be gone.
		if !marked(environ, want, &buf) || k.kill(h) != nil {
			k.close(h)
			continue
		}
		dying = append(dying, h)
	}
	for _, h := range dying {
		k.awaitDeath(h)
		k.close(h)
	}
	return len(dying), nil
}

// marked reports whether the environment in file has a variable that begins
// with want. An unreadable one has none.
func marked(file string, want []byte, buf *[]byte) bool {
	f, err := unix.Open(file, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(f)
	b := (*buf)[:0]
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := unix.Read(f, b[len(b):cap(b)])
		if n <= 0 || err != nil {
			break
		}
		b = b[:len(b)+n]
	}
	*buf = b
	for {
		i := bytes.Index(b, want)
		if i < 0 {
			return false
		}
		if i == 0 || b[i-1] == 0 {
			return true
		}
		b = b[i+1:]
	}
}

// signaller kills through process descriptors (Linux 5.3).
type signaller struct{}

func (signaller) open(pid int) (int, error) { return unix.PidfdOpen(pid, 0) }
func (signaller) close(h int)               { unix.Close(h) }

func (signaller) kill(h int) error { return unix.PidfdSendSignal(h, unix.SIGKILL, nil, 0) }

// awaitDeath waits until the process is dead, or a second: one that is stuck
// in the kernel dies later.
func (signaller) awaitDeath(h int) {
	deadline := time.Now().Add(time.Second)
	for {
		left := time.Until(deadline).Milliseconds()
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(h), Events: unix.POLLIN}}, int(max(left, 0)))
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}
