package codepipeline

import (
	"context"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

// UpdatePipelineInput replaces the declaration of a pipeline as a whole.
type UpdatePipelineInput struct {
	Pipeline pipeline.Declaration `json:"pipeline"`
}

// UpdatePipelineOutput echoes the pipeline as it was stored.
type UpdatePipelineOutput struct {
	Pipeline Declaration `json:"pipeline"`
}

var updatePipelineShape = structure{required("pipeline", declaration)}

func (c call) updatePipeline(ctx context.Context, in UpdatePipelineInput) (UpdatePipelineOutput, error) {
	d, err := c.orchestrator.UpdatePipeline(ctx, in.Pipeline, c.by)
	return UpdatePipelineOutput{Declaration(d)}, err
}
