package prooftest

import "github.com/sluice-ci/sluice/internal/stage"

// called is a call of Service.Enter or Service.RunAction (change.caller).
func (c *change) called(in call) {
	e := &c.w.executions[in.execution]
	c.holds = in.execution + 1
	switch {
	case c.successIsWell && in.run == e.run && e.status == succeeded && !c.cutShort(in.execution):
		c.answer(in, goOn)
	case in.run != e.run && !c.anyRun, e.status.final() && !c.finalGoesOn:
		c.answer(in, endRun) // Sluice.Outdated, or the execution's status
	case in.task.acts():
		c.runAction(e, in)
	default:
		c.enter(e, in)
	}
}

// enter leaves one stage and queues for the next (change.enter).
func (c *change) enter(e *execution, in call) {
	target := in.task.stage()
	if target == 0 && e.stage != 0 {
		c.answer(in, beginAt)
		return
	}
	if e.stage < target && e.inside {
		if !c.leave(e, in) {
			return
		}
		if c.handOverApart {
			e.runs[in.run].called = in.live
			return
		}
	}
	if int(target) == c.Stages || c.rollback(int(in.execution)) && e.stage < target {
		short := c.cutShort(in.execution)
		c.end(in.execution, succeeded)
		if short {
			c.answer(in, endRun)
		} else {
			c.answer(in, goOn)
		}
		return
	}
	switch {
	case c.deafWait:
	case target > e.stage:
		e.waits = in.live
	case target == e.stage:
		e.waits = in.live || c.newestCallWaits && e.waits
	}
	if e.stage < target {
		c.enqueue(in.execution, target)
	} else if e.inside && !c.noRewake {
		c.entry(in.execution, func(a answers) { c.answer(in, a) })
	}
}

// cutShort reports whether a run that has gone well ends before the end of its
// machine (cutShort).
func (c *change) cutShort(who uint8) bool {
	return c.rollback(int(who)) && int(c.w.executions[who].stage) < c.Stages-1
}

// enqueue puts an execution in front of stage i (change.enqueue).
func (c *change) enqueue(who, i uint8) {
	e := &c.w.executions[who]
	c.use(i, c.modeOf(e.version))
	e.stage, e.inside, e.fence, e.work, e.told, e.again, e.repeats = i, false, 0, untouched, false, false, 0
	e.gate = gate{}
	e.entry++
	if c.arrivalSetsMode && !c.parallel(e) && c.w.locks[i].mode != lockModeOf(c.modeOf(e.version)) {
		c.step(i, stage.SetMode{Mode: c.modeOf(e.version)})
	}
	c.step(i, stage.Enqueue{Waiter: c.waiter(&c.w, who, e.entry)})
}

// leave decides how the stage that e is inside ended, and reports whether e
// goes on to the next one (change.leave).
func (c *change) leave(e *execution, in call) bool {
	l := &c.w.locks[e.stage]
	if c.repeatsAgain && in.visit < e.repeats {
		c.answer(in, repeatHere)
		return false
	}
	c.decided = &decision{in, *e, *l}
	if e.work == running { // settleActions
		if e.work = broken; e.told {
			e.runs[e.run].answers |= goOn
		}
	}
	who, complete := in.execution, e.work == done
	switch {
	case c.outdated(&c.w, e):
		c.ends(who, cancelled, cancelled)
	case e.status == stopping && complete:
		c.ends(who, succeeded, stopped)
	case e.status == stopping:
		c.ends(who, stopped, stopped)
	case e.skipped && e.stage == gated:
		c.release(who, skipped)
		return true
	case complete:
		switch c.exit(e, in, c.Gate.success()) {
		case open:
			return false
		case unmet:
			c.fails(who, c.Gate == successRollsBack)
			c.answer(in, endRun)
			return false
		}
		c.release(who, succeeded)
		return true
	case e.again:
		c.repeat(e, in)
		return false
	case c.AutoRetry && e.stage == 0 && !e.retried:
		e.retried = true
		l.auto++
		c.repeat(e, in)
		return false
	default:
		conditional := c.Gate == failureRollsBack && e.stage == gated
		v := c.exit(e, in, conditional)
		if v == open {
			return false
		}
		c.fails(who, c.AutoBack && e.stage == 1 && v == met && (conditional || c.Gate == unconditional))
	}
	c.answer(in, endRun)
	return false
}

// repeat opens a new attempt of the stage that e is inside (change.repeat).
func (c *change) repeat(e *execution, in call) {
	e.again, e.work, e.told, e.gate = false, untouched, false, gate{}
	e.repeats++
	c.answer(in, repeatHere)
}

// fails ends an execution in its stage, and rolls the stage back if that is
// wished and can be (change.fails).
func (c *change) fails(who uint8, rollBack bool) {
	if !c.endHoldsLock {
		c.release(who, failed)
	}
	if back := c.Rollback - 1; rollBack && int(who) != back && c.startable(&c.w, back) {
		c.restore(uint8(back))
	}
	c.end(who, failed)
}

// ends lets an execution out of its last stage and ends it (change.ends).
func (c *change) ends(who uint8, ofStage, ofExecution status) {
	if !c.endHoldsLock {
		c.release(who, ofStage)
	}
	c.end(who, ofExecution)
}

// release gives up the stage that an execution is inside (change.release).
func (c *change) release(who uint8, s status) {
	e := &c.w.executions[who]
	l := &c.w.locks[e.stage]
	fence := e.fence
	e.inside, e.fence, e.beside = false, 0, false
	if l.latest == who+1 {
		l.latestStatus = s
	}
	c.step(e.stage, stage.Release{Execution: names[who+1], Fence: int64(fence)})
}

// runAction starts the action of a stage (change.startAction).
func (c *change) runAction(e *execution, in call) {
	outside := in.task.stage() != e.stage || !e.inside
	if (e.status == stopping || c.outdated(&c.w, e)) && e.work != running || outside && !c.unguardedAction {
		c.answer(in, goOn) // an error, which leads to the next Enter as well
		return
	}
	if c.newestVisitActs && in.visit < e.repeats {
		return
	}
	switch e.work {
	case untouched:
		c.decided = &decision{in, *e, c.w.locks[e.stage]}
		e.work, e.told = running, in.live
	case running:
		e.told = in.live || c.newestCallActs && e.told && in.visit == e.repeats
	default:
		c.answer(in, goOn)
	}
}

// report ends the work of an action (Service.Report, change.endAction).
func (c *change) report(who uint8, how work) {
	e := &c.w.executions[who]
	if e.work = how; e.told {
		e.runs[e.run].answers |= goOn
	}
}

// admitted delivers an Admit (Service.admitted).
func (c *change) admitted(in admit) {
	e, l := &c.w.executions[in.execution], &c.w.locks[in.stage]
	c.holds = in.execution + 1
	beside := l.mode.parallel()
	if c.hearsBeside {
		beside = c.parallel(e)
	}
	switch {
	case e.status.final(), e.inside:
	case e.entry != in.entry && !c.anyEntry:
	case !beside && (l.owner != in.execution+1 || l.fence != in.fence) && !c.anyOwner:
	case c.frozenToken:
		waits := e.waits
		e.waits = in.frozen
		c.admit(in.execution, in.stage, in.fence)
		e.waits = waits
	default:
		c.admit(in.execution, in.stage, in.fence)
	}
}
