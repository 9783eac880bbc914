package alarm_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/smithy-go"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/alarm"
	"github.com/sluice-ci/sluice/internal/action/aws/credentials"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// fake has an alarm called errors in a state, and a composite one called all,
// which is on. Like CloudWatch it knows an order of its own, and answers with
// all there are if no name is given.
type fake struct {
	state types.StateValue
	err   error
}

func (f *fake) DescribeAlarms(_ context.Context, in *cloudwatch.DescribeAlarmsInput, _ ...func(*cloudwatch.Options)) (*cloudwatch.DescribeAlarmsOutput, error) {
	out := new(cloudwatch.DescribeAlarmsOutput)
	asked := func(name string) bool { return len(in.AlarmNames) == 0 || slices.Contains(in.AlarmNames, name) }
	if asked("errors") && slices.Contains(in.AlarmTypes, types.AlarmTypeMetricAlarm) {
		out.MetricAlarms = []types.MetricAlarm{{AlarmName: aws.String("errors"), StateValue: f.state}}
	}
	if asked("all") && slices.Contains(in.AlarmTypes, types.AlarmTypeCompositeAlarm) {
		out.CompositeAlarms = []types.CompositeAlarm{{AlarmName: aws.String("all"), StateValue: types.StateValueAlarm}}
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

// A composite alarm is one like any other.
func TestComposite(t *testing.T) {
	p, err := alarm.New(credentials.Fixed[alarm.Client](new(fake)), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	job := action.Job{Gate: "onFailure", Action: pipeline.Action{Name: "Loud", Configuration: map[string]string{"AlarmName": "all"}}}
	if r, err := p.Start(t.Context(), job); err != nil || r.Status != pipeline.Succeeded || r.Summary != "Alarm all is in state ALARM" {
		t.Errorf("%+v, %v; want success", r, err)
	}
}

// TestOn has which of several alarms are on.
func TestOn(t *testing.T) {
	api := func(code string) error { return &smithy.GenericAPIError{Code: code, Message: "no"} }
	for _, tt := range []struct {
		name string
		ask  []string
		err  error
		on   []string
		kind string // failure type; "again" for an error that may pass
	}{
		{"one is on", []string{"errors", "all"}, nil, []string{"all"}, ""},
		{"none is on", []string{"errors"}, nil, nil, ""},
		{"none is asked for", nil, nil, nil, ""},
		{"one is not there", []string{"errors", "slow"}, nil, nil, action.ConfigurationError},
		{"forbidden", []string{"errors"}, api("AccessDenied"), nil, action.PermissionError},
		{"throttled", []string{"errors"}, api("Throttling"), nil, "again"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client := &fake{state: types.StateValueOk, err: tt.err}
			on, err := alarm.On(credentials.Fixed[alarm.Client](client))(t.Context(), action.Job{}, tt.ask)
			kind := ""
			if refusal, ok := errors.AsType[*fault.Refusal](err); ok {
				kind = refusal.Type
			} else if err != nil {
				kind = "again"
			}
			if !slices.Equal(on, tt.on) || kind != tt.kind {
				t.Errorf("on %q, %v; want %q, %q", on, err, tt.on, tt.kind)
			}
		})
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
