package prooftest

// play makes c the change of from by mv; c may have been another one before,
// since there are hundreds of millions. It is not ok when mv was refused and
// changes nothing.
func (c *change) play(from *world, mv move) (ok bool) {
	c.w, c.holds, c.stepped, c.decided = *from, 0, c.stepped[:0], nil
	w, i, r := &c.w, mv.a, mv.b
	switch mv.kind {
	case arrive:
		c.arrive(i)
	case start:
		w.enterTask(i, r, entering(0))
	case callTask, callLingering:
		in := w.call(i, r)
		w.executions[i].runs[r].called = false
		if mv.kind == callLingering {
			w.left.spend(&w.left.Linger)
			w.linger(i, r)
		}
		c.called(in)
	case comeLate:
		in := w.zombie
		w.zombie, w.lingers = call{}, false
		c.called(in)
	case workEnds:
		c.report(i, done)
	case workFails:
		w.left.spend(&w.left.Fail)
		c.report(i, broken)
	case deliverAnswer:
		c.hear(w, i, mv.run(), mv.answer())
	case deliverAdmit, admitTwice:
		a := w.admits[i]
		if mv.kind == admitTwice {
			w.left.spend(&w.left.Twice)
		} else {
			w.drop(i)
		}
		c.admitted(a)
	case deliverStop:
		if w.executions[i].runs[r].stop = false; w.executions[i].runs[r].at.open() {
			w.endRun(i, r)
		}
	case sweep:
		c.ended(i)
	case enable:
		c.toggle(i, true)
	case disable:
		w.left.spend(&w.left.Disable)
		c.toggle(i, false)
	case stopAndWait, stopNow:
		w.left.spend(&w.left.Stop)
		c.stop(i, mv.kind == stopNow)
	case ruleHolds:
		c.rule(i, met)
	case ruleFails:
		w.left.spend(&w.left.Fail)
		c.rule(i, unmet)
	case override:
		w.left.spend(&w.left.Override)
		c.rule(i, overridden)
	case settle:
		c.settle()
	case settleFormer:
		w.pipeline.former = c.follow(w.pipeline.version-1, w.pipeline.former)
	case update:
		c.update()
	case cutShort:
		w.left.spend(&w.left.Cut)
		w.pipeline.cut = true
	case retry:
		w.left.spend(&w.left.Retry)
		return c.retry(i)
	case retryBeside:
		w.left.spend(&w.left.Retry)
		c.retryBeside(i)
	default:
		c.fault(mv)
	}
	return true
}

// fault is what the adversary does to machines and messages.
func (c *change) fault(mv move) {
	w, i, r := &c.w, mv.a, mv.b
	run := &w.executions[i].runs[r&(maxRuns-1)]
	switch mv.kind {
	case kill:
		w.left.spend(&w.left.Kill)
		if run.called && !w.lingers {
			w.linger(i, r)
		}
		w.endRun(i, r)
	case recall, recallLingering:
		w.left.spend(&w.left.Recall)
		if mv.kind == recallLingering {
			w.left.spend(&w.left.Linger)
			w.linger(i, r)
		}
		w.enterTask(i, r, run.at)
	case giveUp:
		w.left.spend(&w.left.GiveUp)
		if run.called && !w.lingers {
			w.linger(i, r)
		}
		w.enterTask(i, r, entering(run.at.stage()+1))
	case loseAdmit:
		w.drop(i)
	case loseAnswer:
		w.executions[i].runs[mv.run()].answers &^= mv.answer()
	}
}
