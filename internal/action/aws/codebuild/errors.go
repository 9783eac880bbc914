package codebuild

import (
	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
)

// codes says which failure type the error codes of CodeBuild are.
var codes = fault.Codes{
	"AccountLimitExceededException": action.SystemUnavailable, // say, its queue is full
	"AccountSuspendedException":     action.SystemUnavailable,
	"InvalidInputException":         action.ConfigurationError,
	"OAuthProviderException":        action.ConfigurationError, // the project's own connection is broken
	"ResourceNotFoundException":     action.ConfigurationError, // the project
}

// failure is what it means that a job's build could not be started or read:
// its end, or a Go error if another attempt may go better.
func failure(job action.Job, err error) (action.Result, error) {
	return fault.Result(codes.Of("build the CodeBuild project "+job.Action.Configuration["ProjectName"], err))
}
