package orchestrator

import (
	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// A rule runs as an action does, by a provider, with a record, a deadline and
// tries. No task of the machine waits for it, so its work is started from the
// outbox.

// newRule adds a try of a rule of a gate.
func (c *change) newRule(e *record.Execution, d pipeline.Declaration, st pipeline.Stage, kind record.GateKind, rule pipeline.Rule, try int) (*record.Action, error) {
	a := record.Action{
		ID: c.newID(), Pipeline: e.Pipeline, Version: e.Version, Execution: e.ID, Seq: e.Seq,
		Stage: st.Name, Gate: kind, Name: rule.Name, Attempt: e.Attempt, Try: try,
		Status: pipeline.InProgress, Run: e.Run, Raw: rule.Configuration, Started: c.at, Updated: c.at,
	}
	c.actions[a.Key()] = &tracked[record.Action]{value: a}
	added := &c.actions[a.Key()].value
	c.put(record.JobKey(a.ID), a.Ref())
	job, invalid, err := c.job(e, d, rule.Action(), added)
	if err != nil {
		return nil, err
	}
	job.Gate, job.Deadline = string(kind), c.at.Add(pipeline.RuleTimeout(rule))
	added.Job = job
	if invalid != nil {
		c.endAction(e, added, pipeline.Failed, action.Fail(action.ConfigurationError, invalid.Error()))
		return nil, nil
	}
	c.out.Begins = append(c.out.Begins, added.Ref())
	return added, nil
}

// rules returns the latest try of each rule of a gate in e's attempt, by name.
func (c *change) rules(e *record.Execution, stageName string, kind record.GateKind) (map[string]*record.Action, error) {
	all, err := c.Records.Rules(c.ctx, e.ID)
	if err != nil {
		return nil, err
	}
	latest := map[string]*record.Action{}
	keep := func(a *record.Action) {
		known := latest[a.Name]
		if a.Execution == e.ID && a.Attempt == e.Attempt && a.Stage == stageName && a.Gate == kind && (known == nil || known.Try <= a.Try) {
			latest[a.Name] = a
		}
	}
	for _, known := range all {
		a, err := c.action(known.Ref()) // it may end at this moment
		if err != nil {
			return nil, err
		}
		keep(a)
	}
	for _, t := range c.actions { // those that this change adds
		keep(&t.value)
	}
	return latest, nil
}
