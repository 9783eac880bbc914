// Package codedeploy is the provider of CodeDeploy deployments in an AWS
// account (reference 5.5).
//
// It keeps nothing in memory. A deployment carries the job's id in its
// description, and every call looks it up among the deployments that the group
// has begun since the job began. Of two processes that create one at the same
// moment the second is refused, because a group has one deployment at a time,
// and finds the first by the id in the refusal. Poll begins nothing.
//
// # IAM
//
//	codedeploy:BatchGetDeployments
//	codedeploy:CreateDeployment
//	codedeploy:GetApplicationRevision, because CreateDeployment asks for it
//	codedeploy:GetDeploymentConfig, because CreateDeployment asks for it
//	codedeploy:ListDeployments
//	codedeploy:RegisterApplicationRevision, because CreateDeployment asks for it
//	codedeploy:StopDeployment
package codedeploy

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/credentials"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// A Client is what the provider needs of *codedeploy.Client.
type Client interface {
	BatchGetDeployments(context.Context, *codedeploy.BatchGetDeploymentsInput, ...func(*codedeploy.Options)) (*codedeploy.BatchGetDeploymentsOutput, error)
	CreateDeployment(context.Context, *codedeploy.CreateDeploymentInput, ...func(*codedeploy.Options)) (*codedeploy.CreateDeploymentOutput, error)
	ListDeployments(context.Context, *codedeploy.ListDeploymentsInput, ...func(*codedeploy.Options)) (*codedeploy.ListDeploymentsOutput, error)
	StopDeployment(context.Context, *codedeploy.StopDeploymentInput, ...func(*codedeploy.Options)) (*codedeploy.StopDeploymentOutput, error)
}

var _ Client = (*codedeploy.Client)(nil)

// Options holds what has a sensible default. The zero value is valid.
type Options struct {
	Now func() time.Time // default time.Now
}

// A Provider does CodeDeploy actions. CodeDeploy reads the artifact itself, so
// there is no store.
type Provider struct {
	connect credentials.Client[Client]
	now     func() time.Time

	// CodeDeploy takes no token, so looking for a deployment and making one
	// exclude each other, in this process at least.
	starting sync.Mutex
}

var _ action.Provider = (*Provider)(nil)

// New returns a provider that calls the clients of connect.
func New(connect credentials.Client[Client], opts Options) (*Provider, error) {
	if connect == nil {
		return nil, errors.New("codedeploy.New: clients are required")
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Provider{connect: connect, now: opts.Now}, nil
}

// A deployment is one look at one job.
type deployment struct {
	client             Client
	job                action.Job
	application, group string
	late               bool
}

func (p *Provider) open(ctx context.Context, job action.Job) (*deployment, error) {
	conf := job.Action.Configuration
	for _, key := range []string{"ApplicationName", "DeploymentGroupName"} {
		if conf[key] == "" {
			return nil, fault.Refuse(action.ConfigurationError, "Action %s has no %s", job.Action.Name, key)
		}
	}
	if len(job.Inputs) != 1 {
		return nil, fault.Refuse(action.ConfigurationError, "Action %s has %d input artifacts; a deployment has one", job.Action.Name, len(job.Inputs))
	}
	client, err := p.connect(ctx, job)
	if err != nil {
		return nil, fault.Of("use CodeDeploy", err)
	}
	return &deployment{client, job, conf["ApplicationName"], conf["DeploymentGroupName"], fault.Overdue(job, p.now())}, nil
}

// Start implements action.Provider.
func (p *Provider) Start(ctx context.Context, job action.Job) (action.Result, error) {
	d, err := p.open(ctx, job)
	if err != nil {
		return fault.Result(err)
	}
	p.starting.Lock()
	defer p.starting.Unlock()
	r, begun, err := d.look(ctx)
	if err == nil && !begun && !d.late {
		r, err = d.create(ctx)
	}
	if err != nil {
		return fault.Result(err)
	}
	return r, nil
}

// Poll implements action.Provider.
func (p *Provider) Poll(ctx context.Context, job action.Job) (action.Result, error) {
	d, err := p.open(ctx, job)
	if err != nil {
		return fault.Result(err)
	}
	r, _, err := d.look(ctx)
	if err != nil {
		return fault.Result(err)
	}
	return r, nil
}

// Stop implements action.Provider. What is stopped is not rolled back, unless
// the group says so.
func (p *Provider) Stop(ctx context.Context, job action.Job) error {
	d, err := p.open(ctx, job)
	if refusal, ok := errors.AsType[*fault.Refusal](err); ok && refusal.Type == action.ConfigurationError {
		return nil // it never began
	}
	if err != nil {
		return err
	}
	info, err := d.find(ctx)
	if err != nil || info == nil || ended(info.Status) {
		return err
	}
	_, err = d.client.StopDeployment(ctx, &codedeploy.StopDeploymentInput{DeploymentId: info.DeploymentId})
	if fault.Code(err) == "DeploymentAlreadyCompletedException" {
		return nil
	}
	return fault.Of("stop deployment "+aws.ToString(info.DeploymentId), err)
}

func ended(s types.DeploymentStatus) bool {
	return s == types.DeploymentStatusSucceeded || s == types.DeploymentStatusFailed || s == types.DeploymentStatusStopped
}

// mark is the description of the job's deployment.
func (d *deployment) mark() string { return "Sluice job " + d.job.ID }

func (d *deployment) subject() string {
	return fmt.Sprintf("deployment group %s of application %s", d.group, d.application)
}

// find returns the job's deployment, or nil if there is none. If there should
// be several, it is the first.
func (d *deployment) find(ctx context.Context) (*types.DeploymentInfo, error) {
	in := &codedeploy.ListDeploymentsInput{ApplicationName: &d.application, DeploymentGroupName: &d.group}
	if before := fault.Before(d.job); !before.IsZero() {
		in.CreateTimeRange = &types.TimeRange{Start: &before}
	}
	var found *types.DeploymentInfo
	for {
		page, err := d.client.ListDeployments(ctx, in)
		if err != nil {
			return nil, fault.Of("list the deployments of "+d.subject(), err)
		}
		info, err := d.among(ctx, page.Deployments)
		if err != nil {
			return nil, err
		}
		if info != nil && (found == nil || aws.ToTime(info.CreateTime).Before(aws.ToTime(found.CreateTime))) {
			found = info
		}
		if in.NextToken = page.NextToken; in.NextToken == nil {
			return found, nil
		}
	}
}

// batch is how many deployments one call describes.
const batch = 25

// among returns the first deployment of the job among those of ids.
func (d *deployment) among(ctx context.Context, ids []string) (*types.DeploymentInfo, error) {
	var found *types.DeploymentInfo
	for some := range slices.Chunk(ids, batch) {
		out, err := d.client.BatchGetDeployments(ctx, &codedeploy.BatchGetDeploymentsInput{DeploymentIds: some})
		if err != nil {
			return nil, fault.Of("describe the deployments of "+d.subject(), err)
		}
		for _, info := range out.DeploymentsInfo {
			if aws.ToString(info.Description) == d.mark() && (found == nil || aws.ToTime(info.CreateTime).Before(aws.ToTime(found.CreateTime))) {
				found = &info
			}
		}
	}
	return found, nil
}

// look tells how the job stands and whether its deployment was created.
func (d *deployment) look(ctx context.Context) (r action.Result, begun bool, err error) {
	info, err := d.find(ctx)
	switch {
	case err != nil:
		return r, false, err
	case info != nil:
		return d.told(info), true, nil
	case d.late:
		return fault.TimedOut(d.job, ""), false, nil
	}
	return action.Result{Status: pipeline.InProgress}, false, nil
}

// told is how a job stands whose deployment is info (reference, Appendix B).
func (d *deployment) told(info *types.DeploymentInfo) action.Result {
	id := aws.ToString(info.DeploymentId)
	r := action.Result{Status: pipeline.InProgress, Summary: fmt.Sprintf("Deployment %s is %s", id, info.Status)}
	over := ended(info.Status)
	switch {
	case over && fault.Overdue(d.job, aws.ToTime(info.CompleteTime)), !over && d.late:
		r = fault.TimedOut(d.job, "") // Stop may have stopped it by now
	case info.Status == types.DeploymentStatusSucceeded:
		r.Status, r.Summary = pipeline.Succeeded, "Deployment Succeeded"
	case over:
		message := fmt.Sprintf("Deployment %s is %s.", id, info.Status)
		if why := info.ErrorInformation; why != nil {
			message += fmt.Sprintf(" %s: %s", why.Code, aws.ToString(why.Message))
		}
		r = action.Fail(action.JobFailed, message)
	}
	r.ExternalID, r.ExternalURL = id, d.console(id)
	return r
}

func (d *deployment) console(id string) string {
	return fmt.Sprintf("%s/codesuite/codedeploy/deployments/%s?region=%s", fault.Console(d.job.Region), id, d.job.Region)
}

var deploymentID = regexp.MustCompile(`d-[A-Z0-9]+`)

func (d *deployment) create(ctx context.Context) (action.Result, error) {
	in := d.job.Inputs[0].Ref
	out, err := d.client.CreateDeployment(ctx, &codedeploy.CreateDeploymentInput{
		ApplicationName: &d.application, DeploymentGroupName: &d.group, Description: aws.String(d.mark()),
		Revision: &types.RevisionLocation{
			RevisionType: types.RevisionLocationTypeS3,
			S3Location:   &types.S3Location{Bucket: &in.Bucket, Key: &in.Key, BundleType: types.BundleTypeZip},
		},
	})
	if fault.Code(err) == "DeploymentLimitExceededException" { // it may be ours that is active
		info, lookErr := d.among(ctx, deploymentID.FindAllString(err.Error(), batch))
		if lookErr == nil && info == nil {
			info, lookErr = d.find(ctx)
		}
		switch {
		case lookErr != nil:
			return action.Result{}, lookErr
		case info != nil:
			return d.told(info), nil
		}
	}
	if err != nil {
		return action.Result{}, fault.Of("deploy to "+d.subject(), err)
	}
	id := aws.ToString(out.DeploymentId)
	return action.Result{Status: pipeline.InProgress, Summary: fmt.Sprintf("Deployment %s is Created", id), ExternalID: id, ExternalURL: d.console(id)}, nil
}
