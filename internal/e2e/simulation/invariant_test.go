package simulation

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/stage"
)

// judge holds what is true of every commit. Each may be the last before a
// crash, so what holds here holds after any (I11).
func (a *audit) judge(c *commit) {
	for _, ch := range c.stages {
		if ch.before != nil && ch.before.Lock.Mode != ch.now.Lock.Mode {
			a.modeChanged(ch)
		}
	}
	for _, ch := range c.executions {
		a.execution(c, ch)
	}
	for _, ch := range c.actions {
		a.action(ch)
	}
	pipelines := map[string]bool{}
	for _, ch := range c.stages {
		a.stage(c, ch)
		pipelines[pipelineOf(ch.key.PK)] = true
	}
	for _, ch := range c.executions {
		pipelines[ch.now.Pipeline] = true
	}
	for p := range pipelines {
		a.places(p)
	}
	a.reached(c)
}

// pipelineOf returns the pipeline of a stage's partition.
func pipelineOf(pk string) string { return strings.Split(pk, "#")[1] }

func (a *audit) modeChanged(ch changed[record.Stage]) {
	if len(ch.before.Lock.Waiting) > 0 || ch.before.Lock.Owner != "" {
		a.w.cover("F19")
	}
}

// execution holds I5, I12, P1, P6 and that a change of status is told (P9).
func (a *audit) execution(c *commit, ch changed[record.Execution]) {
	e, before := ch.now, ch.before
	if e.Status.Final() && e.Inside {
		a.w.violated("I12", "execution %s ended as %s inside a stage", e.ID, e.Status)
	}
	if before == nil {
		if why := e.Trigger.Type + " " + e.Trigger.Detail; e.Type == record.Standard {
			if other, twice := a.starts[why]; twice {
				a.w.violated("P1", "%s started two executions: %s and %s", why, other, e.ID)
			}
			a.starts[why] = e.ID
		}
		if !c.published(e.ID) {
			a.w.violated("P9", "the start of execution %s is not told", e.ID)
		}
		return
	}
	if e.Seq != before.Seq || e.Version != before.Version || e.Pipeline != before.Pipeline || e.Mode != before.Mode || e.Type != before.Type {
		a.w.violated("P10", "execution %s is another one: %+v was %+v", e.ID, *e, *before)
	}
	if e.Entry < before.Entry || e.Attempt < before.Attempt || e.Attempt > before.Attempt+1 || e.Stage < before.Stage {
		a.w.violated("I12", "execution %s goes back: entry %d to %d, attempt %d to %d, stage %d to %d", e.ID, before.Entry, e.Entry, before.Attempt, e.Attempt, before.Stage, e.Stage)
	}
	if e.Status == before.Status {
		return
	}
	if at, ok := a.w.abortedAt[before.Run]; ok && e.Status.Final() {
		a.w.healed("run", at)
	}
	retried := e.Attempt == before.Attempt+1 && e.Status == pipeline.InProgress && (before.Status == pipeline.Failed || before.Status == pipeline.Stopped)
	if (before.Status.Final() || e.Status == pipeline.InProgress) && !retried {
		a.w.violated("I12", "execution %s goes from %s to %s", e.ID, before.Status, e.Status)
	}
	if !c.published(e.ID) {
		a.w.violated("P9", "execution %s becomes %s, and that is not told", e.ID, e.Status)
	}
	for _, k := range a.actionKeys {
		if r := a.actions[k]; e.Status.Final() && r.Execution == e.ID && r.Status == pipeline.InProgress {
			a.w.violated("I12", "execution %s ends as %s while %s is in progress", e.ID, e.Status, r.Ref())
		}
	}
	if e.Status == pipeline.SupersededExecution && !slices.ContainsFunc(a.order, func(id string) bool {
		o := a.executions[id]
		return o.Pipeline == e.Pipeline && o.Seq > e.Seq
	}) {
		a.w.violated("I5", "the newest execution %s (%d) is superseded", e.ID, e.Seq)
	}
	if e.Status == pipeline.Failed && strings.HasPrefix(e.StatusSummary, "The run of the state machine ended early") && !a.w.wasDisturbed(before.Run) {
		a.w.violated("P2", "execution %s: %s", e.ID, e.StatusSummary)
	}
}

// action holds that the first end stays (P6, P7), and that an action begins
// only for who is inside (I9).
func (a *audit) action(ch changed[record.Action]) {
	r, before := ch.now, ch.before
	e := a.executions[r.Execution]
	if before == nil {
		if e == nil || !e.Inside && !e.Status.Final() || a.stageOf(e) != r.Stage || r.Attempt != e.Attempt {
			a.w.violated("I9", "action %s begins, and its execution is not there: %+v", r.Ref(), e)
		}
		if r.Try > 1 {
			id := r.Ref()
			id.Try--
			if p := a.actions[id.Key()]; p == nil || p.Result.Error == nil || p.Result.Error.Code != action.SystemUnavailable {
				a.w.violated("P3", "action %s is tried again, and its work was not lost", r.Ref())
			}
		}
		return
	}
	if j := a.w.works.jobs[r.ID]; j != nil && !j.ended.IsZero() && r.Status.Final() && !before.Status.Final() {
		a.w.healed("work", j.ended)
	}
	if before.Status.Final() && (r.Status != before.Status || r.UpdatedBy != before.UpdatedBy || r.Result.Summary != before.Result.Summary) {
		a.w.violated("P6", "action %s goes from %s (%s) to %s (%s)", r.Ref(), before.Status, before.Result.Summary, r.Status, r.Result.Summary)
	}
}

// stage holds what a stage may do in a commit: I4, I6, I7, I9, and that nobody
// passes a closed transition.
func (a *audit) stage(c *commit, ch changed[record.Stage]) {
	now, old := ch.now.Lock, stage.State{}
	if ch.before != nil {
		old = ch.before.Lock
	}
	if now.Fence < old.Fence {
		a.w.violated("I9", "the fence of %s goes from %d to %d", ch.key.PK, old.Fence, now.Fence)
	}
	if now.LastSeq < old.LastSeq {
		a.w.violated("I7", "the last entry of %s goes from %d to %d", ch.key.PK, old.LastSeq, now.LastSeq)
	}
	ordered := slices.DeleteFunc(slices.Clone(now.Waiting), func(w stage.Waiter) bool { return w.Free })
	if now.Mode == pipeline.Superseded && len(ordered) > 1 {
		a.w.violated("I4", "%v wait for %s", now.Waiting, ch.key.PK)
	}
	if now.Owner == "" || now.Owner == old.Owner && now.Fence == old.Fence {
		return
	}
	if now.Fence <= old.Fence {
		a.w.violated("I9", "%s is granted with the fence %d, the last was %d", ch.key.PK, now.Fence, old.Fence)
	}
	if a.mayPass(c, now.Owner) {
		return
	}
	e := a.executions[now.Owner]
	a.entered[ch.key.PK] = append(a.entered[ch.key.PK], e.Seq)
	switch {
	case now.Disabled:
		a.w.violated("T1", "execution %d enters %s, which is closed", e.Seq, ch.key.PK)
	case now.Mode == pipeline.Superseded && len(now.Waiting) > 0:
		a.w.violated("I4", "execution %d enters %s, and others wait on", e.Seq, ch.key.PK)
	case now.Mode == pipeline.Superseded && e.Seq < old.LastSeq:
		a.w.violated("I7", "execution %d enters %s after %d", e.Seq, ch.key.PK, old.LastSeq)
	case now.Mode == pipeline.Queued && !a.mixed[e.Pipeline] && e.Seq < old.LastSeq:
		a.w.violated("I6", "execution %d enters %s after %d", e.Seq, ch.key.PK, old.LastSeq)
	}
	for _, w := range now.Waiting {
		if now.Mode == pipeline.Queued && w.Seq < e.Seq {
			a.w.violated("I6", "execution %d enters %s, and %d waits on", e.Seq, ch.key.PK, w.Seq)
		}
	}
}

// mayPass reports whether the commit lets an execution in past those who wait:
// a retry, or a rollback.
func (a *audit) mayPass(c *commit, id string) bool {
	for _, ch := range c.executions {
		if ch.now.ID == id {
			return ch.before == nil && ch.now.Type == record.Rollback || ch.before != nil && ch.now.Attempt > ch.before.Attempt
		}
	}
	return false
}

// places holds what is true of all stages of a pipeline together: I1, I2, I8,
// I12.
func (a *audit) places(p string) {
	has := map[string]string{} // which place an execution has
	take := func(id, place string) {
		e := a.executions[id]
		switch {
		case e == nil || e.Status.Final():
			a.w.violated("I12", "%s has the place %s and is not under way", id, place)
		case has[id] != "":
			a.w.violated("I8", "execution %d has the places %s and %s", e.Seq, has[id], place)
		case record.StageKey(p, a.stageOf(e)).PK != place:
			a.w.violated("T2", "execution %d is at %s and has the place %s", e.Seq, a.stageOf(e), place)
		}
		has[id] = place
	}
	for _, key := range a.stagesOf(p) {
		st := a.stages[key]
		l := st.Lock
		if !l.Disabled && l.Owner == "" && len(l.Waiting) > 0 {
			a.w.violated("I2", "%s is free, and %d wait", key.PK, len(l.Waiting))
		}
		if l.Owner != "" {
			take(l.Owner, key.PK)
		}
		for _, w := range l.Waiting {
			take(w.Execution, key.PK)
			if e := a.executions[w.Execution]; e != nil && (e.Inside || e.Entry != w.Entry) {
				a.w.violated("I8", "execution %d waits for %s with entry %d, and is %+v", e.Seq, key.PK, w.Entry, *e)
			}
		}
	}
	for id, is := range a.active {
		e := a.executions[id]
		if !is || e.Pipeline != p || !e.Inside || e.Mode == pipeline.Parallel || a.mixed[p] {
			continue
		}
		if l := a.stages[record.StageKey(p, a.stageOf(e))]; l == nil || l.Lock.Owner != id || l.Lock.Fence != e.Fence {
			a.w.violated("I1", "execution %d is inside %s, which is %+v", e.Seq, a.stageOf(e), l)
		}
	}
}

// stagesOf returns the keys of the stages of a pipeline.
func (a *audit) stagesOf(p string) []key {
	var keys []key
	for k := range a.stages {
		if strings.HasPrefix(k.PK, "STAGE#"+p+"#") {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(x, y key) int { return strings.Compare(x.PK, y.PK) })
	return keys
}

// reached counts the faults that only a commit shows.
func (a *audit) reached(c *commit) {
	if len(c.stages) > 1 {
		a.w.cover("F10")
	}
	for _, ch := range c.stages {
		if ch.before == nil {
			continue
		}
		if ch.before.Lock.Disabled != ch.now.Lock.Disabled && len(ch.before.Lock.Waiting) > 0 {
			a.w.cover("F18")
		}
	}
	for _, ch := range c.executions {
		e := ch.now
		if ch.before != nil && e.Again && !ch.before.Again {
			a.w.cover("F37")
		}
		if ch.before == nil || e.Status != pipeline.SupersededExecution || ch.before.Status == e.Status {
			continue
		}
		if st := a.stages[record.StageKey(e.Pipeline, a.stageOf(e))]; st != nil && a.asksInside(st.Lock.Owner) {
			a.w.cover("F34")
		}
	}
	for _, ch := range c.actions {
		if ch.before != nil && ch.before.Status == pipeline.InProgress && ch.now.Result.Error != nil && ch.now.Result.Error.Code == action.Timeout {
			a.w.cover("F27")
			if ch.now.Job.Action.TypeID.Category == pipeline.Approval {
				a.w.cover("F33")
			}
		}
	}
}

// asksInside reports whether an execution waits for somebody's approval.
func (a *audit) asksInside(id string) bool {
	return slices.ContainsFunc(a.actionKeys, func(k key) bool {
		r := a.actions[k]
		return r.Execution == id && r.Status == pipeline.InProgress && r.Job.Action.TypeID.Category == pipeline.Approval
	})
}

// describe says how everything stands, for a report.
func (a *audit) describe() string {
	var b strings.Builder
	for _, id := range a.order {
		if e := a.executions[id]; !e.Status.Final() {
			fmt.Fprintf(&b, "execution %s seq %d %s of %s v%d run %s stage %s inside %v entry %d fence %d cancel %v\n", id, e.Seq, e.Status, e.Pipeline, e.Version, e.Run, a.stageOf(e), e.Inside, e.Entry, e.Fence, e.Cancel)
		}
	}
	for k, st := range a.stages {
		fmt.Fprintf(&b, "%s %+v\n", k.PK, st.Lock)
	}
	for _, k := range a.actionKeys {
		if r := a.actions[k]; r.Status == pipeline.InProgress {
			fmt.Fprintf(&b, "action %s job %s %+v\n", r.Ref(), r.ID, r.Result)
		}
	}
	for k, row := range a.outbox {
		fmt.Fprintf(&b, "%s %s\n", name(k), rowSays(*row))
	}
	return b.String()
}
