//go:build failpoint

package failpoint

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// Step calls effect, which is the step called name.
func Step(name string, effect func() error) error {
	if err := current().reach(name, PanicBefore, KillBefore, ErrorBefore); err != nil {
		return err
	}
	if err := effect(); err != nil {
		return err
	}
	return current().reach(name, PanicAfter, KillAfter, ErrorAfter)
}

// Named is Step for a name that takes work to find.
func Named(name func() string, effect func() error) error { return Step(name(), effect) }

// current is the plan of this process.
var current = sync.OnceValue(func() *plan {
	p := &plan{reached: map[place]int{}}
	file := os.Getenv(Env)
	if file == "" {
		return p
	}
	text, err := os.ReadFile(file)
	if err != nil {
		panic(err)
	}
	for line := range strings.Lines(string(text)) {
		part := strings.Split(strings.TrimSpace(line), "\t")
		n, err := strconv.Atoi(part[len(part)-1])
		if err != nil || len(part) != 3 {
			panic(fmt.Sprintf("%s: %q is no failure", file, line))
		}
		p.failures = append(p.failures, failure{part[0], Mode(part[1]), n})
	}
	p.fired, err = os.OpenFile(file+FiredSuffix, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		panic(err)
	}
	return p
})

// A plan is what is to fail in this process.
type plan struct {
	mu       sync.Mutex
	failures []failure     // that have not happened; guarded by mu
	reached  map[place]int // guarded by mu
	fired    *os.File
}

type failure struct {
	step string
	mode Mode
	n    int
}

// A place is a side of a step, by the first mode of that side.
type place struct {
	step string
	side Mode
}

// reach lets the first failure that is due happen, if one is.
func (p *plan) reach(step string, modes ...Mode) error {
	mode := p.due(step, modes)
	switch mode {
	case "":
		return nil
	case PanicBefore, PanicAfter:
		panic("failpoint " + step + ": " + string(mode))
	case KillBefore, KillAfter:
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	return fmt.Errorf("failpoint %s: %s", step, mode)
}

func (p *plan) due(step string, modes []Mode) Mode {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := place{step, modes[0]}
	p.reached[at]++
	for i, f := range p.failures {
		for _, mode := range modes {
			if f.step == step && f.mode == mode && f.n <= p.reached[at] {
				p.failures = append(p.failures[:i], p.failures[i+1:]...)
				fmt.Fprintf(p.fired, "%s\t%s\n", step, mode)
				return mode
			}
		}
	}
	return ""
}
