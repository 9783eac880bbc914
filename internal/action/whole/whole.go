// Package whole makes a provider of a function that does a job whole, and
// holds what such functions share.
//
// A job that is done within [action.Provider.Start] leaves nothing behind that
// could be asked how it stands, so the provider remembers the ends of its own
// process. Work that an earlier process began is Lost to Poll, and done again
// by Start. The function must therefore come to the same end when it is
// repeated after a crash at any point.
package whole

import (
	"context"
	"errors"
	"sync"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// A Func does a job and returns its end. It gives up when ctx ends.
type Func func(ctx context.Context, job action.Job) (action.Result, error)

// Provider returns the provider whose jobs do does.
func Provider(do Func) action.Provider {
	return &provider{do: do, jobs: make(map[string]*work)}
}

// remembered is how many ended jobs a provider knows of.
const remembered = 1000

type provider struct {
	do   Func
	mu   sync.Mutex
	jobs map[string]*work // by id
	past []string         // ids of ended jobs, oldest first
}

// A work is one call of the function. Its result may be read once done is
// closed.
type work struct {
	cancel context.CancelCauseFunc
	done   chan struct{}
	result action.Result
	err    error
}

// Why the context of a job ended: somebody stopped it, or its time was up.
var (
	errStopped = errors.New("stopped")
	errTimeout = errors.New("timed out")
)

func (p *provider) Start(ctx context.Context, job action.Job) (action.Result, error) {
	p.mu.Lock()
	w, begun := p.jobs[job.ID]
	if !begun {
		var inner context.Context
		w = &work{done: make(chan struct{})}
		inner, w.cancel = context.WithCancelCause(ctx)
		p.jobs[job.ID] = w
		p.mu.Unlock()
		p.run(inner, job, w)
		return w.result, w.err
	}
	p.mu.Unlock()
	select {
	case <-w.done:
		return w.result, w.err
	case <-ctx.Done():
		return action.Result{}, context.Cause(ctx)
	}
}

// run does the work of w. What could not be told is forgotten, so that the
// next call does it.
func (p *provider) run(ctx context.Context, job action.Job, w *work) {
	finished := false
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if !finished || w.err != nil { // not finished: the function panics
			delete(p.jobs, job.ID)
		} else {
			p.past = append(p.past, job.ID)
		}
		if len(p.past) > remembered {
			delete(p.jobs, p.past[0])
			p.past = p.past[1:]
		}
		w.cancel(nil)
		close(w.done)
	}()
	if !job.Deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, job.Deadline, errTimeout)
		defer cancel()
	}
	w.result, w.err = p.do(ctx, job)
	switch cause := context.Cause(ctx); {
	case w.err == nil:
	case errors.Is(cause, errStopped):
		w.result, w.err = action.Fail(action.JobFailed, "The action was stopped."), nil
	case errors.Is(cause, errTimeout):
		w.result, w.err = action.Fail(action.Timeout, "The action timed out."), nil
	}
	finished = true
}

func (p *provider) Poll(_ context.Context, job action.Job) (action.Result, error) {
	p.mu.Lock()
	w, begun := p.jobs[job.ID]
	p.mu.Unlock()
	if !begun {
		return action.Result{Status: action.Lost}, nil
	}
	select {
	case <-w.done:
		return w.result, w.err
	default:
		return action.Result{Status: pipeline.InProgress}, nil
	}
}

func (p *provider) Stop(ctx context.Context, job action.Job) error {
	p.mu.Lock()
	w, begun := p.jobs[job.ID]
	p.mu.Unlock()
	if !begun {
		return nil
	}
	w.cancel(errStopped)
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
