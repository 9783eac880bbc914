package crash_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/bus"
	"github.com/sluice-ci/sluice/internal/failpoint"
	"github.com/sluice-ci/sluice/internal/machine"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/store"
)

// faulty makes a step of every call of a port that has an effect.
func faulty(p orchestrator.Ports) orchestrator.Ports {
	return orchestrator.Ports{Store: faultyStore{p.Store}, Machine: faultyMachine{p.Machine}, Catalog: faultyCatalog{p.Catalog}, Bus: faultyBus{p.Bus}}
}

// faultyStore names its writes by who makes them.
type faultyStore struct{ store.Store }

func (s faultyStore) Write(ctx context.Context, ops ...store.Op) error {
	return failpoint.Named(writer, func() error { return s.Store.Write(ctx, ops...) })
}

// writer returns the name of the function that makes a write: the one that
// wants the change, not those that carry it out.
func writer() string {
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		frame, more := frames.Next()
		_, function, ours := strings.Cut(frame.Function, "github.com/sluice-ci/sluice/internal/")
		if ours && (strings.HasPrefix(function, "orchestrator.") || strings.HasPrefix(function, "local.")) {
			function = function[strings.IndexByte(function, '.')+1:]
			_, method, ok := strings.Cut(function, ").")
			if !ok {
				method = function
			}
			method, _, _ = strings.Cut(method, ".")
			if method != "change" && method != "write" {
				return "store " + method
			}
		}
		if !more {
			return "store ?"
		}
	}
}

type faultyMachine struct{ machine.Machine }

func (m faultyMachine) Start(ctx context.Context, s machine.Start) error {
	return failpoint.Step("machine Start", func() error { return m.Machine.Start(ctx, s) })
}

func (m faultyMachine) Stop(ctx context.Context, name, errorName, cause string) error {
	return failpoint.Step("machine Stop", func() error { return m.Machine.Stop(ctx, name, errorName, cause) })
}

func (m faultyMachine) Succeed(ctx context.Context, token string, output []byte) error {
	return failpoint.Step("machine Succeed", func() error { return m.Machine.Succeed(ctx, token, output) })
}

func (m faultyMachine) Fail(ctx context.Context, token, errorName, cause string) error {
	return failpoint.Step("machine Fail", func() error { return m.Machine.Fail(ctx, token, errorName, cause) })
}

type faultyBus struct{ bus.Bus }

func (b faultyBus) Publish(ctx context.Context, e bus.Event) error {
	return failpoint.Step("bus Publish", func() error { return b.Bus.Publish(ctx, e) })
}

type faultyCatalog struct{ action.Catalog }

func (c faultyCatalog) Provider(id pipeline.ActionTypeID) action.Provider {
	return faultyProvider{c.Catalog.Provider(id), fmt.Sprint(id.Category, "/", id.Provider, " ")}
}

type faultyProvider struct {
	action.Provider
	name string
}

// Prepare implements action.Preparer: it has no effect that anybody could
// notice, so it is no step.
func (p faultyProvider) Prepare(job action.Job) (discard func()) {
	if inner, ok := p.Provider.(action.Preparer); ok {
		return inner.Prepare(job)
	}
	return func() {}
}

func (p faultyProvider) Start(ctx context.Context, job action.Job) (r action.Result, err error) {
	err = failpoint.Step(p.name+"Start", func() (err error) {
		r, err = p.Provider.Start(ctx, job)
		return err
	})
	return r, err
}

func (p faultyProvider) Poll(ctx context.Context, job action.Job) (r action.Result, err error) {
	err = failpoint.Step(p.name+"Poll", func() (err error) {
		r, err = p.Provider.Poll(ctx, job)
		return err
	})
	return r, err
}

func (p faultyProvider) Stop(ctx context.Context, job action.Job) error {
	return failpoint.Step(p.name+"Stop", func() error { return p.Provider.Stop(ctx, job) })
}
