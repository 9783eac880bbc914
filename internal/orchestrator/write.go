package orchestrator

import (
	"errors"
	"fmt"
	"hash/fnv"
	"reflect"
	"slices"
	"time"

	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
)

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
