package codepipeline

import (
	"context"

	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// RetryStageExecutionInput asks that a failed or stopped stage runs again.
type RetryStageExecutionInput struct {
	PipelineName        string             `json:"pipelineName"`
	StageName           string             `json:"stageName"`
	PipelineExecutionID string             `json:"pipelineExecutionId"`
	RetryMode           pipeline.RetryMode `json:"retryMode"`
}

// RetryStageExecutionOutput names the execution again.
type RetryStageExecutionOutput struct {
	PipelineExecutionID string `json:"pipelineExecutionId"`
}

var retryStageExecutionShape = structure{
	required("pipelineName", nameText),
	required("stageName", nameText),
	required("pipelineExecutionId", uuidText),
	required("retryMode", enum(string(pipeline.FailedActions), string(pipeline.AllActions))),
}

func (c call) retryStageExecution(ctx context.Context, in RetryStageExecutionInput) (RetryStageExecutionOutput, error) {
	err := c.orchestrator.RetryStage(ctx, orchestrator.Retry{
		Pipeline: in.PipelineName, Stage: in.StageName, Execution: in.PipelineExecutionID, Mode: in.RetryMode, By: c.by,
	})
	return RetryStageExecutionOutput{in.PipelineExecutionID}, err
}
