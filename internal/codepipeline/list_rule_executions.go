package codepipeline

import (
	"context"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

// ListRuleExecutionsOutput is a page of rule executions.
type ListRuleExecutionsOutput struct {
	Details   []RuleExecutionDetail `json:"ruleExecutionDetails"`
	NextToken string                `json:"nextToken,omitempty"`
}

// A RuleExecutionDetail is all there is to know of one run of a rule.
type RuleExecutionDetail struct {
	PipelineExecutionID string              `json:"pipelineExecutionId"`
	RuleExecutionID     string              `json:"ruleExecutionId"`
	PipelineVersion     int                 `json:"pipelineVersion"`
	StageName           string              `json:"stageName"`
	RuleName            string              `json:"ruleName"`
	StartTime           Time                `json:"startTime,omitzero"`
	LastUpdateTime      Time                `json:"lastUpdateTime,omitzero"`
	UpdatedBy           string              `json:"updatedBy,omitempty"`
	Status              pipeline.Status     `json:"status"`
	Input               RuleExecutionInput  `json:"input"`
	Output              RuleExecutionOutput `json:"output"`
}

// A RuleExecutionInput is what a rule was started with.
type RuleExecutionInput struct {
	RuleTypeID            pipeline.RuleTypeID `json:"ruleTypeId"`
	Configuration         map[string]string   `json:"configuration"`
	ResolvedConfiguration map[string]string   `json:"resolvedConfiguration"`
	RoleARN               string              `json:"roleArn,omitempty"`
	Region                string              `json:"region,omitempty"`
	InputArtifacts        []ArtifactDetail    `json:"inputArtifacts"`
}

// A RuleExecutionOutput is what came of a rule.
type RuleExecutionOutput struct {
	ExecutionResult *ExecutionResult `json:"executionResult,omitempty"`
}

// ruleProviders are the rules that run as an action of another name.
var ruleProviders = map[string]string{"Lambda": "LambdaInvoke"}

// listRuleExecutions lists the newest start first, in pages as those of
// actions.
func (c call) listRuleExecutions(ctx context.Context, in ListActionExecutionsInput) (ListRuleExecutionsOutput, error) {
	out := ListRuleExecutionsOutput{Details: []RuleExecutionDetail{}}
	page, next, err := c.pageOf(ctx, "ListRuleExecutions", c.read.Rules, in)
	for _, r := range page {
		out.Details = append(out.Details, r.rule())
	}
	out.NextToken = next
	return out, err
}

// rule shows a run of a rule as one.
func (r run) rule() RuleExecutionDetail {
	d := r.detail()
	provider := r.Job.Action.TypeID.Provider
	if name, ok := ruleProviders[provider]; ok {
		provider = name
	}
	return RuleExecutionDetail{
		PipelineExecutionID: d.PipelineExecutionID, RuleExecutionID: d.ActionExecutionID, PipelineVersion: d.PipelineVersion,
		StageName: d.StageName, RuleName: d.ActionName, StartTime: d.StartTime, LastUpdateTime: d.LastUpdateTime,
		UpdatedBy: d.UpdatedBy, Status: d.Status,
		Input: RuleExecutionInput{
			RuleTypeID:    pipeline.RuleTypeID{Category: string(pipeline.RuleCategory), Owner: string(pipeline.AWS), Provider: provider, Version: "1"},
			Configuration: d.Input.Configuration, ResolvedConfiguration: d.Input.ResolvedConfiguration,
			RoleARN: d.Input.RoleARN, Region: d.Input.Region, InputArtifacts: d.Input.InputArtifacts,
		},
		Output: RuleExecutionOutput{ExecutionResult: d.Output.ExecutionResult},
	}
}
