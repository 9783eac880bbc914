package dir

import (
	"os"
	"syscall"
)

// tryLock locks f until it is closed, or its process dies. It returns false
// when somebody else has it.
func tryLock(f *os.File) bool {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}
