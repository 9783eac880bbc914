// Package lambdadeploy is the provider of deployments of Lambda functions in an
// AWS account (reference 5.5): new code, a version of it, and an alias that is
// moved to the version, at once or little by little.
//
// It keeps nothing in memory. Whether the code of a job is there is told by its
// digest, which Lambda knows; a version is published once for the same code;
// and while an alias is shifted, the end of its description says for which job
// and since when. Every change names the revision that it was decided on, so of
// two processes that decide at the same moment one is refused and looks again.
//
// A shift goes on whenever somebody asks how it stands, and comes to the share
// that is due by then. While an alarm of the job is on, or has gone on, the
// alias is moved back. Stop does nothing: what is shifted stays.
//
// # IAM
//
//	lambda:GetFunctionConfiguration, lambda:UpdateFunctionCode,
//	lambda:PublishVersion; with FunctionAlias lambda:GetAlias, lambda:UpdateAlias
//	cloudwatch:DescribeAlarms with Alarms
package lambdadeploy

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/credentials"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// A Client is what the provider needs of *lambda.Client.
type Client interface {
	GetFunctionConfiguration(context.Context, *lambda.GetFunctionConfigurationInput, ...func(*lambda.Options)) (*lambda.GetFunctionConfigurationOutput, error)
	UpdateFunctionCode(context.Context, *lambda.UpdateFunctionCodeInput, ...func(*lambda.Options)) (*lambda.UpdateFunctionCodeOutput, error)
	PublishVersion(context.Context, *lambda.PublishVersionInput, ...func(*lambda.Options)) (*lambda.PublishVersionOutput, error)
	GetAlias(context.Context, *lambda.GetAliasInput, ...func(*lambda.Options)) (*lambda.GetAliasOutput, error)
	UpdateAlias(context.Context, *lambda.UpdateAliasInput, ...func(*lambda.Options)) (*lambda.UpdateAliasOutput, error)
}

var _ Client = (*lambda.Client)(nil)

// Ports are what the provider works through. All are required.
type Ports struct {
	Connect credentials.Client[Client]
	Blobs   blob.Store

	// Alarms returns which of the alarms that a job names are on. One that
	// does not exist is an error.
	Alarms func(ctx context.Context, job action.Job, names []string) ([]string, error)
}

// Options holds what has a sensible default. The zero value is valid.
type Options struct {
	Now func() time.Time // default time.Now
}

// A Provider does Lambda deployments.
type Provider struct {
	Ports
	now func() time.Time
}

var _ action.Provider = (*Provider)(nil)

// New returns a provider that works through ports.
func New(ports Ports, opts Options) (*Provider, error) {
	if ports.Connect == nil || ports.Blobs == nil || ports.Alarms == nil {
		return nil, errors.New("lambdadeploy.New: every port is required")
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Provider{ports, opts.Now}, nil
}

// Start implements action.Provider.
func (p *Provider) Start(ctx context.Context, job action.Job) (action.Result, error) {
	return p.goOn(ctx, job, true)
}

// Poll implements action.Provider. It puts no code there.
func (p *Provider) Poll(ctx context.Context, job action.Job) (action.Result, error) {
	return p.goOn(ctx, job, false)
}

// Stop implements action.Provider.
func (p *Provider) Stop(context.Context, action.Job) error { return nil }

// A deployment is one look at one job, which takes it as far as it can go.
type deployment struct {
	*Provider
	client Client
	job    action.Job
	plan   plan
	begin  bool
	at     time.Time
}

// errWait says that there is nothing to be done now: Lambda is at work, or
// somebody else was faster.
var errWait = errors.New("wait")

func (p *Provider) goOn(ctx context.Context, job action.Job, begin bool) (action.Result, error) {
	plan, err := planOf(job)
	if err != nil {
		return fault.Result(err)
	}
	client, err := p.Connect(ctx, job)
	if err != nil {
		return fault.Result(fault.Of("use Lambda", err))
	}
	d := &deployment{p, client, job, plan, begin, p.now()}
	r := action.Result{Status: pipeline.InProgress, ExternalID: plan.function, ExternalURL: console(job.Region, plan.function)}
	version, err := d.do(ctx)
	switch {
	case errors.Is(err, errWait) && fault.Overdue(job, d.at):
		end := fault.TimedOut(job, fmt.Sprintf("The function %s stays as it is.", plan.function))
		end.ExternalID, end.ExternalURL = r.ExternalID, r.ExternalURL
		return end, nil
	case errors.Is(err, errWait):
		return r, nil
	case err != nil:
		end, err := fault.Result(err)
		end.ExternalID, end.ExternalURL = r.ExternalID, r.ExternalURL
		return end, err
	}
	r.Status, r.Summary = pipeline.Succeeded, fmt.Sprintf("Version %s of the function %s is deployed", version, plan.function)
	r.Variables = map[string]string{"FunctionVersion": version}
	return r, nil
}

// do returns the version that was deployed, or errWait.
func (d *deployment) do(ctx context.Context) (string, error) {
	version := d.plan.version
	if version == "" {
		var err error
		if version, err = d.publish(ctx); err != nil {
			return "", err
		}
	}
	if d.plan.alias == "" {
		return version, nil
	}
	return version, d.move(ctx, version)
}

// publish puts the code of the job there and returns the version that has it.
func (d *deployment) publish(ctx context.Context) (string, error) {
	now, err := d.client.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &d.plan.function})
	if err != nil {
		return "", d.said("read the function", err)
	}
	code, err := readCode(ctx, d.Blobs, d.job, now.PackageType)
	if err != nil {
		return "", err
	}
	there := aws.ToString(now.CodeSha256) == code.digest
	switch {
	case now.State == types.StatePending, now.LastUpdateStatus == types.LastUpdateStatusInProgress:
		return "", errWait
	case there && now.LastUpdateStatus == types.LastUpdateStatusFailed && !(d.begin && d.older(now.LastModified)):
		return "", fault.Refuse(action.JobFailed, "Lambda could not use the code for the function %s. %s: %s", d.plan.function, now.LastUpdateStatusReasonCode, aws.ToString(now.LastUpdateStatusReason))
	case there && now.LastUpdateStatus != types.LastUpdateStatusFailed:
		return d.version(ctx, now)
	case !d.begin && d.older(now.LastModified):
		return "", errWait // nobody has put it there yet
	case !d.begin:
		return "", fault.Refuse(action.JobFailed, "Somebody else has changed the code of the function %s during the deployment", d.plan.function)
	}
	_, err = d.client.UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{
		FunctionName: &d.plan.function, ZipFile: code.zip, ImageUri: code.image, RevisionId: now.RevisionId,
	})
	if err != nil {
		return "", d.said("update the code of the function", err)
	}
	return "", errWait
}

// older reports whether a time that Lambda told is before the job began.
func (d *deployment) older(modified *string) bool {
	at, err := time.Parse("2006-01-02T15:04:05.000-0700", aws.ToString(modified))
	return err == nil && !d.job.Deadline.IsZero() && at.Before(d.job.Deadline.Add(-pipeline.Timeout(d.job.Action)))
}

// version publishes what the function is now. Of the same code and settings
// Lambda makes one version only, however often it is asked.
func (d *deployment) version(ctx context.Context, now *lambda.GetFunctionConfigurationOutput) (string, error) {
	out, err := d.client.PublishVersion(ctx, &lambda.PublishVersionInput{
		FunctionName: &d.plan.function, CodeSha256: now.CodeSha256, RevisionId: now.RevisionId,
		Description: aws.String(fmt.Sprintf("pipeline %s, execution %s", d.job.Pipeline, d.job.ExecutionID)),
	})
	if err != nil {
		return "", d.said("publish a version of the function", err)
	}
	return aws.ToString(out.Version), nil
}

// said tells what the refusal of a call means. One that says that the function
// or alias is another one by now means to look again.
func (d *deployment) said(doing string, err error) error {
	switch fault.Code(err) {
	case "PreconditionFailedException", "ResourceConflictException":
		return errWait
	}
	return fault.Codes{"CodeStorageExceededException": action.JobFailed}.Of(doing+" "+d.plan.function, err)
}

func console(region, function string) string {
	return fmt.Sprintf("%s/lambda/home?region=%s#/functions/%s", fault.Console(region), region, url.PathEscape(function))
}
