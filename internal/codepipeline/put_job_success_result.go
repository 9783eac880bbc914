package codepipeline

import (
	"context"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/orchestrator"
)

// PutJobSuccessResultInput is what a function says that has done its job. With
// a continuation token it is called again, and has no output variables yet.
type PutJobSuccessResultInput struct {
	JobID             string            `json:"jobId"`
	CurrentRevision   *CurrentRevision  `json:"currentRevision"`
	ContinuationToken string            `json:"continuationToken"`
	ExecutionDetails  ExecutionDetails  `json:"executionDetails"`
	OutputVariables   map[string]string `json:"outputVariables"`
}

// A CurrentRevision is what a function worked on.
type CurrentRevision struct {
	Revision         string `json:"revision"`
	ChangeIdentifier string `json:"changeIdentifier"`
	Created          Time   `json:"created"`
	RevisionSummary  string `json:"revisionSummary"`
}

// ExecutionDetails are what a function says of its work, for people.
type ExecutionDetails struct {
	Summary             string `json:"summary"`
	ExternalExecutionID string `json:"externalExecutionId"`
	PercentComplete     int    `json:"percentComplete"`
}

var putJobSuccessResultShape = structure{
	required("jobId", uuidText),
	optional("currentRevision", structure{
		required("revision", length(1, 1500)),
		required("changeIdentifier", length(1, 100)),
		optional("revisionSummary", length(1, 2048)),
	}),
	optional("continuationToken", tokenText),
	optional("executionDetails", structure{
		optional("summary", length(1, 2048)),
		optional("externalExecutionId", length(1, 1500)),
		optional("percentComplete", integer{0, 100}),
	}),
	optional("outputVariables", dictionary{matching(0, 0, `[A-Za-z0-9@\-_]+`)}),
}

func (c call) putJobSuccessResult(ctx context.Context, in PutJobSuccessResultInput) error {
	job := orchestrator.JobSuccess{
		Job:          in.JobID,
		Continuation: in.ContinuationToken,
		Variables:    in.OutputVariables,
		Summary:      in.ExecutionDetails.Summary,
		ExternalID:   in.ExecutionDetails.ExternalExecutionID,
		Percent:      in.ExecutionDetails.PercentComplete,
	}
	if r := in.CurrentRevision; r != nil {
		job.Revision = &action.Revision{ID: r.Revision, Change: r.ChangeIdentifier, Summary: r.RevisionSummary, Created: r.Created.Time}
	}
	return c.orchestrator.PutJobSuccess(ctx, job)
}
