package prooftest

// die makes the token of the open task of a run dead: whatever names it is
// forgotten.
func (w *world) die(who, r uint8) {
	e := &w.executions[who]
	e.runs[r].answers = 0
	if r == e.run {
		e.told, e.waits, e.gate.told = false, false, false
	}
	if w.zombie.execution == who && w.zombie.run == r {
		w.zombie.live = false
	}
	for i := range w.admits {
		if w.admits[i].execution == who {
			w.admits[i].frozen = false
		}
	}
}

// enterTask opens a task of a run, which calls.
func (w *world) enterTask(who, r uint8, t task) {
	w.die(who, r)
	run := &w.executions[who].runs[r]
	run.at, run.called = t, true
}

// endRun ends a run.
func (w *world) endRun(who, r uint8) {
	w.die(who, r)
	run := &w.executions[who].runs[r]
	run.at, run.called, run.visit = over, false, 0
}

// linger makes the call of the open task of a run a zombie.
func (w *world) linger(who, r uint8) { w.zombie, w.lingers = w.call(who, r), true }

// call returns the call of the open task of a run.
func (w *world) call(who, r uint8) call {
	run := &w.executions[who].runs[r]
	return call{who, r, run.at, true, run.visit}
}

// hear is the machine taking an answer: the catch is the choice, see
// compile.Machine.
func (m *model) hear(w *world, who, r uint8, a answers) {
	e := &w.executions[who]
	run := &e.runs[r]
	i := run.at.stage()
	switch {
	case run.at.acts(): // an error leads there as well
		w.enterTask(who, r, entering(i+1))
	case a == goOn && int(i) < m.Stages:
		run.visit = 0
		w.enterTask(who, r, acting(i))
	case a == beginAt && run.at == entering(0):
		w.enterTask(who, r, entering(e.stage))
	case a == repeatHere && m.wayBack(run.at):
		run.visit++
		w.enterTask(who, r, acting(i-1))
	case a == skipStage && i == gated && m.Gate == entrySkips && run.at == entering(i):
		run.visit = 0
		w.enterTask(who, r, entering(i+1))
	default:
		w.endRun(who, r)
	}
}

// wayBack reports whether the machine catches Sluice.Retry at a task
// (compiler.again): each stage here has one action.
func (m *model) wayBack(t task) bool { return t == entering(1) && m.AutoRetry }
