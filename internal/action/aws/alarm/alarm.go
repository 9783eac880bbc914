// Package alarm is the provider of CloudWatchAlarm rules in an AWS account
// (user guide, CloudWatchAlarm).
//
// A rule before entry, or after a failure, waits up to WaitTime minutes for a
// state that is desired. One after success is a bake time: the alarm has to
// stay in a desired state for WaitTime minutes. The public record says little
// about the latter (Appendix D); the choice is made in [Provider.look] only.
//
// [On] tells others, such as deployments of functions, which alarms are on.
//
// # IAM
//
//	cloudwatch:DescribeAlarms on every resource
//
// CloudWatch tells of a composite alarm only to whoever may see all alarms
// (API reference, DescribeAlarms), and no name says of which kind an alarm is.
package alarm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/credentials"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// A Client is what the provider needs of *cloudwatch.Client.
type Client interface {
	DescribeAlarms(context.Context, *cloudwatch.DescribeAlarmsInput, ...func(*cloudwatch.Options)) (*cloudwatch.DescribeAlarmsOutput, error)
}

var _ Client = (*cloudwatch.Client)(nil)

// A Provider does CloudWatchAlarm rules. It keeps nothing: an alarm says how it
// stands, and the job when it began.
type Provider struct {
	client credentials.Client[Client]
	now    func() time.Time
}

var _ action.Provider = (*Provider)(nil)

// New returns a provider that tells the time by now.
func New(client credentials.Client[Client], now func() time.Time) (*Provider, error) {
	if client == nil || now == nil {
		return nil, errors.New("alarm.New: a client and a clock are required")
	}
	return &Provider{client, now}, nil
}

// Start implements action.Provider.
func (p *Provider) Start(ctx context.Context, job action.Job) (action.Result, error) {
	s, err := read(job)
	if err != nil {
		return fault.Result(err)
	}
	client, err := p.client(ctx, job)
	if err != nil {
		return fault.Result(fault.Of("ask for the alarm "+s.name, err))
	}
	states, err := ask(ctx, client, []string{s.name})
	if err != nil {
		return fault.Result(err)
	}
	return p.look(job, s, states[0]), nil
}

// Poll implements action.Provider.
func (p *Provider) Poll(ctx context.Context, job action.Job) (action.Result, error) {
	return p.Start(ctx, job)
}

// Stop implements action.Provider. Nothing runs.
func (p *Provider) Stop(context.Context, action.Job) error { return nil }

// look tells what the state of an alarm means for a rule.
func (p *Provider) look(job action.Job, s settings, state string) action.Result {
	good := slices.Contains(s.states, state)
	said := fmt.Sprintf("Alarm %s is in state %s", s.name, state)
	left := job.Begun.Add(s.wait).Sub(p.now())
	bakes := job.Gate == "onSuccess"
	switch {
	case good && bakes && left > 0:
		return action.Result{Status: pipeline.InProgress, Summary: fmt.Sprintf("%s; it has to stay so for %s more", said, left.Round(time.Second)), ExternalID: s.name}
	case good:
		return action.Result{Status: pipeline.Succeeded, Summary: said, ExternalID: s.name}
	case !bakes && left > 0:
		return action.Result{Status: pipeline.InProgress, Summary: fmt.Sprintf("%s; waits %s more for %s", said, left.Round(time.Second), strings.Join(s.states, " or ")), ExternalID: s.name}
	}
	r := action.Fail(action.JobFailed, fmt.Sprintf("%s and not in %s", said, strings.Join(s.states, " or ")))
	r.ExternalID = s.name
	return r
}

// settings are what a rule says.
type settings struct {
	name   string
	states []string // desired
	wait   time.Duration
}

func read(job action.Job) (settings, error) {
	conf := job.Action.Configuration
	s := settings{name: conf["AlarmName"], states: []string{"OK", "INSUFFICIENT_DATA"}}
	if job.Gate == "onFailure" {
		s.states = []string{"ALARM"}
	}
	if s.name == "" {
		return s, fault.Refuse(action.ConfigurationError, "Rule %s has no AlarmName: write it into its configuration.", job.Action.Name)
	}
	if text := conf["AlarmStates"]; text != "" {
		s.states = nil
		for state := range strings.SplitSeq(text, ",") {
			state = strings.TrimSpace(state)
			if !slices.Contains(types.StateValue("").Values(), types.StateValue(state)) {
				return s, fault.Refuse(action.ConfigurationError, "AlarmStates of rule %s: %q is none of ALARM, OK, INSUFFICIENT_DATA.", job.Action.Name, state)
			}
			s.states = append(s.states, state)
		}
	}
	if text := conf["WaitTime"]; text != "" {
		minutes, err := strconv.Atoi(text)
		if err != nil || minutes < 0 {
			return s, fault.Refuse(action.ConfigurationError, "WaitTime of rule %s is %q; write minutes, such as 10.", job.Action.Name, text)
		}
		s.wait = time.Duration(minutes) * time.Minute
	}
	return s, nil
}

// ask returns the states of alarms of either kind, in the order of their names.
func ask(ctx context.Context, client Client, names []string) ([]string, error) {
	out, err := client.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{
		AlarmNames: names, AlarmTypes: []types.AlarmType{types.AlarmTypeMetricAlarm, types.AlarmTypeCompositeAlarm},
	})
	if err != nil {
		return nil, fault.Of("ask for the alarm "+strings.Join(names, ", "), err)
	}
	known := map[string]types.StateValue{}
	for _, a := range out.MetricAlarms {
		known[aws.ToString(a.AlarmName)] = a.StateValue
	}
	for _, a := range out.CompositeAlarms {
		known[aws.ToString(a.AlarmName)] = a.StateValue
	}
	var states []string
	for _, name := range names {
		state, ok := known[name]
		if !ok {
			return nil, fault.Refuse(action.ConfigurationError, "There is no alarm %s in the Region.", name)
		}
		states = append(states, string(state))
	}
	return states, nil
}
