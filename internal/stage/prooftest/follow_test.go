package prooftest

import (
	"context"
	"errors"
	"iter"

	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/store"
)

// A following is an update of the pipeline that rests after each of its
// transactions until it is told to go on, or to end as a process that dies.
type following struct {
	next func() (error, bool) // an error that is not nil is the update's own
	end  func()
}

// follow begins, continues or cuts an update of the twin.
func (w *twin) follow(from *world, k kind) error {
	p := from.pipeline
	switch {
	case k == cutShort:
		w.update.end()
		return nil
	case k == settleFormer:
		return w.former.goOn()
	case k == update:
		if p.settled > 0 && !p.cut {
			w.former = w.update
		}
		d := declaration(w.m.Config, w.m.modeOf(p.version+1))
		w.update = w.begin(func(ctx context.Context) error {
			_, err := w.svc.UpdatePipeline(ctx, d, "")
			return err
		})
	case p.cut:
		d := declaration(w.m.Config, w.m.modeOf(p.version))
		w.update = w.begin(func(ctx context.Context) error {
			_, err := w.svc.Deploy(ctx, orchestrator.Deployment{Declaration: d})
			return err
		})
	}
	return w.update.goOn()
}

// begin has f rest after each of its writes.
func (w *twin) begin(f func(context.Context) error) *following {
	next, end := iter.Pull(func(rest func(error) bool) {
		ctx := context.WithValue(w.t.Context(), resting{}, func() bool { return rest(nil) })
		if err := f(ctx); err != nil {
			rest(err)
		}
	})
	w.t.Cleanup(end)
	return &following{next, end}
}

// goOn lets an update do its next step.
func (f *following) goOn() error {
	err, _ := f.next()
	return err
}

// resting is the key of a context whose writes are followed by a rest. What it
// holds reports whether the process goes on after it.
type resting struct{}

var errDied = errors.New("the process is gone")

// paused is a store whose writes are followed by a rest, for whom it is asked.
type paused struct{ store.Store }

// Write implements store.Store.
func (p paused) Write(ctx context.Context, ops ...store.Op) error {
	err := p.Store.Write(ctx, ops...)
	rest, ok := ctx.Value(resting{}).(func() bool)
	if err == nil && ok && !rest() {
		return errDied
	}
	return err
}
