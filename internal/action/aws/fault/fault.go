// Package fault is what the AWS providers share: names for what went wrong.
//
// A call that AWS refuses ends a job, with one of CodePipeline's failure types
// and a message that names what was refused. A call that may succeed when it is
// made again (throttled, unreachable, broken on the other side) ends nothing:
// it stays a Go error, and whoever called the provider calls it again. Files
// of artifacts and the time of a job are here because they fail in the same
// words everywhere.
package fault

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"

	"github.com/sluice-ci/sluice/internal/action"
)

// A Refusal is an error that ends a job: it would be the same next time.
type Refusal struct {
	Type    string // a failure type of package action
	Message string
}

func (r *Refusal) Error() string { return r.Message }

// Refuse returns a Refusal.
func Refuse(kind, format string, args ...any) error {
	return &Refusal{Type: kind, Message: fmt.Sprintf(format, args...)}
}

// Codes say which failure types the error codes of one service are. Package
// fault knows those that are not listed.
type Codes map[string]string

// Of tells what err means, as the function of that name does, by c first.
func (c Codes) Of(doing string, err error) error {
	if kind := c[Code(err)]; kind != "" {
		return Refuse(kind, "Could not %s. %s", doing, Said(err))
	}
	return Of(doing, err)
}

// Said returns AWS's own words for err, or err's if it is none of AWS.
func Said(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode() + ": " + api.ErrorMessage()
	}
	return err.Error()
}

// Code returns the code of the AWS error in err's chain, or "".
func Code(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}

// Of tells what err means, the answer to a call that was to do something:
// "create stack web". It returns a Refusal, or a plain error if the call may
// succeed when it is made again.
func Of(doing string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*Refusal](err); ok {
		return err
	}
	kind := Type(err)
	if kind == action.SystemUnavailable {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return Refuse(kind, "Could not %s. %s", doing, Said(err))
}

// Result returns the end that a Refusal is for a job. Any other error stays
// one.
func Result(err error) (action.Result, error) {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return action.Fail(r.Type, r.Message), nil
	}
	return action.Result{}, err
}

// permission and configuration hold codes that say so without a common word.
var (
	permission = map[string]bool{
		"AuthFailure": true, "InvalidClientTokenId": true, "OptInRequired": true, "NotAuthorized": true,
		"SignatureDoesNotMatch": true, "UnrecognizedClientException": true, "UnauthorizedOperation": true,
		"InvalidAccessKeyId": true, "MissingAuthenticationToken": true, "BlockedException": true,
	}
	configuration = map[string]bool{
		"ClientException": true, "DescriptionTooLongException": true, "InsufficientCapabilitiesException": true,
		"RequestTooLargeException": true, "UnsupportedMediaTypeException": true, "ServiceNotActiveException": true,
		"StateMachineTypeNotSupported": true, "StateMachineDeleting": true, "PlatformUnknownException": true,
		"PlatformTaskDefinitionIncompatibilityException": true, "UnsupportedFeatureException": true,
	}
	passing = map[string]bool{
		"InternalError": true, "InternalFailure": true, "InternalServerError": true, "InternalServerException": true,
		"ServerException": true, "ServiceException": true, "ServiceUnavailable": true, "ServiceUnavailableException": true,
		"ExpiredToken": true, "ExpiredTokenException": true, "RequestExpired": true, "KmsThrottlingException": true,
	}
)

// Type returns the failure type of the answer to a call. SystemUnavailable
// stands for whatever may pass.
func Type(err error) string {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r.Type
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok || api.ErrorFault() == smithy.FaultServer || unwell(err) {
		return action.SystemUnavailable
	}
	code := api.ErrorCode()
	_, throttled := retry.DefaultThrottleErrorCodes[code]
	_, transient := retry.DefaultRetryableErrorCodes[code]
	switch {
	case throttled || transient || passing[code]:
		return action.SystemUnavailable
	case permission[code] || strings.Contains(code, "AccessDenied"):
		return action.PermissionError
	case configuration[code] || mentions(code, "Validation", "Invalid", "DoesNotExist", "NotFound", "Missing", "Required"):
		return action.ConfigurationError
	}
	return action.JobFailed
}

// unwell reports whether the answer was an HTTP status that is no verdict on
// the request.
func unwell(err error) bool {
	var answer interface{ HTTPStatusCode() int }
	return errors.As(err, &answer) && (answer.HTTPStatusCode() >= 500 || answer.HTTPStatusCode() == 429)
}

func mentions(code string, words ...string) bool {
	for _, w := range words {
		if strings.Contains(code, w) {
			return true
		}
	}
	return false
}
