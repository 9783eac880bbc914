package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/sluice-ci/sluice/internal/machine"
)

const (
	maxGroup = 512         // requests that share a commit
	some     = 8           // requests that are dealt with while others are on their way
	pause    = time.Second // after a failed commit, before what nobody waits for is tried again
	patience = 256         // turns of the scheduler in which nobody comes, before a group is closed
	nap      = time.Minute // after which the clock is looked at again: computers are put to sleep
)

// errEpoch says that a checkpoint came between looking for a name and starting
// it, so the look was in vain.
var errEpoch = errors.New("look again")

// A request is an event for a run, or the beginning of one.
type request struct {
	name    string
	event   Event
	machine *Machine // of a run to begin
	begin   Begin
	epoch   int        // when the name of a run to begin was looked for
	done    chan error // nil: nobody waits
	err     error
}

// ask hands r to Serve and waits until it is committed.
func (e *Engine) ask(ctx context.Context, r *request) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.done = make(chan error, 1)
	if !e.put(r) {
		return ErrClosed
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// put queues r and reports whether somebody will look at it.
func (e *Engine) put(r *request) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return false
	}
	e.queue = append(e.queue, r)
	e.asked.Store(int32(len(e.queue)))
	if len(e.queue) == 1 {
		select {
		case e.wake <- struct{}{}:
		default:
		}
	}
	return true
}

// A loop is what only the goroutine of Serve touches.
type loop struct {
	group   []*request // being worked on
	changed []*live    // by the group
	fired   []*live    // whose timer went off
	told    []*live    // whose Ended hook has returned; the journal does not know yet
	effects []runEffect
	enc     encoder
	names   []byte
	gone    []string   // told runs that the last checkpoint still has
	held    []*request // by nobody waited for, of groups that failed
	expect  int        // requests, of the next group
	until   int64      // held and timers rest until then
	size    int        // of the journal in bytes
	folded  int        // bytes of runs that the last checkpoint wrote
	timers  timers
	timer   *time.Timer
	armed   int64 // what timer is set to
}

type runEffect struct {
	run    *live
	effect Effect
}

// Serve runs the engine until ctx ends, waits for the functions it called and
// returns. It can be called once.
func (e *Engine) Serve(ctx context.Context) error {
	e.loop.timer = time.NewTimer(0)
	defer e.loop.timer.Stop()
	e.resume(ctx)
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-e.wake:
		case <-e.loop.timer.C:
			e.loop.armed = 0
		}
		for more := true; more && ctx.Err() == nil; {
			more = e.turn(ctx)
		}
		e.arm()
	}
	e.close()
	e.jobs.wait()
	e.collectTold()
	e.forgetTold()
	return e.checkpoint(context.WithoutCancel(ctx))
}

// close refuses all requests from now on.
func (e *Engine) close() {
	e.mu.Lock()
	queue := e.queue
	e.queue, e.closed = nil, true
	e.mu.Unlock()
	for _, r := range queue {
		if r.done != nil {
			r.done <- ErrClosed
		}
	}
}

// resume does again what was under way when the journal ended.
func (e *Engine) resume(ctx context.Context) {
	now := time.Now()
	for _, l := range e.shelf.runs {
		if l.run.Status != machine.Running {
			e.tell(l)
			continue
		}
		for _, effect := range Resume(l.machine, l.run, now) {
			e.invoke(ctx, l, effect.(Invoke))
		}
	}
}

// turn deals with one group: what is due and what is asked. It reports whether
// there was anything.
func (e *Engine) turn(ctx context.Context) bool {
	g := &e.loop
	now := time.Now()
	g.group, g.changed, g.fired, g.effects = g.group[:0], g.changed[:0], g.fired[:0], g.effects[:0]
	if now.UnixNano() >= g.until {
		g.group, g.held = append(g.group, g.held...), g.held[:0]
		e.fire(now)
	}
	for _, r := range g.group {
		r.err = e.apply(r, now)
	}
	for e.takeQueue(now) < g.expect && e.gather(g.expect-len(g.group)) {
	}
	e.takeQueue(now) // those who came too late to be waited for
	if len(g.group) == 0 && len(g.fired) == 0 {
		g.expect = 0
		return false
	}
	var err error
	if len(g.changed) > 0 {
		if err = e.commit(ctx); err != nil {
			e.undo(now)
		} else {
			e.publish()
			e.act(ctx)
		}
	}
	for _, r := range g.group {
		switch {
		case r.done == nil && err != nil:
			g.held = append(g.held, r)
		case r.done != nil && err != nil:
			r.done <- notWritten(err)
		case r.done != nil:
			r.done <- r.err
		}
	}
	for _, l := range g.fired {
		g.timers.set(l, l.run.wake)
	}
	e.mu.Lock()
	g.expect = min(len(g.group)+len(e.queue), maxGroup)
	e.mu.Unlock()
	if g.size >= max(e.opts.CheckpointBytes, 4*g.folded) {
		if err := e.checkpoint(context.WithoutCancel(ctx)); err != nil {
			e.log.Error("checkpoint failed; the journal grows on", "err", err)
			g.size = 0
		}
	}
	return true
}

// gather waits until some of the want requests have come that the group lacks,
// and reports whether they have. It gives those whom the last group has set to
// work a moment to come back with their next request: a commit costs the same
// for one as for many. A caller that is alone does not wait.
//
// It waits awake. To fall asleep and wake up takes longer than most need to come.
func (e *Engine) gather(want int) bool {
	want = min(want, some)
	for last, idle := 0, 0; idle < patience; idle++ {
		n := int(e.asked.Load()) // whoever takes the lock this often keeps others out
		if n >= want {
			return true
		}
		if n > last {
			last, idle = n, 0
		}
		runtime.Gosched()
	}
	return false
}

// takeQueue moves requests to the group, applies them and returns how many the
// group has.
func (e *Engine) takeQueue(now time.Time) int {
	g := &e.loop
	from := len(g.group)
	e.mu.Lock()
	n := max(0, min(len(e.queue), maxGroup-from))
	g.group = append(g.group, e.queue[:n]...)
	rest := copy(e.queue, e.queue[n:])
	clear(e.queue[rest:])
	e.queue = e.queue[:rest]
	e.asked.Store(int32(rest))
	e.mu.Unlock()
	for _, r := range g.group[from:] {
		r.err = e.apply(r, now)
	}
	return len(g.group)
}

// fire ticks the runs whose timers are due.
func (e *Engine) fire(now time.Time) {
	g := &e.loop
	for len(g.fired) < maxGroup {
		l := g.timers.first()
		if l == nil || l.alarm > now.UnixNano() {
			return
		}
		g.timers.set(l, 0)
		g.fired = append(g.fired, l)
		e.step(l, Tick{}, now) // a tick has no token that could be gone
	}
}

// apply does what r asks for, in memory.
func (e *Engine) apply(r *request, now time.Time) error {
	if r.machine != nil {
		return e.begin(r, now)
	}
	if l := e.shelf.runs[r.name]; l != nil {
		return e.step(l, r.event, now)
	}
	if _, ok := r.event.(Stopped); ok {
		return nil
	}
	return machine.ErrTaskGone
}

func (e *Engine) begin(r *request, now time.Time) error {
	name := r.begin.Name
	if _, ended := e.shelf.recent[name]; ended || e.shelf.runs[name] != nil {
		return nil
	}
	if r.epoch != e.shelf.epoch {
		return errEpoch
	}
	l := &live{machine: r.machine, fresh: true, place: -1}
	e.shelf.Lock()
	e.shelf.runs[name] = l
	e.shelf.Unlock()
	next, effects := Start(r.machine, r.begin, now)
	e.change(l, next, effects)
	return nil
}

func (e *Engine) step(l *live, ev Event, now time.Time) error {
	current := l.current()
	next, effects, err := carefully(l.machine, *current, ev, now)
	if err == nil && next.steps != current.steps {
		e.change(l, next, effects)
	}
	return err
}

// carefully is Step, but a panic ends the run and not the process, which would
// come back to the same panic for ever.
func carefully(m *Machine, r Run, ev Event, now time.Time) (next Run, effects []Effect, err error) {
	defer func() {
		if p := recover(); p != nil {
			next = spoiled(r.Name, fmt.Sprintf("internal error: %v", p))
			next.Pipeline, next.Digest, next.steps = r.Pipeline, r.Digest, r.steps+1
			effects, err = []Effect{Ended{}}, nil
		}
	}()
	return Step(m, r, ev, now)
}
