package sqlite

import (
	"os"
	"syscall"
)

// syncData makes the content of f durable. Unlike Sync it leaves out the time
// of the change, which saves writing the file system's journal.
func syncData(f *os.File) error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); err != syscall.EINTR {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
