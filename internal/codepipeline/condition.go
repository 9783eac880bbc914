package codepipeline

import (
	"context"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// A ConditionsState is how a gate of a stage stands.
type ConditionsState struct {
	LatestExecution *ConditionExecution `json:"latestExecution,omitempty"`
	ConditionStates []ConditionState    `json:"conditionStates"`
}

// A ConditionState is how one condition of a gate stands.
type ConditionState struct {
	LatestExecution *ConditionExecution `json:"latestExecution,omitempty"`
	RuleStates      []RuleState         `json:"ruleStates"`
}

// A ConditionExecution is the latest evaluation of a gate or a condition.
type ConditionExecution struct {
	Status           pipeline.Status `json:"status"`
	Summary          string          `json:"summary,omitempty"`
	LastStatusChange Time            `json:"lastStatusChange,omitzero"` // of a condition
}

// A RuleState is how one rule of a condition stands.
type RuleState struct {
	RuleName        string         `json:"ruleName"`
	LatestExecution *RuleExecution `json:"latestExecution,omitempty"`
}

// A RuleExecution is the latest run of a rule.
type RuleExecution struct {
	RuleExecutionID      string          `json:"ruleExecutionId"`
	Status               pipeline.Status `json:"status"`
	Summary              string          `json:"summary,omitempty"`
	LastStatusChange     Time            `json:"lastStatusChange,omitzero"`
	Token                string          `json:"token,omitempty"`
	LastUpdatedBy        string          `json:"lastUpdatedBy,omitempty"`
	ExternalExecutionID  string          `json:"externalExecutionId,omitempty"`
	ExternalExecutionURL string          `json:"externalExecutionUrl,omitempty"`
	ErrorDetails         *action.Error   `json:"errorDetails,omitempty"`
}

// gates shows the gates of a stage, as the execution that entered last left
// them. A gate it has not reached has no execution.
func (c call) gates(ctx context.Context, stage pipeline.Stage, rec record.Stage, to *StageState) error {
	conditions := map[record.GateKind][]pipeline.Condition{}
	if g := stage.BeforeEntry; g != nil {
		conditions[record.BeforeEntry] = g.Conditions
	}
	if g := stage.OnSuccess; g != nil {
		conditions[record.OnSuccess] = g.Conditions
	}
	if f := stage.OnFailure; f != nil {
		conditions[record.OnFailure] = f.Conditions
	}
	if len(conditions) == 0 {
		return nil
	}
	var seen evaluations
	if rec.Latest != nil {
		var err error
		if seen, err = c.evaluations(ctx, stage.Name, rec.Latest.Execution); err != nil {
			return err
		}
	}
	to.BeforeEntry = seen.state(record.BeforeEntry, conditions[record.BeforeEntry])
	to.OnSuccess = seen.state(record.OnSuccess, conditions[record.OnSuccess])
	to.OnFailure = seen.state(record.OnFailure, conditions[record.OnFailure])
	return nil
}

// evaluations are the latest ones of a stage's gates in one execution.
type evaluations struct {
	gates map[record.GateKind]record.Gate
	rules map[record.GateKind]map[string]record.Action // by name
}

func (c call) evaluations(ctx context.Context, stageName, execution string) (evaluations, error) {
	seen := evaluations{map[record.GateKind]record.Gate{}, map[record.GateKind]map[string]record.Action{}}
	all, err := c.read.Rules(ctx, execution)
	if err != nil {
		return seen, err
	}
	for _, r := range all { // a later try, and a later attempt, replaces
		if r.Stage != stageName {
			continue
		}
		g, err := c.read.Gate(ctx, execution, r.Attempt, stageName, r.Gate)
		if err != nil {
			return seen, err
		}
		seen.gates[r.Gate] = g.Value
		if seen.rules[r.Gate] == nil {
			seen.rules[r.Gate] = map[string]record.Action{}
		}
		seen.rules[r.Gate][r.Name] = r
	}
	return seen, nil
}

// state shows a gate with its conditions, nil if it has none.
func (seen evaluations) state(kind record.GateKind, conditions []pipeline.Condition) *ConditionsState {
	if len(conditions) == 0 {
		return nil
	}
	state := &ConditionsState{ConditionStates: []ConditionState{}}
	g, reached := seen.gates[kind]
	for _, cond := range conditions {
		shown := ConditionState{RuleStates: []RuleState{}}
		if reached {
			state.LatestExecution = &ConditionExecution{Status: g.Status, Summary: g.Summary}
			shown.LatestExecution = &ConditionExecution{Status: g.Status, Summary: g.Summary, LastStatusChange: Time{g.Updated}}
		}
		for _, r := range cond.Rules {
			rule := RuleState{RuleName: r.Name}
			if a, ran := seen.rules[kind][r.Name]; ran {
				rule.LatestExecution = &RuleExecution{
					RuleExecutionID: a.ID, Status: a.Status, Summary: a.Result.Summary, LastStatusChange: Time{a.Updated},
					LastUpdatedBy: a.UpdatedBy, ExternalExecutionID: a.Result.ExternalID, ExternalExecutionURL: a.Result.ExternalURL,
					ErrorDetails: a.Result.Error,
				}
			}
			shown.RuleStates = append(shown.RuleStates, rule)
		}
		state.ConditionStates = append(state.ConditionStates, shown)
	}
	return state
}
