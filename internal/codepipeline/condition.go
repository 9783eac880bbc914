package codepipeline

import "github.com/sluice-ci/sluice/internal/pipeline"

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
	Status  pipeline.Status `json:"status"`
	Summary string          `json:"summary,omitempty"`
}

// A RuleState is how one rule of a condition stands.
type RuleState struct {
	RuleName string `json:"ruleName"`
}

// gateState shows gate g, which the latest execution of its stage has reached
// or not. Conditions are not evaluated in this version: every gate lets pass,
// and says that it did so without looking.
func gateState(g *pipeline.Gate, reached bool) *ConditionsState {
	if g == nil || len(g.Conditions) == 0 {
		return nil
	}
	var passed *ConditionExecution
	if reached {
		passed = &ConditionExecution{pipeline.Succeeded, "Simulated: this version of Sluice does not evaluate conditions"}
	}
	state := &ConditionsState{LatestExecution: passed, ConditionStates: []ConditionState{}}
	for _, c := range g.Conditions {
		shown := ConditionState{LatestExecution: passed, RuleStates: []RuleState{}}
		for _, r := range c.Rules {
			shown.RuleStates = append(shown.RuleStates, RuleState{r.Name})
		}
		state.ConditionStates = append(state.ConditionStates, shown)
	}
	return state
}
