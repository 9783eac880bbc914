package sfn_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/smithy-go"
)

// wire carries the requests of the real SDK client to a handler in this
// process. What arrives there was encoded by the SDK, and so was what comes
// back: the SDK makes the errors that this package translates.
type wire func(ctx context.Context, call string, body []byte) (any, error)

// Do implements sfn.HTTPClient.
func (w wire) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	_, call, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	out, err := w(r.Context(), call, body)
	status, answer := http.StatusOK, out
	if fault, ok := err.(smithy.APIError); ok {
		status, answer = http.StatusBadRequest, map[string]string{
			"__type": "com.amazonaws.states#" + fault.ErrorCode(), "message": fault.ErrorMessage(),
		}
	} else if err != nil {
		return nil, err // no answer at all
	}
	text, err := json.Marshal(answer)
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}},
		Body: io.NopCloser(bytes.NewReader(text)), Request: r,
	}, nil
}

// client returns the SDK's client on w. It repeats nothing by itself.
func (w wire) client() *sfn.Client {
	return sfn.New(sfn.Options{
		Region: "eu-central-1", Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
		HTTPClient: w, Retryer: aws.NopRetryer{},
	})
}

// onTheWire returns the SDK's client of f.
func onTheWire(f *fake) *sfn.Client {
	return wire(func(ctx context.Context, call string, body []byte) (any, error) {
		switch call {
		case "StartExecution":
			out, err := serve(ctx, body, f.StartExecution)
			if err != nil {
				return nil, err
			}
			return map[string]any{"executionArn": out.ExecutionArn, "startDate": 0}, nil
		case "StopExecution":
			_, err := serve(ctx, body, f.StopExecution)
			return map[string]any{"stopDate": 0}, err
		case "DescribeExecution":
			out, err := serve(ctx, body, f.DescribeExecution)
			if err != nil {
				return nil, err
			}
			return map[string]any{
				"executionArn": out.ExecutionArn, "stateMachineArn": out.StateMachineArn, "startDate": 0, "status": out.Status,
			}, nil
		case "SendTaskSuccess":
			_, err := serve(ctx, body, f.SendTaskSuccess)
			return map[string]any{}, err
		case "SendTaskFailure":
			_, err := serve(ctx, body, f.SendTaskFailure)
			return map[string]any{}, err
		}
		return nil, fmt.Errorf("call %q", call)
	}).client()
}

// serve calls f with the input in body.
func serve[In, Out any](ctx context.Context, body []byte, f func(context.Context, *In, ...func(*sfn.Options)) (*Out, error)) (*Out, error) {
	in := new(In)
	if err := json.Unmarshal(body, in); err != nil { // names differ in case only
		return nil, err
	}
	return f(ctx, in)
}

// failing returns the SDK's client of a service that answers every call with
// the error called code.
func failing(t *testing.T, code string) *sfn.Client {
	t.Helper()
	return wire(func(context.Context, string, []byte) (any, error) {
		return nil, &smithy.GenericAPIError{Code: code, Message: "because"}
	}).client()
}
