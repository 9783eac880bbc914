package codedeploy_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/actiontest"
	"github.com/sluice-ci/sluice/internal/action/aws/awsfake"
	"github.com/sluice-ci/sluice/internal/action/aws/codedeploy"
	"github.com/sluice-ci/sluice/internal/action/aws/credentials"
	"github.com/sluice-ci/sluice/internal/action/whole/wholetest"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// A fake is a CodeDeploy whose deployments take three looks. A group has one
// at a time.
type fake struct {
	awsfake.Service
	deployments []*types.DeploymentInfo
	hidden      bool // new deployments are not listed yet
	stuck       bool
}

var steps = []types.DeploymentStatus{types.DeploymentStatusCreated, types.DeploymentStatusQueued, types.DeploymentStatusInProgress, types.DeploymentStatusReady}

// pass takes a deployment a step on.
func (f *fake) pass(d *types.DeploymentInfo) {
	switch i := slices.Index(steps, d.Status); {
	case i < 0 || f.stuck:
	case i+1 < len(steps):
		d.Status = steps[i+1]
	default:
		d.Status, d.CompleteTime = types.DeploymentStatusSucceeded, aws.Time(time.Now())
		if strings.HasPrefix(*d.ApplicationName, "fails") {
			d.Status = types.DeploymentStatusFailed
			d.ErrorInformation = &types.ErrorInformation{Code: types.ErrorCodeHealthConstraints, Message: aws.String("too few healthy instances")}
		}
	}
}

func (f *fake) CreateDeployment(_ context.Context, in *sdk.CreateDeploymentInput, _ ...func(*sdk.Options)) (out *sdk.CreateDeploymentOutput, err error) {
	err = f.Do("CreateDeployment", func() error {
		if *in.ApplicationName == "none" {
			return awsfake.API("ApplicationDoesNotExistException", "No application found for name: none")
		}
		for _, d := range f.deployments {
			if *d.ApplicationName == *in.ApplicationName && slices.Contains(steps, d.Status) {
				return awsfake.API("DeploymentLimitExceededException", "The Deployment Group 'g' already has an active Deployment '"+*d.DeploymentId+"'")
			}
		}
		id := fmt.Sprintf("d-%09X", len(f.deployments)+1)
		f.deployments = append(f.deployments, &types.DeploymentInfo{
			DeploymentId: &id, ApplicationName: in.ApplicationName, DeploymentGroupName: in.DeploymentGroupName, Description: in.Description,
			Revision: in.Revision, Status: types.DeploymentStatusCreated, CreateTime: aws.Time(time.Now()),
		})
		out = &sdk.CreateDeploymentOutput{DeploymentId: &id}
		return nil
	})
	return out, err
}

// ListDeployments answers in pages of two.
func (f *fake) ListDeployments(_ context.Context, in *sdk.ListDeploymentsInput, _ ...func(*sdk.Options)) (out *sdk.ListDeploymentsOutput, err error) {
	err = f.Do("ListDeployments", func() error {
		var ids []string
		for _, d := range f.deployments {
			if *d.ApplicationName == *in.ApplicationName && !f.hidden && (in.CreateTimeRange == nil || !d.CreateTime.Before(*in.CreateTimeRange.Start)) {
				ids = append(ids, *d.DeploymentId)
			}
		}
		from := len(aws.ToString(in.NextToken))
		out = &sdk.ListDeploymentsOutput{Deployments: ids[from:min(from+2, len(ids))]}
		if from+2 < len(ids) {
			out.NextToken = aws.String(strings.Repeat(".", from+2))
		}
		return nil
	})
	return out, err
}

func (f *fake) BatchGetDeployments(_ context.Context, in *sdk.BatchGetDeploymentsInput, _ ...func(*sdk.Options)) (out *sdk.BatchGetDeploymentsOutput, err error) {
	err = f.Do("BatchGetDeployments", func() error {
		out = &sdk.BatchGetDeploymentsOutput{}
		for _, d := range f.deployments {
			if slices.Contains(in.DeploymentIds, *d.DeploymentId) {
				out.DeploymentsInfo = append(out.DeploymentsInfo, *d)
				f.pass(d)
			}
		}
		return nil
	})
	return out, err
}

func (f *fake) StopDeployment(_ context.Context, in *sdk.StopDeploymentInput, _ ...func(*sdk.Options)) (out *sdk.StopDeploymentOutput, err error) {
	err = f.Do("StopDeployment", func() error {
		for _, d := range f.deployments {
			if *d.DeploymentId == *in.DeploymentId {
				d.Status, d.CompleteTime = types.DeploymentStatusStopped, aws.Time(time.Now())
				d.ErrorInformation = &types.ErrorInformation{Code: types.ErrorCodeManualStop, Message: aws.String("Deployment was stopped by user.")}
			}
		}
		out = &sdk.StopDeploymentOutput{}
		return nil
	})
	return out, err
}

type setup struct {
	fake *fake
	opts codedeploy.Options
	jobs int
}

func (s *setup) open(t *testing.T) action.Provider {
	t.Helper()
	p, err := codedeploy.New(credentials.Fixed[codedeploy.Client](s.fake), s.opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (s *setup) job(application string) action.Job {
	s.jobs++
	return action.Job{
		ID: fmt.Sprintf("job-%d.", s.jobs), Region: "eu-west-1", Deadline: time.Now().Add(5 * 24 * time.Hour),
		Inputs: []action.Artifact{{Name: "Bin", Ref: blob.Ref{Bucket: "artifacts", Key: "pipe/Bin/abc"}}},
		Action: pipeline.Action{Name: "Deploy", Configuration: map[string]string{"ApplicationName": application, "DeploymentGroupName": "g"},
			TypeID: pipeline.ActionTypeID{Category: pipeline.Deploy, Owner: "AWS", Provider: "CodeDeploy", Version: "1"}},
	}
}

func (s *setup) created(job action.Job) (n int) {
	s.fake.Look(func() {
		for _, d := range s.fake.deployments {
			if strings.Contains(*d.Description, job.ID) {
				n++
			}
		}
	})
	return n
}

func (s *setup) run(t *testing.T, job action.Job) action.Result {
	t.Helper()
	return awsfake.ToEnd(t, func() action.Provider { return s.open(t) }, job)
}

func TestContract(t *testing.T) {
	actiontest.Run(t, func(t *testing.T) actiontest.Harness {
		s := &setup{fake: &fake{}}
		return actiontest.Harness{
			Open: func(t *testing.T, ended func(string)) action.Provider {
				return awsfake.Driven(t, s.open(t), ended)
			},
			Succeeds: func(*testing.T) action.Job { return s.job("web") },
			Fails:    func(*testing.T) action.Job { return s.job("fails") },
			Blocks: func(*testing.T) (action.Job, func()) {
				s.fake.stuck = true
				return s.job("web"), func() {}
			},
			Done:  func(_ *testing.T, job action.Job) int { return s.created(job) },
			Blobs: &wholetest.Blobs{},
		}
	})
}

func TestFailures(t *testing.T) {
	awsfake.Failures(t, func(t *testing.T) awsfake.Bench {
		s := &setup{fake: &fake{}}
		s.run(t, s.job("web")) // so that there is something to describe
		job := s.job("web")
		return awsfake.Bench{Provider: s.open(t), Service: &s.fake.Service, Job: job, Done: func() int { return s.created(job) }}
	}, "ListDeployments", "BatchGetDeployments", "CreateDeployment")
}

// TestFindsAmongMany has the job's deployment on a later page, and deployments
// of before the job left out.
func TestFindsAmongMany(t *testing.T) {
	s := &setup{fake: &fake{}}
	for range 5 {
		s.run(t, s.job("web"))
	}
	job := s.job("web")
	r := s.run(t, job)
	if r.Status != pipeline.Succeeded || s.created(job) != 1 || r.ExternalID != "d-000000006" {
		t.Errorf("%+v", r)
	}
	if want := "https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-000000006?region=eu-west-1"; r.ExternalURL != want {
		t.Errorf("URL %s", r.ExternalURL)
	}
	if diff := cmp.Diff(&types.S3Location{Bucket: aws.String("artifacts"), Key: aws.String("pipe/Bin/abc"), BundleType: "zip"}, s.fake.deployments[5].Revision.S3Location, cmp.AllowUnexported(types.S3Location{})); diff != "" {
		t.Error(diff)
	}
}

// TestUnlistedIsFound starts a job again while its deployment is not listed
// yet: the refusal names it.
func TestUnlistedIsFound(t *testing.T) {
	s := &setup{fake: &fake{hidden: true}}
	job := s.job("web")
	for range 3 {
		if r, err := s.open(t).Start(t.Context(), job); err != nil || r.Status != pipeline.InProgress || r.ExternalID != "d-000000001" {
			t.Fatalf("%+v, %v", r, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	s := &setup{fake: &fake{stuck: true}}
	if r := s.run(t, s.job("none")); r.Error == nil || r.Error.Code != action.ConfigurationError || !strings.Contains(r.Error.Message, "application none. ApplicationDoesNotExistException: No application") {
		t.Errorf("%+v %+v", r, r.Error)
	}
	if _, err := s.open(t).Start(t.Context(), s.job("web")); err != nil {
		t.Fatal(err)
	}
	if r := s.run(t, s.job("web")); r.Error == nil || r.Error.Code != action.JobFailed || !strings.Contains(r.Error.Message, "already has an active Deployment 'd-000000001'") {
		t.Errorf("a group that is busy: %+v %+v", r, r.Error)
	}
	if r := s.run(t, s.job("")); r.Error == nil || r.Error.Code != action.ConfigurationError || !strings.Contains(r.Error.Message, "no ApplicationName") {
		t.Errorf("%+v %+v", r, r.Error)
	}
}

func TestFailedDeployment(t *testing.T) {
	s := &setup{fake: &fake{}}
	if r := s.run(t, s.job("fails")); r.Error == nil || r.Error.Message != "Deployment d-000000001 is Failed. HEALTH_CONSTRAINTS: too few healthy instances" {
		t.Errorf("%+v %+v", r, r.Error)
	}
}

// TestStopAfterDeadline does what the orchestrator does when time is up. What
// Stop did does not change what the job was told.
func TestStopAfterDeadline(t *testing.T) {
	s := &setup{fake: &fake{stuck: true}}
	job := s.job("web")
	if _, err := s.open(t).Start(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	job.Deadline = time.Now()
	s.opts.Now = func() time.Time { return job.Deadline.Add(time.Second) }
	want, err := s.open(t).Poll(t.Context(), job)
	if err != nil || want.Error == nil || want.Error.Code != action.Timeout {
		t.Fatalf("%+v, %v", want, err)
	}
	for range 2 {
		if err := s.open(t).Stop(t.Context(), job); err != nil {
			t.Fatal(err)
		}
	}
	if r, err := s.open(t).Poll(t.Context(), job); err != nil || !cmp.Equal(r, want) || s.fake.Calls("StopDeployment") != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}
