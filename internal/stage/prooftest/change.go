package prooftest

import "github.com/sluice-ci/sluice/internal/stage"

// A change is one transaction in the making, as in package orchestrator: what
// it does to w happens at once, or not at all.
type change struct {
	*model
	w       world
	holds   uint8 // the execution whose record it has read, plus 1
	stepped []stepped
	decided *decision
}

// stepped is what the reducer was asked and what it said, for the laws.
type stepped struct {
	stage         uint8
	event         stage.Event
	before, after lock
	effects       []stage.Effect
}

// decision is how a call let an execution out of a stage, or began its action.
type decision struct {
	call   call
	before execution
	lock   lock // of the stage
}

// step lets ev happen to a stage and follows what the stage decides. It
// reports whether anything followed (change.step and change.follow).
func (c *change) step(i uint8, ev stage.Event) bool {
	l := &c.w.locks[i]
	s := stepped{stage: i, event: ev, before: *l}
	next, effects := c.reduce(c.state(&c.w, l), ev)
	l.keep(next)
	for _, f := range effects {
		if g, ok := f.(stage.Grant); ok && !c.parallel(&c.w.executions[index(g.Execution)-1]) {
			l.top = max(l.top, uint8(g.Seq))
		}
	}
	s.after, s.effects = *l, effects
	c.stepped = append(c.stepped, s)
	for _, f := range effects {
		switch f := f.(type) {
		case stage.Grant:
			c.granted(i, index(f.Execution)-1, uint8(f.Entry), uint8(f.Fence))
		case stage.Supersede:
			c.dismiss(index(f.Execution)-1, superseded)
		}
	}
	return len(effects) > 0
}

// granted admits the execution that the change holds at once; others get an
// Admit in the outbox (change.follow).
func (c *change) granted(i, who, entry, fence uint8) {
	if who+1 == c.holds {
		c.admit(who, i, fence)
		return
	}
	frozen := c.frozenToken && c.w.executions[who].waits
	c.w.add(admit{who, i, entry, fence, frozen})
}

// admit lets an execution into a stage and answers its task, if that has come
// to wait already (change.admit).
func (c *change) admit(who, i, fence uint8) {
	e, l := &c.w.executions[who], &c.w.locks[i]
	e.inside, e.fence, e.beside = true, fence, l.mode.parallel() || c.parallel(e) && l.owner != who+1
	c.enters(who, l, inProgress)
	c.entry(who, func(a answers) { c.answerWaiter(who, a) })
}

// enters notes that an execution is the latest to have entered a stage (enters).
func (c *change) enters(who uint8, l *lock, s status) {
	if c.goesBeside && c.parallel(&c.w.executions[who]) && !l.mode.parallel() {
		return
	}
	if l.latest != who+1 {
		l.auto = 0
	}
	l.latest, l.latestStatus = who+1, s
}

// dismiss ends an execution that waits (change.dismiss).
func (c *change) dismiss(who uint8, s status) {
	if c.w.executions[who].status.final() {
		return
	}
	c.end(who, s)
	if !c.silentDismissal {
		c.answerWaiter(who, endRun)
	}
}

// end gives an execution its final status (change.end).
func (c *change) end(who uint8, s status) {
	e := &c.w.executions[who]
	e.status, e.inside, e.again, e.beside = s, false, false, false
}

// answerWaiter answers the task that waits for the stage (change.answerWaiter).
func (c *change) answerWaiter(who uint8, a answers) {
	if e := &c.w.executions[who]; e.waits {
		e.runs[e.run].answers |= a
	}
}

// answer answers the task that calls (change.answer). A dead token hears
// nothing, and the task of an action goes on whatever it hears.
func (c *change) answer(in call, a answers) {
	if in.task.acts() {
		a = goOn
	}
	if in.live {
		c.w.executions[in.execution].runs[in.run].answers |= a
	}
}

// add puts a into the outbox. Admits are kept in order, so that the same
// outbox is the same world; one that is there already is not kept twice.
func (w *world) add(a admit) {
	at := w.admitted
	for i, b := range w.admits[:w.admitted] {
		if a == b {
			return
		}
		if at == w.admitted && a.less(b) {
			at = uint8(i)
		}
	}
	copy(w.admits[at+1:], w.admits[at:w.admitted])
	w.admits[at] = a
	w.admitted++
}

func (a admit) less(b admit) bool {
	x := [...]uint8{a.execution, a.stage, a.entry, a.fence}
	y := [...]uint8{b.execution, b.stage, b.entry, b.fence}
	for i := range x {
		if x[i] != y[i] {
			return x[i] < y[i]
		}
	}
	return b.frozen && !a.frozen
}

// drop takes an Admit out of the outbox.
func (w *world) drop(slot uint8) {
	copy(w.admits[slot:], w.admits[slot+1:w.admitted])
	w.admitted--
	w.admits[w.admitted] = admit{}
}
