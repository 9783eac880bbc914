// Package stepfunctions is the provider of Step Functions invocations in an
// AWS account (reference 5.7).
//
// It keeps nothing in memory. The execution it starts is named after the job,
// so that a standard machine runs a job once however often it is started, and
// the name tells where to ask for the end. Poll starts nothing. Stop does
// nothing: CodePipeline leaves the execution to go on, and so do we.
//
// An express machine knows no names: its job has succeeded once it was started,
// and is started once more if the process dies before anybody is told.
//
// # IAM
//
//	states:DescribeExecution
//	states:DescribeStateMachine
//	states:StartExecution
package stepfunctions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/credentials"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
	"github.com/sluice-ci/sluice/internal/action/whole"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// A Client is what the provider needs of *sfn.Client.
type Client interface {
	DescribeExecution(context.Context, *sfn.DescribeExecutionInput, ...func(*sfn.Options)) (*sfn.DescribeExecutionOutput, error)
	DescribeStateMachine(context.Context, *sfn.DescribeStateMachineInput, ...func(*sfn.Options)) (*sfn.DescribeStateMachineOutput, error)
	StartExecution(context.Context, *sfn.StartExecutionInput, ...func(*sfn.Options)) (*sfn.StartExecutionOutput, error)
}

var _ Client = (*sfn.Client)(nil)

// Options holds what has a sensible default. The zero value is valid.
type Options struct {
	Now func() time.Time // default time.Now
}

// A Provider does StepFunctions actions.
type Provider struct {
	connect credentials.Client[Client]
	blobs   blob.Store
	now     func() time.Time
}

var _ action.Provider = (*Provider)(nil)

// New returns a provider that calls the clients of connect and keeps artifacts
// in blobs.
func New(connect credentials.Client[Client], blobs blob.Store, opts Options) (*Provider, error) {
	if connect == nil || blobs == nil {
		return nil, errors.New("stepfunctions.New: clients and a blob store are required")
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Provider{connect, blobs, opts.Now}, nil
}

const (
	maxName  = 80      // characters of the name of an execution
	maxInput = 262_144 // bytes
)

// An invocation is one look at one job.
type invocation struct {
	*Provider
	client  Client
	job     action.Job
	machine string // ARN
	name    string // of the execution
	arn     string // of the execution, if the machine is a standard one
}

var (
	machineARN = regexp.MustCompile(`^(arn:[a-z0-9-]+:states:[a-z0-9-]+:[0-9]{12}):stateMachine:([^:]+)(:[^:]+)?$`)
	prefixes   = regexp.MustCompile(`^[A-Za-z0-9_-]*$`)
)

func (p *Provider) open(ctx context.Context, job action.Job) (*invocation, error) {
	conf := job.Action.Configuration
	i := &invocation{Provider: p, job: job, machine: conf["StateMachineArn"], name: job.ID}
	parts := machineARN.FindStringSubmatch(i.machine)
	if parts == nil {
		return nil, fault.Refuse(action.ConfigurationError, "StateMachineArn is %q, which is not the ARN of a state machine", i.machine)
	}
	if prefix := conf["ExecutionNamePrefix"]; prefix != "" {
		i.name = prefix + "-" + job.ID
		if !prefixes.MatchString(prefix) || len(i.name) > maxName {
			return nil, fault.Refuse(action.ConfigurationError, "ExecutionNamePrefix is %q; it has to be of at most %d characters out of 0-9, A-Z, a-z, - and _", prefix, maxName-len(job.ID)-1)
		}
	}
	i.arn = fmt.Sprintf("%s:execution:%s:%s", parts[1], parts[2], i.name)
	var err error
	if i.client, err = p.connect(ctx, job); err != nil {
		return nil, fault.Of("use Step Functions", err)
	}
	return i, nil
}

// Start implements action.Provider.
func (p *Provider) Start(ctx context.Context, job action.Job) (action.Result, error) {
	r, err := p.with(ctx, job, (*invocation).start)
	if err != nil {
		return fault.Result(err)
	}
	return r, nil
}

// Poll implements action.Provider.
func (p *Provider) Poll(ctx context.Context, job action.Job) (action.Result, error) {
	r, err := p.with(ctx, job, (*invocation).poll)
	if err != nil {
		return fault.Result(err)
	}
	return r, nil
}

// Stop implements action.Provider.
func (p *Provider) Stop(context.Context, action.Job) error { return nil }

func (p *Provider) with(ctx context.Context, job action.Job, do func(*invocation, context.Context) (action.Result, error)) (action.Result, error) {
	i, err := p.open(ctx, job)
	if err != nil {
		return action.Result{}, err
	}
	return do(i, ctx)
}

func (i *invocation) start(ctx context.Context) (action.Result, error) {
	if r, err := i.poll(ctx); err != nil || r.Status.Final() || r.ExternalID != "" {
		return r, err // started before, or too late
	}
	machine, err := i.client.DescribeStateMachine(ctx, &sfn.DescribeStateMachineInput{StateMachineArn: &i.machine})
	if err != nil {
		return action.Result{}, fault.Of("describe state machine "+i.machine, err)
	}
	input, err := i.input(ctx)
	if err != nil {
		return action.Result{}, err
	}
	out, err := i.client.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: &i.machine, Name: &i.name, Input: &input})
	switch {
	case fault.Code(err) == "ExecutionAlreadyExists": // nobody else knows the name
		return i.poll(ctx)
	case err != nil:
		return action.Result{}, fault.Of("start an execution of state machine "+i.machine, err)
	case machine.Type == types.StateMachineTypeExpress:
		return action.Result{
			Status: pipeline.Succeeded, Summary: "The express execution was started", ExternalID: aws.ToString(out.ExecutionArn),
			Variables: map[string]string{"StateMachineArn": i.machine},
		}, nil
	}
	return i.result(pipeline.InProgress, "The execution is RUNNING"), nil
}

// input returns what the execution is started with.
func (i *invocation) input(ctx context.Context) (string, error) {
	conf := i.job.Action.Configuration
	input := conf["Input"]
	switch conf["InputType"] {
	case "", "Literal":
		if input == "" {
			input = "{}"
		}
	case "FilePath":
		if input == "" || len(i.job.Inputs) != 1 {
			return "", fault.Refuse(action.ConfigurationError, "InputType is FilePath; it needs a path in Input and one input artifact, and there is the path %q and %d artifacts", input, len(i.job.Inputs))
		}
		text, err := fault.ReadFile(ctx, i.blobs, i.job.Inputs[0], input, maxInput)
		if err != nil {
			return "", err
		}
		input = string(text)
	default:
		return "", fault.Refuse(action.ConfigurationError, "InputType is %q; it has to be Literal or FilePath", conf["InputType"])
	}
	if !json.Valid([]byte(input)) {
		return "", fault.Refuse(action.ConfigurationError, "The input of the state machine is not JSON; see Input of action %s", i.job.Action.Name)
	}
	return input, nil
}

func (i *invocation) poll(ctx context.Context) (action.Result, error) {
	e, err := i.client.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &i.arn})
	late := fault.Overdue(i.job, i.now())
	unknown := fault.Code(err) == "ExecutionDoesNotExist" || fault.Code(err) == "StateMachineTypeNotSupported" // the latter of an express machine
	switch {
	case unknown && late:
		return fault.TimedOut(i.job, "The state machine was not started."), nil
	case unknown:
		return action.Result{Status: pipeline.InProgress}, nil
	case err != nil:
		return action.Result{}, fault.Of("describe execution "+i.name+" of state machine "+i.machine, err)
	}
	running := e.Status == types.ExecutionStatusRunning || e.Status == types.ExecutionStatusPendingRedrive
	switch {
	case running && late, !running && fault.Overdue(i.job, aws.ToTime(e.StopDate)):
		r := fault.TimedOut(i.job, "Execution "+i.name+" was not stopped.")
		r.ExternalID, r.ExternalURL = i.arn, i.console()
		return r, nil
	case running:
		return i.result(pipeline.InProgress, "The execution is "+string(e.Status)), nil
	case e.Status == types.ExecutionStatusSucceeded:
		return i.succeeded(ctx, e)
	}
	why := strings.Trim(aws.ToString(e.Error)+": "+aws.ToString(e.Cause), ": ")
	r := action.Fail(action.JobFailed, strings.TrimSuffix(fmt.Sprintf("Execution %s of state machine %s is %s. %s", i.name, i.machine, e.Status, why), " "))
	r.ExternalID, r.ExternalURL = i.arn, i.console()
	return r, nil
}

func (i *invocation) succeeded(ctx context.Context, e *sfn.DescribeExecutionOutput) (action.Result, error) {
	r := i.result(pipeline.Succeeded, "The execution is SUCCEEDED")
	r.Variables = map[string]string{"StateMachineArn": i.machine, "ExecutionArn": i.arn}
	if len(i.job.Outputs) == 0 {
		return r, nil
	}
	out, err := whole.PutBytes(ctx, i.blobs, i.job.Outputs[0], []byte(aws.ToString(e.Output)))
	if err != nil {
		return action.Result{}, err
	}
	r.Outputs = []action.Artifact{out}
	return r, nil
}

func (i *invocation) result(status pipeline.Status, summary string) action.Result {
	return action.Result{Status: status, Summary: summary, ExternalID: i.arn, ExternalURL: i.console()}
}

func (i *invocation) console() string {
	return fmt.Sprintf("%s/states/home?region=%s#/v2/executions/details/%s", fault.Console(i.job.Region), i.job.Region, i.arn)
}
