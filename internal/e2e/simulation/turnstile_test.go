package simulation

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
)

// A turnstile is where all calls of one process wait for their turn. The driver
// lets one through when nothing moves any more, so what happens between two
// turns depends on nothing but which call went through.
type turnstile struct {
	came chan struct{} // somebody has come

	mu    sync.Mutex
	calls []*call // that wait; guarded by mu
	dead  bool    // the process was killed; guarded by mu
}

// A call waits at a turnstile.
type call struct {
	name string // who calls, and what; no two that wait have the same
	port port
	turn chan fate
}

// A port is a kind of calls: which ways they may end.
type port uint8

const (
	reads port = iota
	writes
	journal
	machines
	providers
	asks // of a provider, how its work stands
	buses
	functions
	deliveries
	endings
	sweeps
	deletions
	others
)

// A fate is how a call ends.
type fate uint8

const (
	done       fate = iota
	refused         // it is not done, and the caller hears an error
	unanswered      // it is done, and the caller hears an error
	unheard         // likewise, and nobody else hears of it either
	conflict        // it is not done, as if somebody had been faster
	again           // it is done twice
	givenUp         // of a function: the machine hears an error, and the call goes on later
	lost            // of a notification: it never comes
	killed          // the process is dead
)

func (f fate) String() string {
	return [...]string{"", " REFUSED", " UNANSWERED", " UNHEARD", " CONFLICT", " AGAIN", " GIVEN UP", " LOST", " KILLED"}[f]
}

// What callers hear. Both mean that the outcome is unknown to them.
var (
	errInjected = errors.New("injected")
	errKilled   = errors.New("the process is dead")
)

// errThrottled is the name under which a machine calls again.
type errThrottled struct{}

func (errThrottled) Error() string     { return errInjected.Error() + ": throttled" }
func (errThrottled) ErrorName() string { return "Lambda.TooManyRequestsException" }
func (errThrottled) Unwrap() error     { return errInjected }

func newTurnstile() *turnstile { return &turnstile{came: make(chan struct{}, 1)} }

// pass waits for the caller's turn and returns how the call ends.
func (t *turnstile) pass(ctx context.Context, p port, what string) fate {
	c := &call{name: who(ctx) + ": " + what, port: p, turn: make(chan fate, 1)}
	t.mu.Lock()
	if t.dead {
		t.mu.Unlock()
		return killed
	}
	t.calls = append(t.calls, c)
	t.mu.Unlock()
	select {
	case t.came <- struct{}{}:
	default:
	}
	return <-c.turn
}

// waiting returns the calls that wait, by name.
func (t *turnstile) waiting() []*call {
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case <-t.came: // they have been seen now
	default:
	}
	slices.SortFunc(t.calls, func(a, b *call) int { return cmp.Compare(a.name, b.name) })
	return slices.Clone(t.calls)
}

// let lets a call through.
func (t *turnstile) let(c *call, f fate) {
	t.mu.Lock()
	t.calls = slices.DeleteFunc(t.calls, func(x *call) bool { return x == c })
	t.mu.Unlock()
	c.turn <- f
}

// kill ends the process: no call of it has any effect from now on.
func (t *turnstile) kill() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dead = true
	for _, c := range t.calls {
		c.turn <- killed
	}
	t.calls = nil
}

// killed reports whether the process is dead. What is left of it then runs side
// by side and must touch nothing that others know.
func (t *turnstile) killed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.dead
}

// whoKey is the context key of a caller's name. Each goroutine that calls has a
// name of its own, made from what it works on.
type whoKey struct{}

func as(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, whoKey{}, name)
}

func who(ctx context.Context) string {
	name, _ := ctx.Value(whoKey{}).(string)
	return name
}

// once does f as fate says and returns what the caller hears.
func once(fa fate, f func() error) error {
	switch fa {
	case killed:
		return errKilled
	case refused:
		return errThrottled{}
	case unanswered:
		if err := f(); err != nil {
			return err
		}
		return errInjected
	case again:
		if err := f(); err != nil {
			return err
		}
	}
	return f()
}
