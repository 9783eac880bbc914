package codepipeline

import (
	"context"

	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// GetPipelineExecutionInput names an execution.
type GetPipelineExecutionInput struct {
	PipelineName        string `json:"pipelineName"`
	PipelineExecutionID string `json:"pipelineExecutionId"`
}

// GetPipelineExecutionOutput is an execution.
type GetPipelineExecutionOutput struct {
	PipelineExecution PipelineExecution `json:"pipelineExecution"`
}

// A PipelineExecution is one run of a pipeline.
type PipelineExecution struct {
	PipelineName        string             `json:"pipelineName"`
	PipelineVersion     int                `json:"pipelineVersion"`
	PipelineExecutionID string             `json:"pipelineExecutionId"`
	Status              pipeline.Status    `json:"status"`
	StatusSummary       string             `json:"statusSummary,omitempty"`
	ArtifactRevisions   []ArtifactRevision `json:"artifactRevisions"`
	Variables           []ResolvedVariable `json:"variables,omitempty"`
	Trigger             *record.Trigger    `json:"trigger,omitempty"`
	ExecutionMode       pipeline.Mode      `json:"executionMode,omitempty"`
	ExecutionType       string             `json:"executionType,omitempty"`
	Rollback            *RollbackMetadata  `json:"rollbackMetadata,omitempty"`
}

// RollbackMetadata says what a rollback goes back to.
type RollbackMetadata struct {
	Target string `json:"rollbackTargetPipelineExecutionId"`
}

// rollbackOf returns nil for an execution that is no rollback.
func rollbackOf(e record.Execution) *RollbackMetadata {
	if e.Target == "" {
		return nil
	}
	return &RollbackMetadata{e.Target}
}

// An ArtifactRevision is what a source action put into an artifact.
type ArtifactRevision struct {
	Name            string `json:"name"`
	RevisionID      string `json:"revisionId,omitempty"`
	RevisionSummary string `json:"revisionSummary,omitempty"`
	Created         Time   `json:"created,omitzero"`
	RevisionURL     string `json:"revisionUrl,omitempty"`
}

// A ResolvedVariable is a variable of the pipeline with the value it had.
type ResolvedVariable struct {
	Name  string `json:"name"`
	Value string `json:"resolvedValue"`
}

var getPipelineExecutionShape = structure{
	required("pipelineName", nameText),
	required("pipelineExecutionId", uuidText),
}

func (c call) getPipelineExecution(ctx context.Context, in GetPipelineExecutionInput) (GetPipelineExecutionOutput, error) {
	if _, err := c.read.Pipeline(ctx, in.PipelineName); err != nil {
		return GetPipelineExecutionOutput{}, err
	}
	found, err := c.read.Execution(ctx, in.PipelineName, in.PipelineExecutionID)
	if err != nil {
		return GetPipelineExecutionOutput{}, err
	}
	e := found.Value
	out := PipelineExecution{
		PipelineName:        e.Pipeline,
		PipelineVersion:     e.Version,
		PipelineExecutionID: e.ID,
		Status:              e.Status,
		StatusSummary:       e.StatusSummary,
		ArtifactRevisions:   []ArtifactRevision{},
		Trigger:             triggerOf(e),
		ExecutionMode:       e.Mode,
		ExecutionType:       e.Type,
		Rollback:            rollbackOf(e),
	}
	for _, r := range e.Revisions {
		out.ArtifactRevisions = append(out.ArtifactRevisions, ArtifactRevision{
			Name: r.Artifact, RevisionID: r.ID, RevisionSummary: r.Summary, Created: Time{r.Created}, RevisionURL: r.URL,
		})
	}
	for _, v := range e.Variables {
		out.Variables = append(out.Variables, ResolvedVariable(v))
	}
	return GetPipelineExecutionOutput{out}, nil
}

// triggerOf returns why e was started, nil if that was not recorded.
func triggerOf(e record.Execution) *record.Trigger {
	if e.Trigger.Type == "" {
		return nil
	}
	return &e.Trigger
}
