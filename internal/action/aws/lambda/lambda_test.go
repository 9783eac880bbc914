package lambda_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/actiontest"
	"github.com/sluice-ci/sluice/internal/action/aws/awsfake"
	"github.com/sluice-ci/sluice/internal/action/aws/lambda"
	"github.com/sluice-ci/sluice/internal/action/whole/wholetest"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store/memory"
)

var update = flag.Bool("update", false, "write the golden files")

// calls are the recorded ones, in memory.
type calls struct{ lambda.Calls }

func newCalls() *calls { return &calls{lambda.Recorded(new(memory.Store))} }

// change writes what change makes of the call, as the receiver of answers
// does.
func (c *calls) change(id string, change func(*lambda.Call)) {
	for {
		call, _ := c.Call(context.Background(), id)
		change(&call)
		if c.PutCall(context.Background(), id, call) == nil {
			return
		}
	}
}

// A fake is a Lambda whose functions answer at once, in their own time, if
// they answer.
type fake struct {
	awsfake.Service
	calls   *calls
	blobs   *wholetest.Blobs
	refs    map[string]blob.Ref
	events  [][]byte
	answers map[string]*action.Result // by function
}

func (f *fake) Invoke(_ context.Context, in *sdk.InvokeInput, _ ...func(*sdk.Options)) (out *sdk.InvokeOutput, err error) {
	err = f.Do("Invoke", func() error {
		if *in.FunctionName == "none" {
			return awsfake.API("ResourceNotFoundException", "Function not found: arn:aws:lambda:eu-west-1:111122223333:function:none")
		}
		if in.InvocationType != types.InvocationTypeEvent {
			return awsfake.API("ValidationException", "not asynchronous")
		}
		f.events = append(f.events, in.Payload)
		out = &sdk.InvokeOutput{StatusCode: 202}
		answer := f.answers[*in.FunctionName]
		if answer == nil {
			return nil
		}
		id := jobID(in.Payload)
		ref, err := f.blobs.Create(context.Background(), "artifacts", "out/"+id, strings.NewReader("made by "+id))
		if err == nil {
			f.refs[ref.Key] = ref
		}
		go f.calls.change(id, func(c *lambda.Call) { c.Answer = answer })
		return nil
	})
	return out, err
}

func jobID(payload []byte) string {
	var event map[string]struct{ ID string }
	if err := json.Unmarshal(payload, &event); err != nil {
		panic(err)
	}
	return event["CodePipeline.job"].ID
}

type setup struct {
	fake *fake
	opts lambda.Options
	jobs int
}

func newSetup() *setup {
	return &setup{fake: &fake{
		calls: newCalls(), blobs: &wholetest.Blobs{}, refs: map[string]blob.Ref{},
		answers: map[string]*action.Result{
			"fn":    {Status: pipeline.Succeeded, Summary: "done", Variables: map[string]string{"a": "b"}},
			"fails": {Status: pipeline.Failed, Summary: "no", Error: &action.Error{Code: action.JobFailed, Message: "no"}},
		},
	}}
}

var expires = time.Date(2023, 11, 14, 22, 13, 20, 0, time.UTC)

func (s *setup) ports() lambda.Ports {
	return lambda.Ports{
		Connect: func(context.Context, action.Job) (lambda.Client, error) { return s.fake, nil },
		Calls:   s.fake.calls,
		Credentials: func(context.Context, action.Job) (lambda.Credentials, error) {
			return lambda.Credentials{AccessKeyID: "ASIA", SecretAccessKey: "secret", SessionToken: "session", Expires: expires}, nil
		},
		Uploaded: func(_ context.Context, _ action.Job, out action.Artifact) (r action.Artifact, err error) {
			s.fake.Look(func() {
				ref, ok := s.fake.refs[out.Ref.Key]
				if out.Ref = ref; !ok {
					err = blob.ErrNotFound
				}
			})
			return out, err
		},
	}
}

func (s *setup) open(t *testing.T) action.Provider {
	t.Helper()
	p, err := lambda.New(s.ports(), s.opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (s *setup) job(function string, pairs ...string) action.Job {
	s.jobs++
	id := fmt.Sprintf("11111111-abcd-4111-abcd-%012d", s.jobs)
	conf := map[string]string{"FunctionName": function}
	for i := 0; i < len(pairs); i += 2 {
		conf[pairs[i]] = pairs[i+1]
	}
	return action.Job{
		ID: id, Account: "111122223333", Region: "eu-west-1",
		Outputs: []action.Artifact{{Name: "Out", Ref: blob.Ref{Bucket: "artifacts", Key: "out/" + id}}},
		Action: pipeline.Action{Name: "Invoke", Configuration: conf,
			TypeID: pipeline.ActionTypeID{Category: pipeline.Invoke, Owner: "AWS", Provider: "Lambda", Version: "1"}},
	}
}

func TestContract(t *testing.T) {
	actiontest.Run(t, func(t *testing.T) actiontest.Harness {
		s := newSetup()
		return actiontest.Harness{
			Open: func(t *testing.T, ended func(string)) action.Provider {
				return awsfake.Driven(t, s.open(t), ended)
			},
			Succeeds: func(*testing.T) action.Job { return s.job("fn") },
			Fails:    func(*testing.T) action.Job { return s.job("fails") },
			Done: func(_ *testing.T, job action.Job) (n int) {
				s.fake.Look(func() {
					for _, payload := range s.fake.events {
						if jobID(payload) == job.ID {
							n++
						}
					}
				})
				return n
			},
			Blobs: s.fake.blobs,
		}
	})
}

// TestEvent pins the event, once with all that it can hold and once with as
// little as it can.
func TestEvent(t *testing.T) {
	full := action.Job{
		ID: "e5a1b2c3-0000-4000-8000-000000000001", Account: "111122223333", Region: "eu-west-1",
		Inputs: []action.Artifact{
			{Name: "SourceArtifact", Revision: "0123abc", Ref: blob.Ref{Bucket: "b", Key: "pipe/SourceArti/AbC1234"}},
			{Name: "Built", Ref: blob.Ref{Bucket: "b", Key: "pipe/Built/Def5678"}},
		},
		Outputs: []action.Artifact{{Name: "Out", Ref: blob.Ref{Bucket: "b", Key: "pipe/Out/XyZ9876"}}},
		Action:  pipeline.Action{Configuration: map[string]string{"FunctionName": "fn", "UserParameters": "text"}},
	}
	least := action.Job{
		ID: "e5a1b2c3-0000-4000-8000-000000000002", Account: "111122223333", Region: "eu-west-1",
		Action: pipeline.Action{Configuration: map[string]string{"FunctionName": "fn"}},
	}
	for name, job := range map[string]action.Job{"full": full, "least": least} {
		t.Run(name, func(t *testing.T) {
			s := newSetup()
			s.fake.answers = nil
			if name == "full" {
				s.opts.EncryptionKey = func(action.Job) string { return "arn:aws:kms:eu-west-1:111122223333:key/k" }
				s.fake.calls.change(job.ID, func(c *lambda.Call) { c.ID, c.Continuation = "11111111-abcd-1111-abcd-111111abcdef", "page-2" })
			}
			if _, err := s.open(t).Start(t.Context(), job); err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if err := json.Indent(&got, s.fake.events[0], "", "  "); err != nil {
				t.Fatal(err)
			}
			got.WriteByte('\n')
			file := "testdata/" + name + ".json"
			if *update {
				if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAnswer(t *testing.T) {
	s := newSetup()
	job := s.job("fn")
	s.fake.answers = nil
	r, err := s.open(t).Start(t.Context(), job)
	if err != nil || r.Status != pipeline.InProgress || r.ExternalID != "fn" || r.ExternalURL != "https://eu-west-1.console.aws.amazon.com/lambda/home?region=eu-west-1#/functions/fn" {
		t.Fatalf("%+v, %v", r, err)
	}
	s.fake.calls.change(job.ID, func(c *lambda.Call) {
		c.Answer = &action.Result{Status: pipeline.Succeeded, Summary: "done", ExternalID: "run-7", Variables: map[string]string{"a": "b"}}
	})
	r, err = s.open(t).Poll(t.Context(), job)
	if err != nil || r.Status != pipeline.Succeeded || r.Summary != "done" || r.ExternalID != "run-7" || r.Variables["a"] != "b" {
		t.Errorf("%+v, %v", r, err)
	}
	if len(r.Outputs) != 0 {
		t.Errorf("outputs %+v of a function that uploaded nothing", r.Outputs)
	}
}

// TestContinuation has a function ask to be called again.
func TestContinuation(t *testing.T) {
	s := newSetup()
	s.fake.answers = nil
	now := expires
	s.opts.Now = func() time.Time { return now }
	job := s.job("fn")
	if _, err := s.open(t).Start(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	now = now.Add(15 * time.Minute)
	s.fake.calls.change(job.ID, func(c *lambda.Call) {
		c.Call = record.Call{ID: "second", Continuation: "token", Due: now.Add(30 * time.Second), Summary: "half", ExternalID: "run-7", Percent: 50}
	})
	for _, tt := range []struct {
		after  time.Duration
		events int
		status pipeline.Status
	}{
		{29 * time.Second, 1, pipeline.InProgress},
		{time.Second, 2, pipeline.InProgress},
		{19 * time.Minute, 2, pipeline.InProgress}, // the 20 minutes begin anew
		{time.Minute, 2, pipeline.Failed},
	} {
		now = now.Add(tt.after)
		r, err := s.open(t).Poll(t.Context(), job)
		if err != nil || r.Status != tt.status || len(s.fake.events) != tt.events || r.Status == pipeline.InProgress && (r.Summary != "half" || r.ExternalID != "run-7" || r.Percent != 50) {
			t.Fatalf("after %v: %+v, %v, %d events; want %s, %d", tt.after, r, err, len(s.fake.events), tt.status, tt.events)
		}
	}
	if got := jobID(s.fake.events[1]); got != "second" || !bytes.Contains(s.fake.events[1], []byte(`"continuationToken":"token"`)) {
		t.Errorf("second event %s", s.fake.events[1])
	}
}

// TestSilence pins both deadlines, and that an answer that comes after one
// changes nothing.
func TestSilence(t *testing.T) {
	tests := []struct {
		name     string
		deadline time.Duration
		code     string
		want     string
	}{
		{"20 minutes", 24 * time.Hour, action.JobFailed, "The AWS Lambda function fn failed to return a result. Check the function to verify that it has permission to call the PutJobSuccessResult action and that it made a call to PutJobSuccessResult."},
		{"deadline", 10 * time.Minute, action.Timeout, "Action Invoke did not end within its timeout. The AWS Lambda function fn was not stopped."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSetup()
			s.fake.answers = nil
			now := expires
			s.opts.Now = func() time.Time { return now }
			job := s.job("fn")
			job.Deadline = now.Add(tt.deadline)
			if _, err := s.open(t).Start(t.Context(), job); err != nil {
				t.Fatal(err)
			}
			now = now.Add(20 * time.Minute)
			r, err := s.open(t).Poll(t.Context(), job)
			if err != nil || r.Error == nil || r.Error.Code != tt.code || r.Error.Message != tt.want {
				t.Fatalf("%+v %+v, %v", r, r.Error, err)
			}
			late := lambda.Call{Version: 2, Call: record.Call{Answer: &action.Result{Status: pipeline.Succeeded}}}
			if err := s.fake.calls.PutCall(t.Context(), job.ID, late); !errors.Is(err, lambda.ErrChanged) {
				t.Errorf("a late answer was taken: %v", err)
			}
			if again, err := s.open(t).Poll(t.Context(), job); err != nil || !cmp.Equal(again, r) {
				t.Errorf("%+v, %v", again, err)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	s := newSetup()
	for range 2 {
		r, err := s.open(t).Start(t.Context(), s.job("none"))
		if err != nil || r.Error == nil || *r.Error != (action.Error{Code: action.ConfigurationError, Message: "The AWS Lambda function none does not exist."}) {
			t.Errorf("%+v %+v, %v", r, r.Error, err)
		}
	}
	s.fake.Refuse("Invoke", awsfake.API("AccessDeniedException", "not authorized to perform: lambda:InvokeFunction"))
	r, err := s.open(t).Start(t.Context(), s.job("fn"))
	if err != nil || r.Error == nil || r.Error.Code != action.PermissionError || !strings.Contains(r.Error.Message, "lambda:InvokeFunction") {
		t.Errorf("%+v %+v, %v", r, r.Error, err)
	}
	s.fake.Refuse("Invoke", awsfake.API("TooManyRequestsException", "Rate exceeded"))
	job := s.job("fn")
	if r, err := s.open(t).Start(t.Context(), job); err == nil {
		t.Errorf("throttled: %+v", r)
	}
	s.fake.Refuse("Invoke", nil)
	if r, err := s.open(t).Start(t.Context(), job); err != nil || r.Status == pipeline.Failed || len(s.fake.events) != 1 {
		t.Errorf("after that: %+v, %v, %d events", r, err, len(s.fake.events))
	}
}

// TestMakerDies pins that a call is made again by somebody else, a minute
// after its maker set out to make it.
func TestMakerDies(t *testing.T) {
	s := newSetup()
	s.fake.answers = nil
	now := expires
	s.opts.Now = func() time.Time { return now }
	job := s.job("fn")
	s.fake.calls.change(job.ID, func(c *lambda.Call) { c.ID, c.Claimed = job.ID, now })
	for _, events := range []int{0, 1, 1} {
		r, err := s.open(t).Poll(t.Context(), job)
		if err != nil || r.Status != pipeline.InProgress || len(s.fake.events) != events {
			t.Errorf("%+v, %v, %d events; want %d", r, err, len(s.fake.events), events)
		}
		now = now.Add(time.Minute)
	}
	if r, err := s.open(t).Poll(t.Context(), s.job("fn")); err != nil || r.Status != pipeline.InProgress || len(s.fake.events) != 1 {
		t.Errorf("Poll began a job: %+v, %v", r, err)
	}
}

// meanwhile is a lambda.Calls in which somebody else writes just before the
// first write.
type meanwhile struct {
	*calls
	once sync.Once
}

func (m *meanwhile) PutCall(ctx context.Context, id string, call lambda.Call) error {
	m.once.Do(func() { m.change(id, func(c *lambda.Call) { c.ID, c.Claimed = id, time.Now() }) })
	return m.calls.PutCall(ctx, id, call)
}

func TestClaimedMeanwhile(t *testing.T) {
	s := newSetup()
	ports := s.ports()
	ports.Calls = &meanwhile{calls: s.fake.calls}
	p, err := lambda.New(ports, lambda.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := p.Start(t.Context(), s.job("fn")); err != nil || r.Status != pipeline.InProgress || len(s.fake.events) != 0 {
		t.Errorf("%+v, %v, %d events; want none", r, err, len(s.fake.events))
	}
}

func TestNewRequiresPorts(t *testing.T) {
	if _, err := lambda.New(lambda.Ports{}, lambda.Options{}); err == nil {
		t.Error("no error")
	}
}
