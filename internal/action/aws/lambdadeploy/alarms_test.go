package lambdadeploy_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
	"github.com/sluice-ci/sluice/internal/action/aws/lambdadeploy"
)

const two = `<DescribeAlarmsResponse xmlns="http://monitoring.amazonaws.com/doc/2010-08-01/"><DescribeAlarmsResult>
<CompositeAlarms><member><AlarmName>all</AlarmName><StateValue>ALARM</StateValue></member></CompositeAlarms>
<MetricAlarms><member><AlarmName>errors</AlarmName><StateValue>OK</StateValue></member></MetricAlarms>
</DescribeAlarmsResult></DescribeAlarmsResponse>`

func TestWatched(t *testing.T) {
	tests := []struct {
		name   string
		status int
		answer string
		ask    []string
		on     []string
		kind   string // failure type; "again" for an error that may pass
	}{
		{"one is on", 200, two, []string{"errors", "all"}, []string{"all"}, ""},
		{"none is on", 200, two, []string{"errors"}, nil, ""},
		{"none is asked for", 500, "", nil, nil, ""},
		{"one is not there", 200, two, []string{"errors", "slow"}, nil, action.ConfigurationError},
		{"forbidden", 403, `<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>`, []string{"errors"}, nil, action.PermissionError},
		{"throttled", 400, `<ErrorResponse><Error><Code>Throttling</Code><Message>slow</Message></Error></ErrorResponse>`, []string{"errors"}, nil, "again"},
		{"broken", 500, `oops`, []string{"errors"}, nil, "again"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var form url.Values
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				form, _ = url.ParseQuery(string(body))
				if auth := r.Header.Get("Authorization"); !strings.Contains(auth, "Credential=AKID/") || !strings.Contains(auth, "/eu-west-1/monitoring/aws4_request") {
					t.Errorf("signed %q", auth)
				}
				w.WriteHeader(tt.status)
				io.WriteString(w, tt.answer)
			}))
			defer server.Close()
			watch := lambdadeploy.Watched(func(context.Context, action.Job) (aws.Config, error) {
				return aws.Config{Region: "eu-west-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("AKID", "key", "")}, nil
			})
			on, err := watch(t.Context(), action.Job{Region: "eu-west-1"}, tt.ask)
			kind := ""
			if refusal, ok := errors.AsType[*fault.Refusal](err); ok {
				kind = refusal.Type
			} else if err != nil {
				kind = "again"
			}
			if !slices.Equal(on, tt.on) || kind != tt.kind {
				t.Errorf("on %q, %v; want %q, %q", on, err, tt.on, tt.kind)
			}
			if tt.ask != nil && (form.Get("Action") != "DescribeAlarms" || form.Get("AlarmNames.member.1") != tt.ask[0]) {
				t.Errorf("asked %v", form)
			}
		})
	}
}
