package codepipeline

import (
	"context"
	"fmt"
)

// GetPipelineInput asks for a declaration: the newest, unless Version is given.
type GetPipelineInput struct {
	Name    string `json:"name"`
	Version int    `json:"version,omitempty"`
}

// GetPipelineOutput is a declaration and what is known about its pipeline.
type GetPipelineOutput struct {
	Pipeline Declaration      `json:"pipeline"`
	Metadata PipelineMetadata `json:"metadata"`
}

// PipelineMetadata is what a pipeline has beside its declaration.
type PipelineMetadata struct {
	ARN     string `json:"pipelineArn"`
	Created Time   `json:"created,omitzero"`
	Updated Time   `json:"updated,omitzero"`
}

var getPipelineShape = structure{
	required("name", nameText),
	optional("version", integer{1, 1<<31 - 1}),
}

func (c call) getPipeline(ctx context.Context, in GetPipelineInput) (GetPipelineOutput, error) {
	p, err := c.read.Pipeline(ctx, in.Name)
	if err != nil {
		return GetPipelineOutput{}, err
	}
	version := in.Version
	if version == 0 {
		version = p.Value.Version
	}
	v, err := c.read.Version(ctx, in.Name, version)
	if err != nil {
		return GetPipelineOutput{}, err
	}
	v.Declaration.Version = version
	return GetPipelineOutput{
		Pipeline: Declaration(v.Declaration),
		Metadata: PipelineMetadata{ARN: c.arn(in.Name), Created: Time{p.Value.Created}, Updated: Time{p.Value.Updated}},
	}, nil
}

// arn returns the ARN of a pipeline.
func (s *Server) arn(name string) string {
	return fmt.Sprintf("arn:aws:codepipeline:%s:%s:%s", s.region, s.read.Account, name)
}
