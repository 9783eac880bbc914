package codepipeline

import (
	"context"

	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/record"
)

// OverrideStageConditionInput lets an execution pass a gate.
type OverrideStageConditionInput struct {
	PipelineName        string `json:"pipelineName"`
	StageName           string `json:"stageName"`
	PipelineExecutionID string `json:"pipelineExecutionId"`
	ConditionType       string `json:"conditionType"` // BEFORE_ENTRY, ON_SUCCESS
}

var overrideStageConditionShape = structure{
	required("pipelineName", nameText),
	required("stageName", nameText),
	required("pipelineExecutionId", uuidText),
	required("conditionType", enum("BEFORE_ENTRY", "ON_SUCCESS")),
}

var gateKinds = map[string]record.GateKind{"BEFORE_ENTRY": record.BeforeEntry, "ON_SUCCESS": record.OnSuccess}

func (c call) overrideStageCondition(ctx context.Context, in OverrideStageConditionInput) error {
	return c.orchestrator.OverrideCondition(ctx, orchestrator.Override{
		Pipeline: in.PipelineName, Stage: in.StageName, Execution: in.PipelineExecutionID, Gate: gateKinds[in.ConditionType], By: c.by,
	})
}
