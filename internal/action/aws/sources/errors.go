package sources

import (
	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
)

// What the error codes of the services mean that package fault does not know.
var (
	codeCommitCodes = fault.Codes{
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
	s3Codes = fault.Codes{
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
	ecrCodes = fault.Codes{
		"ImageNotFoundException":      action.ConfigurationError, // RevisionUnavailable for a given digest
		"InvalidParameterException":   action.ConfigurationError,
		"RepositoryNotFoundException": action.ConfigurationError,
	}
)
