package codepipeline

import (
	"context"

	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// CreatePipelineInput asks for a new pipeline.
type CreatePipelineInput struct {
	Pipeline pipeline.Declaration `json:"pipeline"`
	Tags     []record.Tag         `json:"tags,omitempty"`
}

// CreatePipelineOutput echoes the pipeline as it was stored.
type CreatePipelineOutput struct {
	Pipeline Declaration  `json:"pipeline"`
	Tags     []record.Tag `json:"tags,omitempty"`
}

var createPipelineShape = structure{
	required("pipeline", declaration),
	optional("tags", list{of: structure{
		required("key", length(1, 128)),
		required("value", length(0, 256)),
	}}),
}

// createPipeline also starts the first execution, as the service does.
func (c call) createPipeline(ctx context.Context, in CreatePipelineInput) (CreatePipelineOutput, error) {
	d, err := c.orchestrator.CreatePipeline(ctx, orchestrator.Create{Declaration: in.Pipeline, Tags: in.Tags, Start: true, By: c.by})
	if err != nil {
		return CreatePipelineOutput{}, err
	}
	return CreatePipelineOutput{Declaration(d), in.Tags}, nil
}
