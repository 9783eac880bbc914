package ecs_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/actiontest"
	"github.com/sluice-ci/sluice/internal/action/aws/awsfake"
	"github.com/sluice-ci/sluice/internal/action/aws/credentials"
	"github.com/sluice-ci/sluice/internal/action/aws/ecs"
	"github.com/sluice-ci/sluice/internal/action/whole/wholetest"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// A fake is an ECS with services whose deployments take three looks.
type fake struct {
	awsfake.Service
	now         time.Time // a second goes by with each change
	revisions   []*revision
	services    map[string]*service
	deployments []string // task definitions that were begun to be deployed
	registered  []*sdk.RegisterTaskDefinitionInput
}

type revision struct {
	def  types.TaskDefinition
	tags []types.Tag
}

type service struct {
	types.Service
	looks  int
	breaks bool
	stuck  bool
}

func newFake() *fake {
	f := &fake{now: time.Now().Add(-time.Hour), services: map[string]*service{}}
	for range 3 {
		f.register(&sdk.RegisterTaskDefinitionInput{
			Family: aws.String("web"), TaskRoleArn: aws.String("arn:role"), Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("a")}},
			ContainerDefinitions: []types.ContainerDefinition{{Name: aws.String("app"), Image: aws.String("app:1")}, {Name: aws.String("proxy"), Image: aws.String("proxy:1")}},
		})
	}
	f.deployments, f.registered = nil, nil
	return f
}

func (f *fake) tick() *time.Time {
	f.now = f.now.Add(time.Second)
	now := f.now
	return &now
}

func (f *fake) register(in *sdk.RegisterTaskDefinitionInput) *revision {
	n := int32(len(f.revisions) + 1)
	r := &revision{tags: in.Tags, def: types.TaskDefinition{
		Family: in.Family, Revision: n, TaskDefinitionArn: aws.String(fmt.Sprintf("arn:aws:ecs:eu-west-1:111122223333:task-definition/%s:%d", *in.Family, n)),
		ContainerDefinitions: in.ContainerDefinitions, TaskRoleArn: in.TaskRoleArn, RegisteredAt: f.tick(),
	}}
	f.revisions, f.registered = append(f.revisions, r), append(f.registered, in)
	return r
}

// add adds a service that runs the third revision.
func (f *fake) add(name string) *service {
	s := &service{Service: types.Service{ServiceName: &name, Status: aws.String("ACTIVE"), DesiredCount: 2, RunningCount: 2}}
	f.services[name] = s
	f.deploy(s, f.revisions[2].def.TaskDefinitionArn)
	s.Deployments[0].RolloutState, s.Deployments[0].RunningCount = types.DeploymentRolloutStateCompleted, 2
	s.looks = 3
	f.deployments = f.deployments[:len(f.deployments)-1] // nobody's work
	return s
}

func (f *fake) deploy(s *service, arn *string) {
	for i := range s.Deployments {
		s.Deployments[i].Status = aws.String("ACTIVE")
	}
	f.deployments = append(f.deployments, *arn)
	s.TaskDefinition, s.looks = arn, 0
	s.Deployments = slices.Insert(s.Deployments, 0, types.Deployment{
		Id: aws.String(fmt.Sprintf("ecs-svc/%d", len(f.deployments))), Status: aws.String("PRIMARY"), TaskDefinition: arn, CreatedAt: f.tick(), UpdatedAt: f.tick(),
		DesiredCount: 2, RolloutState: types.DeploymentRolloutStateInProgress,
	})
}

func (f *fake) DescribeServices(_ context.Context, in *sdk.DescribeServicesInput, _ ...func(*sdk.Options)) (out *sdk.DescribeServicesOutput, err error) {
	err = f.Do("DescribeServices", func() error {
		if *in.Cluster != "main" {
			return awsfake.API("ClusterNotFoundException", "Cluster not found.")
		}
		s := f.services[in.Services[0]]
		out = &sdk.DescribeServicesOutput{}
		if s == nil {
			return nil
		}
		answer := s.Service
		answer.Deployments = slices.Clone(s.Deployments)
		out.Services = []types.Service{answer}
		switch s.looks++; {
		case s.looks != 3 || s.stuck:
		case s.breaks: // and is rolled back
			old := s.Deployments[1].TaskDefinition
			s.Deployments = s.Deployments[:1]
			f.deploy(s, old)
			s.Deployments[1].RolloutState, s.Deployments[1].RolloutStateReason = types.DeploymentRolloutStateFailed, aws.String("ECS deployment circuit breaker: tasks failed to start.")
			s.Events = []types.ServiceEvent{{Message: aws.String("(service web) was unable to place a task.")}}
			f.deployments = f.deployments[:len(f.deployments)-1]
			s.looks = 4
		default:
			s.Deployments = s.Deployments[:1]
			s.Deployments[0].RolloutState, s.Deployments[0].RunningCount, s.Deployments[0].UpdatedAt = types.DeploymentRolloutStateCompleted, 2, f.tick()
		}
		return nil
	})
	return out, err
}

func (f *fake) find(name string) *revision {
	for _, r := range slices.Backward(f.revisions) {
		if *r.def.TaskDefinitionArn == name || *r.def.Family == name || fmt.Sprintf("%s:%d", *r.def.Family, r.def.Revision) == name {
			return r
		}
	}
	return nil
}

func (f *fake) DescribeTaskDefinition(_ context.Context, in *sdk.DescribeTaskDefinitionInput, _ ...func(*sdk.Options)) (out *sdk.DescribeTaskDefinitionOutput, err error) {
	err = f.Do("DescribeTaskDefinition", func() error {
		r := f.find(*in.TaskDefinition)
		if r == nil {
			return awsfake.API("ClientException", "Unable to describe task definition.")
		}
		def := r.def
		out = &sdk.DescribeTaskDefinitionOutput{TaskDefinition: &def, Tags: slices.Clone(r.tags)}
		return nil
	})
	return out, err
}

func (f *fake) RegisterTaskDefinition(_ context.Context, in *sdk.RegisterTaskDefinitionInput, _ ...func(*sdk.Options)) (out *sdk.RegisterTaskDefinitionOutput, err error) {
	err = f.Do("RegisterTaskDefinition", func() error {
		def := f.register(in).def
		out = &sdk.RegisterTaskDefinitionOutput{TaskDefinition: &def}
		return nil
	})
	return out, err
}

func (f *fake) UpdateService(_ context.Context, in *sdk.UpdateServiceInput, _ ...func(*sdk.Options)) (out *sdk.UpdateServiceOutput, err error) {
	err = f.Do("UpdateService", func() error {
		s := f.services[*in.Service]
		if *s.TaskDefinition != *in.TaskDefinition {
			f.deploy(s, in.TaskDefinition)
		}
		answer := s.Service
		answer.Deployments = slices.Clone(s.Deployments)
		out = &sdk.UpdateServiceOutput{Service: &answer}
		return nil
	})
	return out, err
}

func (f *fake) TagResource(_ context.Context, in *sdk.TagResourceInput, _ ...func(*sdk.Options)) (out *sdk.TagResourceOutput, err error) {
	err = f.Do("TagResource", func() error {
		r := f.find(*in.ResourceArn)
		r.tags = append(slices.Clone(r.tags), in.Tags...)
		out = &sdk.TagResourceOutput{}
		return nil
	})
	return out, err
}

type setup struct {
	fake  *fake
	blobs *wholetest.Blobs
	opts  ecs.Options
	input action.Artifact
	jobs  int
}

func newSetup(t *testing.T) *setup {
	t.Helper()
	s := &setup{fake: newFake(), blobs: &wholetest.Blobs{}}
	s.input = s.blobs.Put(t, "Bin", awsfake.Zip(t, map[string]string{
		"imagedefinitions.json": `[{"name":"app","imageUri":"app:2"}]`,
		"wrong.json":            `[{"name":"ap","imageUri":"app:2"}]`,
		"list.json":             `{"ImageURI":"app:2"}`,
		"empty.json":            `[]`,
		"half.json":             `[{"name":"app"}]`,
		"big.json":              strings.Repeat(" ", 100_001),
	}))
	return s
}

func (s *setup) open(t *testing.T) action.Provider {
	t.Helper()
	p, err := ecs.New(credentials.Fixed[ecs.Client](s.fake), s.blobs, s.opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// job returns a new job that deploys to a service of its own.
func (s *setup) job(pairs ...string) action.Job {
	s.jobs++
	name := fmt.Sprint("web", s.jobs)
	s.fake.Look(func() { s.fake.add(name) })
	conf := map[string]string{"ClusterName": "main", "ServiceName": name}
	for i := 0; i < len(pairs); i += 2 {
		conf[pairs[i]] = pairs[i+1]
	}
	return action.Job{
		ID: fmt.Sprint("job-", s.jobs), Region: "eu-west-1", Inputs: []action.Artifact{s.input},
		Action: pipeline.Action{Name: "Deploy", Configuration: conf, TypeID: pipeline.ActionTypeID{Category: pipeline.Deploy, Owner: "AWS", Provider: "ECS", Version: "1"}},
	}
}

func (s *setup) service(job action.Job) *service {
	return s.fake.services[job.Action.Configuration["ServiceName"]]
}

// deployed returns how often revisions of the job were begun to be deployed.
func (s *setup) deployed(job action.Job) (n int) {
	s.fake.Look(func() {
		for _, arn := range s.fake.deployments {
			if slices.ContainsFunc(s.fake.find(arn).tags, func(tag types.Tag) bool { return *tag.Value == job.ID }) {
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
		s := newSetup(t)
		return actiontest.Harness{
			Open: func(t *testing.T, ended func(string)) action.Provider {
				return awsfake.Driven(t, s.open(t), ended)
			},
			Succeeds: func(*testing.T) action.Job { return s.job() },
			Fails: func(*testing.T) action.Job {
				job := s.job()
				s.fake.Look(func() { s.service(job).breaks = true })
				return job
			},
			Done:  func(_ *testing.T, job action.Job) int { return s.deployed(job) },
			Blobs: s.blobs,
		}
	})
}

func TestFailures(t *testing.T) {
	awsfake.Failures(t, func(t *testing.T) awsfake.Bench {
		s := newSetup(t)
		job := s.job()
		return awsfake.Bench{Provider: s.open(t), Service: &s.fake.Service, Job: job, Done: func() int { return s.deployed(job) }}
	}, "DescribeServices", "DescribeTaskDefinition", "RegisterTaskDefinition", "UpdateService", "TagResource")
}

func TestRegisters(t *testing.T) {
	s := newSetup(t)
	job := s.job()
	r := s.run(t, job)
	if r.Status != pipeline.Succeeded || r.Summary != "Service web1 runs web:4" || r.ExternalID != "web:4" {
		t.Fatalf("%+v %+v", r, r.Error)
	}
	if len(s.fake.registered) != 1 {
		t.Fatalf("%d revisions were registered", len(s.fake.registered))
	}
	in := s.fake.registered[0]
	if *in.ContainerDefinitions[0].Image != "app:2" || *in.ContainerDefinitions[1].Image != "proxy:1" || *s.fake.revisions[2].def.ContainerDefinitions[0].Image != "app:1" {
		t.Errorf("%+v", in.ContainerDefinitions)
	}
	if len(in.Tags) != 2 || *in.Tags[0].Key != "team" || *in.Tags[1].Key != "sluice:job" || *in.Tags[1].Value != job.ID {
		t.Errorf("tags %+v", in.Tags)
	}
	second := s.job("ServiceName", "web1")
	if r := s.run(t, second); r.Status != pipeline.Succeeded || len(s.fake.registered[1].Tags) != 2 {
		t.Errorf("%+v, tags %+v; want those of the job before left out", r, s.fake.registered[1].Tags)
	}
	for range 2 { // the end of the first is what it was, although its revision is gone from the service
		if again, err := s.open(t).Start(t.Context(), job); err != nil || !cmp.Equal(again, r) || s.deployed(job) != 1 {
			t.Errorf("%+v, %v", again, err)
		}
	}
}

// TestEveryFieldIsKept fills a task definition and looks for what the next
// revision would lose. It fails when a release of the SDK brings a new field.
// Inference accelerators are left out: ECS has them no more.
func TestEveryFieldIsKept(t *testing.T) {
	s := newSetup(t)
	def := reflect.ValueOf(&s.fake.revisions[2].def).Elem()
	in := reflect.TypeFor[sdk.RegisterTaskDefinitionInput]()
	for i := range in.NumField() {
		field := def.FieldByName(in.Field(i).Name)
		if !field.IsValid() || !in.Field(i).IsExported() || !field.IsZero() {
			continue
		}
		switch field.Kind() {
		case reflect.Pointer:
			field.Set(reflect.New(field.Type().Elem()))
		case reflect.Slice:
			field.Set(reflect.MakeSlice(field.Type(), 1, 1))
		case reflect.String:
			field.SetString("x")
		default:
			t.Fatalf("field %s is a %s", in.Field(i).Name, field.Kind())
		}
	}
	s.run(t, s.job())
	got := reflect.ValueOf(s.fake.registered[0]).Elem()
	for i := range in.NumField() {
		if in.Field(i).IsExported() && got.Field(i).IsZero() && in.Field(i).Name != "InferenceAccelerators" {
			t.Errorf("%s is lost", in.Field(i).Name)
		}
	}
}

func TestRefusals(t *testing.T) {
	tests := []struct {
		name  string
		pairs []string
		want  string
	}{
		{"unknown container", []string{"FileName", "wrong.json"}, `File wrong.json of artifact Bin names the container "ap", which task definition web:3 of service web1 does not have. It has: app, proxy`},
		{"no file", []string{"FileName", "images.json"}, "Artifact Bin has no file images.json"},
		{"no list", []string{"FileName", "list.json"}, "File list.json of artifact Bin: "},
		{"empty", []string{"FileName", "empty.json"}, "names no container"},
		{"no image", []string{"FileName", "half.json"}, `entry 1 needs a name, which is "app", and an imageUri, which is ""`},
		{"too big", []string{"FileName", "big.json"}, "more than 100000 bytes"},
		{"no service", []string{"ServiceName", "none"}, "Service none does not exist in cluster main"},
		{"no cluster", []string{"ClusterName", "none"}, "Could not describe service web1 of cluster none. ClusterNotFoundException: Cluster not found."},
		{"timeout", []string{"DeploymentTimeout", "61"}, `DeploymentTimeout is "61"; it has to be 1 to 60 minutes`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSetup(t)
			r := s.run(t, s.job(tt.pairs...))
			if r.Error == nil || r.Error.Code != action.ConfigurationError || !strings.Contains(r.Error.Message, tt.want) {
				t.Errorf("%s %+v; want %q", r.Status, r.Error, tt.want)
			}
			if len(s.fake.registered) > 0 {
				t.Error("a revision was registered")
			}
		})
	}
}

func TestCircuitBreaker(t *testing.T) {
	s := newSetup(t)
	job := s.job()
	s.service(job).breaks = true
	r := s.run(t, job)
	want := "The deployment of web:4 failed: ECS deployment circuit breaker: tasks failed to start. service web was unable to place a task."
	if r.Error == nil || r.Error.Code != action.JobFailed || r.Error.Message != want {
		t.Errorf("%+v %+v", r, r.Error)
	}
	s.fake.Look(func() { s.service(job).Deployments = s.service(job).Deployments[:1] })
	if again, err := s.open(t).Start(t.Context(), job); err != nil || !cmp.Equal(again, r) || s.deployed(job) != 1 {
		t.Errorf("once ECS has forgotten it: %+v, %v", again, err)
	}
}

// TestReplaced has another deployment begin between two looks, before or
// after the service was updated. The other one is not undone.
func TestReplaced(t *testing.T) {
	for _, op := range []string{"RegisterTaskDefinition", "UpdateService"} {
		s := newSetup(t)
		job := s.job()
		s.fake.Lose(op)
		if _, err := s.open(t).Start(t.Context(), job); err == nil {
			t.Fatal("the answer was not lost")
		}
		s.fake.Look(func() {
			s.fake.deploy(s.service(job), s.fake.revisions[0].def.TaskDefinitionArn)
			s.service(job).Deployments = s.service(job).Deployments[:1]
		})
		r := s.run(t, job)
		if r.Error == nil || !strings.Contains(r.Error.Message, "has replaced that of web:4") && !strings.Contains(r.Error.Message, "Another deployment") {
			t.Errorf("%s: %+v %+v", op, r, r.Error)
		}
		if got := *s.service(job).TaskDefinition; got != *s.fake.revisions[0].def.TaskDefinitionArn {
			t.Errorf("%s: the service has %s", op, got)
		}
	}
}

// TestOldestRevisionWins has two processes register a revision each.
func TestOldestRevisionWins(t *testing.T) {
	s := newSetup(t)
	job := s.job()
	s.fake.Look(func() {
		for range 2 {
			s.fake.register(&sdk.RegisterTaskDefinitionInput{Family: aws.String("web"), Tags: []types.Tag{{Key: aws.String("sluice:job"), Value: &job.ID}}})
		}
	})
	if r := s.run(t, job); r.ExternalID != "web:4" || len(s.fake.deployments) != 1 {
		t.Errorf("%+v after %v", r, s.fake.deployments)
	}
}

func TestPollBeginsNothing(t *testing.T) {
	s := newSetup(t)
	if r, err := s.open(t).Poll(t.Context(), s.job()); err != nil || r.Status != pipeline.InProgress || len(s.fake.registered) > 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestDeploymentTimeout(t *testing.T) {
	s := newSetup(t)
	job := s.job("DeploymentTimeout", "5")
	s.service(job).stuck = true
	s.opts.Now = func() time.Time { return s.fake.now }
	if r, err := s.open(t).Start(t.Context(), job); err != nil || r.Status != pipeline.InProgress || r.ExternalID != "ecs-svc/1" {
		t.Fatalf("%+v, %v", r, err)
	}
	s.opts.Now = func() time.Time { return s.fake.now.Add(4 * time.Minute) }
	if r, err := s.open(t).Poll(t.Context(), job); err != nil || r.Status != pipeline.InProgress {
		t.Fatalf("%+v, %v", r, err)
	}
	s.opts.Now = func() time.Time { return s.fake.now.Add(6 * time.Minute) }
	r, err := s.open(t).Poll(t.Context(), job)
	if err != nil || r.Error == nil || r.Error.Code != action.Timeout {
		t.Fatalf("%+v, %v", r, err)
	}
	s.service(job).stuck = false
	for range 3 {
		if again, err := s.open(t).Poll(t.Context(), job); err != nil || !cmp.Equal(again, r) {
			t.Errorf("%+v, %v", again, err)
		}
	}
}
