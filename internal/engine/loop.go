package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/sluice-ci/sluice/internal/failpoint"
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

// change notes what the group makes of l.
func (e *Engine) change(l *live, next Run, effects []Effect) {
	g := &e.loop
	if !l.changed {
		l.changed = true
		g.changed = append(g.changed, l)
	}
	l.next = next
	for _, effect := range effects {
		g.effects = append(g.effects, runEffect{l, effect})
	}
}

// commit writes what the group has changed, and which ended runs are told.
func (e *Engine) commit(ctx context.Context) error {
	g := &e.loop
	e.collectTold()
	g.enc.buf, g.names = g.enc.buf[:0], g.names[:0]
	for _, l := range g.changed {
		if l.fresh || l.next.Status != machine.Running {
			g.enc.state(l.machine, &l.next)
		} else {
			g.enc.move(l.machine, &l.next)
		}
		g.names = append(append(g.names, l.next.Name...), ' ')
	}
	for _, l := range g.told {
		g.enc.told(l.run.Name)
		g.names = append(append(g.names, l.run.Name...), ' ')
	}
	// Without cancellation: an outcome nobody waits for would still be one.
	err := failpoint.Named(g.commitName, func() error {
		return e.journal.Append(context.WithoutCancel(ctx), string(g.names), g.enc.buf)
	})
	if err == nil {
		g.size += len(g.enc.buf)
	}
	return err
}

// commitName names the commit of a group by the rarest of what is in it.
func (g *loop) commitName() string {
	rarest, name := 0, ""
	if len(g.fired) > 0 {
		rarest, name = 4, "engine timer"
	}
	for _, r := range g.group {
		rank, what := 1, "engine answer"
		switch r.event.(type) {
		case nil:
			rank, what = 2, "engine begin"
		case TaskFailed:
			rank, what = 3, "engine failure"
		case Stopped:
			rank, what = 5, "engine stop"
		}
		if rank > rarest {
			rarest, name = rank, what
		}
	}
	return name
}

func notWritten(err error) error {
	return fmt.Errorf("the change could not be written, so it is not made: %w", err)
}

// undo leaves every run as it was before the group.
func (e *Engine) undo(now time.Time) {
	g := &e.loop
	g.until = now.Add(pause).UnixNano()
	e.shelf.Lock()
	defer e.shelf.Unlock()
	for _, l := range g.changed {
		if l.fresh {
			delete(e.shelf.runs, l.next.Name)
		}
		l.changed, l.next = false, Run{}
	}
}

// publish shows what the group has changed.
func (e *Engine) publish() {
	g := &e.loop
	g.until = 0
	e.shelf.Lock()
	for _, l := range g.changed {
		l.run, l.next = l.next, Run{}
		l.changed, l.fresh, l.dirty = false, false, true
	}
	e.shelf.Unlock()
	for _, l := range g.changed {
		g.timers.set(l, l.run.wake)
	}
	e.forgetTold()
}

// act does what the committed group asks for.
func (e *Engine) act(ctx context.Context) {
	for _, x := range e.loop.effects {
		switch effect := x.effect.(type) {
		case Invoke:
			if x.run.run.Status == machine.Running {
				e.invoke(ctx, x.run, effect)
			}
		case Entered:
			if e.opts.Entered != nil {
				e.opts.Entered(x.run.run.Name, effect.State)
			}
		case Ended:
			e.tell(x.run)
		}
	}
}

// invoke calls a function. If that fails, so does the task.
func (e *Engine) invoke(ctx context.Context, l *live, call Invoke) {
	name := l.run.Name
	e.jobs.add(func() {
		if ctx.Err() != nil {
			return
		}
		err := e.call(ctx, call)
		if err == nil || ctx.Err() != nil {
			return // a function that was interrupted is called again by the next process
		}
		errorName := "Lambda.Unknown"
		if named, ok := errors.AsType[interface {
			error
			ErrorName() string
		}](err); ok {
			errorName = named.ErrorName()
		}
		e.put(&request{name: name, event: TaskFailed{call.Token, cut(errorName, maxError), cut(err.Error(), maxCause)}})
	})
}

func (e *Engine) call(ctx context.Context, call Invoke) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("function %s panicked: %v", call.Function, p)
			e.log.Error("function panicked", "function", call.Function, "err", err)
		}
	}()
	return e.invoker.Invoke(ctx, call.Function, call.Payload)
}

// tell calls the Ended hook and has the run forgotten after that.
func (e *Engine) tell(l *live) {
	r := l.run
	if e.opts.Ended == nil {
		e.mu.Lock()
		e.told = append(e.told, l)
		e.mu.Unlock()
		return
	}
	e.jobs.add(func() {
		e.opts.Ended(r.Name, r.Status, r.Error, r.Cause)
		e.mu.Lock()
		e.told = append(e.told, l)
		e.mu.Unlock()
	})
}

func (e *Engine) collectTold() {
	e.mu.Lock()
	e.loop.told = append(e.loop.told, e.told...)
	e.told = e.told[:0]
	e.mu.Unlock()
}

// forgetTold takes told runs out of memory. The next checkpoint puts their
// outcomes away.
func (e *Engine) forgetTold() {
	g := &e.loop
	e.shelf.Lock()
	defer e.shelf.Unlock()
	for _, l := range g.told {
		r := &l.run
		delete(e.shelf.runs, r.Name)
		e.shelf.recent[r.Name] = Outcome{r.Name, r.Status, r.Error, r.Cause}
		if l.stored {
			g.gone = append(g.gone, r.Name)
		}
	}
	clear(g.told)
	g.told = g.told[:0]
}

// arm sets the timer to what is due next.
func (e *Engine) arm() {
	g := &e.loop
	at := int64(0)
	if l := g.timers.first(); l != nil {
		at = max(l.alarm, g.until)
	}
	if len(g.held) > 0 && (at == 0 || g.until < at) {
		at = g.until
	}
	if at == 0 || at == g.armed {
		return
	}
	wait := time.Until(time.Unix(0, at))
	if g.armed = at; wait > nap {
		wait, g.armed = nap, 0
	}
	g.timer.Reset(wait)
}
