package codepipeline

import (
	"context"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

// ListPipelinesInput asks for a page of the pipelines, by name.
type ListPipelinesInput struct {
	NextToken  string `json:"nextToken,omitempty"`
	MaxResults int    `json:"maxResults,omitempty"`
}

// ListPipelinesOutput is a page of pipelines.
type ListPipelinesOutput struct {
	Pipelines []PipelineSummary `json:"pipelines"`
	NextToken string            `json:"nextToken,omitempty"`
}

// A PipelineSummary is a line of the list of pipelines.
type PipelineSummary struct {
	Name          string        `json:"name"`
	Version       int           `json:"version"`
	Type          pipeline.Type `json:"pipelineType,omitempty"`
	ExecutionMode pipeline.Mode `json:"executionMode,omitempty"`
	Created       Time          `json:"created,omitzero"`
	Updated       Time          `json:"updated,omitzero"`
}

var listPipelinesShape = structure{
	optional("nextToken", tokenText),
	optional("maxResults", integer{1, 1000}),
}

func (c call) listPipelines(ctx context.Context, in ListPipelinesInput) (ListPipelinesOutput, error) {
	query := fingerprint("ListPipelines")
	after, err := position[string](query, in.NextToken)
	if err != nil {
		return ListPipelinesOutput{}, err
	}
	n := limit(in.MaxResults)
	found, err := c.read.Pipelines(ctx, after, n+1)
	if err != nil {
		return ListPipelinesOutput{}, err
	}
	out := ListPipelinesOutput{Pipelines: []PipelineSummary{}}
	if len(found) > n {
		found = found[:n]
		out.NextToken = nextToken(query, found[n-1].Name)
	}
	for _, p := range found {
		if p.Deleted { // since the list was read
			continue
		}
		v, err := c.read.Version(ctx, p.Name, p.Version)
		if err != nil {
			return ListPipelinesOutput{}, err
		}
		out.Pipelines = append(out.Pipelines, PipelineSummary{
			Name:          p.Name,
			Version:       p.Version,
			Type:          v.Declaration.Type,
			ExecutionMode: v.Declaration.ExecutionMode,
			Created:       Time{p.Created},
			Updated:       Time{p.Updated},
		})
	}
	return out, nil
}
