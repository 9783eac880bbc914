package codepipeline

import (
	"context"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/orchestrator"
)

// PutJobFailureResultInput is what a function says that cannot do its job.
type PutJobFailureResultInput struct {
	JobID          string         `json:"jobId"`
	FailureDetails FailureDetails `json:"failureDetails"`
}

// FailureDetails say why.
type FailureDetails struct {
	Type                string `json:"type"` // a failure type of package action
	Message             string `json:"message"`
	ExternalExecutionID string `json:"externalExecutionId"`
}

var putJobFailureResultShape = structure{
	required("jobId", uuidText),
	required("failureDetails", structure{
		required("type", enum(action.JobFailed, action.ConfigurationError, action.PermissionError, action.RevisionOutOfSync, action.RevisionUnavailable, action.SystemUnavailable)),
		required("message", length(1, 5000)),
		optional("externalExecutionId", length(1, 1500)),
	}),
}

func (c call) putJobFailureResult(ctx context.Context, in PutJobFailureResultInput) error {
	return c.orchestrator.PutJobFailure(ctx, orchestrator.JobFailure{
		Job:        in.JobID,
		Type:       in.FailureDetails.Type,
		Message:    in.FailureDetails.Message,
		ExternalID: in.FailureDetails.ExternalExecutionID,
	})
}
