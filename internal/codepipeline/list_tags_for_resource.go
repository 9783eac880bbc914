package codepipeline

import (
	"context"
	"strings"

	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// ListTagsForResourceInput names a resource. All its tags fit on one page.
type ListTagsForResourceInput struct {
	ResourceARN string `json:"resourceArn"`
	NextToken   string `json:"nextToken,omitempty"`
	MaxResults  int    `json:"maxResults,omitempty"`
}

// ListTagsForResourceOutput is the tags of a resource.
type ListTagsForResourceOutput struct {
	Tags []record.Tag `json:"tags"`
}

var listTagsForResourceShape = structure{
	required("resourceArn", anything{}), // a malformed one has an exception of its own
	optional("nextToken", tokenText),
	optional("maxResults", pageSizes),
}

func (c call) listTagsForResource(ctx context.Context, in ListTagsForResourceInput) (ListTagsForResourceOutput, error) {
	if _, err := position[string](fingerprint("ListTagsForResource", in.ResourceARN), in.NextToken); err != nil {
		return ListTagsForResourceOutput{}, err
	}
	name, err := c.pipelineOf(in.ResourceARN)
	if err != nil {
		return ListTagsForResourceOutput{}, err
	}
	p, err := c.read.Pipeline(ctx, name)
	if pipeline.CodeOf(err) == pipeline.PipelineNotFound {
		err = c.noResource(name)
	}
	return ListTagsForResourceOutput{all(p.Value.Tags)}, err
}

// pipelineOf returns the name of the pipeline that arn names. Webhooks and
// custom action types, which can have tags too, are not offered yet.
func (s *Server) pipelineOf(arn string) (string, error) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 || parts[0] != "arn" || parts[2] != "codepipeline" || parts[5] == "" {
		return "", pipeline.Errorf(invalidARN, "'%s' is not an ARN like %s", arn, s.arn("pipeline"))
	}
	name := parts[5]
	if s.arn(name) != arn || len(name) > nameText.max || !nameText.pattern().MatchString(name) {
		return "", s.noResource(name)
	}
	return name, nil
}

func (s *Server) noResource(name string) error {
	return pipeline.Errorf(resourceNotFound, "The account with id '%s' does not include a pipeline with the name '%s'", s.read.Account, name)
}
