package prooftest

import (
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/stage"
)

// An invariant holds in every state, or of every change.
type invariant struct {
	name, text string
	state      func(*model, *world) bool
	change     func(m *model, before *world, mv move, c *change) bool
}

// invariants are those of the protocol. Two more are held by the search: I3,
// by the graph of all states (see ends.go), and I11, by its kind: every state
// is one in which everything may stop, because a transaction is one move.
var invariants = []invariant{
	{"I1", "mutual exclusion: only the owner with the current fence is inside a stage", mutualExclusion, nil},
	{"I2", "an enabled and free stage has no waiter", noFreeStageWaits, nil},
	{"I4", "SUPERSEDED: a grant goes to the newest who waits, and leaves nobody older waiting", nil, newestWaitingWins},
	{"I5", "the newest execution is never superseded", newestSurvives, nil},
	{"I6", "QUEUED: a stage is entered in the order of starts, and nobody is superseded", nil, fifo},
	{"I7", "SUPERSEDED: no older execution enters a stage after a newer one; LastSeq never decreases", nil, monotoneEntry},
	{"I8", "an execution has at most one stage and waits for none meanwhile", noHoldAndWait, nil},
	{"I9", "each grant of a stage raises the fence, a stale fence releases nothing, and an action starts only for who is inside", staleFence, fence},
	{"I10", "a stage is left once for each time it was entered, by a call of that time", nil, releaseOnce},
	{"I12", "an end is final but for a retry, and who has ended neither waits nor owns", endedIsGone, statusMonotone},
	{"T1", "nobody passes a closed transition but by a retry or a rollback", nil, closedHolds},
	{"T2", "the reducer's owner and who waits are those that it told of", ownerTells, nil},
	{"T3", "the run of an execution that has succeeded ends well", nil, successEndsWell},
	{"T4", "a run that is sent back into a stage finds a way there", nil, backIsThere},
	{"T5", "a free stage shows who may retry it: the execution that the reducer let in last", freeShowsLast, nil},
	{"T6", "no action starts of a version that was replaced, but of a PARALLEL one", nil, newestStarts},
	{"T7", "an execution of the newest version is let in under its mode", nil, ownMode},
	{"T8", "actions start, and a stage ends well, only as its condition has allowed", gatesHold, gateOpens},
}

// wrongState returns the first invariant that does not hold in w, or "".
func (m *model) wrongState(w *world) string {
	for i := range invariants {
		if inv := &invariants[i]; inv.state != nil && !inv.state(m, w) {
			return inv.name
		}
	}
	return ""
}

// wrongChange returns the first invariant that c, played as mv, breaks, or "".
func (m *model) wrongChange(before *world, mv move, c *change) string {
	for i := range invariants {
		if inv := &invariants[i]; inv.change != nil && !inv.change(m, before, mv, c) {
			return inv.name
		}
	}
	return ""
}

func mutualExclusion(m *model, w *world) bool {
	var inside [maxStages]bool
	for i := range w.executions[:m.Executions] {
		e := &w.executions[i]
		if !e.inside || e.beside {
			continue
		}
		l := &w.locks[e.stage]
		if inside[e.stage] || int(l.owner) != i+1 || l.fence != e.fence {
			return false
		}
		inside[e.stage] = true
	}
	return true
}

func noFreeStageWaits(m *model, w *world) bool {
	for i := range w.locks[:m.Stages] {
		if l := &w.locks[i]; !l.disabled && l.owner == 0 && l.queued > 0 {
			return false
		}
	}
	return true
}

func newestSurvives(m *model, w *world) bool {
	for i := m.Executions - 1; i >= 0; i-- {
		if s := w.executions[i].status; s != absent && !m.rollback(i) {
			return s != superseded
		}
	}
	return true
}

func noHoldAndWait(m *model, w *world) bool {
	for i := range w.executions[:m.Executions] {
		places := 0
		for s := range w.locks[:m.Stages] {
			l := &w.locks[s]
			if int(l.owner) == i+1 {
				places++
			}
			for _, x := range l.waiting[:l.queued] {
				if int(x.execution) == i {
					places++
				}
			}
		}
		if places > 1 {
			return false
		}
	}
	return true
}

// endedIsGone: whoever has a place in a stage is under way.
func endedIsGone(m *model, w *world) bool {
	for s := range w.locks[:m.Stages] {
		l := &w.locks[s]
		if l.owner > 0 && w.executions[l.owner-1].status.final() {
			return false
		}
		for _, x := range l.waiting[:l.queued] {
			if w.executions[x.execution].status.final() {
				return false
			}
		}
	}
	return true
}

// staleFence asks the reducer: the release of a former grant, and that of
// somebody else, change nothing.
func staleFence(m *model, w *world) bool {
	for s := range w.locks[:m.Stages] {
		l := &w.locks[s]
		if l.owner == 0 {
			continue
		}
		other := l.owner%uint8(m.Executions) + 1
		for _, ev := range [...]stage.Release{
			{Execution: names[l.owner], Fence: int64(l.fence) - 1}, {Execution: names[other], Fence: int64(l.fence)},
		} {
			next, effects := m.reduce(m.state(w, l), ev)
			if len(effects) > 0 || next.Owner != names[l.owner] || next.Fence != int64(l.fence) || len(next.Waiting) != int(l.queued) {
				return m.Executions == 1 && ev.Fence == int64(l.fence)
			}
		}
	}
	return true
}

func newestWaitingWins(_ *model, _ *world, _ move, c *change) bool {
	for _, s := range c.stepped {
		if !s.in(pipeline.Superseded) {
			continue
		}
		for _, f := range s.effects {
			switch f := f.(type) {
			case stage.Grant:
				if !f.Free && !mayPass(s) && s.after.queued > 0 {
					return false
				}
			case stage.Supersede:
				if !newerThan(s, uint8(f.Seq)) {
					return false
				}
			}
		}
	}
	return true
}

// newerThan reports whether somebody newer waited for a stage, came to it or
// had entered it.
func newerThan(s stepped, seq uint8) bool {
	if arrived, ok := s.event.(stage.Enqueue); ok && uint8(arrived.Seq) > seq || s.before.top > seq {
		return true
	}
	for _, w := range s.before.waiting[:s.before.queued] {
		if w.execution+1 > seq {
			return true
		}
	}
	return false
}

// An execution that runs a PARALLEL version may come after a newer one.
func fifo(_ *model, _ *world, _ move, c *change) bool {
	for _, s := range c.stepped {
		if !s.in(pipeline.Queued) {
			continue
		}
		top := s.before.top
		for _, f := range s.effects {
			g, ok := f.(stage.Grant)
			if !ok {
				return false
			}
			if g.Free {
				continue
			}
			if uint8(g.Seq) < top || !mayPass(s) && s.after.queued > 0 && s.after.first() < uint8(g.Seq) {
				return false
			}
			top = max(top, uint8(g.Seq))
		}
	}
	return true
}

// first returns the lowest sequence number of those who wait.
func (l *lock) first() uint8 {
	least := uint8(maxExecutions + 1)
	for _, w := range l.waiting[:l.queued] {
		least = min(least, w.execution+1)
	}
	return least
}

// in reports whether the stage has a mode, after what happened.
func (s *stepped) in(mode pipeline.Mode) bool { return lockModes[s.after.mode] == mode }

// mayPass reports whether an event lets somebody in past those who wait, and
// past a closed transition.
func mayPass(s stepped) bool {
	switch s.event.(type) {
	case stage.Reenter, stage.Restore:
		return true
	}
	return false
}

func monotoneEntry(_ *model, _ *world, _ move, c *change) bool {
	for _, s := range c.stepped {
		if s.after.lastSeq < s.before.lastSeq {
			return false
		}
		for _, f := range s.effects {
			if g, ok := f.(stage.Grant); ok && !g.Free && s.in(pipeline.Superseded) && uint8(g.Seq) < s.before.top {
				return false
			}
		}
	}
	return true
}

func fence(m *model, _ *world, _ move, c *change) bool {
	for _, s := range c.stepped {
		last := s.before.fence
		for _, f := range s.effects {
			if g, ok := f.(stage.Grant); ok && (!g.Free || s.after.mode.parallel()) {
				if uint8(g.Fence) <= last {
					return false
				}
				last = uint8(g.Fence)
			}
		}
		if s.after.fence != last {
			return false
		}
	}
	if d := c.decided; d != nil && d.call.task.acts() {
		owns := d.before.beside || d.lock.owner == d.call.execution+1 && d.lock.fence == d.before.fence
		return owns && d.before.inside && d.before.stage == d.call.task.stage() && !d.before.status.final()
	}
	return true
}

func releaseOnce(m *model, _ *world, _ move, c *change) bool {
	d := c.decided
	if d == nil {
		return true
	}
	return d.call.run == d.before.run && (d.call.task.acts() || d.call.visit == d.before.repeats)
}

func statusMonotone(m *model, before *world, mv move, c *change) bool {
	for i := range before.executions[:m.Executions] {
		old, now := before.executions[i].status, c.w.executions[i].status
		if old != now && old.final() && mv.kind != retry || old == stopping && now == inProgress {
			return false
		}
	}
	return true
}
