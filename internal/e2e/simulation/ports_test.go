package simulation

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/bus"
	"github.com/sluice-ci/sluice/internal/engine"
	"github.com/sluice-ci/sluice/internal/machine"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/store"
)

// ports puts the turnstile in front of everything the use cases call.
func (w *world) ports(gate *turnstile) func(orchestrator.Ports) orchestrator.Ports {
	return func(p orchestrator.Ports) orchestrator.Ports {
		p.Store = items{p.Store, gate, w}
		p.Machine = runs{p.Machine, gate, w}
		p.Catalog = catalog{p.Catalog, gate, w}
		p.Bus = announcements{p.Bus, gate, w}
		return p
	}
}

// items is the store as the use cases see it.
type items struct {
	store.Store
	gate *turnstile
	w    *world
}

func (s items) Get(ctx context.Context, key store.Key) (item store.Item, err error) {
	err = once(s.gate.pass(ctx, reads, "get "+name(key)), func() (err error) {
		item, err = s.Store.Get(ctx, key)
		return err
	})
	return item, s.w.mutateRead(key, &item, err)
}

func (s items) GetMany(ctx context.Context, keys []store.Key) (all []store.Item, err error) {
	return all, once(s.gate.pass(ctx, reads, "get "+names(keys)), func() (err error) {
		all, err = s.Store.GetMany(ctx, keys)
		return err
	})
}

func (s items) Query(ctx context.Context, q store.Query) (all []store.Item, err error) {
	return all, once(s.gate.pass(ctx, reads, "query "+q.PK+" "+q.Prefix), func() (err error) {
		all, err = s.Store.Query(ctx, q)
		return err
	})
}

// unheardKey marks a write whose answer is lost below the cache and below
// whoever observes commits.
type unheardKey struct{}

func (s items) Write(ctx context.Context, ops ...store.Op) error {
	ops = s.w.mutateWrite(ops)
	f := s.gate.pass(ctx, writes, "write "+touched(ops))
	switch f {
	case conflict:
		return &store.ConflictError{Key: ops[0].Key, Want: ops[0].If, Got: ops[0].If + 1}
	case unheard:
		ctx, f = context.WithValue(ctx, unheardKey{}, true), done
	}
	return once(f, func() error { return s.Store.Write(ctx, ops...) })
}

func name(key store.Key) string { return key.PK + " " + key.SK }

func names(keys []store.Key) string {
	all := make([]string, len(keys))
	for i, k := range keys {
		all[i] = name(k)
	}
	return strings.Join(all, ", ")
}

// touched names the items that ops change.
func touched(ops []store.Op) string {
	var all []string
	for _, op := range ops {
		if op.Kind != store.Check {
			all = append(all, name(op.Key))
		}
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// table is where items lie. What is committed is audited at once.
type table struct {
	store.Store
	w *world
}

func (s table) Write(ctx context.Context, ops ...store.Op) error {
	ops = s.w.tear(ops)
	if err := s.Store.Write(ctx, ops...); err != nil {
		s.w.contended(err)
		return err
	}
	s.w.audit.commit(who(ctx), ops)
	if ctx.Value(unheardKey{}) != nil {
		return errInjected
	}
	return nil
}

// diary is the engine's journal behind the turnstile.
type diary struct {
	engine.Journal
	gate *turnstile
	w    *world
}

func (j diary) Append(ctx context.Context, about string, batch []byte) error {
	if j.w.mutant == "the journal forgets" && j.w.rng.IntN(8) == 0 {
		return nil
	}
	return once(j.gate.pass(ctx, journal, "append "+about), func() error { return j.Journal.Append(ctx, about, batch) })
}

func (j diary) Checkpoint(ctx context.Context, c engine.Checkpoint) error {
	return once(j.gate.pass(ctx, journal, "checkpoint"), func() error { return j.Journal.Checkpoint(ctx, c) })
}

func (j diary) SetText(ctx context.Context, digest string, text []byte) error {
	return once(j.gate.pass(ctx, journal, "text "+digest), func() error { return j.Journal.SetText(ctx, digest, text) })
}

func (j diary) Outcome(ctx context.Context, run string) (o engine.Outcome, ok bool, err error) {
	return o, ok, once(j.gate.pass(ctx, reads, "outcome "+run), func() (err error) {
		o, ok, err = j.Journal.Outcome(ctx, run)
		return err
	})
}

// runs is the machine port.
type runs struct {
	machine.Machine
	gate *turnstile
	w    *world
}

func (m runs) Start(ctx context.Context, s machine.Start) error {
	f := m.gate.pass(ctx, machines, "start run "+s.Name)
	m.w.startsRun(s, f)
	return once(f, func() error { return m.Machine.Start(ctx, s) })
}

func (m runs) Stop(ctx context.Context, run, errorName, cause string) error {
	return once(m.gate.pass(ctx, machines, "stop run "+run), func() error { return m.Machine.Stop(ctx, run, errorName, cause) })
}

func (m runs) Describe(ctx context.Context, run string) (status machine.Status, err error) {
	return status, once(m.gate.pass(ctx, reads, "describe "+run), func() (err error) {
		status, err = m.Machine.Describe(ctx, run)
		return err
	})
}

func (m runs) Succeed(ctx context.Context, token string, output []byte) error {
	token = m.w.mutateToken(token)
	return once(m.gate.pass(ctx, machines, "succeed "+token), func() error { return m.Machine.Succeed(ctx, token, output) })
}

func (m runs) Fail(ctx context.Context, token, errorName, cause string) error {
	token = m.w.mutateToken(token)
	return once(m.gate.pass(ctx, machines, "fail "+token+" "+errorName), func() error { return m.Machine.Fail(ctx, token, errorName, cause) })
}

// announcements is the bus port.
type announcements struct {
	bus.Bus
	gate *turnstile
	w    *world
}

func (b announcements) Publish(ctx context.Context, e bus.Event) error {
	f := b.gate.pass(ctx, buses, "publish "+e.ID)
	if f == done && b.w.outage {
		b.w.cover("F40")
		f = refused
	}
	if b.w.mutant == "an event has a new id each time" && b.w.rng.IntN(8) == 0 {
		e.ID = fmt.Sprintf("%s-%d", e.ID, b.w.steps)
	}
	return once(f, func() error { return b.Bus.Publish(ctx, e) })
}

// catalog has the scripted provider, but for what asks people, variables or
// clocks: that is real.
type catalog struct {
	action.Catalog
	gate *turnstile
	w    *world
}

func (c catalog) Provider(id pipeline.ActionTypeID) action.Provider {
	if id.Category == pipeline.Approval || id.Category == pipeline.RuleCategory {
		return provider{c.Catalog.Provider(id), c.gate, c.w}
	}
	return provider{c.w.works, c.gate, c.w}
}

type provider struct {
	action.Provider
	gate *turnstile
	w    *world
}

func (p provider) Start(ctx context.Context, job action.Job) (r action.Result, err error) {
	f := p.gate.pass(ctx, providers, "start job "+job.ID)
	if f != done && f != killed {
		p.w.cover("F23")
	}
	err = once(f, func() (err error) {
		r, err = p.Provider.Start(ctx, job)
		return err
	})
	if err == nil && p.w.plan.slowStart && r.Status == pipeline.InProgress {
		// The work has begun and nobody knows yet; it may end meanwhile.
		if p.gate.pass(ctx, asks, "started job "+job.ID) == killed {
			return r, errKilled
		}
	}
	return r, err
}

func (p provider) Poll(ctx context.Context, job action.Job) (r action.Result, err error) {
	return r, once(p.gate.pass(ctx, asks, "poll job "+job.ID), func() (err error) {
		r, err = p.Provider.Poll(ctx, job)
		return err
	})
}

func (p provider) Stop(ctx context.Context, job action.Job) error {
	return once(p.gate.pass(ctx, providers, "stop job "+job.ID), func() error { return p.Provider.Stop(ctx, job) })
}
