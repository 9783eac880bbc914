package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-ci/sluice/internal/asl/expr"
	"github.com/sluice-ci/sluice/internal/failpoint"
	"github.com/sluice-ci/sluice/internal/machine"
)

// A trace is what the journal says last about a run. A state is whole, so only
// the last one counts, and heals what could not be read before it; of the moves
// behind it the last one counts.
type trace struct {
	body   []byte // of the last state
	move   []byte // of the last move since
	bad    error
	told   bool
	stored bool // the checkpoint has the run
}

// load reads the journal and folds it, so that it is short again.
func (e *Engine) load(ctx context.Context) error {
	traces := map[string]*trace{}
	at := func(name string) *trace {
		if traces[name] == nil {
			traces[name] = &trace{}
		}
		return traces[name]
	}
	batches := 0
	var lost error
	err := e.journal.Load(ctx, func(name string, record []byte) {
		d := decoder{buf: record}
		_, who, body, err := d.record()
		if err == nil && who != name {
			err = errDamaged
		}
		*at(name) = trace{body: body, bad: err, stored: true}
	}, func(names string, records []byte) {
		batches++
		if err := readBatch(names, records, at); err != nil {
			lost = fmt.Errorf("batch %d of the journal: %w", batches, err)
		}
	})
	if err = errors.Join(err, lost); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(traces)) {
		e.restore(ctx, name, traces[name])
	}
	if batches > 0 || len(e.loop.gone) > 0 {
		return e.checkpoint(ctx)
	}
	return nil
}

// readBatch notes what a batch says. What is damaged is noted for the runs
// that names says it is about; it is an error only if that is unreadable too.
func readBatch(names string, records []byte, at func(string) *trace) error {
	about := strings.Fields(names)
	d := decoder{buf: records}
	for len(d.buf) > 0 {
		kind, name, body, err := d.record()
		if d.err != nil {
			break
		}
		if err != nil && !slices.Contains(about, name) {
			continue // the name is the damaged part
		}
		about = slices.DeleteFunc(about, func(s string) bool { return s == name })
		if kind == recordTold {
			at(name).told = true
			continue
		}
		t := at(name)
		t.told = false
		switch {
		case kind != recordMove:
			t.body, t.move, t.bad = body, nil, err
		case err != nil:
			t.bad = err
		default:
			t.move = body
		}
	}
	if d.err != nil && len(about) == 0 {
		return d.err
	}
	for _, name := range about {
		at(name).bad = errDamaged
	}
	return nil
}

// restore puts a run back into memory, or its outcome if it is over and told.
func (e *Engine) restore(ctx context.Context, name string, t *trace) {
	l := &live{place: -1, stored: t.stored, dirty: true}
	err := t.bad
	if err == nil {
		l.run, l.machine, err = decodeRun(name, t.body, t.move, func(digest string) (*Machine, error) { return e.text(ctx, digest) })
	}
	if err != nil {
		l.run = spoiled(name, "the stored run cannot be read: "+err.Error())
		e.log.Error("run quarantined", "run", name, "err", err)
	}
	if t.told {
		e.loop.told = append(e.loop.told, l)
		e.forgetTold()
		return
	}
	e.shelf.runs[name] = l
	e.loop.timers.set(l, l.run.wake)
}

// spoiled returns the end of a run that nobody can go on with.
func spoiled(name, cause string) Run {
	return Run{Name: name, Status: machine.Failed, Error: expr.Runtime, Cause: cause}
}

// text returns the machine with a digest from the journal.
func (e *Engine) text(ctx context.Context, digest string) (*Machine, error) {
	if m := e.shelf.machine(digest); m != nil {
		return m, nil
	}
	text, ok, err := e.journal.Text(ctx, digest)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("the text of machine %s is missing", digest)
	}
	m, err := Load(text)
	if err != nil {
		return nil, err
	}
	return e.shelf.setMachine(digest, m), nil
}

// checkpoint folds the journal: it writes the runs that changed since the last
// one and puts away those that ended.
func (e *Engine) checkpoint(ctx context.Context) error {
	g := &e.loop
	c := Checkpoint{Gone: g.gone, Ended: slices.Collect(maps.Values(e.shelf.recent))}
	var written []*live
	size := 0
	for name, l := range e.shelf.runs {
		if !l.dirty {
			continue
		}
		g.enc.buf = g.enc.buf[:0]
		g.enc.state(l.machine, &l.run)
		c.Runs = append(c.Runs, Row{name, slices.Clone(g.enc.buf)})
		written = append(written, l)
		size += len(g.enc.buf)
	}
	if g.size == 0 && len(c.Runs)+len(c.Gone)+len(c.Ended) == 0 {
		return nil
	}
	if err := failpoint.Step("engine checkpoint", func() error { return e.journal.Checkpoint(ctx, c) }); err != nil {
		return err
	}
	for _, l := range written {
		l.dirty, l.stored = false, true
	}
	g.gone, g.size, g.folded = nil, 0, size
	e.shelf.Lock()
	defer e.shelf.Unlock()
	e.shelf.recent = map[string]Outcome{}
	e.shelf.epoch++
	return nil
}
