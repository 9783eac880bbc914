package simulation

import (
	"fmt"
	"math/rand/v2"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

// A plan is what one world is like. Rates are in percent of the calls, or of
// the steps, that they are about; crash and nap in tenths of a percent.
type plan struct {
	modes     []pipeline.Mode // of the pipelines
	steps     int             // of the driver, before faults cease
	users     int             // how often somebody acts
	starts    int             // of all acts, how many start an execution
	storeBad  int             // calls of the store that fail
	readable  bool            // of the store only writes fail
	worldBad  int             // calls of machine, providers, bus, functions
	deaf      int             // commits that the pump does not hear of
	unnoticed int             // ends of work that nobody tells
	failures  int             // work that fails
	crash     int
	nap       int  // how often time passes while calls wait
	updates   bool // definitions and modes change, pipelines are deleted
	aborts    bool // somebody ends machine runs
	slowStart bool // work may end before its start is known to have begun
	oversized bool // work may tell more than fits
	lying     bool // work that succeeded may fail later
	skewed    bool // the clock of the use cases jumps
	sqlite    bool // a real database, not maps

	deafForEver bool // the pump hears nothing in the end either
}

// planOf draws the plan of a seed.
func planOf(rng *rand.Rand) plan {
	modes := []pipeline.Mode{pipeline.Superseded, pipeline.Queued, pipeline.Parallel, pipeline.Superseded, pipeline.Queued}
	p := plan{
		modes: []pipeline.Mode{modes[rng.IntN(len(modes))]},
		steps: 40 + rng.IntN(80), users: 3 + rng.IntN(5), starts: 25 + rng.IntN(40), failures: rng.IntN(25),
		slowStart: rng.IntN(2) == 0, unnoticed: 10, nap: 2 + rng.IntN(20),
	}
	if rng.IntN(10) == 0 { // some are long
		p.steps += rng.IntN(700)
	}
	if rng.IntN(4) == 0 {
		p.modes = append(p.modes, modes[rng.IntN(len(modes))])
	}
	if rng.IntN(3) > 0 {
		p.storeBad = 1 + rng.IntN(8)
	}
	if rng.IntN(3) > 0 {
		p.worldBad = 1 + rng.IntN(12)
	}
	if rng.IntN(3) == 0 {
		p.crash = 2 + rng.IntN(12)
	}
	if rng.IntN(3) == 0 {
		p.deaf = 5 + rng.IntN(30)
	}
	if rng.IntN(3) == 0 {
		p.unnoticed = 50 + rng.IntN(51)
	}
	p.updates, p.aborts = rng.IntN(4) == 0, rng.IntN(4) == 0
	p.lying = rng.IntN(2) == 0
	p.oversized, p.skewed = rng.IntN(8) == 0, rng.IntN(6) == 0
	p.sqlite = rng.IntN(32) == 0
	return p
}

// declaration draws a pipeline: a source and one to three stages of one to
// three actions, with approvals, conditions and what follows a failure.
func declaration(rng *rand.Rand, name string, mode pipeline.Mode, stages int) pipeline.Declaration {
	d := pipeline.Declaration{
		Name: name, RoleARN: "arn:aws:iam::123456789012:role/pipe", Type: pipeline.V2, ExecutionMode: mode,
		ArtifactStore: &pipeline.ArtifactStore{Type: "S3", Location: "artifacts"},
		Variables:     []pipeline.Variable{{Name: "flavour", Default: "plain"}},
	}
	source := pipeline.Action{
		Name: "Code", TypeID: typeID(pipeline.Source, "CodeCommit"),
		Configuration:   map[string]string{"RepositoryName": name, "BranchName": "main"},
		OutputArtifacts: []pipeline.OutputArtifact{{Name: "Code"}},
	}
	d.Stages = []pipeline.Stage{{Name: "S0", Actions: []pipeline.Action{source}}}
	for i := 1; i <= stages; i++ {
		d.Stages = append(d.Stages, drawStage(rng, i, mode))
	}
	return d
}

func drawStage(rng *rand.Rand, i int, mode pipeline.Mode) pipeline.Stage {
	s := pipeline.Stage{Name: fmt.Sprintf("S%d", i)}
	for n := range 1 + rng.IntN(3) {
		a := pipeline.Action{
			Name: fmt.Sprintf("A%d", n), TypeID: typeID(pipeline.Build, "CodeBuild"), RunOrder: 1 + rng.IntN(2),
			Configuration: map[string]string{"ProjectName": "app"}, InputArtifacts: []pipeline.InputArtifact{{Name: "Code"}},
			OutputArtifacts: []pipeline.OutputArtifact{{Name: fmt.Sprintf("Out%d%d", i, n)}},
		}
		switch rng.IntN(6) {
		case 0:
			a = pipeline.Action{Name: a.Name, TypeID: typeID(pipeline.Approval, "Manual"), RunOrder: a.RunOrder, TimeoutInMinutes: 5 + rng.IntN(60)}
		case 1:
			a.TypeID, a.OutputArtifacts = typeID(pipeline.Deploy, "S3"), nil
			a.Configuration = map[string]string{"BucketName": "web", "Extract": "true"}
		}
		s.Actions = append(s.Actions, a)
	}
	s.Actions[0].RunOrder = 1 // somebody is first
	check := pipeline.Rule{Name: "Check", TypeID: pipeline.RuleTypeID{Category: "Rule", Owner: "AWS", Version: "1", Provider: "VariableCheck"},
		Configuration: map[string]string{"Variable": "#{variables.flavour}", "Operator": "EQ", "Value": "plain"}}
	window := pipeline.Rule{Name: "Window", TypeID: pipeline.RuleTypeID{Category: "Rule", Owner: "AWS", Version: "1", Provider: "DeploymentWindow"},
		Configuration: map[string]string{"Cron": "0 20-59 * ? * * *"}}
	back := "FAIL"
	if mode != pipeline.Parallel {
		back = "ROLLBACK"
	}
	gate := func(result string, rules ...pipeline.Rule) []pipeline.Condition {
		return []pipeline.Condition{{Result: result, Rules: rules}}
	}
	switch rng.IntN(8) {
	case 0:
		s.BeforeEntry = &pipeline.Gate{Conditions: gate("FAIL", check, window)}
	case 1:
		s.BeforeEntry = &pipeline.Gate{Conditions: gate("SKIP", check)}
	case 2:
		s.OnSuccess = &pipeline.Gate{Conditions: gate(back, check)}
	case 3:
		s.OnSuccess = &pipeline.Gate{Conditions: gate("FAIL", window)}
	}
	switch rng.IntN(6) {
	case 0:
		s.OnFailure = &pipeline.OnFailure{Result: "RETRY"}
	case 1:
		if mode != pipeline.Parallel {
			s.OnFailure = &pipeline.OnFailure{Result: "ROLLBACK"}
		}
	case 2:
		if mode != pipeline.Parallel {
			s.OnFailure = &pipeline.OnFailure{Conditions: gate("ROLLBACK", check)}
		}
	}
	return s
}

func typeID(category pipeline.Category, provider string) pipeline.ActionTypeID {
	return pipeline.ActionTypeID{Category: category, Owner: pipeline.AWS, Provider: provider, Version: "1"}
}
