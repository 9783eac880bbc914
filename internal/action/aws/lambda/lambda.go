// Package lambda is the provider of Lambda invocations in an AWS account
// (reference 5.7 and 6.1).
//
// The function is invoked asynchronously with the event of a job and answers
// by PutJobSuccessResult or PutJobFailureResult, which others receive. What is
// known of an invocation is a [Call], kept in [Calls]: the provider writes when
// it invoked, the receiver writes the answer or a continuation, and either has
// the other's half when it needs it.
//
// A call is claimed before it is made, so that of several processes one makes
// it. If that one dies before it has written that it did, the call is made
// again: a function may get an event twice, as it may from Lambda itself, with
// the same job id.
//
// Stop does nothing: a function cannot be stopped.
//
// # IAM
//
//	lambda:InvokeFunction on the function
//	s3:GetObject, s3:PutObject on the artifacts and kms:Decrypt,
//	kms:GenerateDataKey on their key, because the function is given
//	credentials of the role
package lambda

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/credentials"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// A Client is what the provider needs of *lambda.Client.
type Client interface {
	Invoke(context.Context, *lambda.InvokeInput, ...func(*lambda.Options)) (*lambda.InvokeOutput, error)
}

var _ Client = (*lambda.Client)(nil)

// A Call is the newest invocation of the function for an action execution, in
// the version that was read.
type Call struct {
	Version int64 // for Calls; 0: there was none
	record.Call
}

// ErrChanged says that a call was written by somebody else meanwhile.
var ErrChanged = errors.New("the call was changed")

// Calls keeps the newest call of each action execution. It is safe for
// concurrent use and linearizable per action execution.
type Calls interface {
	// Call returns the newest call, or the zero Call if there was none.
	Call(ctx context.Context, actionExecutionID string) (Call, error)

	// PutCall writes c with its version increased by one. It fails with
	// ErrChanged, and writes nothing, unless the stored version is c's.
	PutCall(ctx context.Context, actionExecutionID string, c Call) error
}

// Credentials are what the function may read and write the artifacts of its
// job with.
type Credentials struct {
	AccessKeyID, SecretAccessKey, SessionToken string
	Expires                                    time.Time
}

// Ports is what the provider calls. All of it is required.
type Ports struct {
	Connect     credentials.Client[Client]
	Calls       Calls
	Credentials func(ctx context.Context, job action.Job) (Credentials, error) // narrowed to the job's artifacts

	// Uploaded returns an output with the digest of what the function wrote
	// there, or blob.ErrNotFound if it wrote nothing.
	Uploaded func(ctx context.Context, job action.Job, out action.Artifact) (action.Artifact, error)
}

// Options holds what has a sensible default. The zero value is valid.
type Options struct {
	// EncryptionKey returns the ARN of the customer's key of the artifact
	// store of a job, or "". By default there is none.
	EncryptionKey func(job action.Job) string

	Now func() time.Time // default time.Now
}

// A Provider does Lambda actions.
type Provider struct {
	Ports
	opts Options
}

var _ action.Provider = (*Provider)(nil)

// New returns a provider that works through ports.
func New(ports Ports, opts Options) (*Provider, error) {
	if ports.Connect == nil || ports.Calls == nil || ports.Credentials == nil || ports.Uploaded == nil {
		return nil, errors.New("lambda.New: every port is required")
	}
	if opts.EncryptionKey == nil {
		opts.EncryptionKey = func(action.Job) string { return "" }
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Provider{ports, opts}, nil
}

const (
	patience = 20 * time.Minute // for an answer to a call (reference 1.5)
	claim    = time.Minute      // for whoever set out to make a call
)

// Start implements action.Provider.
func (p *Provider) Start(ctx context.Context, job action.Job) (action.Result, error) {
	return p.goOn(ctx, job, true)
}

// Poll implements action.Provider. It makes the calls of continuations, and
// those whose maker has died; never the first attempt of the first.
func (p *Provider) Poll(ctx context.Context, job action.Job) (action.Result, error) {
	return p.goOn(ctx, job, false)
}

// Stop implements action.Provider.
func (p *Provider) Stop(context.Context, action.Job) error { return nil }

func (p *Provider) goOn(ctx context.Context, job action.Job, begin bool) (action.Result, error) {
	name := job.Action.Configuration["FunctionName"]
	if name == "" {
		return action.Fail(action.ConfigurationError, fmt.Sprintf("Action %s has no FunctionName", job.Action.Name)), nil
	}
	c, err := p.Calls.Call(ctx, job.ID)
	if err != nil {
		return action.Result{}, fmt.Errorf("job %s: %w", job.ID, err)
	}
	now := p.opts.Now()
	running := action.Result{
		Status: pipeline.InProgress, Summary: c.Summary, Percent: c.Percent,
		ExternalID: cmp.Or(c.ExternalID, name), ExternalURL: console(job.Region, name),
	}
	switch first := c.Version == 0; {
	case c.Answer != nil:
		return p.answered(ctx, job, name, *c.Answer)
	case fault.Overdue(job, now):
		return p.give(ctx, job, c, fault.TimedOut(job, fmt.Sprintf("The AWS Lambda function %s was not stopped.", name)), running)
	case !c.Made.IsZero() && now.Sub(c.Made) >= patience:
		return p.give(ctx, job, c, action.Fail(action.JobFailed, fmt.Sprintf("The AWS Lambda function %s failed to return a result. Check the function to verify that it has permission to call the PutJobSuccessResult action and that it made a call to PutJobSuccessResult.", name)), running)
	case !c.Made.IsZero(), first && !begin, now.Before(c.Due), now.Sub(c.Claimed) < claim:
		return running, nil
	}
	r, err := p.call(ctx, job, name, c, running)
	if err != nil {
		return fault.Result(err)
	}
	return r, nil
}

// give gives a job the end of one whose function has not answered. It is kept
// as the answer, so that one that comes later changes nothing.
func (p *Provider) give(ctx context.Context, job action.Job, c Call, end, running action.Result) (action.Result, error) {
	end.ExternalID, end.ExternalURL = running.ExternalID, running.ExternalURL
	c.Answer = &end
	switch err := p.Calls.PutCall(ctx, job.ID, c); {
	case errors.Is(err, ErrChanged): // it has answered just now; the next look tells
		return running, nil
	case err != nil:
		return action.Result{}, fmt.Errorf("job %s: %w", job.ID, err)
	}
	return end, nil
}

// answered is the end that the function told, with what it uploaded. An output
// that it did not upload is left out; whoever needs it fails.
func (p *Provider) answered(ctx context.Context, job action.Job, name string, r action.Result) (action.Result, error) {
	if r.ExternalID == "" {
		r.ExternalID = name
	}
	if r.ExternalURL == "" {
		r.ExternalURL = console(job.Region, name)
	}
	if r.Status != pipeline.Succeeded {
		return r, nil
	}
	r.Outputs = nil
	for _, out := range job.Outputs {
		out, err := p.Uploaded(ctx, job, out)
		switch {
		case errors.Is(err, blob.ErrNotFound):
			continue
		case err != nil:
			return action.Result{}, fmt.Errorf("artifact %s: %w", out.Name, err)
		}
		r.Outputs = append(r.Outputs, out)
	}
	return r, nil
}

// call claims c and makes it. A call that Lambda refuses was not made, and may
// be claimed at once by whoever tries again.
func (p *Provider) call(ctx context.Context, job action.Job, name string, c Call, running action.Result) (action.Result, error) {
	if c.ID == "" {
		c.ID = job.ID
	}
	c.Claimed = p.opts.Now()
	switch err := p.Calls.PutCall(ctx, job.ID, c); {
	case errors.Is(err, ErrChanged): // somebody else makes it
		return running, nil
	case err != nil:
		return action.Result{}, fmt.Errorf("job %s: %w", job.ID, err)
	}
	c.Version++
	err := p.invoke(ctx, job, name, c)
	if err == nil {
		c.Made = p.opts.Now()
	} else {
		c.Claimed = time.Time{}
	}
	switch putErr := p.Calls.PutCall(ctx, job.ID, c); {
	case errors.Is(putErr, ErrChanged): // the function has answered already
	case putErr != nil:
		return action.Result{}, errors.Join(err, fmt.Errorf("job %s: %w", job.ID, putErr))
	}
	return running, err
}

func (p *Provider) invoke(ctx context.Context, job action.Job, name string, c Call) error {
	client, err := p.Connect(ctx, job)
	if err != nil {
		return fault.Of("use Lambda", err)
	}
	narrowed, err := p.Credentials(ctx, job)
	if err != nil {
		return fault.Of("get credentials for the artifacts", err)
	}
	payload, err := event(job, c, narrowed, p.opts.EncryptionKey(job))
	if err != nil {
		return err
	}
	_, err = client.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name, InvocationType: types.InvocationTypeEvent, Payload: payload})
	if fault.Code(err) == "ResourceNotFoundException" {
		return fault.Refuse(action.ConfigurationError, "The AWS Lambda function %s does not exist.", name)
	}
	return fault.Of("invoke the AWS Lambda function "+name, err)
}

func console(region, name string) string {
	return fmt.Sprintf("%s/lambda/home?region=%s#/functions/%s", fault.Console(region), region, name)
}
