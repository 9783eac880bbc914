package orchestratortest

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/stage"
	"github.com/sluice-ci/sluice/internal/store"
)

// A ledger is what the commits so far have made of the records that the
// invariants speak of.
type ledger struct {
	executions map[string]record.Execution
	stages     map[store.Key]record.Stage
	actions    map[store.Key]record.Action
	active     map[string]bool
	forgotten  map[string]int64 // by execution: the fence that a change to PARALLEL forgot
}

func newLedger() ledger {
	return ledger{map[string]record.Execution{}, map[store.Key]record.Stage{}, map[store.Key]record.Action{}, map[string]bool{}, map[string]int64{}}
}

func (l ledger) clone() ledger {
	return ledger{maps.Clone(l.executions), maps.Clone(l.stages), maps.Clone(l.actions), maps.Clone(l.active), maps.Clone(l.forgotten)}
}

// A verdict collects what is broken.
type verdict []string

func (v *verdict) holds(ok bool, name, format string, args ...any) {
	if !ok {
		*v = append(*v, name+": "+fmt.Sprintf(format, args...))
	}
}

// commit takes a commit in and returns what it broke.
func (l ledger) commit(ops []store.Op) []string {
	var v verdict
	written := map[string]bool{}
	for _, op := range ops {
		if op.Kind == store.Put && op.SK == "META" && strings.HasPrefix(op.PK, "EXEC#") {
			written[strings.TrimPrefix(op.PK, "EXEC#")] = true
		}
	}
	for _, op := range ops {
		execution := strings.TrimPrefix(op.PK, "EXEC#")
		switch {
		case op.Kind == store.Check:
		case strings.HasPrefix(op.PK, "ACTIVE#"):
			l.active[op.SK] = op.Kind == store.Put
		case op.Kind != store.Put:
		case written[execution] && op.SK == "META":
			now := decode[record.Execution](op)
			v.execution(l.executions[execution], now)
			l.executions[execution] = now
		case strings.HasPrefix(op.PK, "EXEC#") && (strings.HasPrefix(op.SK, "ACT#") || strings.HasPrefix(op.SK, "RULE#")):
			now := decode[record.Action](op)
			v.action(l.actions[op.Key], now)
			l.actions[op.Key] = now
		case strings.HasPrefix(op.PK, "STAGE#") && op.SK == "LOCK":
			now := decode[record.Stage](op)
			before := l.stages[op.Key]
			v.stage(op.PK, before, now, written)
			if now.Lock.Mode == pipeline.Parallel && before.Lock.Owner != "" {
				l.forgotten[before.Lock.Owner] = before.Lock.Fence
			}
			l.stages[op.Key] = now
		}
	}
	l.whole(&v)
	return v
}

func decode[T any](op store.Op) T {
	v, err := record.Decode[T](store.Item{Key: op.Key, Value: op.Value})
	if err != nil {
		panic(err) // it was encoded a moment ago
	}
	return v
}

func (v *verdict) execution(before, now record.Execution) {
	again := now.Attempt > before.Attempt
	v.holds(!before.Status.Final() || before.Status == now.Status || again, "I12", "execution %d was %s and is %s", now.Seq, before.Status, now.Status)
	v.holds(before.Status != pipeline.Stopping || now.Status != pipeline.InProgress, "I12", "execution %d stops no more", now.Seq)
}

func (v *verdict) action(before, now record.Action) {
	if !before.Status.Final() {
		return
	}
	before.Updated, before.Token = now.Updated, now.Token
	v.holds(reflect.DeepEqual(before, now), "I12", "%s had ended as %s (%s) and is %s (%s)", now.Ref(), before.Status, before.Result.Summary, now.Status, now.Result.Summary)
}

func (v *verdict) stage(name string, before, now record.Stage, written map[string]bool) {
	b, n := before.Lock, now.Lock
	v.holds(n.LastSeq >= b.LastSeq, "I7", "%s: the last number fell from %d to %d", name, b.LastSeq, n.LastSeq)
	v.holds(n.Fence >= b.Fence, "I9", "%s: the fence fell from %d to %d", name, b.Fence, n.Fence)
	if n.Owner != "" && n.Owner != b.Owner {
		v.holds(n.Fence > b.Fence, "I9", "%s: %s entered and the fence stayed at %d", name, n.Owner, n.Fence)
		v.holds(n.Mode != b.Mode || n.OwnerSeq >= b.LastSeq, "I6", "%s: number %d entered after %d", name, n.OwnerSeq, b.LastSeq)
	}
	v.holds(b.Owner == "" || b.Owner == n.Owner || n.Mode == pipeline.Parallel || written[b.Owner], "I10", "%s: %s was put out", name, b.Owner)
}

// whole looks at everything at once.
func (l ledger) whole(v *verdict) {
	places := map[string]int{}
	for key, s := range l.stages {
		lock := s.Lock
		v.holds(lock.Disabled || lock.Owner != "" || len(lock.Waiting) == 0, "I2", "%s is free and enabled, and %v wait", key.PK, lock.Waiting)
		ordered := slices.DeleteFunc(slices.Clone(lock.Waiting), func(w stage.Waiter) bool { return w.Free })
		v.holds(lock.Mode != pipeline.Superseded || len(ordered) < 2, "I4", "%v wait in front of %s", lock.Waiting, key.PK)
		if lock.Owner != "" {
			places[lock.Owner]++
		}
		for _, w := range lock.Waiting {
			places[w.Execution]++
		}
	}
	newest := map[string]record.Execution{}
	for id, e := range l.executions {
		v.holds(places[id] < 2, "I8", "execution %d has %d places", e.Seq, places[id])
		v.holds(places[id] == 0 || !e.Status.Final(), "I12", "execution %d has ended as %s and has a place", e.Seq, e.Status)
		v.holds(l.active[id] != e.Status.Final(), "I12", "execution %d is %s and marked as active: %v", e.Seq, e.Status, l.active[id])
		if e.Inside && e.Mode != pipeline.Parallel {
			owned := l.forgotten[id] == e.Fence && e.Fence > 0
			for _, s := range l.stages {
				owned = owned || s.Lock.Owner == id && s.Lock.Fence == e.Fence || s.Lock.Mode != e.Mode
			}
			v.holds(owned, "I1", "execution %d is inside stage %d with fence %d, and holds none", e.Seq, e.Stage, e.Fence)
		}
		if n := newest[e.Pipeline]; e.Type != record.Rollback && e.Seq > n.Seq {
			newest[e.Pipeline] = e
		}
	}
	for _, e := range newest {
		v.holds(e.Status != pipeline.SupersededExecution, "I5", "execution %d is the newest and is superseded", e.Seq)
	}
}
