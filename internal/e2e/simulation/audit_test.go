package simulation

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/sluice-ci/sluice/internal/machine"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
)

// An audit knows all that was ever committed and looks at every commit: what
// was there before, what is there now. A commit that breaks an invariant ends
// the simulation.
type audit struct {
	w *world

	items      map[store.Key]store.Item
	pipelines  map[string]*record.Pipeline
	versions   map[store.Key]*record.Version
	executions map[string]*record.Execution
	order      []string // ids of executions, as they were started
	stages     map[store.Key]*record.Stage
	actions    map[store.Key]*record.Action
	actionKeys []store.Key // as they were added
	gates      map[store.Key]*record.Gate
	outbox     map[store.Key]*record.Outbox
	jobs       map[string]store.Key // of actions, by job id
	active     map[string]bool      // executions that have not ended

	wasActed, wasAnnounced map[string]bool   // rows, by id
	excused                map[string]bool   // ids of notices that need not come
	promised               map[string]string // ids of events and notices, and what they are about
	mailed                 map[string]bool   // ids of events that came
	starts                 map[string]string // executions, by why they were started
	by                     map[string]int    // commits, by caller
	commits                int
	entered                map[string][]int64 // by stage: the numbers of executions, as they entered it
	mixed                  map[string]bool    // pipelines whose mode was changed
}

func newAudit(w *world) *audit {
	return &audit{
		w: w, items: map[store.Key]store.Item{}, pipelines: map[string]*record.Pipeline{}, versions: map[store.Key]*record.Version{},
		executions: map[string]*record.Execution{}, stages: map[store.Key]*record.Stage{}, actions: map[store.Key]*record.Action{},
		gates: map[store.Key]*record.Gate{}, outbox: map[store.Key]*record.Outbox{}, jobs: map[string]store.Key{}, active: map[string]bool{},
		excused: map[string]bool{}, wasActed: map[string]bool{}, wasAnnounced: map[string]bool{}, promised: map[string]string{}, mailed: map[string]bool{},
		starts: map[string]string{}, by: map[string]int{}, mixed: map[string]bool{}, entered: map[string][]int64{},
	}
}

// A changed record, before and after; before is nil if it was added.
type changed[T any] struct {
	key         store.Key
	before, now *T
}

// A commit, sorted by what its items are.
type commit struct {
	executions []changed[record.Execution]
	stages     []changed[record.Stage]
	actions    []changed[record.Action]
	rows       []*record.Outbox
}

// commit looks at a transaction that was committed for somebody.
func (a *audit) commit(by string, ops []store.Op) {
	a.by[by]++
	a.commits++
	a.w.log.line("  commit by %s: %s", by, touched(ops))
	ops = slices.Clone(ops)
	slices.SortFunc(ops, func(x, y store.Op) int { return strings.Compare(name(x.Key), name(y.Key)) })
	var c commit
	for _, op := range ops {
		if op.Kind == store.Check {
			continue
		}
		a.apply(&c, op)
	}
	a.judge(&c)
}

// apply notes what op changed.
func (a *audit) apply(c *commit, op store.Op) {
	old, was := a.items[op.Key]
	if op.Kind == store.Delete {
		delete(a.items, op.Key)
		a.removed(op.Key, old)
		return
	}
	it := store.Item{Key: op.Key, Version: old.Version + 1, Value: bytes.Clone(op.Value), Expires: store.Seconds(op.Expires)}
	a.items[op.Key] = it
	a.w.log.value(it.Value)
	kind, _, _ := strings.Cut(op.PK, "#")
	switch {
	case kind == "EXEC" && op.SK == "META":
		ch := note(a, a.executions, it, strings.TrimPrefix(op.PK, "EXEC#"))
		if ch.before == nil {
			a.order = append(a.order, ch.now.ID)
		}
		a.active[ch.now.ID] = !ch.now.Status.Final()
		c.executions = append(c.executions, ch)
	case kind == "EXEC" && (strings.HasPrefix(op.SK, "ACT#") || strings.HasPrefix(op.SK, "RULE#")):
		ch := note(a, a.actions, it, op.Key)
		if ch.before == nil {
			a.actionKeys = append(a.actionKeys, op.Key)
			a.jobs[ch.now.ID] = op.Key
		}
		c.actions = append(c.actions, ch)
	case kind == "EXEC" && strings.HasPrefix(op.SK, "GATE#"):
		a.gate(note(a, a.gates, it, op.Key))
	case kind == "STAGE" && op.SK == "LOCK":
		c.stages = append(c.stages, note(a, a.stages, it, op.Key))
	case kind == "PIPE" && op.SK == "META":
		note(a, a.pipelines, it, strings.TrimPrefix(op.PK, "PIPE#"))
	case kind == "PIPE":
		if was {
			a.w.violated("F6", "version %s was changed", name(op.Key))
		}
		v := note(a, a.versions, it, op.Key).now.Declaration
		if before := a.versions[record.VersionKey(v.Name, v.Version-1)]; before != nil && before.Declaration.ExecutionMode != v.ExecutionMode {
			a.mixed[v.Name] = true
		}
	case record.IsOutbox(op.Key):
		row := note(a, a.outbox, it, op.Key).now
		c.rows = append(c.rows, row)
		for _, e := range row.Publishes {
			a.promise(e.ID, string(e.Detail))
		}
		for _, n := range row.Notices {
			a.promise(n.ID, n.Subject)
		}
	case kind == "MAILID":
		a.mailed[op.SK] = true
	case was && (kind == "HIST" || kind == "IDEM" || kind == "TRIG" || kind == "MAIL" || kind == "JOB"):
		a.w.violated("P10", "%s was overwritten", name(op.Key))
	}
}

// note keeps the record of an item under key and returns what was there.
func note[K comparable, T any](a *audit, known map[K]*T, it store.Item, key K) changed[T] {
	v, err := record.Decode[T](it)
	if err != nil {
		a.w.violated("F53", "%v", err)
	}
	before := known[key]
	known[key] = &v
	return changed[T]{it.Key, before, &v}
}

// promise notes that people or programs are to hear of something.
func (a *audit) promise(id, about string) {
	if _, twice := a.promised[id]; twice {
		a.w.violated("P9", "two events have the id %s", id)
	}
	a.promised[id] = about
}

// removed holds that an outbox row goes only when it was delivered, a deletion
// only when nothing of it runs, and what is history not at all.
func (a *audit) removed(key store.Key, old store.Item) {
	kind, _, _ := strings.Cut(key.PK, "#")
	switch {
	case record.IsOutbox(key):
		if row := a.outbox[key]; row != nil && (!a.wasActed[row.ID] || !a.wasAnnounced[row.ID]) {
			a.w.violated("P9", "outbox row %s goes undelivered: %s", row.ID, rowSays(*row))
		}
		delete(a.outbox, key)
	case kind == record.DeletedKey:
		if last, err := record.Decode[int](old); err != nil || a.runs(key.SK, last) {
			a.w.violated("F38", "%s is forgotten, and version %d or an older one runs", name(key), last)
		}
	case kind != "ACTIVE" && kind != record.PipelinesKey:
		a.w.violated("P10", "%s was removed", name(key))
	}
}

func (a *audit) acted(row record.Outbox) {
	a.w.healed("row", row.Created.Add(-a.w.skew))
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	a.wasActed[row.ID] = true
}

// announced notes that a row is told. A request that was answered meanwhile
// need not be made any more, and a message that nobody took for a day counts as
// told.
func (a *audit) announced(row record.Outbox) {
	a.wasAnnounced[row.ID] = true
	now := time.Now().Add(a.w.skew)
	for _, n := range row.Notices {
		var r *record.Action
		if n.Asks != nil {
			r = a.actions[n.Asks.Key()]
		}
		if r != nil && (r.Status.Final() || !now.Before(r.Job.Deadline)) || now.Sub(row.Created) >= 24*time.Hour {
			a.excused[n.ID] = true
		}
	}
}

// over reports whether the action of a job has ended.
func (a *audit) over(job string) bool {
	r := a.actions[a.jobs[job]]
	return r != nil && r.Status.Final()
}

// gate holds that a gate that was decided stays so (P6).
func (a *audit) gate(g changed[record.Gate]) {
	if g.before != nil && g.before.Status.Final() && g.now.Status != g.before.Status {
		a.w.violated("P6", "gate %s goes from %s to %s", name(g.key), g.before.Status, g.now.Status)
	}
}

// declaration returns what an execution runs.
func (a *audit) declaration(e *record.Execution) pipeline.Declaration {
	if v := a.versions[record.VersionKey(e.Pipeline, e.Version)]; v != nil {
		return v.Declaration
	}
	return pipeline.Declaration{}
}

// stageOf returns the name of the stage that e is in or waits for.
func (a *audit) stageOf(e *record.Execution) string {
	if d := a.declaration(e); e.Stage < len(d.Stages) {
		return d.Stages[e.Stage].Name
	}
	return ""
}

// reread holds that what is kept is what was committed (P8).
func (a *audit) reread(ctx context.Context, kept store.Store) {
	for key, want := range a.items {
		got, err := kept.Get(ctx, key)
		if err != nil || got.Version != want.Version || !bytes.Equal(got.Value, want.Value) {
			a.w.violated("P8", "after a crash %s is %s (version %d), %v; committed was %s (version %d)", name(key), got.Value, got.Version, err, want.Value, want.Version)
			return
		}
	}
}

// rest holds what is true when nothing is left to do.
func (a *audit) rest(standing map[string]machine.Status) {
	for _, id := range a.order {
		e := a.executions[id]
		if !e.Status.Final() {
			a.w.violated("I3", "execution %s (%d) of %s has not ended: %s in %s, inside %v", id, e.Seq, e.Pipeline, e.Status, a.stageOf(e), e.Inside)
		}
		if s := standing[e.Run]; s == machine.Running {
			a.w.violated("I3", "execution %s ended as %s, and its run goes on", id, e.Status)
		}
	}
	for key, st := range a.stages {
		if st.Lock.Owner != "" || len(st.Lock.Waiting) > 0 {
			a.w.violated("I12", "stage %s is held by %q, and %d wait, although nobody is under way", name(key), st.Lock.Owner, len(st.Lock.Waiting))
		}
	}
	for _, key := range a.actionKeys {
		r := a.actions[key]
		if !r.Status.Final() {
			a.w.violated("I3", "action %s has not ended", r.Ref())
		}
		if j := a.w.works.jobs[r.ID]; j != nil && j.result.Status == pipeline.InProgress {
			a.w.violated("F27", "action %s ended as %s, and its work goes on", r.Ref(), r.Status)
		}
	}
	if len(a.outbox) > 0 {
		a.w.violated("P9", "%d rows stay in the outbox", len(a.outbox))
	}
	for id, about := range a.promised {
		if !a.mailed[id] && !a.excused[id] {
			a.w.violated("P9", "event %s never came: %s", id, about)
		}
	}
	for id := range a.mailed {
		if _, ok := a.promised[id]; !ok {
			a.w.violated("P9", "event %s came that nobody promised", id)
		}
	}
}

// published reports whether a commit tells of what became of an execution.
func (c *commit) published(id string) bool {
	for _, row := range c.rows {
		for _, e := range row.Publishes {
			var detail struct {
				ID string `json:"execution-id"`
			}
			if strings.Contains(e.DetailType, "Pipeline Execution") && json.Unmarshal(e.Detail, &detail) == nil && detail.ID == id {
				return true
			}
		}
	}
	return false
}
