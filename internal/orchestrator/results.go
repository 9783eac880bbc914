package orchestrator

import (
	"fmt"
	"slices"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// results looks up what earlier actions of an execution gave. Only the actions
// that are asked about are read, so an action costs the same whether it is the
// third of its pipeline or the thousandth.
type results struct {
	c     *change
	e     *record.Execution
	d     pipeline.Declaration
	known map[string]*record.Action // by stage and action; nil when it never succeeded
	err   error                     // of the first read that went wrong
}

func (c *change) results(e *record.Execution, d pipeline.Declaration) *results {
	return &results{c: c, e: e, d: d, known: map[string]*record.Action{}}
}

// variable looks up #{namespace.key} (user guide, Variables reference). It implements
// pipeline.Lookup.
func (r *results) variable(namespace, key string) (string, bool) {
	switch namespace {
	case pipeline.GlobalNamespace:
		return r.e.ID, key == "PipelineExecutionId"
	case pipeline.VariableNamespace:
		i := slices.IndexFunc(r.e.Variables, func(v record.Variable) bool { return v.Name == key })
		if i < 0 {
			return "", false
		}
		return r.e.Variables[i].Value, true
	}
	for _, st := range r.d.Stages {
		for _, a := range st.Actions {
			if a.Namespace == namespace {
				return outputVariable(r.success(st.Name, a.Name), key)
			}
		}
	}
	return "", false
}

func outputVariable(a *record.Action, key string) (string, bool) {
	if a == nil {
		return "", false
	}
	value, ok := a.Result.Variables[key]
	if !ok && a.Result.Simulated { // what it would give is not known, but it would
		return "simulated-" + key, true
	}
	return value, ok
}

// artifact returns the output of that name.
func (r *results) artifact(name string) (action.Artifact, error) {
	if s, a, ok := r.d.Producer(name); ok {
		st := r.d.Stages[s]
		if made := r.success(st.Name, st.Actions[a].Name); made != nil {
			for _, out := range made.Result.Outputs {
				if out.Name == name {
					return out, nil
				}
			}
		}
	}
	return action.Artifact{Name: name}, fmt.Errorf("the input artifact %s was not produced in this execution", name)
}

// success returns the latest try of an action that succeeded in the execution,
// in whichever attempt, or nil.
func (r *results) success(stageName, name string) *record.Action {
	id := stageName + "/" + name
	if a, ok := r.known[id]; ok {
		return a
	}
	a := r.among(r.e.ID, r.e.Attempt, stageName, name)
	if a == nil && r.e.Target != "" && r.err == nil { // a rollback runs one stage, on what its target had
		var target record.Versioned[record.Execution]
		if target, r.err = r.c.Records.Execution(r.c.ctx, "", r.e.Target); r.err == nil {
			a = r.among(r.e.Target, target.Value.Attempt, stageName, name)
		}
	}
	if r.err == nil {
		r.known[id] = a
	}
	return a
}

// among is success in one execution.
func (r *results) among(execution string, attempts int, stageName, name string) *record.Action {
	for attempt := attempts; attempt > 0; attempt-- {
		tries, err := r.c.Records.Tries(r.c.ctx, execution, attempt, stageName, name)
		if err != nil {
			r.err = err
			return nil
		}
		if n := len(tries); n > 0 && tries[n-1].Status == pipeline.Succeeded {
			return &tries[n-1]
		}
	}
	return nil
}
