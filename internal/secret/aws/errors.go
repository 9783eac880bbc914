package aws

import (
	"errors"
	"fmt"

	"github.com/aws/smithy-go"
)

// reasons says in our words what the services' errors mean. All other errors
// speak for themselves.
var reasons = map[string]string{
	"ResourceNotFoundException": "not in Secrets Manager",
	"ParameterNotFound":         "not in Parameter Store",
	"ParameterVersionNotFound":  "not in Parameter Store in that version",
	"DecryptionFailure":         "its KMS key cannot be used",
	"InvalidKeyId":              "its KMS key cannot be used",
}

// translate returns err with the reason for it in front.
func translate(err error) error {
	if answer, ok := errors.AsType[smithy.APIError](err); ok && reasons[answer.ErrorCode()] != "" {
		return fmt.Errorf("%s: %w", reasons[answer.ErrorCode()], err)
	}
	return err
}
