package prooftest

// A condition is that of the second stage: at which of its gates, and what
// follows when it is engaged. It has one rule.
type condition uint8

const (
	unconditional condition = iota
	entryFails
	entrySkips
	successFails
	successRollsBack
	failureRollsBack
)

const gated = 1 // the stage that has the condition

func (c condition) entry() bool   { return c == entryFails || c == entrySkips }
func (c condition) success() bool { return c == successFails || c == successRollsBack }

// verdict is how the gate of the stage of an execution stands, in the current
// attempt.
type verdict uint8

const (
	unasked verdict = iota
	open            // its rule runs
	met
	unmet
	overridden
	cut // the execution was stopped meanwhile
)

func (v verdict) final() bool { return v >= met }

// A gate is what record.Gate says.
type gate struct {
	verdict verdict
	told    bool // it has the token of the open task, which waits to leave
}

// entry answers the task of an execution that is inside a stage, unless its
// entry condition has not said yet that it may (change.entry).
func (c *change) entry(who uint8, tell func(answers)) {
	e := &c.w.executions[who]
	switch {
	case e.stage != gated || !c.Gate.entry() || e.gate.verdict == met || e.gate.verdict == overridden:
		tell(goOn)
	case e.skipped:
		tell(skipStage)
	case e.gate.verdict == unasked:
		e.gate.verdict = open
	case c.gateBlind:
		tell(goOn)
	}
}

// exit returns how an exit gate stands for a call that waits to leave the
// stage, and opens it if need be. It is met when there is none (change.exit).
func (c *change) exit(e *execution, in call, applies bool) verdict {
	if e.stage != gated || !applies {
		return met
	}
	if !e.gate.verdict.final() {
		e.gate.told = in.live || e.gate.told
		e.gate.verdict = open
	}
	if c.gateForgets {
		e.gate.told = false
	}
	return e.gate.verdict
}

// rule ends the rule of an open gate, which decides it (change.settleGate), as
// does somebody who overrides it.
func (c *change) rule(who uint8, v verdict) {
	e := &c.w.executions[who]
	c.holds = who + 1
	e.gate.verdict = v
	in := call{who, e.run, entering(gated + 1), e.gate.told, e.repeats}
	switch {
	case !c.Gate.entry(): // who waited to leave asks again
		c.enter(e, in)
	case v != unmet:
		c.answerWaiter(who, goOn)
	case c.Gate == entrySkips:
		e.skipped = true
		if l := &c.w.locks[gated]; l.latest == who+1 {
			l.latestStatus = skipped
		}
		c.answerWaiter(who, skipStage)
	default:
		c.ends(who, failed, failed)
		c.answerWaiter(who, endRun)
	}
}

// cutGate ends the gate that an execution waits in, because the execution ends
// as s (change.cutGate). It reports whether there was one.
func (c *change) cutGate(who uint8, s status) bool {
	e := &c.w.executions[who]
	if !e.inside || e.gate.verdict != open || c.keepsGate {
		return false
	}
	e.gate.verdict = cut
	c.ends(who, s, s)
	if c.Gate.entry() {
		c.answerWaiter(who, endRun)
	} else if e.gate.told {
		e.runs[e.run].answers |= endRun
	}
	return true
}

// overridable reports whether the gate of an execution may be overridden
// (Service.OverrideCondition).
func (m *model) overridable(w *world, e *execution) bool {
	return e.gate.verdict == open && m.Gate != entrySkips && e.status == inProgress && e.inside && e.version == w.pipeline.version
}
