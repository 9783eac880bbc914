// Package codebuild is the provider of CodeBuild's Build and Test actions in
// an AWS account: it starts builds of the user's own projects and tells how
// they stand (reference 5.3 and 6.8).
//
// A project for pipelines has source and artifacts of the type CODEPIPELINE,
// to which nobody but that service is entitled. So a build is started with
// overrides: its sources are the input artifacts where they lie in S3, its
// artifacts go to where the outputs belong. CODEBUILD_INITIATOR names the
// role, not the pipeline, and nobody verifies the digest of an input that the
// build downloads.
//
// # Once
//
// A build carries the id of its job in the variable [JobVariable], and the
// request has that id as its idempotency token. CodeBuild knows a token for
// five minutes; a build is found by the variable for as long as its project
// lists it. Start looks before it starts, so whichever process died when,
// there is one build for a job. A role that may not list builds has the five
// minutes only.
//
// An output that the build did not write is left out, as CodeBuild does when
// the buildspec declares no artifacts. One that it wrote is read once, for its
// digest. Of a batch whose artifacts are not combined nobody knows where they
// are; it has no outputs. A batch exports no variables.
//
// IAM actions of the action's role: codebuild:StartBuild BatchGetBuilds
// ListBuildsForProject StopBuild; with BatchEnabled codebuild:StartBuildBatch
// BatchGetBuildBatches ListBuildBatchesForProject StopBuildBatch. Of whoever
// reads outputs: s3:GetObject on the artifact bucket. The role of the project
// needs s3:GetObject, s3:GetObjectVersion and s3:PutObject there, and the key.
package codebuild

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/codebuild"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/credentials"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// JobVariable is the environment variable of a build that says which job it
// does.
const JobVariable = "SLUICE_ACTION_EXECUTION_ID"

// CodeBuild is what the provider needs of *codebuild.Client.
type CodeBuild interface {
	StartBuild(context.Context, *codebuild.StartBuildInput, ...func(*codebuild.Options)) (*codebuild.StartBuildOutput, error)
	BatchGetBuilds(context.Context, *codebuild.BatchGetBuildsInput, ...func(*codebuild.Options)) (*codebuild.BatchGetBuildsOutput, error)
	ListBuildsForProject(context.Context, *codebuild.ListBuildsForProjectInput, ...func(*codebuild.Options)) (*codebuild.ListBuildsForProjectOutput, error)
	StopBuild(context.Context, *codebuild.StopBuildInput, ...func(*codebuild.Options)) (*codebuild.StopBuildOutput, error)

	StartBuildBatch(context.Context, *codebuild.StartBuildBatchInput, ...func(*codebuild.Options)) (*codebuild.StartBuildBatchOutput, error)
	BatchGetBuildBatches(context.Context, *codebuild.BatchGetBuildBatchesInput, ...func(*codebuild.Options)) (*codebuild.BatchGetBuildBatchesOutput, error)
	ListBuildBatchesForProject(context.Context, *codebuild.ListBuildBatchesForProjectInput, ...func(*codebuild.Options)) (*codebuild.ListBuildBatchesForProjectOutput, error)
	StopBuildBatch(context.Context, *codebuild.StopBuildBatchInput, ...func(*codebuild.Options)) (*codebuild.StopBuildBatchOutput, error)
}

// Objects is what the provider needs of *s3.Client to read outputs.
type Objects interface {
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
}

var (
	_ CodeBuild = (*codebuild.Client)(nil)
	_ Objects   = (*s3.Client)(nil)
)

// Ports are what a Provider is made of. All are required.
type Ports struct {
	Client  credentials.Client[CodeBuild]
	Objects credentials.Client[Objects] // of the artifact buckets
	Blobs   blob.Store                  // the same buckets; inputs that say what to clone are read

	// Known returns the external id that was recorded for a job, "" if none.
	Known func(ctx context.Context, job action.Job) (string, error)
}

// Options holds what has a sensible default. The zero value is valid.
type Options struct {
	Now func() time.Time // default time.Now

	// EncryptionKey returns the key of KMS for a job's outputs; "", the
	// default, is the project's.
	EncryptionKey func(action.Job) string
}

// A Provider does CodeBuild actions. It keeps no state of its own.
type Provider struct {
	Ports
	opts Options
}

var _ action.Provider = (*Provider)(nil)

// New returns a Provider.
func New(ports Ports, opts Options) (*Provider, error) {
	if ports.Client == nil || ports.Objects == nil || ports.Blobs == nil || ports.Known == nil {
		return nil, errors.New("codebuild.New: all ports are required")
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.EncryptionKey == nil {
		opts.EncryptionKey = func(action.Job) string { return "" }
	}
	return &Provider{ports, opts}, nil
}

// Start implements action.Provider.
func (p *Provider) Start(ctx context.Context, job action.Job) (action.Result, error) {
	c, err := p.calls(ctx, job)
	if err != nil {
		return failure(job, err)
	}
	b, err := p.find(ctx, c, job)
	if err != nil && !errors.Is(err, errUnlisted) {
		return failure(job, err)
	}
	if b == nil {
		request, err := p.request(ctx, job)
		if err != nil {
			return failure(job, err)
		}
		if b, err = c.start(ctx, request); err != nil {
			return failure(job, err)
		}
	}
	return p.stands(ctx, c, job, b)
}

// Poll implements action.Provider.
func (p *Provider) Poll(ctx context.Context, job action.Job) (action.Result, error) {
	c, err := p.calls(ctx, job)
	if err != nil {
		return failure(job, err)
	}
	b, err := p.find(ctx, c, job)
	switch {
	case errors.Is(err, errUnlisted):
		return action.Result{}, err
	case err != nil:
		return failure(job, err)
	case b != nil:
		return p.stands(ctx, c, job, b)
	}
	if _, err := p.request(ctx, job); err != nil { // then Start has said so
		return failure(job, err)
	}
	return action.Result{Status: action.Lost}, nil
}

// Stop implements action.Provider.
func (p *Provider) Stop(ctx context.Context, job action.Job) error {
	c, err := p.calls(ctx, job)
	if err != nil {
		return err
	}
	b, err := p.find(ctx, c, job)
	if err != nil || b == nil || b.ended() {
		return err
	}
	return c.stop(ctx, b.id)
}

// calls returns the calls that do a job.
func (p *Provider) calls(ctx context.Context, job action.Job) (calls, error) {
	client, err := p.Client(ctx, job)
	if err != nil {
		return nil, err
	}
	if batch(job) {
		return batches{client, combined(job)}, nil
	}
	return builds{client}, nil
}

// batch reports whether a job is a batch of builds.
func batch(job action.Job) bool {
	return strings.EqualFold(job.Action.Configuration["BatchEnabled"], "true")
}

// combined reports whether the builds of a batch leave one artifact.
func combined(job action.Job) bool {
	return strings.EqualFold(job.Action.Configuration["CombineArtifacts"], "true")
}

// stands says how a job stands whose build is b. One that ended too late has
// timed out, whoever notices when.
func (p *Provider) stands(ctx context.Context, c calls, job action.Job, b *build) (action.Result, error) {
	r, err := action.Result{Status: pipeline.InProgress}, error(nil)
	switch {
	case !b.ended() && fault.Overdue(job, p.opts.Now()):
		return p.overdue(ctx, c, job, b)
	case !b.ended():
	case late(job, b):
		r = fault.TimedOut(job, fmt.Sprintf("Build %s ended later, as %s.", b.id, b.status))
	case b.status == "SUCCEEDED":
		r.Status, r.Variables = pipeline.Succeeded, b.exported
		r.Outputs, err = p.outputs(ctx, job, b)
		if refused, ok := errors.AsType[*fault.Refusal](err); ok {
			r, err = action.Fail(refused.Type, refused.Message), nil
		}
	default:
		r = action.Fail(action.JobFailed, "Build terminated with state: "+b.status+b.why)
		r.Summary = "Build terminated with state: " + b.status
	}
	if err != nil {
		return action.Result{}, err
	}
	return about(job, b, r), nil
}

// overdue stops a build whose job has timed out. The job has even if its role
// may not stop builds.
func (p *Provider) overdue(ctx context.Context, c calls, job action.Job, b *build) (action.Result, error) {
	err := c.stop(ctx, b.id)
	if err != nil && fault.Type(err) == action.SystemUnavailable {
		return action.Result{}, fault.Of("stop build "+b.id, err)
	}
	if err != nil {
		return about(job, b, fault.TimedOut(job, fmt.Sprintf("Build %s goes on. %v.", b.id, fault.Of("stop it", err)))), nil
	}
	again, err := c.get(ctx, []string{b.id})
	switch {
	case err != nil || len(again) != 1:
		return action.Result{}, errors.Join(err, fmt.Errorf("build %s was stopped at its deadline and cannot be read", b.id))
	case !again[0].ended():
		return about(job, b, action.Result{Status: pipeline.InProgress}), nil
	}
	return p.stands(ctx, c, job, &again[0])
}

// late reports whether a build that has ended did so after its job's deadline.
// One that was stopped right before was stopped for that, by another clock.
func late(job action.Job, b *build) bool {
	end := b.end
	if b.status == "STOPPED" {
		end = end.Add(time.Minute)
	}
	return fault.Overdue(job, end)
}

// about returns r with what is known of the build.
func about(job action.Job, b *build, r action.Result) action.Result {
	r.ExternalID, r.ExternalURL = b.id, page(job, b.id)
	return r
}

// page is the page of a build in the console.
func page(job action.Job, id string) string {
	kind := "builds"
	if batch(job) {
		kind = "batch-builds"
	}
	return fmt.Sprintf("%s/codebuild/home?region=%s#/%s/%s/view/new", fault.Console(job.Region), job.Region, kind, url.PathEscape(id))
}

// Concerns returns the external id of the job that an event is about, and
// whether its build has ended. detail is that of an EventBridge event of the
// type "CodeBuild Build State Change". Nothing but the id is to be believed:
// Poll says how the build really stands.
func Concerns(detail []byte) (externalID string, ended bool, err error) {
	var d struct {
		Project string `json:"project-name"`
		Build   string `json:"build-id"` // an ARN
		Status  string `json:"build-status"`
	}
	if err := json.Unmarshal(detail, &d); err != nil {
		return "", false, fmt.Errorf("detail of a CodeBuild event: %w", err)
	}
	_, id, ok := strings.Cut(d.Build, ":build/")
	if !ok || id == "" || d.Status == "" || !strings.HasPrefix(id, d.Project+":") {
		return "", false, fmt.Errorf("detail of a CodeBuild event: build-id %.200q of project %.200q with status %.50q", d.Build, d.Project, d.Status)
	}
	return id, d.Status != "IN_PROGRESS", nil
}
