package sources

import (
	"errors"
	"fmt"

	"github.com/aws/smithy-go"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
)

// codes says which failure type the error codes of a service are. Package
// fault knows those that are not listed.
type codes map[string]string

// failure is the end of a job that could not do something, or a Go error if
// another attempt may go better.
func (c codes) failure(doing string, err error) (action.Result, error) {
	if kind, ok := c[fault.Code(err)]; ok {
		return action.Fail(kind, fmt.Sprintf("Could not %s. %s", doing, said(err))), nil
	}
	return fault.Result(fault.Of(doing, err))
}

// said returns the service's own words.
func said(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode() + ": " + api.ErrorMessage()
	}
	return err.Error()
}

var (
	codeCommitCodes = codes{
		"BranchDoesNotExistException":               action.ConfigurationError,
		"BranchNameIsTagNameException":              action.ConfigurationError,
		"InvalidBranchNameException":                action.ConfigurationError,
		"InvalidRepositoryNameException":            action.ConfigurationError,
		"RepositoryDoesNotExistException":           action.ConfigurationError,
		"EncryptionKeyAccessDeniedException":        action.PermissionError,
		"EncryptionKeyDisabledException":            action.ConfigurationError,
		"EncryptionKeyNotFoundException":            action.ConfigurationError,
		"EncryptionKeyUnavailableException":         action.SystemUnavailable,
		"EncryptionIntegrityChecksFailedException":  action.SystemUnavailable,
		"BlobIdDoesNotExistException":               action.RevisionUnavailable,
		"CommitDoesNotExistException":               action.RevisionUnavailable,
		"CommitIdDoesNotExistException":             action.RevisionUnavailable,
		"FolderDoesNotExistException":               action.RevisionUnavailable,
		"InvalidCommitException":                    action.RevisionUnavailable,
		"InvalidCommitIdException":                  action.RevisionUnavailable,
		"InvalidReferenceNameException":             action.RevisionUnavailable,
		"FileTooLargeException":                     action.JobFailed,
		"FolderContentSizeLimitExceededException":   action.JobFailed,
		"MaximumFileContentToLoadExceededException": action.JobFailed,
	}
	s3Codes = codes{
		"NoSuchBucket":                       action.ConfigurationError,
		"NoSuchKey":                          action.ConfigurationError,
		"NotFound":                           action.ConfigurationError,
		"InvalidBucketName":                  action.ConfigurationError,
		"PermanentRedirect":                  action.ConfigurationError, // the bucket is in another Region
		"AuthorizationHeaderMalformed":       action.ConfigurationError,
		"IllegalLocationConstraintException": action.ConfigurationError,
		"InvalidObjectState":                 action.ConfigurationError, // archived to Glacier
		"NoSuchVersion":                      action.RevisionUnavailable,
		"MethodNotAllowed":                   action.RevisionUnavailable, // the version is a delete marker
		"KMS.DisabledException":              action.ConfigurationError,
		"KMS.NotFoundException":              action.ConfigurationError,
	}
	ecrCodes = codes{
		"ImageNotFoundException":      action.ConfigurationError, // RevisionUnavailable for a given digest
		"InvalidParameterException":   action.ConfigurationError,
		"RepositoryNotFoundException": action.ConfigurationError,
	}
)
