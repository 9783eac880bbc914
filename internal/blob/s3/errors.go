package s3

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/smithy-go"

	"github.com/sluice-ci/sluice/internal/blob"
)

// code returns the error code of S3's answer; "" if err is none.
func code(err error) string {
	if answer, ok := errors.AsType[smithy.APIError](err); ok {
		return answer.ErrorCode()
	}
	return ""
}

// exists reports whether err says that the condition "nothing of that name"
// did not hold.
func exists(err error) bool { return code(err) == "PreconditionFailed" }

// deletedMeanwhile reports whether err says that an object of that name was
// deleted while ours was written, so that S3 asks to send it again.
func deletedMeanwhile(err error) bool { return code(err) == "ConditionalRequestConflict" }

// definite reports whether err is an answer that says nothing was written. A
// fault of the service, a time-out and a broken connection are not.
func definite(err error) bool {
	answer, ok := errors.AsType[interface {
		error
		HTTPStatusCode() int
	}](err)
	if ok {
		status := answer.HTTPStatusCode()
		return status >= http.StatusBadRequest && status < http.StatusInternalServerError && code(err) != "RequestTimeout"
	}
	return false
}

// notFound returns err, the error of a read, as the port has it. S3 says that
// an object does not exist only to who may list the bucket; anybody else is
// denied access.
func notFound(err error) error {
	switch code(err) {
	case "NoSuchKey", "NotFound":
		return blob.ErrNotFound
	case "NoSuchBucket":
		return fmt.Errorf("%w: nor does the bucket", blob.ErrNotFound)
	}
	return err
}
