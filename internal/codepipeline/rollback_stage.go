package codepipeline

import (
	"context"

	"github.com/sluice-ci/sluice/internal/orchestrator"
)

// RollbackStageInput asks that a stage runs again as an earlier execution ran
// it.
type RollbackStageInput struct {
	PipelineName              string `json:"pipelineName"`
	StageName                 string `json:"stageName"`
	TargetPipelineExecutionID string `json:"targetPipelineExecutionId"`
}

// RollbackStageOutput names the execution that does it.
type RollbackStageOutput struct {
	PipelineExecutionID string `json:"pipelineExecutionId"`
}

var rollbackStageShape = structure{
	required("pipelineName", nameText),
	required("stageName", nameText),
	required("targetPipelineExecutionId", uuidText),
}

func (c call) rollbackStage(ctx context.Context, in RollbackStageInput) (RollbackStageOutput, error) {
	id, err := c.orchestrator.RollbackStage(ctx, orchestrator.Rollback{
		Pipeline: in.PipelineName, Stage: in.StageName, Target: in.TargetPipelineExecutionID, By: c.by,
	})
	return RollbackStageOutput{id}, err
}
