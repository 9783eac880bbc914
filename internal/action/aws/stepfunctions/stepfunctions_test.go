package stepfunctions_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/actiontest"
	"github.com/sluice-ci/sluice/internal/action/aws/awsfake"
	"github.com/sluice-ci/sluice/internal/action/aws/credentials"
	"github.com/sluice-ci/sluice/internal/action/aws/stepfunctions"
	"github.com/sluice-ci/sluice/internal/action/whole/wholetest"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

const (
	standard = "arn:aws:states:eu-west-1:111122223333:stateMachine:deploy"
	express  = "arn:aws:states:eu-west-1:111122223333:stateMachine:express"
)

// A fake is a Step Functions whose executions take three looks.
type fake struct {
	awsfake.Service
	executions map[string]*execution // by ARN
	started    []string              // names
	fails      bool                  // what new executions do
	stuck      bool
	repeated   bool // a running execution is refused as well, as with another input
	unseen     int  // looks that do not see an execution yet
}

type execution struct {
	input string
	left  int // looks
	end   types.ExecutionStatus
	stop  time.Time
}

func (f *fake) StartExecution(_ context.Context, in *sfn.StartExecutionInput, _ ...func(*sfn.Options)) (out *sfn.StartExecutionOutput, err error) {
	err = f.Do("StartExecution", func() error {
		if *in.StateMachineArn == express {
			f.started = append(f.started, *in.Name)
			out = &sfn.StartExecutionOutput{ExecutionArn: aws.String("arn:aws:states:eu-west-1:111122223333:express:express:" + *in.Name + ":1")}
			return nil
		}
		base, _, _ := strings.Cut(strings.TrimPrefix(*in.StateMachineArn, "arn:aws:states:eu-west-1:111122223333:stateMachine:"), ":")
		arn := "arn:aws:states:eu-west-1:111122223333:execution:" + base + ":" + *in.Name
		switch e := f.executions[arn]; {
		case e == nil:
			f.started = append(f.started, *in.Name)
			f.executions[arn] = &execution{input: *in.Input, left: 3, end: types.ExecutionStatusSucceeded}
			if f.fails {
				f.executions[arn].end = types.ExecutionStatusFailed
			}
		case e.left == 0 || f.repeated:
			return awsfake.API("ExecutionAlreadyExists", "Execution Already Exists: '"+arn+"'")
		}
		out = &sfn.StartExecutionOutput{ExecutionArn: &arn}
		return nil
	})
	return out, err
}

func (f *fake) DescribeExecution(_ context.Context, in *sfn.DescribeExecutionInput, _ ...func(*sfn.Options)) (out *sfn.DescribeExecutionOutput, err error) {
	err = f.Do("DescribeExecution", func() error {
		e := f.executions[*in.ExecutionArn]
		if e == nil || f.unseen > 0 {
			f.unseen--
			return awsfake.API("ExecutionDoesNotExist", "Execution Does Not Exist: '"+*in.ExecutionArn+"'")
		}
		out = &sfn.DescribeExecutionOutput{ExecutionArn: in.ExecutionArn, Status: types.ExecutionStatusRunning}
		if e.left > 0 {
			if !f.stuck {
				e.left--
			}
			return nil
		}
		if e.stop.IsZero() {
			e.stop = time.Now()
		}
		out.Status, out.StopDate = e.end, &e.stop
		if e.end == types.ExecutionStatusSucceeded {
			out.Output = aws.String(`{"got":` + e.input + `}`)
		} else {
			out.Error, out.Cause = aws.String("Boom"), aws.String("it broke")
		}
		return nil
	})
	return out, err
}

func (f *fake) DescribeStateMachine(_ context.Context, in *sfn.DescribeStateMachineInput, _ ...func(*sfn.Options)) (out *sfn.DescribeStateMachineOutput, err error) {
	err = f.Do("DescribeStateMachine", func() error {
		kind := types.StateMachineTypeStandard
		switch {
		case *in.StateMachineArn == express:
			kind = types.StateMachineTypeExpress
		case !strings.HasPrefix(*in.StateMachineArn, standard):
			return awsfake.API("StateMachineDoesNotExist", "State Machine Does Not Exist: '"+*in.StateMachineArn+"'")
		}
		out = &sfn.DescribeStateMachineOutput{Type: kind}
		return nil
	})
	return out, err
}

type setup struct {
	fake  *fake
	blobs *wholetest.Blobs
	opts  stepfunctions.Options
	input action.Artifact
	jobs  int
}

func newSetup(t *testing.T) *setup {
	t.Helper()
	s := &setup{fake: &fake{executions: map[string]*execution{}}, blobs: &wholetest.Blobs{}}
	s.input = s.blobs.Put(t, "In", awsfake.Zip(t, map[string]string{"assets/input.json": `{"a":1}`, "bad.json": "{"}))
	return s
}

func (s *setup) open(t *testing.T) action.Provider {
	t.Helper()
	p, err := stepfunctions.New(credentials.Fixed[stepfunctions.Client](s.fake), s.blobs, s.opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (s *setup) job(pairs ...string) action.Job {
	s.jobs++
	id := fmt.Sprintf("11111111-aaaa-4bbb-8ccc-%012d", s.jobs)
	conf := map[string]string{"StateMachineArn": standard}
	for i := 0; i < len(pairs); i += 2 {
		conf[pairs[i]] = pairs[i+1]
	}
	return action.Job{
		ID: id, Region: "eu-west-1",
		Inputs:  []action.Artifact{s.input},
		Outputs: []action.Artifact{{Name: "Out", Ref: blob.Ref{Bucket: "artifacts", Key: "out/" + id}}},
		Action: pipeline.Action{Name: "Invoke", Configuration: conf,
			TypeID: pipeline.ActionTypeID{Category: pipeline.Invoke, Owner: "AWS", Provider: "StepFunctions", Version: "1"}},
	}
}

func (s *setup) run(t *testing.T, job action.Job) action.Result {
	t.Helper()
	return awsfake.ToEnd(t, func() action.Provider { return s.open(t) }, job)
}

func TestContract(t *testing.T) {
	for _, repeated := range []bool{false, true} {
		actiontest.Run(t, func(t *testing.T) actiontest.Harness {
			s := newSetup(t)
			s.fake.repeated = repeated
			return actiontest.Harness{
				Open: func(t *testing.T, ended func(string)) action.Provider {
					return awsfake.Driven(t, s.open(t), ended)
				},
				Succeeds: func(*testing.T) action.Job { return s.job() },
				Fails:    func(*testing.T) action.Job { s.fake.fails = true; return s.job() },
				Done: func(_ *testing.T, job action.Job) (n int) {
					s.fake.Look(func() { n = strings.Count(strings.Join(s.fake.started, " "), job.ID) })
					return n
				},
				Blobs: s.blobs,
			}
		})
	}
}

func TestFailures(t *testing.T) {
	awsfake.Failures(t, func(t *testing.T) awsfake.Bench {
		s := newSetup(t)
		return awsfake.Bench{Provider: s.open(t), Service: &s.fake.Service, Job: s.job(), Done: func() int { return len(s.fake.started) }}
	}, "StartExecution", "DescribeStateMachine", "DescribeExecution")
}

func TestStandard(t *testing.T) {
	tests := []struct {
		name  string
		pairs []string
		input string
	}{
		{"nothing", nil, `{}`},
		{"literal", []string{"InputType", "Literal", "Input", `{"b":2}`}, `{"b":2}`},
		{"file", []string{"InputType", "FilePath", "Input", "assets/input.json"}, `{"a":1}`},
		{"alias", []string{"StateMachineArn", standard + ":PROD"}, `{}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSetup(t)
			job := s.job(append([]string{"ExecutionNamePrefix", "web_1"}, tt.pairs...)...)
			r := s.run(t, job)
			arn := "arn:aws:states:eu-west-1:111122223333:execution:deploy:web_1-" + job.ID
			if r.Status != pipeline.Succeeded || r.ExternalID != arn || !strings.HasSuffix(r.ExternalURL, "#/v2/executions/details/"+arn) {
				t.Fatalf("%+v %+v", r, r.Error)
			}
			if diff := cmp.Diff(map[string]string{"StateMachineArn": job.Action.Configuration["StateMachineArn"], "ExecutionArn": arn}, r.Variables); diff != "" {
				t.Error(diff)
			}
			if got := string(s.blobs.Content(t, r.Outputs[0].Ref)); got != `{"got":`+tt.input+`}` {
				t.Errorf("output %s", got)
			}
		})
	}
}

// TestStartedMeanwhile has another process start the job between the look and
// the call.
func TestStartedMeanwhile(t *testing.T) {
	s := newSetup(t)
	s.fake.repeated = true
	job := s.job()
	if _, err := s.open(t).Start(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	s.fake.unseen = 1
	if r, err := s.open(t).Start(t.Context(), job); err != nil || r.Status != pipeline.InProgress || r.ExternalID == "" || len(s.fake.started) != 1 {
		t.Errorf("%+v %+v, %v", r, r.Error, err)
	}
}

func TestExpress(t *testing.T) {
	s := newSetup(t)
	r, err := s.open(t).Start(t.Context(), s.job("StateMachineArn", express))
	if err != nil || r.Status != pipeline.Succeeded || len(r.Outputs) > 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	if diff := cmp.Diff(map[string]string{"StateMachineArn": express}, r.Variables); diff != "" {
		t.Error(diff)
	}
}

func TestRefusals(t *testing.T) {
	tests := []struct {
		name  string
		pairs []string
		want  string
	}{
		{"no ARN", []string{"StateMachineArn", "deploy"}, `StateMachineArn is "deploy"`},
		{"unknown machine", []string{"StateMachineArn", "arn:aws:states:eu-west-1:111122223333:stateMachine:none"}, "StateMachineDoesNotExist: State Machine Does Not Exist"},
		{"long prefix", []string{"ExecutionNamePrefix", strings.Repeat("a", 44)}, "at most 43 characters"},
		{"odd prefix", []string{"ExecutionNamePrefix", "a b"}, `ExecutionNamePrefix is "a b"`},
		{"input type", []string{"InputType", "File"}, `InputType is "File"`},
		{"no path", []string{"InputType", "FilePath"}, "it needs a path in Input"},
		{"no file", []string{"InputType", "FilePath", "Input", "input.json"}, "Artifact In has no file input.json; it has assets/input.json"},
		{"bad literal", []string{"Input", "{"}, "is not JSON"},
		{"bad file", []string{"InputType", "FilePath", "Input", "bad.json"}, "is not JSON"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSetup(t)
			r := s.run(t, s.job(tt.pairs...))
			if r.Error == nil || r.Error.Code != action.ConfigurationError || !strings.Contains(r.Error.Message, tt.want) {
				t.Errorf("%s %+v; want %q", r.Status, r.Error, tt.want)
			}
			if len(s.fake.started) > 0 {
				t.Error("it was started")
			}
		})
	}
}

func TestFailedExecution(t *testing.T) {
	s := newSetup(t)
	s.fake.fails = true
	if r := s.run(t, s.job()); r.Error == nil || r.Error.Code != action.JobFailed || !strings.HasSuffix(r.Error.Message, "is FAILED. Boom: it broke") {
		t.Errorf("%s %+v", r.Status, r.Error)
	}
}

// TestDeadline pins that Stop does not end the execution, and that its end
// after the deadline is a timeout for ever.
func TestDeadline(t *testing.T) {
	s := newSetup(t)
	s.fake.stuck = true
	job := s.job()
	job.Deadline = time.Now().Add(-time.Second)
	s.opts.Now = func() time.Time { return job.Deadline.Add(-time.Minute) }
	if r, err := s.open(t).Start(t.Context(), job); err != nil || r.Status != pipeline.InProgress {
		t.Fatalf("%+v, %v", r, err)
	}
	s.opts.Now = time.Now
	want, err := s.open(t).Poll(t.Context(), job)
	if err != nil || want.Error == nil || want.Error.Code != action.Timeout {
		t.Fatalf("%+v, %v; want Timeout", want, err)
	}
	s.fake.stuck = false
	for range 5 {
		if r, err := s.open(t).Poll(t.Context(), job); err != nil || !cmp.Equal(r, want) {
			t.Errorf("%+v, %v", r, err)
		}
	}
	if r, err := s.open(t).Start(t.Context(), func() action.Job { j := s.job(); j.Deadline = job.Deadline; return j }()); err != nil || r.Status != pipeline.Failed || len(s.fake.started) != 1 {
		t.Errorf("started after its deadline: %+v, %v", r, err)
	}
}
