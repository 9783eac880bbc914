// Package cloudformation is the provider of CloudFormation deployments in an
// AWS account (reference 5.4).
//
// It keeps nothing in memory. Every operation on a stack carries the job's id
// as its ClientRequestToken, CloudFormation repeats the token in the events of
// that operation, and so the events of the stack tell whether the job has begun
// and how it ended. A change set carries the id in its description. A
// replacement is two operations: the token of the deletion has "-delete" behind
// the id, and a stack that is gone is what the creation follows.
//
// Poll begins nothing, but for what follows within a replacement. Stop does
// nothing: CodePipeline leaves the stack to go on, and so do we.
//
// What a job tells of a stack it did not touch (an update without changes, the
// outputs) is what is there when it is asked.
//
// # IAM
//
//	cloudformation:CreateChangeSet
//	cloudformation:CreateStack
//	cloudformation:DeleteChangeSet
//	cloudformation:DeleteStack
//	cloudformation:DescribeChangeSet
//	cloudformation:DescribeStackEvents
//	cloudformation:DescribeStacks
//	cloudformation:ExecuteChangeSet
//	cloudformation:SetStackPolicy
//	cloudformation:UpdateStack
//	iam:PassRole on the RoleArn of the action
package cloudformation

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/credentials"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// A Client is what the provider needs of *cloudformation.Client.
type Client interface {
	CreateChangeSet(context.Context, *cloudformation.CreateChangeSetInput, ...func(*cloudformation.Options)) (*cloudformation.CreateChangeSetOutput, error)
	CreateStack(context.Context, *cloudformation.CreateStackInput, ...func(*cloudformation.Options)) (*cloudformation.CreateStackOutput, error)
	DeleteChangeSet(context.Context, *cloudformation.DeleteChangeSetInput, ...func(*cloudformation.Options)) (*cloudformation.DeleteChangeSetOutput, error)
	DeleteStack(context.Context, *cloudformation.DeleteStackInput, ...func(*cloudformation.Options)) (*cloudformation.DeleteStackOutput, error)
	DescribeChangeSet(context.Context, *cloudformation.DescribeChangeSetInput, ...func(*cloudformation.Options)) (*cloudformation.DescribeChangeSetOutput, error)
	DescribeStackEvents(context.Context, *cloudformation.DescribeStackEventsInput, ...func(*cloudformation.Options)) (*cloudformation.DescribeStackEventsOutput, error)
	DescribeStacks(context.Context, *cloudformation.DescribeStacksInput, ...func(*cloudformation.Options)) (*cloudformation.DescribeStacksOutput, error)
	ExecuteChangeSet(context.Context, *cloudformation.ExecuteChangeSetInput, ...func(*cloudformation.Options)) (*cloudformation.ExecuteChangeSetOutput, error)
	SetStackPolicy(context.Context, *cloudformation.SetStackPolicyInput, ...func(*cloudformation.Options)) (*cloudformation.SetStackPolicyOutput, error)
	UpdateStack(context.Context, *cloudformation.UpdateStackInput, ...func(*cloudformation.Options)) (*cloudformation.UpdateStackOutput, error)
}

var _ Client = (*cloudformation.Client)(nil)

// Options holds what has a sensible default. The zero value is valid.
type Options struct {
	// TemplateURL puts a template where CloudFormation can read it without
	// permission, for the length of a call, and returns the URL. Without it,
	// templates too long for the call are refused.
	TemplateURL func(ctx context.Context, job action.Job, template []byte) (string, error)

	Now func() time.Time // default time.Now
}

// A Provider does CloudFormation actions.
type Provider struct {
	connect credentials.Client[Client]
	blobs   blob.Store
	opts    Options
}

var _ action.Provider = (*Provider)(nil)

// New returns a provider that calls the clients of connect and keeps artifacts
// in blobs.
func New(connect credentials.Client[Client], blobs blob.Store, opts Options) (*Provider, error) {
	if connect == nil || blobs == nil {
		return nil, errors.New("cloudformation.New: clients and a blob store are required")
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Provider{connect, blobs, opts}, nil
}

// Start implements action.Provider.
func (p *Provider) Start(ctx context.Context, job action.Job) (action.Result, error) {
	return p.goOn(ctx, job, true)
}

// Poll implements action.Provider.
func (p *Provider) Poll(ctx context.Context, job action.Job) (action.Result, error) {
	return p.goOn(ctx, job, false)
}

// Stop implements action.Provider.
func (p *Provider) Stop(context.Context, action.Job) error { return nil }

// goOn finds out how far the job has come and takes the next step.
func (p *Provider) goOn(ctx context.Context, job action.Job, begin bool) (action.Result, error) {
	s, err := read(job)
	if err != nil {
		return fault.Result(err)
	}
	client, err := p.connect(ctx, job)
	if err != nil {
		return fault.Result(fault.Of("use CloudFormation", err))
	}
	d := &deployment{settings: s, provider: p, client: client, job: job, begin: begin}
	r, err := modes[s.mode].run(d, ctx)
	if err != nil {
		return fault.Result(err)
	}
	return r, nil
}

// A deployment is one look at one job.
type deployment struct {
	settings
	provider *Provider
	client   Client
	job      action.Job
	begin    bool // whether what has not begun may begin
}

func (d *deployment) late() bool { return fault.Overdue(d.job, d.provider.opts.Now()) }

// running is the result while the work goes on, or while Start has yet to
// begin it.
func (d *deployment) running(id, summary string) (action.Result, error) {
	if d.late() {
		return d.timedOut(id), nil
	}
	r := action.Result{Status: pipeline.InProgress, Summary: summary}
	d.identify(&r, id)
	return r, nil
}

func (d *deployment) timedOut(id string) action.Result {
	r := fault.TimedOut(d.job, "Stack "+d.stack+" was not stopped.")
	d.identify(&r, id)
	return r
}

func (d *deployment) failed(id, format string, args ...any) action.Result {
	r := action.Fail(action.JobFailed, fmt.Sprintf(format, args...))
	d.identify(&r, id)
	return r
}

// identify names the stack or change set that r is about.
func (d *deployment) identify(r *action.Result, id string) {
	if id == "" {
		return
	}
	r.ExternalID = id
	r.ExternalURL = fmt.Sprintf("%s/cloudformation/home?region=%s#/stack/detail?stackId=%s", fault.Console(d.job.Region), d.job.Region, url.QueryEscape(id))
}

// succeeded is the end of a job that left st behind, with its outputs.
func (d *deployment) succeeded(ctx context.Context, st *types.Stack, summary string) (action.Result, error) {
	outputs := make(map[string]string)
	for _, out := range st.Outputs {
		outputs[aws.ToString(out.OutputKey)] = aws.ToString(out.OutputValue)
	}
	r := action.Result{Status: pipeline.Succeeded, Summary: summary, Variables: outputs}
	d.identify(&r, aws.ToString(st.StackId))
	var err error
	r.Outputs, err = d.writeOutputs(ctx, outputs)
	return r, err
}
