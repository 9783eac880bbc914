package differential

import (
	"maps"
	"slices"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

// A Specimen can be made into a case, and made smaller.
type Specimen interface {
	Case() (Case, error)
	Smaller() []Specimen
}

// Specimens returns the pipelines and machines of the first seeds.
func Specimens(pipelines, machines uint64) []Specimen {
	var all []Specimen
	for seed := range pipelines {
		all = append(all, pipelineSpecimen{randomPipeline(seed), seed})
	}
	for seed := range machines {
		all = append(all, machineSpecimen{seed, nil})
	}
	return all
}

// A pipelineSpecimen is a definition and the number that its answers come from.
type pipelineSpecimen struct {
	d    pipeline.Declaration
	seed uint64
}

// Smaller returns s without one stage, one action, or the conditions of one
// stage.
func (s pipelineSpecimen) Smaller() []Specimen {
	var all []Specimen
	change := func(edit func(stages []pipeline.Stage) []pipeline.Stage) {
		d := s.d
		d.Stages = edit(slices.Clone(d.Stages))
		all = append(all, pipelineSpecimen{d, s.seed})
	}
	for i, stage := range s.d.Stages {
		if len(s.d.Stages) > 1 {
			change(func(all []pipeline.Stage) []pipeline.Stage { return slices.Delete(all, i, i+1) })
		}
		for j := range stage.Actions {
			if len(stage.Actions) > 1 {
				change(func(all []pipeline.Stage) []pipeline.Stage {
					all[i].Actions = slices.Delete(slices.Clone(all[i].Actions), j, j+1)
					return all
				})
			}
		}
		if stage.BeforeEntry != nil || stage.OnSuccess != nil || stage.OnFailure != nil {
			change(func(all []pipeline.Stage) []pipeline.Stage {
				all[i].BeforeEntry, all[i].OnSuccess, all[i].OnFailure = nil, nil, nil
				return all
			})
		}
	}
	return all
}

// A machineSpecimen is a random machine, made of blocks that follow each other
// and are named by capitals. Blocks in without are left out.
type machineSpecimen struct {
	seed    uint64
	without map[string]bool
}

// Smaller returns s with one block less.
func (s machineSpecimen) Smaller() []Specimen {
	var all []Specimen
	_, blocks := s.build()
	for _, id := range blocks {
		without := map[string]bool{id: true}
		maps.Copy(without, s.without)
		all = append(all, machineSpecimen{s.seed, without})
	}
	return all
}

// minimise returns the smallest specimen on a way down from s on which all
// differ, after at most so many trials.
func minimise(s Specimen, trials int, differs func(Specimen) bool) Specimen {
	for again := true; again; {
		again = false
		for _, smaller := range s.Smaller() {
			if trials--; trials < 0 {
				return s
			}
			if differs(smaller) {
				s, again = smaller, true
				break
			}
		}
	}
	return s
}
