package prooftest

import "github.com/sluice-ci/sluice/internal/stage"

// What the model adds to the invariants of the protocol: T1 to T8.

// ownerTells: nobody owns or waits for a stage that is not his.
func ownerTells(m *model, w *world) bool {
	for s := range w.locks[:m.Stages] {
		l := &w.locks[s]
		if l.owner > 0 && int(w.executions[l.owner-1].stage) != s {
			return false
		}
		for _, x := range l.waiting[:l.queued] {
			if e := &w.executions[x.execution]; int(e.stage) != s || e.entry != x.entry || e.inside {
				return false
			}
		}
	}
	return true
}

// freeShowsLast: what is shown to have entered last is what the reducer would
// let in again, so a retry of it is never refused for good.
func freeShowsLast(m *model, w *world) bool {
	for i := range w.locks[:m.Stages] {
		l := &w.locks[i]
		beside := m.parallel(&w.executions[max(l.lastExec, 1)-1]) || m.parallel(&w.executions[max(l.latest, 1)-1])
		if l.owner == 0 && l.latest != l.lastExec && !beside {
			return false
		}
	}
	return true
}

// A rollback is excepted: an error cuts its run short behind its stage.
func successEndsWell(m *model, before *world, mv move, _ *change) bool {
	if mv.kind != deliverAnswer || mv.answer() != endRun {
		return true
	}
	e := &before.executions[mv.a]
	return e.status != succeeded || mv.run() != e.run || m.rollback(int(mv.a))
}

func backIsThere(m *model, before *world, mv move, _ *change) bool {
	if mv.kind != deliverAnswer || mv.answer() != repeatHere {
		return true
	}
	return m.wayBack(before.executions[mv.a].runs[mv.run()].at)
}

func newestStarts(m *model, before *world, _ move, c *change) bool {
	d := c.decided
	return d == nil || !d.call.task.acts() || m.parallel(&d.before) || d.before.version == before.pipeline.version
}

func ownMode(m *model, _ *world, _ move, c *change) bool {
	for _, s := range c.stepped {
		for _, f := range s.effects {
			g, ok := f.(stage.Grant)
			if !ok || g.Free {
				continue
			}
			if e := &c.w.executions[index(g.Execution)-1]; e.version == c.w.pipeline.version && s.after.mode != lockModeOf(m.modeOf(e.version)) {
				return false
			}
		}
	}
	return true
}

func gatesHold(m *model, w *world) bool {
	for i := range w.executions[:m.Executions] {
		e := &w.executions[i]
		if m.Gate.success() && e.stage == gated && e.status == succeeded && e.gate.verdict != met && e.gate.verdict != overridden {
			return false
		}
	}
	return true
}

func gateOpens(m *model, _ *world, _ move, c *change) bool {
	d := c.decided
	if d == nil || !d.call.task.acts() || d.before.stage != gated || !m.Gate.entry() {
		return true
	}
	return d.before.gate.verdict == met || d.before.gate.verdict == overridden
}

func closedHolds(_ *model, _ *world, _ move, c *change) bool {
	for _, s := range c.stepped {
		if !s.after.disabled || mayPass(s) {
			continue
		}
		for _, f := range s.effects {
			if _, ok := f.(stage.Grant); ok {
				return false
			}
		}
	}
	return true
}
