package orchestrator

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"time"

	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/stage"
	"github.com/sluice-ci/sluice/internal/store"
)

// maxTries is how often a change is decided anew because somebody else wrote
// one of its records in between.
const maxTries = 20

// A change is one transaction in the making. A record that was read through it
// is a condition of the write, changed or not, so a decision never rests on
// what is no longer true. That holds of a decision to refuse, and to change
// nothing, too: see stale. Each record is read once and shared by pointer.
type change struct {
	*Service
	ctx        context.Context
	at         time.Time
	executions map[string]*tracked[record.Execution]
	stages     map[store.Key]*tracked[record.Stage]
	actions    map[store.Key]*tracked[record.Action]
	waiters    map[store.Key]*tracked[record.Waiter]
	pipelines  map[string]*tracked[record.Pipeline]
	gates      map[store.Key]*tracked[record.Gate]
	turnsOf    map[store.Key]*tracked[record.Turns]
	absent     map[store.Key]bool              // first tries of actions that had not begun when they were looked for
	ruled      []record.ActionID               // rules that this change has ended
	ended      []*record.Action                // actions that this change has ended
	begun      map[string]pipeline.Declaration // what executions run that this change adds, by id; their version may not be stored yet
	extra      []store.Op
	failed     []*record.Execution // that this change lets fail
	out        record.Outbox
}

// tracked is a record with what was read of it.
type tracked[T any] struct {
	value T
	read  []byte // its encoding when it was read, zero if it did not exist; nil for a record that this change makes
	at    int64  // its version; 0 when it did not exist
}

// change decides by f and writes what f changed. f runs again, on fresh
// records, when somebody else was faster; it must have no effect but on c.
// The write's outcome is unknown after an error that is not f's own: whoever
// repeats the use case finds its work done or undone.
func (s *Service) change(ctx context.Context, f func(c *change) error) error {
	for try := 1; ; try++ {
		c := &change{
			Service: s, ctx: ctx, at: s.now().UTC().Truncate(time.Millisecond),
			executions: map[string]*tracked[record.Execution]{},
			stages:     map[store.Key]*tracked[record.Stage]{},
			actions:    map[store.Key]*tracked[record.Action]{},
			waiters:    map[store.Key]*tracked[record.Waiter]{},
			pipelines:  map[string]*tracked[record.Pipeline]{},
			gates:      map[store.Key]*tracked[record.Gate]{},
			turnsOf:    map[store.Key]*tracked[record.Turns]{},
			absent:     map[store.Key]bool{},
			begun:      map[string]pipeline.Declaration{},
		}
		err := f(c)
		if err == nil {
			err = c.write()
		} else if old := c.stale(c.records()); store.IsConflict(old) {
			err = old
		}
		if !store.IsConflict(err) {
			return err
		}
		if try == maxTries {
			return pipeline.Errorf(pipeline.Conflict, "gave up after %d tries: %w", try, err)
		}
		select {
		case <-time.After(pause(try)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// pause is how long a change rests before it is decided anew. It takes its
// chance where ids take theirs, so whoever seeds that repeats both.
func pause(try int) time.Duration {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return time.Duration(binary.LittleEndian.Uint64(b[:]) % uint64(time.Millisecond<<min(try, 6)))
}

// op writes the record if it differs from what was read, else checks it.
func (t *tracked[T]) op(key store.Key) store.Op {
	value := record.Encode(t.value)
	if string(value) == string(t.read) {
		return store.Op{Key: key, Kind: store.Check, If: t.at}
	}
	return store.Op{Key: key, Kind: store.Put, If: t.at, Value: value}
}

// track reads a record through known, once.
func track[K comparable, T any](known map[K]*tracked[T], key K, read func() (record.Versioned[T], error)) (*T, error) {
	if t, ok := known[key]; ok {
		return &t.value, nil
	}
	v, err := read()
	if err != nil {
		return nil, err
	}
	t := &tracked[T]{value: v.Value, read: v.Raw, at: v.At}
	if v.At == 0 {
		t.read = record.Encode(v.Value)
	}
	known[key] = t
	return &t.value, nil
}

// declaration returns the declaration that e runs.
func (c *change) declaration(ctx context.Context, e *record.Execution) (pipeline.Declaration, error) {
	if d, ok := c.begun[e.ID]; ok {
		return d, nil
	}
	return c.Service.declaration(ctx, e)
}

// execution returns the record of an execution, to read or to change.
func (c *change) execution(id string) (*record.Execution, error) {
	return track(c.executions, id, func() (record.Versioned[record.Execution], error) { return c.Records.Execution(c.ctx, "", id) })
}

// stage returns the record of a stage; one that was never used is made.
func (c *change) stage(name, stageName string, mode pipeline.Mode) (*record.Stage, error) {
	s, err := track(c.stages, record.StageKey(name, stageName), func() (record.Versioned[record.Stage], error) {
		return c.Records.Stage(c.ctx, name, stageName)
	})
	if err == nil && s.Lock.Mode == "" {
		s.Lock.Mode = mode
	}
	return s, err
}

// waiter returns the task of an execution that waits for a stage, zero when
// none has come to wait. Whoever admits and whoever comes to wait both depend
// on it, so one of them always sees the other.
func (c *change) waiter(execution, stageName string) (*record.Waiter, error) {
	return track(c.waiters, record.WaiterKey(execution, stageName), func() (record.Versioned[record.Waiter], error) {
		return c.Records.Waiter(c.ctx, execution, stageName)
	})
}

// action returns the record of one try of an action.
func (c *change) action(id record.ActionID) (*record.Action, error) {
	return track(c.actions, id.Key(), func() (record.Versioned[record.Action], error) {
		return c.Records.Action(c.ctx, id)
	})
}

// gate returns an evaluation of a gate, zero when there was none.
func (c *change) gate(execution string, attempt int, stageName string, kind record.GateKind) (*record.Gate, error) {
	return track(c.gates, record.GateKey(execution, attempt, stageName, kind), func() (record.Versioned[record.Gate], error) {
		return c.Records.Gate(c.ctx, execution, attempt, stageName, kind)
	})
}

// pipeline returns the record of a pipeline.
func (c *change) pipeline(name string) (*record.Pipeline, error) {
	return track(c.pipelines, name, func() (record.Versioned[record.Pipeline], error) { return c.Records.Pipeline(c.ctx, name) })
}

// newest returns a pipeline, its newest version, and where a stage is in that.
func (c *change) newest(name, stageName string) (*record.Pipeline, record.Version, int, error) {
	p, err := c.pipeline(name)
	if err != nil {
		return nil, record.Version{}, 0, err
	}
	v, err := c.Records.Version(c.ctx, p.Name, p.Version)
	if err != nil {
		return nil, record.Version{}, 0, err
	}
	i, _, err := record.FindStage(v.Declaration, stageName)
	return p, v, i, err
}

// step lets ev happen to a stage and returns what follows.
func (c *change) step(s *record.Stage, ev stage.Event) []stage.Effect {
	next, effects := stage.Step(s.Lock, ev)
	s.Lock = next
	return effects
}
