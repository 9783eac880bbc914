package codepipeline

import (
	"context"
	"strings"

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
	if err := lawful(in.Tags, c.arn(in.Pipeline.Name)); err != nil {
		return CreatePipelineOutput{}, err
	}
	d, err := c.orchestrator.CreatePipeline(ctx, orchestrator.Create{Declaration: in.Pipeline, Tags: in.Tags, Start: true, By: c.by})
	if err != nil {
		return CreatePipelineOutput{}, err
	}
	return CreatePipelineOutput{Declaration(d), in.Tags}, nil
}

// maxTags is how many tags a resource may have.
const maxTags = 50

// lawful checks the rules of tags that are not about the shape of one.
func lawful(tags []record.Tag, arn string) error {
	if len(tags) > maxTags {
		return pipeline.Errorf(tooManyTags, "Tag limit exceeded for resource [%s].", arn)
	}
	for _, t := range tags {
		switch {
		case strings.HasPrefix(strings.ToLower(t.Key), "aws:"):
			return pipeline.Errorf(invalidTags, "Not allowed to modify system tags. System tags start with 'aws:'. msg=[Caller is an end user and not allowed to mutate system tags]")
		case strings.TrimRight(t.Key, " ") != t.Key:
			return pipeline.Errorf(invalidTags, "The key of the tag '%s' ends with a space", t.Key)
		}
	}
	return nil
}
