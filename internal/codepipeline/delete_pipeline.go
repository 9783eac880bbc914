package codepipeline

import "context"

// DeletePipelineInput names the pipeline to delete. One that does not exist is
// as good as deleted.
type DeletePipelineInput struct {
	Name string `json:"name"`
}

var deletePipelineShape = structure{required("name", nameText)}

func (c call) deletePipeline(ctx context.Context, in DeletePipelineInput) error {
	return c.orchestrator.DeletePipeline(ctx, in.Name, c.by)
}
