package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sluice-ci/sluice/internal/failpoint"
	"github.com/sluice-ci/sluice/internal/machine"
)

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
