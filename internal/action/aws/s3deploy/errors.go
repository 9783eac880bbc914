package s3deploy

import (
	"fmt"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
)

// codes says which failure type the error codes of S3 are.
var codes = fault.Codes{
	"AccessControlListNotSupported":      action.ConfigurationError, // the bucket takes no CannedACL
	"AuthorizationHeaderMalformed":       action.ConfigurationError, // the bucket is in another Region
	"IllegalLocationConstraintException": action.ConfigurationError,
	"InvalidArgument":                    action.ConfigurationError, // say, of a key that is none of KMS
	"InvalidBucketName":                  action.ConfigurationError,
	"InvalidRequest":                     action.ConfigurationError,
	"KMS.DisabledException":              action.ConfigurationError,
	"KMS.KMSInvalidStateException":       action.ConfigurationError,
	"KMS.NotFoundException":              action.ConfigurationError,
	"NoSuchBucket":                       action.ConfigurationError,
	"PermanentRedirect":                  action.ConfigurationError,
}

// refused says what it means that an object could not be written.
func (t target) refused(key string, err error) error {
	return codes.Of(fmt.Sprintf("write the Amazon S3 object %q", t.bucket+"/"+key), err)
}
