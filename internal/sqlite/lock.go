package sqlite

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A LockedError says that another process uses the folder.
type LockedError struct {
	Folder string
	PID    int // 0: unknown
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("%s is in use by process %d: stop that process, or choose another folder", e.Folder, e.PID)
}

// patience is how long a lock may outlive its process: a child that was about
// to become another program when the process was killed still holds it.
const patience = 2 * time.Second

// lockFolder takes the folder for this process until the file is closed. A
// file that still names a process was left by one that did not close the
// database; unclean says so.
func lockFolder(folder string) (lock *os.File, unclean bool, err error) {
	f, err := os.OpenFile(filepath.Join(folder, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, false, err
	}
	var held []byte
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		held, _ = io.ReadAll(io.NewSectionReader(f, 0, 32))
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			break
		}
		if pid, _ := strconv.Atoi(strings.TrimSpace(string(held))); alive(pid) || time.Now().After(end) {
			f.Close()
			return nil, false, &LockedError{folder, pid}
		}
	}
	if err != nil {
		f.Close()
		return nil, false, fmt.Errorf("lock %s: %w", folder, err)
	}
	if err := writePID(f); err != nil {
		f.Close()
		return nil, false, fmt.Errorf("lock %s: %w", folder, err)
	}
	return f, len(held) > 0, nil
}

// alive reports whether there is a process pid; it may be somebody else's.
func alive(pid int) bool { return pid > 0 && !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

func writePID(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt(fmt.Appendln(nil, os.Getpid()), 0)
	return err
}

// unlockFolder gives the folder back after a clean stop.
func unlockFolder(lock *os.File) error {
	return errors.Join(lock.Truncate(0), lock.Close())
}
