package codebuild

import (
	"errors"
	"fmt"

	"github.com/aws/smithy-go"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
)

// codes says which failure type the error codes of CodeBuild are. Package
// fault knows those that are not listed.
var codes = map[string]string{
	"AccountLimitExceededException": action.SystemUnavailable, // say, its queue is full
	"AccountSuspendedException":     action.SystemUnavailable,
	"InvalidInputException":         action.ConfigurationError,
	"OAuthProviderException":        action.ConfigurationError, // the project's own connection is broken
	"ResourceNotFoundException":     action.ConfigurationError, // the project
}

// failure is what it means that a job's build could not be started or read:
// its end, or a Go error if another attempt may go better.
func failure(job action.Job, err error) (action.Result, error) {
	doing := "build the CodeBuild project " + job.Action.Configuration["ProjectName"]
	api, ok := errors.AsType[smithy.APIError](err)
	if ok && codes[api.ErrorCode()] != "" {
		return action.Fail(codes[api.ErrorCode()], fmt.Sprintf("Could not %s. %s: %s", doing, api.ErrorCode(), api.ErrorMessage())), nil
	}
	return fault.Result(fault.Of(doing, err))
}
