package prooftest

import (
	"fmt"

	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// declaration is a pipeline of so many stages, with one action in each.
func declaration(c Config, mode pipeline.Mode) pipeline.Declaration {
	d := pipeline.Declaration{
		Name: "app", RoleARN: "arn:aws:iam::123456789012:role/pipe", Type: pipeline.V2, ExecutionMode: mode,
		ArtifactStore: &pipeline.ArtifactStore{Type: "S3", Location: "artifacts"},
	}
	for i := range c.Stages {
		a := pipeline.Action{Name: "Act", TypeID: pipeline.ActionTypeID{Category: pipeline.Build, Owner: pipeline.AWS, Provider: "CodeBuild", Version: "1"}}
		a.Configuration, a.InputArtifacts = map[string]string{"ProjectName": "app"}, []pipeline.InputArtifact{{Name: "Code"}}
		s := pipeline.Stage{Name: stageName(uint8(i)), Actions: []pipeline.Action{a}}
		if i == 0 {
			a.TypeID.Category, a.TypeID.Provider, a.InputArtifacts = pipeline.Source, "CodeCommit", nil
			a.Configuration = map[string]string{"RepositoryName": "app", "BranchName": "main"}
			a.OutputArtifacts = []pipeline.OutputArtifact{{Name: "Code"}}
			s.Actions[0] = a
			if c.AutoRetry {
				s.OnFailure = &pipeline.OnFailure{Result: "RETRY"}
			}
		}
		if i == gated {
			c.condition(&s)
		}
		d.Stages = append(d.Stages, s)
	}
	return d
}

// condition gives the gated stage its condition.
func (c Config) condition(s *pipeline.Stage) {
	rule := pipeline.Rule{Name: "Rule", TypeID: pipeline.RuleTypeID{Category: "Rule", Provider: "VariableCheck"},
		Configuration: map[string]string{"Variable": "#{codepipeline.PipelineExecutionId}", "Operator": "NE", "Value": "x"}}
	result := map[condition]string{entryFails: "FAIL", entrySkips: "SKIP", successFails: "FAIL", successRollsBack: "ROLLBACK", failureRollsBack: "ROLLBACK"}
	all := []pipeline.Condition{{Result: result[c.Gate], Rules: []pipeline.Rule{rule}}}
	switch {
	case c.Gate.entry():
		s.BeforeEntry = &pipeline.Gate{Conditions: all}
	case c.Gate.success():
		s.OnSuccess = &pipeline.Gate{Conditions: all}
	case c.Gate == failureRollsBack:
		s.OnFailure = &pipeline.OnFailure{Conditions: all}
	case c.AutoBack:
		s.OnFailure = &pipeline.OnFailure{Result: "ROLLBACK"}
	}
}

func gateKind(c condition) record.GateKind {
	switch {
	case c.entry():
		return record.BeforeEntry
	case c.success():
		return record.OnSuccess
	}
	return record.OnFailure
}

func stageName(i uint8) string { return fmt.Sprintf("S%d", i) }
