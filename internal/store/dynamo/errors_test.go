package dynamo_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/sluice-ci/sluice/internal/store/dynamo"
)

// cancelled is the error of a transaction with those reasons.
func cancelled(codes ...string) error {
	err := &types.TransactionCanceledException{}
	for _, code := range codes {
		err.CancellationReasons = append(err.CancellationReasons, types.CancellationReason{Code: aws.String(code)})
	}
	return err
}

// answered is err as the SDK wraps it.
func answered(status int, err error) error {
	return &smithy.OperationError{ServiceID: "DynamoDB", OperationName: "TransactWriteItems", Err: &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}}, Err: err,
	}}
}

func api(code string) error { return &smithy.GenericAPIError{Code: code, Fault: smithy.FaultClient} }

func TestClassify(t *testing.T) {
	tests := []struct {
		err  error
		want any
	}{
		{nil, dynamo.Applied},
		{cancelled("None", "ConditionalCheckFailed"), dynamo.Refused},
		{cancelled("TransactionConflict", "ConditionalCheckFailed", "ThrottlingError"), dynamo.Refused},
		{cancelled("None", "TransactionConflict"), dynamo.Busy},
		{cancelled("ThrottlingError"), dynamo.Busy},
		{cancelled("ProvisionedThroughputExceeded", "None"), dynamo.Busy},
		{cancelled("ValidationError"), dynamo.Final},
		{cancelled("ItemCollectionSizeLimitExceeded"), dynamo.Final},
		{cancelled(), dynamo.Final},
		{answered(400, cancelled("ConditionalCheckFailed")), dynamo.Refused},
		{&types.TransactionConflictException{}, dynamo.Busy},
		{&types.ProvisionedThroughputExceededException{}, dynamo.Busy},
		{&types.RequestLimitExceeded{}, dynamo.Busy},
		{&types.ThrottlingException{}, dynamo.Busy},
		{answered(400, api("ThrottlingException")), dynamo.Busy},
		{&types.TransactionInProgressException{}, dynamo.Unknown},
		{&types.InternalServerError{}, dynamo.Unknown},
		{answered(500, api("InternalServerError")), dynamo.Unknown},
		{answered(503, api("ThrottlingException")), dynamo.Unknown},
		{answered(502, errors.New("no JSON")), dynamo.Unknown},
		{answered(200, &smithy.DeserializationError{Err: io.ErrUnexpectedEOF}), dynamo.Unknown},
		{&types.IdempotentParameterMismatchException{}, dynamo.Final},
		{&types.ResourceNotFoundException{}, dynamo.Final},
		{answered(400, api("ValidationException")), dynamo.Final},
		{answered(400, api("AccessDeniedException")), dynamo.Final},
		{answered(400, api("ExpiredTokenException")), dynamo.Final},
		{answered(408, api("RequestTimeoutException")), dynamo.Unknown},
		{fmt.Errorf("read: %w", syscall.ECONNRESET), dynamo.Unknown},
		{io.ErrUnexpectedEOF, dynamo.Unknown},
		{context.DeadlineExceeded, dynamo.Unknown},
		{&aws.RequestCanceledError{Err: context.Canceled}, dynamo.Unknown},
	}
	for _, tt := range tests {
		if got := dynamo.Classify(tt.err); got != tt.want {
			t.Errorf("%v: %v; want %v", tt.err, got, tt.want)
		}
	}
}
