package awstest

import (
	"os/exec"
	"runtime"
	"sync"
)

// starter is the one thread that starts children. The kernel sends the signal
// of dieWithUs when that thread ends, so it must live as long as this process.
var starter = sync.OnceValue(func() chan<- func() {
	starts := make(chan func())
	go func() {
		runtime.LockOSThread() // never unlocked
		for start := range starts {
			start()
		}
	}()
	return starts
})

// StartChild starts cmd as a process that is killed when this one ends, however
// that happens; elsewhere than on Linux only who started it can see to that.
func StartChild(cmd *exec.Cmd) error {
	cmd.SysProcAttr = dieWithUs
	done := make(chan error, 1)
	starter() <- func() { done <- cmd.Start() }
	return <-done
}
