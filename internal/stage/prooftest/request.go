package prooftest

import (
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/stage"
)

// arrive starts an execution (Service.StartExecution, change.begin), or a
// rollback (Service.RollbackStage).
func (c *change) arrive(who uint8) {
	if c.rollback(int(who)) {
		c.restore(who)
		return
	}
	c.holds = who + 1
	e := &c.w.executions[who]
	e.status, e.runs[0].at, e.version = inProgress, asked, c.w.pipeline.version
	c.enqueue(who, 0)
}

// restore starts a rollback of the second stage (change.restore).
func (c *change) restore(who uint8) {
	e := &c.w.executions[who]
	holds := c.holds
	c.holds = who + 1
	*e = execution{status: inProgress, stage: 1, entry: 1}
	e.runs[0].at = asked
	c.use(1, c.Mode)
	c.step(1, stage.Restore{Waiter: c.waiter(&c.w, who, 1)})
	c.holds = holds
}

// mayArrive reports whether an execution can still begin: numbers are given in
// the order of starts.
func (m *model) mayArrive(w *world, who int) bool {
	for i := who; i < m.Executions; i++ {
		if w.executions[i].status != absent {
			return false
		}
	}
	return true
}

// startable reports whether an execution may begin now. A rollback needs one
// that has passed the stage, and the stage has to be free (restorable,
// change.restore).
func (m *model) startable(w *world, who int) bool {
	for i := range who {
		if w.executions[i].status == absent && !m.rollback(i) && !(m.AutoBack && m.rollback(who)) {
			return false
		}
	}
	if !m.mayArrive(w, who) || !m.rollback(who) {
		return m.mayArrive(w, who)
	}
	for i := range w.executions[:m.Executions] {
		if e := &w.executions[i]; !m.rollback(i) && !e.skipped && (e.status == succeeded || e.stage > 1) {
			return w.locks[1].owner == 0 && m.Mode != pipeline.Parallel
		}
	}
	return false
}

// stop ends an execution by a request (Service.StopExecution).
func (c *change) stop(who uint8, abandon bool) {
	e := &c.w.executions[who]
	c.holds = who + 1
	e.status, e.abandon = stopping, abandon
	c.halt(who, abandon, stopped)
}

// stoppable reports whether the request would be accepted.
func (e *execution) stoppable(abandon bool) bool {
	return e.status == inProgress || e.status == stopping && abandon && !e.abandon
}

// halt ends an execution now if it is not inside, or if what runs there is to
// be abandoned (change.stop).
func (c *change) halt(who uint8, abandon bool, s status) {
	e := &c.w.executions[who]
	switch {
	case !e.inside:
		l := &c.w.locks[e.stage]
		granted := l.owner == who+1           // it has not heard of it, and ends inside
		e.outside = c.parallel(e) && !granted // in the other modes the lock tells
		c.dismiss(who, s)
		if granted && !c.endsUnseen {
			c.enters(who, l, s)
		}
		if !c.stopKeepsPlace {
			c.step(e.stage, stage.Remove{Execution: names[who+1]})
		}
	case c.cutGate(who, s):
	case abandon:
		if e.work == running { // abandonActions
			e.work, e.told = abandoned, false
		}
		e.runs[e.run].stop = true
		c.ends(who, s, s)
	case e.status == stopping && c.w.locks[e.stage].latest == who+1:
		c.w.locks[e.stage].latestStatus = stopping
	}
}

// ended hears that the current run of an execution is over (Service.Ended).
func (c *change) ended(who uint8) {
	c.holds = who + 1
	if c.blindStatus {
		c.w.executions[who].status = failed
		return
	}
	c.halt(who, true, failed)
}

// retry runs the stage of an execution again (Service.RetryStage). It reports
// whether it was accepted.
func (c *change) retry(who uint8) bool {
	e := &c.w.executions[who]
	l := &c.w.locks[e.stage]
	c.holds = who + 1
	old := !c.parallel(e) && !c.retryAnybody && (l.latest != who+1 || l.latestStatus != failed && l.latestStatus != stopped)
	if e.version != c.w.pipeline.version || e.outside || e.status != failed && e.status != stopped || old {
		return false
	}
	e.status, e.abandon = inProgress, false
	e.work, e.told, e.waits, e.repeats, e.gate = untouched, false, false, 0, gate{}
	e.run++
	e.entry++
	e.runs[e.run].at = asked
	at := c.waiter(&c.w, who, e.entry)
	if c.rollback(int(who)) {
		at.Seq = int64(l.lastSeq)
	}
	return c.step(e.stage, stage.Reenter{Waiter: at})
}

// retryBeside notes the wish to retry what has failed while the stage has not
// ended (change.retryBesideOthers).
func (c *change) retryBeside(who uint8) { c.w.executions[who].again = true }

// repeatable reports whether that request would be accepted.
func (m *model) repeatable(w *world, e *execution) bool {
	return e.version == w.pipeline.version && e.status == inProgress && e.inside && !e.again && e.work == broken
}

// toggle opens or closes the way into a stage (Service.SetTransition).
func (c *change) toggle(i uint8, enabled bool) {
	c.use(i, c.modeOf(c.w.pipeline.version))
	c.step(i, stage.SetEnabled{Enabled: enabled})
}
