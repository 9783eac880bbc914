package fault_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/awsfake"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
	"github.com/sluice-ci/sluice/internal/action/whole/wholetest"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// status is an answer of HTTP with a code that says nothing.
func status(n int) error {
	return &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: n}},
		Err:      &smithy.GenericAPIError{Code: "Odd", Message: "odd"},
	}
}

func TestType(t *testing.T) {
	api := func(code string) error { return fmt.Errorf("operation error: %w", awsfake.API(code, "text")) }
	tests := []struct {
		err  error
		want string
	}{
		{api("ValidationError"), action.ConfigurationError},
		{api("ValidationException"), action.ConfigurationError},
		{api("InsufficientCapabilitiesException"), action.ConfigurationError},
		{api("ChangeSetNotFound"), action.ConfigurationError},
		{api("ApplicationDoesNotExistException"), action.ConfigurationError},
		{api("ClientException"), action.ConfigurationError},
		{api("InvalidArn"), action.ConfigurationError},
		{&types.ServiceNotFoundException{}, action.ConfigurationError},
		{api("AccessDenied"), action.PermissionError},
		{&types.AccessDeniedException{}, action.PermissionError},
		{api("KMSAccessDeniedException"), action.PermissionError},
		{api("InvalidClientTokenId"), action.PermissionError},
		{api("UnrecognizedClientException"), action.PermissionError},
		{api("AlreadyExistsException"), action.JobFailed},
		{api("DeploymentLimitExceededException"), action.JobFailed},
		{api("Throttling"), action.SystemUnavailable},
		{api("ThrottlingException"), action.SystemUnavailable},
		{api("TooManyRequestsException"), action.SystemUnavailable},
		{api("RequestTimeout"), action.SystemUnavailable},
		{api("ServiceUnavailable"), action.SystemUnavailable},
		{api("ExpiredToken"), action.SystemUnavailable},
		{&types.ServerException{}, action.SystemUnavailable},
		{status(503), action.SystemUnavailable},
		{status(429), action.SystemUnavailable},
		{status(400), action.JobFailed},
		{context.DeadlineExceeded, action.SystemUnavailable},
		{errors.New("connection reset"), action.SystemUnavailable},
		{fault.Refuse(action.JobFailed, "no"), action.JobFailed},
	}
	for _, tt := range tests {
		if got := fault.Type(tt.err); got != tt.want {
			t.Errorf("%v: %s; want %s", tt.err, got, tt.want)
		}
	}
}

func TestOf(t *testing.T) {
	if err := fault.Of("x", nil); err != nil {
		t.Errorf("of nothing: %v", err)
	}
	r, err := fault.Result(fault.Of("create stack web", awsfake.API("ValidationError", "Template format error")))
	if want := "Could not create stack web. ValidationError: Template format error"; err != nil || r.Status != pipeline.Failed || r.Error.Code != action.ConfigurationError || r.Error.Message != want || r.Summary != want {
		t.Errorf("%+v, %v", r, err)
	}
	throttled := awsfake.API("Throttling", "Rate exceeded")
	if r, err := fault.Result(fault.Of("create stack web", throttled)); !errors.Is(err, throttled) || !strings.HasPrefix(err.Error(), "create stack web: ") || r.Status != "" {
		t.Errorf("%+v, %v", r, err)
	}
	refused := fault.Refuse(action.JobFailed, "no")
	if err := fault.Of("create stack web", refused); err != refused {
		t.Errorf("of a refusal: %v", err)
	}
}

func TestReadFile(t *testing.T) {
	blobs := &wholetest.Blobs{}
	zip := blobs.Put(t, "Zip", awsfake.Zip(t, map[string]string{"a/b.json": "text", "../c": "climbs"}))
	plain := blobs.Put(t, "Plain", []byte("no zip"))
	gone, changed := zip, zip
	gone.Ref.Key, changed.Ref.Digest = "none", "sha256:00"
	tests := []struct {
		name  string
		in    action.Artifact
		file  string
		limit int64
		want  string
		code  string
	}{
		{"there", zip, "a/b.json", 4, "text", ""},
		{"another spelling", zip, "/a/./b.json", 4, "text", ""},
		{"too long", zip, "a/b.json", 3, "File a/b.json of artifact Zip has more than 3 bytes", action.ConfigurationError},
		{"not there", zip, "b.json", 4, "Artifact Zip has no file b.json; it has a/b.json", action.ConfigurationError},
		{"no zip", plain, "a", 4, "Artifact Plain is no zip file", action.JobFailed},
		{"gone", gone, "a", 4, "Artifact Zip cannot be read", action.JobFailed},
		{"changed", changed, "a", 4, "does not match its recorded digest", action.JobFailed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text, err := fault.ReadFile(t.Context(), blobs, tt.in, tt.file, tt.limit)
			if tt.code == "" {
				if err != nil || string(text) != tt.want {
					t.Errorf("%q, %v", text, err)
				}
				return
			}
			if err == nil || fault.Type(err) != tt.code || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v; want %s with %q", err, tt.code, tt.want)
			}
		})
	}
}

func TestTimes(t *testing.T) {
	job := action.Job{Action: pipeline.Action{TypeID: pipeline.ActionTypeID{Category: pipeline.Deploy, Owner: "AWS", Provider: "ECS", Version: "1"}}}
	now := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	if fault.Overdue(job, now) || !fault.Before(job).IsZero() {
		t.Error("a job without a deadline is overdue")
	}
	job.Deadline = now
	if fault.Overdue(job, now) || !fault.Overdue(job, now.Add(1)) {
		t.Error("the deadline is not the last moment")
	}
	if got, want := fault.Before(job), now.Add(-75*time.Minute); !got.Equal(want) {
		t.Errorf("before %v; want %v", got, want)
	}
	for region, want := range map[string]string{
		"eu-west-1": "https://eu-west-1.console.aws.amazon.com", "cn-north-1": "https://cn-north-1.console.amazonaws.cn",
		"us-gov-west-1": "https://us-gov-west-1.console.amazonaws-us-gov.com",
	} {
		if got := fault.Console(region); got != want {
			t.Errorf("%s: %s; want %s", region, got, want)
		}
	}
}
