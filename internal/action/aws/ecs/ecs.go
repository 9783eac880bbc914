// Package ecs is the provider of rolling deployments to ECS services in an AWS
// account (reference 5.5).
//
// It keeps nothing in memory. The revision of the task definition that a job
// registers is its record, in two tags: sluice:job is the job's id, and
// sluice:end is how the job ended, since ECS forgets deployments once another
// has taken their place. Of two processes that register a revision at the same
// moment both deploy the older one, and to update a service to what it has
// deploys nothing.
//
// Poll registers nothing. Stop does nothing: CodePipeline leaves the service to
// go on, and so do we.
//
// # IAM
//
//	ecs:DescribeServices
//	ecs:DescribeTaskDefinition
//	ecs:RegisterTaskDefinition
//	ecs:TagResource
//	ecs:UpdateService
//	iam:PassRole on the roles of the task definition
package ecs

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/credentials"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// A Client is what the provider needs of *ecs.Client.
type Client interface {
	DescribeServices(context.Context, *ecs.DescribeServicesInput, ...func(*ecs.Options)) (*ecs.DescribeServicesOutput, error)
	DescribeTaskDefinition(context.Context, *ecs.DescribeTaskDefinitionInput, ...func(*ecs.Options)) (*ecs.DescribeTaskDefinitionOutput, error)
	RegisterTaskDefinition(context.Context, *ecs.RegisterTaskDefinitionInput, ...func(*ecs.Options)) (*ecs.RegisterTaskDefinitionOutput, error)
	TagResource(context.Context, *ecs.TagResourceInput, ...func(*ecs.Options)) (*ecs.TagResourceOutput, error)
	UpdateService(context.Context, *ecs.UpdateServiceInput, ...func(*ecs.Options)) (*ecs.UpdateServiceOutput, error)
}

var _ Client = (*ecs.Client)(nil)

// Options holds what has a sensible default. The zero value is valid.
type Options struct {
	Now func() time.Time // default time.Now
}

// A Provider does ECS actions.
type Provider struct {
	connect credentials.Client[Client]
	blobs   blob.Store
	now     func() time.Time
}

var _ action.Provider = (*Provider)(nil)

// New returns a provider that calls the clients of connect and reads artifacts
// from blobs.
func New(connect credentials.Client[Client], blobs blob.Store, opts Options) (*Provider, error) {
	if connect == nil || blobs == nil {
		return nil, errors.New("ecs.New: clients and a blob store are required")
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Provider{connect, blobs, opts.Now}, nil
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

// A deployment is one look at one job.
type deployment struct {
	*Provider
	client           Client
	job              action.Job
	begin            bool // whether a revision may be registered
	cluster, service string
	file             string
	minutes          int // DeploymentTimeout, or 0
}

// maxMinutes is what DeploymentTimeout may be at most.
const maxMinutes = 60

func (p *Provider) open(ctx context.Context, job action.Job, begin bool) (*deployment, error) {
	conf := job.Action.Configuration
	d := &deployment{Provider: p, job: job, begin: begin, cluster: conf["ClusterName"], service: conf["ServiceName"], file: conf["FileName"]}
	if d.cluster == "" || d.service == "" {
		return nil, fault.Refuse(action.ConfigurationError, "Action %s needs a ClusterName, which is %q, and a ServiceName, which is %q", job.Action.Name, d.cluster, d.service)
	}
	if d.file == "" {
		d.file = "imagedefinitions.json"
	}
	if text := conf["DeploymentTimeout"]; text != "" {
		minutes, err := strconv.Atoi(text)
		if err != nil || minutes < 1 || minutes > maxMinutes {
			return nil, fault.Refuse(action.ConfigurationError, "DeploymentTimeout is %q; it has to be 1 to %d minutes", text, maxMinutes)
		}
		d.minutes = minutes
	}
	if len(job.Inputs) != 1 {
		return nil, fault.Refuse(action.ConfigurationError, "Action %s has %d input artifacts; an ECS deployment has one", job.Action.Name, len(job.Inputs))
	}
	var err error
	if d.client, err = p.connect(ctx, job); err != nil {
		return nil, fault.Of("use ECS", err)
	}
	return d, nil
}

// goOn finds out how far the job has come and takes the next step.
func (p *Provider) goOn(ctx context.Context, job action.Job, begin bool) (action.Result, error) {
	d, err := p.open(ctx, job, begin)
	if err != nil {
		return fault.Result(err)
	}
	r, err := d.goOn(ctx)
	if err != nil {
		return fault.Result(err)
	}
	return r, nil
}

func (d *deployment) goOn(ctx context.Context) (action.Result, error) {
	service, err := d.describe(ctx)
	if err != nil {
		return action.Result{}, err
	}
	rev, err := d.find(ctx, familyOf(aws.ToString(service.TaskDefinition)))
	if err != nil {
		return action.Result{}, err
	}
	if rev == nil {
		if fault.Overdue(d.job, d.now()) {
			return fault.TimedOut(d.job, "Nothing was deployed."), nil
		}
		if !d.begin {
			return action.Result{Status: pipeline.InProgress}, nil
		}
		if rev, err = d.register(ctx, service); err != nil {
			return action.Result{}, err
		}
	}
	if r, ended := d.recorded(rev); ended {
		return r, nil
	}
	return d.deploy(ctx, service, rev)
}

// describe returns the service.
func (d *deployment) describe(ctx context.Context) (*types.Service, error) {
	out, err := d.client.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: &d.cluster, Services: []string{d.service}})
	switch {
	case err != nil:
		return nil, fault.Of(fmt.Sprintf("describe service %s of cluster %s", d.service, d.cluster), err)
	case len(out.Services) == 0:
		return nil, fault.Refuse(action.ConfigurationError, "Service %s does not exist in cluster %s", d.service, d.cluster)
	case aws.ToString(out.Services[0].Status) != "ACTIVE":
		return nil, fault.Refuse(action.ConfigurationError, "Service %s of cluster %s is %s, not ACTIVE", d.service, d.cluster, aws.ToString(out.Services[0].Status))
	}
	return &out.Services[0], nil
}

// deploy brings rev into the service and tells how that stands (reference,
// Appendix B).
func (d *deployment) deploy(ctx context.Context, service *types.Service, rev *revision) (action.Result, error) {
	var primary, ours *types.Deployment
	for i := range service.Deployments {
		dep := &service.Deployments[i]
		if aws.ToString(dep.Status) == "PRIMARY" {
			primary = dep
		}
		if aws.ToString(dep.TaskDefinition) == rev.arn && ours == nil {
			ours = dep
		}
	}
	dated := !rev.registered.IsZero() // emulators leave it out
	late := fault.Overdue(d.job, d.now()) || dated && d.minutes > 0 && d.now().After(rev.registered.Add(time.Duration(d.minutes)*time.Minute))
	switch {
	case ours != nil && ours.RolloutState == types.DeploymentRolloutStateFailed:
		return d.end(ctx, rev, action.JobFailed, fmt.Sprintf("The deployment of %s failed: %s %s", rev.name(), aws.ToString(ours.RolloutStateReason), event(service)))
	case ours != nil && ours == primary && stable(service, ours):
		if fault.Overdue(d.job, aws.ToTime(ours.UpdatedAt)) {
			return d.end(ctx, rev, action.Timeout, "")
		}
		return d.end(ctx, rev, "", "")
	case ours == nil && primary != nil && dated && aws.ToTime(primary.CreatedAt).After(rev.registered):
		return d.end(ctx, rev, action.JobFailed, fmt.Sprintf("Another deployment, %s of %s, has replaced that of %s", aws.ToString(primary.Id), nameOf(aws.ToString(primary.TaskDefinition)), rev.name()))
	case ours != nil && ours != primary:
		return d.end(ctx, rev, action.JobFailed, fmt.Sprintf("Another deployment is replacing that of %s. %s", rev.name(), event(service)))
	case late:
		return d.end(ctx, rev, action.Timeout, event(service))
	case ours == nil:
		return d.update(ctx, rev)
	}
	return d.running(rev, aws.ToString(ours.Id), fmt.Sprintf("%d of %d tasks of %s are running", ours.RunningCount, ours.DesiredCount, rev.name())), nil
}

// stable reports whether nothing but dep is deployed, and all of it runs.
func stable(service *types.Service, dep *types.Deployment) bool {
	return (dep.RolloutState == types.DeploymentRolloutStateCompleted || dep.RolloutState == "") &&
		len(service.Deployments) == 1 && service.RunningCount == service.DesiredCount && dep.RunningCount == dep.DesiredCount
}

// event returns the newest thing the service said.
func event(service *types.Service) string {
	if len(service.Events) == 0 {
		return ""
	}
	return aws.ToString(service.Events[0].Message)
}

func (d *deployment) update(ctx context.Context, rev *revision) (action.Result, error) {
	out, err := d.client.UpdateService(ctx, &ecs.UpdateServiceInput{Cluster: &d.cluster, Service: &d.service, TaskDefinition: &rev.arn})
	if err != nil {
		return action.Result{}, fault.Of(fmt.Sprintf("update service %s of cluster %s to %s", d.service, d.cluster, rev.name()), err)
	}
	id := ""
	if out.Service != nil {
		for _, dep := range out.Service.Deployments {
			if aws.ToString(dep.TaskDefinition) == rev.arn {
				id = aws.ToString(dep.Id)
			}
		}
	}
	return d.running(rev, id, fmt.Sprintf("Service %s is being updated to %s", d.service, rev.name())), nil
}

func (d *deployment) running(rev *revision, id, summary string) action.Result {
	r := action.Result{Status: pipeline.InProgress, Summary: summary}
	d.identify(&r, rev)
	if id != "" {
		r.ExternalID = id
	}
	return r
}

// identify names the work. The id of the deployment is gone once another has
// taken its place, so that an end is named after its revision.
func (d *deployment) identify(r *action.Result, rev *revision) {
	r.ExternalID = rev.name()
	r.ExternalURL = fmt.Sprintf("%s/ecs/v2/clusters/%s/services/%s/deployments?region=%s", fault.Console(d.job.Region), nameOf(d.cluster), nameOf(d.service), d.job.Region)
}

// nameOf returns what an ARN says after its last slash.
func nameOf(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

// familyOf returns the family of a task definition.
func familyOf(arn string) string {
	family, _, _ := strings.Cut(nameOf(arn), ":")
	return family
}
