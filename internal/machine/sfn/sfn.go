// Package sfn runs machines on AWS Step Functions: the machine port of an AWS
// account.
//
// A run is an execution of a standard workflow under the run's own name, so
// that a start which is repeated, after a lost answer or a crash, is one run.
// It is started on the version of the state machine that was made for its
// version of the declaration, so that no later update changes what runs.
//
// Two things differ from a machine on a laptop. Step Functions describes an
// execution as it was a moment ago: one that was just started may be Unknown,
// one whose last task was just answered may be Running. And it forgets an
// execution, with its name, 90 days after its end.
//
// The role of whoever uses it needs states:StartExecution on the state
// machines, states:DescribeExecution and states:StopExecution on their
// executions, states:SendTaskSuccess and states:SendTaskFailure.
package sfn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/sluice-ci/sluice/internal/machine"
)

// Limits of Step Functions. It counts characters in some places and bytes in
// others; here all are bytes, which are never fewer.
const (
	maxPayload = 262144
	maxError   = 256
	maxCause   = 32768
	maxToken   = 2048
)

// client is what this package needs of *sfn.Client.
type client interface {
	StartExecution(context.Context, *sfn.StartExecutionInput, ...func(*sfn.Options)) (*sfn.StartExecutionOutput, error)
	StopExecution(context.Context, *sfn.StopExecutionInput, ...func(*sfn.Options)) (*sfn.StopExecutionOutput, error)
	DescribeExecution(context.Context, *sfn.DescribeExecutionInput, ...func(*sfn.Options)) (*sfn.DescribeExecutionOutput, error)
	SendTaskSuccess(context.Context, *sfn.SendTaskSuccessInput, ...func(*sfn.Options)) (*sfn.SendTaskSuccessOutput, error)
	SendTaskFailure(context.Context, *sfn.SendTaskFailureInput, ...func(*sfn.Options)) (*sfn.SendTaskFailureOutput, error)
}

var _ client = (*sfn.Client)(nil)

// ARNs returns the ARN of the state machine, or of the version of it, that runs
// a version of a pipeline. All versions of a pipeline are of one state machine.
type ARNs func(ctx context.Context, pipeline string, version int) (string, error)

// Runs returns whose machine a run is of. A run that nobody asked for has the
// pipeline "", which is no error. It must know a run for as long as anybody may
// stop it: a run it denies is not stopped.
type Runs func(ctx context.Context, run string) (pipeline string, version int, err error)

// Machine starts and answers executions of Step Functions.
type Machine struct {
	client client
	arns   ARNs
	runs   Runs
}

var _ machine.Machine = (*Machine)(nil)

// New returns the machine behind c. The name of a run does not tell which state
// machine it is of, so there are two lookups: arns finds the state machine, and
// runs finds whose it is.
func New(c client, arns ARNs, runs Runs) (*Machine, error) {
	if c == nil || arns == nil || runs == nil {
		return nil, errors.New("sfn.New: client, arns and runs are required")
	}
	return &Machine{client: c, arns: arns, runs: runs}, nil
}

// Start implements machine.Machine.
func (m *Machine) Start(ctx context.Context, s machine.Start) error {
	if err := m.start(ctx, s); err != nil {
		return fmt.Errorf("start run %s: %w", s.Name, err)
	}
	return nil
}

func (m *Machine) start(ctx context.Context, s machine.Start) error {
	if err := sendable(s.Input); err != nil {
		return fmt.Errorf("input: %w", err)
	}
	arn, err := m.arns(ctx, s.Pipeline, s.Version)
	if err != nil {
		return fmt.Errorf("machine of pipeline %s version %d: %w", s.Pipeline, s.Version, err)
	}
	want, err := executionARN(arn, s.Name)
	if err != nil {
		return err
	}
	out, err := m.client.StartExecution(ctx, &sfn.StartExecutionInput{
		StateMachineArn: &arn, Name: &s.Name, Input: aws.String(string(s.Input)),
	})
	if alreadyStarted(err) {
		return nil
	}
	if noMachine(err) {
		return fmt.Errorf("%w: %w", machine.ErrNoMachine, err)
	}
	if err != nil {
		return err
	}
	// Describe and Stop rely on the derived ARN. Were it wrong, each would see
	// an execution that does not exist and silently do nothing.
	if got := aws.ToString(out.ExecutionArn); got != want {
		return fmt.Errorf("it was started as %s; expected %s", got, want)
	}
	return nil
}

// Stop implements machine.Machine. Step Functions itself does nothing when the
// execution has ended.
func (m *Machine) Stop(ctx context.Context, name, errorName, cause string) error {
	if err := m.stop(ctx, name, errorName, cause); err != nil {
		return fmt.Errorf("stop run %s: %w", name, err)
	}
	return nil
}

func (m *Machine) stop(ctx context.Context, name, errorName, cause string) error {
	arn, err := m.execution(ctx, name)
	if arn == "" || err != nil {
		return err
	}
	_, err = m.client.StopExecution(ctx, &sfn.StopExecutionInput{
		ExecutionArn: &arn, Error: aws.String(cut(errorName, maxError)), Cause: aws.String(cut(cause, maxCause)),
	})
	if unknownRun(err) {
		return nil
	}
	return err
}

// Describe implements machine.Machine. Only Step Functions, or a record that
// never was, makes a run Unknown; a question that got no answer is an error.
func (m *Machine) Describe(ctx context.Context, name string) (machine.Status, error) {
	status, err := m.describe(ctx, name)
	if err != nil {
		return machine.Unknown, fmt.Errorf("describe run %s: %w", name, err)
	}
	return status, nil
}

// statuses maps every status of an execution. One that waits to be redriven
// has not ended.
var statuses = map[types.ExecutionStatus]machine.Status{
	types.ExecutionStatusRunning:        machine.Running,
	types.ExecutionStatusPendingRedrive: machine.Running,
	types.ExecutionStatusSucceeded:      machine.Succeeded,
	types.ExecutionStatusFailed:         machine.Failed,
	types.ExecutionStatusTimedOut:       machine.TimedOut,
	types.ExecutionStatusAborted:        machine.Aborted,
}

func (m *Machine) describe(ctx context.Context, name string) (machine.Status, error) {
	arn, err := m.execution(ctx, name)
	if err != nil {
		return "", err
	}
	if arn == "" {
		return machine.Unknown, nil
	}
	out, err := m.client.DescribeExecution(ctx, &sfn.DescribeExecutionInput{
		ExecutionArn: &arn, IncludedData: types.IncludedDataMetadataOnly,
	})
	if unknownRun(err) {
		return machine.Unknown, nil
	}
	if err != nil {
		return "", err
	}
	status, ok := statuses[out.Status]
	if !ok {
		return "", fmt.Errorf("the service says %q, which is no status known here", out.Status)
	}
	return status, nil
}

// Succeed implements machine.Machine. Output that is not JSON, or over 262,144
// bytes, is refused and not sent.
func (m *Machine) Succeed(ctx context.Context, token string, output []byte) error {
	if err := sendable(output); err != nil {
		return fmt.Errorf("answer task: output: %w", err)
	}
	if !mayWait(token) {
		return answered(machine.ErrTaskGone)
	}
	_, err := m.client.SendTaskSuccess(ctx, &sfn.SendTaskSuccessInput{TaskToken: &token, Output: aws.String(string(output))})
	return answered(err)
}

// Fail implements machine.Machine. An error name over 256 bytes and a cause
// over 32,768 are cut and end in a mark that says so.
func (m *Machine) Fail(ctx context.Context, token, errorName, cause string) error {
	if !mayWait(token) {
		return answered(machine.ErrTaskGone)
	}
	_, err := m.client.SendTaskFailure(ctx, &sfn.SendTaskFailureInput{
		TaskToken: &token, Error: aws.String(cut(errorName, maxError)), Cause: aws.String(cut(cause, maxCause)),
	})
	return answered(err)
}

// mayWait reports whether token could be one of Step Functions'. It answers
// others with a validation error, which tells nothing about the task.
func mayWait(token string) bool { return token != "" && len(token) <= maxToken }

// execution returns the ARN of a run's execution, or "" if nobody asked for
// such a run.
func (m *Machine) execution(ctx context.Context, run string) (string, error) {
	pipeline, version, err := m.runs(ctx, run)
	if err != nil || pipeline == "" {
		return "", err
	}
	arn, err := m.arns(ctx, pipeline, version)
	if err != nil {
		return "", fmt.Errorf("machine of pipeline %s version %d: %w", pipeline, version, err)
	}
	return executionARN(arn, run)
}

// executionARN returns the ARN of the execution called run of a state machine,
// which is the same for all its versions:
//
//	arn:aws:states:eu-central-1:111122223333:stateMachine:p:7
//	arn:aws:states:eu-central-1:111122223333:execution:p:run
func executionARN(machineARN, run string) (string, error) {
	part := strings.Split(machineARN, ":")
	if len(part) < 7 || len(part) > 8 || part[0] != "arn" || part[2] != "states" || part[5] != "stateMachine" {
		return "", fmt.Errorf("%q is not the ARN of a state machine", machineARN)
	}
	if !plain(run) {
		return "", fmt.Errorf("%q: a name is 1 to 80 of A-Z a-z 0-9 - _", run)
	}
	part[5] = "execution"
	return strings.Join(append(part[:7:7], run), ":"), nil
}

// plain reports whether name can name a run.
func plain(name string) bool {
	strange := func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_')
	}
	return 0 < len(name) && len(name) <= 80 && !strings.ContainsFunc(name, strange)
}

// sendable returns why Step Functions would not take payload, or nil.
func sendable(payload []byte) error {
	if len(payload) > maxPayload {
		return fmt.Errorf("%d bytes are over the limit of %d", len(payload), maxPayload)
	}
	if !json.Valid(payload) {
		return errors.New("not JSON")
	}
	return nil
}

// cut returns at most n bytes of s, in whole characters. What was cut ends in
// a mark.
func cut(s string, n int) string {
	const mark = "... [cut]"
	s = strings.ToValidUTF8(s, "?")
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n-len(mark)], "") + mark
}
