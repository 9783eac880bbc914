package orchestrator

import (
	"fmt"
	"maps"
	"slices"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/compile"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// A gate is where the conditions of a stage are evaluated: before its actions,
// after they succeeded, after one failed (user guide, Stage conditions). The
// task of the machine that waits for the stage, or to leave it, waits for the
// gate: nothing is polled, and the stage stays locked meanwhile.
//
// Where the public record contradicts itself the choices are these, and they
// are made in [met] and [change.decide] only: beforeEntry and onSuccess are
// engaged when a rule fails; onFailure when every rule succeeds.

// conditionOf returns the condition of a gate, or nil. There is at most one.
func conditionOf(st pipeline.Stage, kind record.GateKind) *pipeline.Condition {
	var all []pipeline.Condition
	switch {
	case kind == record.BeforeEntry && st.BeforeEntry != nil:
		all = st.BeforeEntry.Conditions
	case kind == record.OnSuccess && st.OnSuccess != nil:
		all = st.OnSuccess.Conditions
	case kind == record.OnFailure && st.OnFailure != nil:
		all = st.OnFailure.Conditions
	}
	if len(all) == 0 {
		return nil
	}
	return &all[0]
}

// openGate begins to evaluate cond. g is its record, which says whose task
// waits.
func (c *change) openGate(e *record.Execution, d pipeline.Declaration, st pipeline.Stage, kind record.GateKind, cond *pipeline.Condition, g *record.Gate) error {
	g.Status, g.Updated, e.Gated = pipeline.InProgress, c.at, true
	for _, rule := range cond.Rules {
		if _, err := c.newRule(e, d, st, kind, rule, 1); err != nil {
			return err
		}
	}
	return nil
}

// entry reports how a stage that has admitted e answers the task that waits
// for it: whether its entry condition lets it answer at all, and with what.
func (c *change) entry(e *record.Execution, d pipeline.Declaration, st pipeline.Stage) (errorName string, ready bool, err error) {
	if slices.Contains(e.Skipped, st.Name) {
		return compile.ErrorSkip, true, nil
	}
	cond := conditionOf(st, record.BeforeEntry)
	if cond == nil {
		return "", true, nil
	}
	for attempt := e.Since; attempt <= e.Attempt; attempt++ { // one that passed counts for a retry of what failed
		g, err := c.gate(e.ID, attempt, st.Name, record.BeforeEntry)
		if err != nil {
			return "", false, err
		}
		switch g.Status {
		case pipeline.Succeeded, pipeline.Overridden:
			return "", true, nil
		case "":
			if attempt == e.Attempt {
				return "", false, c.openGate(e, d, st, record.BeforeEntry, cond, g)
			}
		}
	}
	return "", false, nil
}

// exit returns the evaluation of an exit gate for this attempt, and begins it
// if need be; in is the task that waits to leave. It returns nil if the stage
// has no such condition.
func (c *change) exit(e *record.Execution, d pipeline.Declaration, st pipeline.Stage, kind record.GateKind, in EnterRequest) (*record.Gate, error) {
	cond := conditionOf(st, kind)
	if cond == nil {
		return nil, nil
	}
	g, err := c.gate(e.ID, e.Attempt, st.Name, kind)
	if err != nil {
		return nil, err
	}
	if g.Status.Final() {
		return g, nil
	}
	if in.Call >= g.Call {
		g.Token, g.Call, g.Visit, g.Enter = in.Token, in.Call, in.Visit, in.Enter // of the newest call
	}
	if g.Status == "" {
		err = c.openGate(e, d, st, kind, cond, g)
	}
	return g, err
}

// settleGates decides the gates whose rules this change has ended.
func (c *change) settleGates() error {
	for len(c.ruled) > 0 {
		rule := c.ruled[0]
		c.ruled = c.ruled[1:]
		e, err := c.execution(rule.Execution)
		if err != nil {
			return err
		}
		if e.Status.Final() || e.Attempt != rule.Attempt {
			continue
		}
		if err := c.settleGate(e, rule.Stage, rule.Gate); err != nil {
			return err
		}
	}
	return nil
}

// settleGate decides a gate when its rules say enough.
func (c *change) settleGate(e *record.Execution, stageName string, kind record.GateKind) error {
	g, err := c.gate(e.ID, e.Attempt, stageName, kind)
	if err != nil || g.Status != pipeline.InProgress {
		return err
	}
	d, err := c.declaration(c.ctx, e)
	if err != nil {
		return err
	}
	_, st, err := record.FindStage(d, stageName)
	if err != nil {
		return err
	}
	rules, err := c.rules(e, stageName, kind)
	if err != nil {
		return err
	}
	cond := conditionOf(st, kind)
	ok, summary, decided := met(cond, rules)
	if !decided {
		return nil
	}
	g.Status, g.Summary = pipeline.Failed, summary
	if ok {
		g.Status = pipeline.Succeeded
	}
	c.closeGate(e, g, rules, "Abandoned: another rule decided the condition")
	return c.decide(e, d, st, kind, g)
}

// met reports whether every rule of a condition has succeeded, or one failed.
func met(cond *pipeline.Condition, rules map[string]*record.Action) (ok bool, summary string, decided bool) {
	ok, decided = true, true
	for _, declared := range cond.Rules {
		switch r := rules[declared.Name]; {
		case r == nil || r.Status == pipeline.InProgress:
			ok, decided = false, false
		case r.Status != pipeline.Succeeded:
			return false, fmt.Sprintf("Rule %s was not met: %s", r.Name, r.Result.Summary), true
		}
	}
	return ok, "", decided
}

// closeGate ends whatever rules of g still run.
func (c *change) closeGate(e *record.Execution, g *record.Gate, rules map[string]*record.Action, why string) {
	g.Updated = c.at
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		if r := rules[name]; r.Status == pipeline.InProgress {
			c.endAction(e, r, pipeline.Abandoned, action.Result{Summary: why})
			c.out.Kills = append(c.out.Kills, r.Ref())
		}
	}
}

// decide follows what a gate came to.
func (c *change) decide(e *record.Execution, d pipeline.Declaration, st pipeline.Stage, kind record.GateKind, g *record.Gate) error {
	if kind != record.BeforeEntry { // who waited to leave asks again
		return c.enter(e, d, EnterRequest{Token: g.Token, Call: g.Call, Visit: g.Visit, Run: e.Run, Execution: e.ID, Leave: st.Name, Enter: g.Enter})
	}
	if g.Status != pipeline.Failed {
		return c.answerWaiter(e, st.Name, "")
	}
	s, err := c.stage(e.Pipeline, st.Name, e.Mode)
	if err != nil {
		return err
	}
	if conditionOf(st, kind).Result == "SKIP" {
		e.Skipped, e.Updated = append(slices.Clone(e.Skipped), st.Name), c.at
		stands(s, e, pipeline.Skipped)
		return c.answerWaiter(e, st.Name, compile.ErrorSkip)
	}
	w, err := c.waiter(e.ID, st.Name)
	if err != nil {
		return err
	}
	return c.ends(e, s, st, w.Token, outcome{
		stage: pipeline.Failed, execution: pipeline.Failed,
		summary: fmt.Sprintf("The entry condition of stage %s was not met. %s", st.Name, g.Summary),
	})
}

// openGateOf returns the gate that e waits in, or nil.
func (c *change) openGateOf(e *record.Execution, st pipeline.Stage) (record.GateKind, *record.Gate, error) {
	for _, kind := range []record.GateKind{record.BeforeEntry, record.OnSuccess, record.OnFailure} {
		if !e.Inside || conditionOf(st, kind) == nil {
			continue
		}
		g, err := c.gate(e.ID, e.Attempt, st.Name, kind)
		if err != nil || g.Status == pipeline.InProgress {
			return kind, g, err
		}
	}
	return "", nil, nil
}

// cutGate ends the gate that e waits in, if there is one, because e ends as o
// says, and returns the task that waits for it.
func (c *change) cutGate(e *record.Execution, st pipeline.Stage, o outcome) (token string, err error) {
	kind, g, err := c.openGateOf(e, st)
	if err != nil || g == nil {
		return "", err
	}
	rules, err := c.rules(e, st.Name, kind)
	if err != nil {
		return "", err
	}
	g.Status = pipeline.Abandoned
	if o.execution == pipeline.Cancelled {
		g.Status = pipeline.Cancelled
	}
	c.closeGate(e, g, rules, "Abandoned: the execution was stopped")
	if kind != record.BeforeEntry {
		return g.Token, nil
	}
	w, err := c.waiter(e.ID, st.Name)
	if err != nil {
		return "", err
	}
	return w.Token, nil
}
