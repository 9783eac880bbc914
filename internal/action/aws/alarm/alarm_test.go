package alarm_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/smithy-go"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/alarm"
	"github.com/sluice-ci/sluice/internal/action/aws/credentials"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// fake has one alarm, called errors.
type fake struct {
	state types.StateValue
	err   error
}

func (f *fake) DescribeAlarms(_ context.Context, in *cloudwatch.DescribeAlarmsInput, _ ...func(*cloudwatch.Options)) (*cloudwatch.DescribeAlarmsOutput, error) {
	out := new(cloudwatch.DescribeAlarmsOutput)
	if in.AlarmNames[0] == "errors" {
		out.MetricAlarms = []types.MetricAlarm{{AlarmName: &in.AlarmNames[0], StateValue: f.state}}
	}
	return out, f.err
}

// TestLook has what a state means at each gate, some minutes after the rule
// began.
func TestLook(t *testing.T) {
	begun := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		gate, state, states, wait string
		minutes                   int
		want                      pipeline.Status
	}{
		{"beforeEntry", "OK", "", "", 0, pipeline.Succeeded},
		{"beforeEntry", "INSUFFICIENT_DATA", "", "", 0, pipeline.Succeeded},
		{"beforeEntry", "ALARM", "", "", 0, pipeline.Failed},
		{"beforeEntry", "ALARM", "", "10", 9, pipeline.InProgress},
		{"beforeEntry", "ALARM", "", "10", 10, pipeline.Failed},
		{"beforeEntry", "OK", "", "10", 0, pipeline.Succeeded},
		{"beforeEntry", "INSUFFICIENT_DATA", "OK", "", 0, pipeline.Failed},
		{"beforeEntry", "ALARM", "OK, ALARM", "", 0, pipeline.Succeeded},
		{"onSuccess", "OK", "", "", 0, pipeline.Succeeded},
		{"onSuccess", "OK", "", "10", 9, pipeline.InProgress},
		{"onSuccess", "OK", "", "10", 10, pipeline.Succeeded},
		{"onSuccess", "ALARM", "", "10", 1, pipeline.Failed},
		{"onFailure", "ALARM", "", "", 0, pipeline.Succeeded},
		{"onFailure", "OK", "", "", 0, pipeline.Failed},
		{"onFailure", "OK", "", "10", 3, pipeline.InProgress},
	} {
		client := &fake{state: types.StateValue(tt.state)}
		p, err := alarm.New(credentials.Fixed[alarm.Client](client), func() time.Time { return begun.Add(time.Duration(tt.minutes) * time.Minute) })
		if err != nil {
			t.Fatal(err)
		}
		job := action.Job{Gate: tt.gate, Begun: begun, Action: pipeline.Action{Name: "Quiet", Configuration: map[string]string{"AlarmName": "errors", "AlarmStates": tt.states, "WaitTime": tt.wait}}}
		if r, err := p.Poll(t.Context(), job); err != nil || r.Status != tt.want || !strings.Contains(r.Summary, "errors is in state "+tt.state) {
			t.Errorf("%+v gave %s %q, %v", tt, r.Status, r.Summary, err)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, tt := range []struct {
		conf map[string]string
		err  error
		code string
		says string
	}{
		{map[string]string{}, nil, action.ConfigurationError, "no AlarmName"},
		{map[string]string{"AlarmName": "other"}, nil, action.ConfigurationError, "no alarm other"},
		{map[string]string{"AlarmName": "errors", "AlarmStates": "LOUD"}, nil, action.ConfigurationError, `"LOUD"`},
		{map[string]string{"AlarmName": "errors", "WaitTime": "soon"}, nil, action.ConfigurationError, `"soon"`},
		{map[string]string{"AlarmName": "errors"}, &smithy.GenericAPIError{Code: "AccessDenied", Message: "no"}, action.PermissionError, "AccessDenied"},
	} {
		p, err := alarm.New(credentials.Fixed[alarm.Client](&fake{err: tt.err}), time.Now)
		if err != nil {
			t.Fatal(err)
		}
		job := action.Job{Action: pipeline.Action{Name: "Quiet", Configuration: tt.conf}}
		if r, err := p.Start(t.Context(), job); err != nil || r.Error == nil || r.Error.Code != tt.code || !strings.Contains(r.Error.Message, tt.says) {
			t.Errorf("%v gave %+v %+v, %v; want %s with %q", tt.conf, r, r.Error, err, tt.code, tt.says)
		}
	}
	p, err := alarm.New(credentials.Fixed[alarm.Client](&fake{err: &smithy.GenericAPIError{Code: "Throttling"}}), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := p.Start(t.Context(), action.Job{Action: pipeline.Action{Configuration: map[string]string{"AlarmName": "errors"}}}); err == nil {
		t.Errorf("a throttled call gave %+v; want an error, for it to be asked again", r)
	}
	if _, err := alarm.New(nil, nil); err == nil {
		t.Error("New without ports succeeded")
	}
}
