package codepipeline

import (
	"context"

	"github.com/sluice-ci/sluice/internal/orchestrator"
)

// StopPipelineExecutionInput asks an execution to end: after its running
// actions, or, to abandon them, at once.
type StopPipelineExecutionInput struct {
	PipelineName        string `json:"pipelineName"`
	PipelineExecutionID string `json:"pipelineExecutionId"`
	Abandon             bool   `json:"abandon,omitempty"`
	Reason              string `json:"reason,omitempty"`
}

// StopPipelineExecutionOutput names the execution again.
type StopPipelineExecutionOutput struct {
	PipelineExecutionID string `json:"pipelineExecutionId"`
}

var stopPipelineExecutionShape = structure{
	required("pipelineName", nameText),
	required("pipelineExecutionId", uuidText),
	optional("reason", length(0, 200)),
}

func (c call) stopPipelineExecution(ctx context.Context, in StopPipelineExecutionInput) (StopPipelineExecutionOutput, error) {
	err := c.orchestrator.StopExecution(ctx, orchestrator.Stop{
		Pipeline: in.PipelineName, Execution: in.PipelineExecutionID, Abandon: in.Abandon, Reason: in.Reason, By: c.by,
	})
	return StopPipelineExecutionOutput{in.PipelineExecutionID}, err
}
