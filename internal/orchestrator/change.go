package orchestrator

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"reflect"
	"slices"
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

// write sends the transaction. Records that were only read become checks.
func (c *change) write() error {
	if err := errors.Join(c.settleGates(), c.settleTurns(), c.alert()); err != nil {
		return err
	}
	ops := append(append(c.extra, c.outboxRows()...), c.records()...)
	for _, op := range ops {
		if op.Kind != store.Check {
			return c.Store.Write(c.ctx, ops...)
		}
	}
	return c.stale(ops)
}

// records returns the ops of all that was read or made.
func (c *change) records() []store.Op {
	var ops []store.Op
	for id, t := range c.executions {
		ops = append(ops, t.op(record.ExecutionKey(id)))
	}
	for key, t := range c.stages {
		ops = append(ops, t.op(key))
	}
	for key, t := range c.actions {
		ops = append(ops, t.op(key))
	}
	for key, t := range c.waiters {
		ops = append(ops, t.op(key))
	}
	for name, t := range c.pipelines {
		ops = append(ops, t.op(record.PipelineKey(name)))
	}
	for key, t := range c.gates {
		ops = append(ops, t.op(key))
	}
	for key, t := range c.turnsOf {
		ops = append(ops, t.op(key))
	}
	for key := range c.absent {
		if c.actions[key] == nil { // it is not added by c itself
			ops = append(ops, store.Op{Key: key, Kind: store.Check})
		}
	}
	return ops
}

// stale returns a conflict if one of several records was changed since it was
// read. If none was, all of them were as they were read at one moment, behind
// the last read; a single record always was.
func (c *change) stale(ops []store.Op) error {
	if len(ops) < 2 {
		return nil
	}
	var keys []store.Key
	for _, op := range ops {
		keys = append(keys, op.Key)
	}
	slices.SortFunc(keys, store.Key.Compare) // the same reads in the same order, so that a history can be replayed
	now := map[store.Key]int64{}
	for chunk := range slices.Chunk(keys, store.MaxKeys) {
		items, err := c.Store.GetMany(c.ctx, chunk)
		if err != nil {
			return err
		}
		for _, it := range items {
			now[it.Key] = it.Version
		}
	}
	for _, op := range ops {
		if now[op.Key] != op.If {
			return &store.ConflictError{Key: op.Key, Want: op.If, Got: now[op.Key]}
		}
	}
	return nil
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

// put adds a record that must not exist yet.
func (c *change) put(key store.Key, v any) {
	c.extra = append(c.extra, store.Op{Key: key, Kind: store.Put, Value: record.Encode(v)})
}

// answered is how long the answer to a request that may be repeated is kept:
// longer than any event is delivered again.
const answered = 90 * 24 * time.Hour

// once adds the answer to a request that may be repeated.
func (c *change) once(key store.Key, v any) {
	c.extra = append(c.extra, store.Op{Key: key, Kind: store.Put, Value: record.Encode(v), Expires: c.at.Add(answered)})
}

// set adds a record whatever was there.
func (c *change) set(key store.Key, v any) {
	c.extra = append(c.extra, store.Op{Key: key, Kind: store.Put, If: store.Any, Value: record.Encode(v)})
}

// remove deletes a record if it is there, or takes back one that c adds: an
// execution that starts on what was read too early ends in the same change,
// and the write finds out.
func (c *change) remove(key store.Key) {
	if i := slices.IndexFunc(c.extra, func(op store.Op) bool { return op.Key == key }); i >= 0 {
		c.extra = slices.Delete(c.extra, i, i+1)
		return
	}
	c.extra = append(c.extra, store.Op{Key: key, Kind: store.Delete, If: store.Any})
}

// outboxRows returns the puts of what is to be done after the change, if there
// is anything. Each message to a topic has a row of its own: one that is not
// taken is tried again for long, and nothing else is to be done again with it.
func (c *change) outboxRows() []store.Op {
	var ops []store.Op
	rest := c.out
	rest.Notices = nil
	if !reflect.ValueOf(rest).IsZero() {
		ops = append(ops, c.outboxRow(rest))
	}
	for _, n := range c.out.Notices {
		ops = append(ops, c.outboxRow(record.Outbox{Notices: []record.Notice{n}}))
	}
	return ops
}

// outboxRow returns the put of a row. Rows are spread over shards; their ids
// sort by time.
func (c *change) outboxRow(out record.Outbox) store.Op {
	id := c.newID()
	out.ID, out.Created = fmt.Sprintf("%013d-%s", c.at.UnixMilli(), id), c.at
	h := fnv.New32a()
	h.Write([]byte(id))
	key := record.OutboxKey(int(h.Sum32()%record.OutboxShards), out.ID)
	return store.Op{Key: key, Kind: store.Put, Value: record.Encode(out)}
}

// step lets ev happen to a stage and returns what follows.
func (c *change) step(s *record.Stage, ev stage.Event) []stage.Effect {
	next, effects := stage.Step(s.Lock, ev)
	s.Lock = next
	return effects
}
