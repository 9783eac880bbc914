package simulation

import (
	"maps"
	"slices"

	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// pipelineNames returns the names of all pipelines that ever were.
func (a *audit) pipelineNames() []string { return slices.Sorted(maps.Keys(a.pipelines)) }

// heldBehind reports whether a stage of a pipeline behind the second is held.
func (a *audit) heldBehind(p string) bool {
	return slices.ContainsFunc(a.stagesOf(p), func(k key) bool { return stageName(k) > "S1" && a.stages[k].Lock.Owner != "" })
}

// declared reports whether the latest version of a pipeline has a stage.
func (a *audit) declared(p, stage string) bool {
	v := a.versions[record.VersionKey(p, a.pipelines[p].Version)]
	return slices.ContainsFunc(v.Declaration.Stages, func(st pipeline.Stage) bool { return st.Name == stage })
}

// runs reports whether executions of a version of a pipeline, or of an older
// one, are under way.
func (a *audit) runs(p string, version int) bool {
	for id, is := range a.active {
		if e := a.executions[id]; is && e.Pipeline == p && e.Version <= version {
			return true
		}
	}
	return false
}

// halfFailed returns an execution in whose stage something failed and something
// runs, or nil.
func (a *audit) halfFailed() *record.Execution {
	type place struct {
		execution, stage string
		attempt          int
	}
	failed := map[place]bool{}
	for _, k := range a.actionKeys {
		if r := a.actions[k]; r.Status == pipeline.Failed && r.Gate == "" {
			failed[place{r.Execution, r.Stage, r.Attempt}] = true
		}
	}
	for _, k := range a.actionKeys {
		if r := a.actions[k]; r.Status == pipeline.InProgress && failed[place{r.Execution, r.Stage, r.Attempt}] {
			return a.executions[r.Execution]
		}
	}
	return nil
}

// failed returns the executions that may be retried.
func (a *audit) failed() []*record.Execution {
	var all []*record.Execution
	for _, id := range a.order {
		if e := a.executions[id]; e.Status == pipeline.Failed || e.Status == pipeline.Stopped {
			all = append(all, e)
		}
	}
	return all
}
