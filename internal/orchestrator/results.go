package orchestrator

import (
	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// results are the actions of an execution that succeeded, oldest first. A
// later success of the same action replaces what the earlier one gave.
type results []record.Action

func resultsOf(all []record.Action) results {
	var r results
	for _, a := range all {
		if a.Status == pipeline.Succeeded {
			r = append(r, a)
		}
	}
	return r
}

// variable looks up #{namespace.key} (reference 3).
func (r results) variable(e *record.Execution, d pipeline.Declaration, namespace, key string) (string, bool) {
	switch namespace {
	case "codepipeline":
		return e.ID, key == "PipelineExecutionId"
	case "variables":
		for _, v := range e.Variables {
			if v.Name == key {
				return v.Value, true
			}
		}
		return "", false
	}
	for i := len(r) - 1; i >= 0; i-- {
		if r[i].Job.Action.Namespace == namespace {
			value, ok := r[i].Result.Variables[key]
			if !ok && r[i].Result.Simulated { // what it would give is not known, but it would
				return "simulated-" + key, true
			}
			return value, ok
		}
	}
	return "", false
}

// artifact returns the newest output of that name.
func (r results) artifact(name string) (action.Artifact, bool) {
	for i := len(r) - 1; i >= 0; i-- {
		for _, out := range r[i].Result.Outputs {
			if out.Name == name {
				return out, true
			}
		}
	}
	return action.Artifact{Name: name}, false
}
