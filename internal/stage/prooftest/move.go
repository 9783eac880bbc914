package prooftest

import "fmt"

// kind of a move. Those before firstFault bring the world nearer to its end,
// and happen by themselves.
type kind uint8

const (
	arrive kind = iota
	start
	callTask
	workEnds
	deliverAnswer
	deliverAdmit
	deliverStop
	sweep
	enable
	settle
	settleFormer
	ruleHolds

	firstFault
	disable
	stopAndWait
	stopNow
	workFails
	retry
	retryBeside
	kill
	recall
	recallLingering // the former call is still under way
	callLingering   // the call comes once more later
	comeLate        // what lingers
	admitTwice
	giveUp
	ruleFails
	override
	update
	cutShort
	loseAdmit  // only in a protocol that has no outbox
	loseAnswer // likewise
)

var kinds = [...]string{
	arrive: "arrive", start: "start", callTask: "call", workEnds: "end", deliverAnswer: "answer", deliverAdmit: "admit",
	deliverStop: "abort", sweep: "sweep", enable: "enable", disable: "disable", stopAndWait: "stop", stopNow: "abandon",
	workFails: "fail", retry: "retry", retryBeside: "retry what failed of", kill: "kill", recall: "recall", recallLingering: "recall, the former call lingers",
	callLingering: "call, which comes again", comeLate: "late call", admitTwice: "admit, which comes again", giveUp: "give up",
	update: "update the pipeline", settle: "the update goes on", settleFormer: "the update before goes on", cutShort: "the update is cut short",
	ruleHolds: "the rule holds for", ruleFails: "the rule fails for", override: "override the condition for",
	loseAdmit: "lose admit", loseAnswer: "lose answer", firstFault: "",
}

// A move is one thing that can happen: to an execution and one of its runs, to
// a stage, or to a place in the outbox, as its kind has it.
type move struct {
	kind kind
	a, b uint8
}

func (m move) progress() bool { return m.kind < firstFault }

// run and answer are those of a move that is about an answer.
func (m move) run() uint8      { return m.b >> 5 }
func (m move) answer() answers { return answers(m.b & 31) }

// String tells m as seen from the world it is played in.
func (m move) describe(w *world) string {
	who := func(i uint8) string { return names[i+1] }
	switch m.kind {
	case deliverAdmit, admitTwice, loseAdmit:
		a := w.admits[m.a]
		return fmt.Sprintf("%s %s to stage %d, entry %d, fence %d", kinds[m.kind], who(a.execution), a.stage, a.entry, a.fence)
	case enable, disable:
		return fmt.Sprintf("%s the way into stage %d", kinds[m.kind], m.a)
	case comeLate:
		return fmt.Sprintf("%s of %s, run %d, from %s", kinds[m.kind], who(w.zombie.execution), w.zombie.run+1, w.zombie.task)
	case callTask, callLingering, recall, recallLingering, kill, giveUp:
		return fmt.Sprintf("%s %s, run %d, at %s", kinds[m.kind], who(m.a), m.b+1, w.executions[m.a].runs[m.b].at)
	case deliverAnswer, loseAnswer:
		return fmt.Sprintf("%s %s, run %d, at %s: %s", kinds[m.kind], who(m.a), m.run()+1, w.executions[m.a].runs[m.run()].at, m.answer())
	case start, deliverStop:
		return fmt.Sprintf("%s %s, run %d", kinds[m.kind], who(m.a), m.b+1)
	case update, settle, settleFormer, cutShort:
		return kinds[m.kind]
	}
	return kinds[m.kind] + " " + who(m.a)
}

func (t task) String() string {
	switch {
	case !t.open():
		return [...]string{"nowhere", "its start", "its end"}[t]
	case t.acts():
		return fmt.Sprintf("the action of stage %d", t.stage())
	}
	return fmt.Sprintf("Enter %d", t.stage())
}

func (a answers) String() string {
	return map[answers]string{goOn: "go on", endRun: "end", beginAt: "begin at its stage", repeatHere: "repeat the stage", skipStage: "skip the stage"}[a]
}

// spend takes one of a fault away.
func (f *Faults) spend(one *uint8) {
	*one--
	f.Total--
}

// may says what of w.left may be played now.
func (w *world) may() Faults {
	if w.left.Total == 0 {
		return Faults{}
	}
	return w.left
}

// moves appends to ms what can happen in w.
func (m *model) moves(ms []move, w *world) []move {
	left := w.may()
	for i := range w.executions[:m.Executions] {
		ms = m.movesOf(ms, w, uint8(i))
	}
	for slot := range w.admitted {
		ms = append(ms, move{kind: deliverAdmit, a: slot})
		if left.Twice > 0 && w.admitted < maxAdmits {
			ms = append(ms, move{kind: admitTwice, a: slot})
		}
		if m.wakeOutside {
			ms = append(ms, move{kind: loseAdmit, a: slot})
		}
	}
	for i := range w.locks[:m.Stages] {
		switch {
		case w.locks[i].disabled:
			ms = append(ms, move{kind: enable, a: uint8(i)})
		case i > 0 && left.Disable > 0:
			ms = append(ms, move{kind: disable, a: uint8(i)})
		}
	}
	if w.lingers {
		ms = append(ms, move{kind: comeLate})
	}
	return m.movesOfPipeline(ms, w)
}

// movesOf appends what can happen to execution i.
func (m *model) movesOf(ms []move, w *world, i uint8) []move {
	e, left := &w.executions[i], w.may()
	if e.status == absent {
		if m.startable(w, int(i)) && !(m.rollback(int(i)) && m.AutoBack) {
			ms = append(ms, move{kind: arrive, a: i})
		}
		return ms
	}
	if e.work == running {
		ms = append(ms, move{kind: workEnds, a: i})
		if left.Fail > 0 {
			ms = append(ms, move{kind: workFails, a: i})
		}
	}
	if e.gate.verdict == open && e.inside {
		ms = append(ms, move{kind: ruleHolds, a: i})
		if left.Fail > 0 {
			ms = append(ms, move{kind: ruleFails, a: i})
		}
	}
	if left.Override > 0 && m.overridable(w, e) {
		ms = append(ms, move{kind: override, a: i})
	}
	if !m.noReaper && e.runs[e.run].at == over && (!e.status.final() || m.blindStatus && e.status != failed) {
		ms = append(ms, move{kind: sweep, a: i})
	}
	if left.Stop > 0 && e.stoppable(false) {
		ms = append(ms, move{kind: stopAndWait, a: i})
	}
	if left.Stop > 0 && e.stoppable(true) {
		ms = append(ms, move{kind: stopNow, a: i})
	}
	if left.Retry > 0 && (e.status == failed || e.status == stopped) && e.run+1 < maxRuns {
		ms = append(ms, move{kind: retry, a: i})
	}
	if left.Retry > 0 && m.repeatable(w, e) && !m.retryRunning {
		ms = append(ms, move{kind: retryBeside, a: i})
	}
	for r := range e.run + 1 {
		ms = m.movesOfRun(ms, w, i, r)
	}
	return ms
}

// movesOfRun appends what can happen to a run of execution i.
func (m *model) movesOfRun(ms []move, w *world, i, r uint8) []move {
	run, left := &w.executions[i].runs[r], w.may()
	add := func(k kind) { ms = append(ms, move{kind: k, a: i, b: r}) }
	if run.stop {
		add(deliverStop)
	}
	if run.at == asked {
		add(start)
	}
	if !run.at.open() {
		return ms
	}
	for a := goOn; a <= skipStage; a <<= 1 {
		if run.answers&a == 0 {
			continue
		}
		ms = append(ms, move{kind: deliverAnswer, a: i, b: r<<5 | uint8(a)})
		if m.answerOutside {
			ms = append(ms, move{kind: loseAnswer, a: i, b: r<<5 | uint8(a)})
		}
	}
	canLinger := left.Linger > 0 && !w.lingers
	if run.called {
		add(callTask)
		if canLinger {
			add(callLingering)
		}
	}
	if left.Recall > 0 && !run.called {
		add(recall)
	}
	if left.Recall > 0 && run.called && canLinger && left.Total > 1 {
		add(recallLingering)
	}
	if left.Kill > 0 {
		add(kill)
	}
	if left.GiveUp > 0 && run.at.acts() {
		add(giveUp)
	}
	return ms
}
