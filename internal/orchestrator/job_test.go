package orchestrator_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/lambda"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/store"
)

// functions are the functions of a world, and what invokes them: the real
// provider over recorded calls.
type functions struct {
	*world
	provider action.Provider
	invoked  []invocation
}

// An invocation is the part of an event that the tests look at.
type invocation struct {
	ID   string `json:"id"`
	Data struct {
		Continuation string `json:"continuationToken"`
	} `json:"data"`
}

// newFunctions returns a world whose pipeline invokes a function after its
// source. Its copy uses what the function made and told.
func newFunctions(t *testing.T, seed uint64) *functions {
	f := &functions{world: newWorld(t, seed)}
	var err error
	f.provider, err = lambda.New(lambda.Ports{
		Connect: func(context.Context, action.Job) (lambda.Client, error) { return f, nil },
		Calls:   lambda.Recorded(f.store),
		Credentials: func(context.Context, action.Job) (lambda.Credentials, error) {
			return lambda.Credentials{}, nil
		},
		Uploaded: func(_ context.Context, _ action.Job, out action.Artifact) (action.Artifact, error) {
			out.Ref.Digest = "sha256:uploaded"
			return out, nil
		},
	}, lambda.Options{Now: func() time.Time { return f.now }})
	if err != nil {
		t.Fatal(err)
	}
	f.svc.Catalog = f
	d := app(pipeline.Superseded)
	ask := act("Ask", pipeline.Invoke, "Lambda", 1)
	ask.Configuration = map[string]string{"FunctionName": "fn"}
	ask.Namespace = "Fn"
	ask.InputArtifacts = []pipeline.InputArtifact{{Name: "Code"}}
	ask.OutputArtifacts = []pipeline.OutputArtifact{{Name: "Report"}}
	use := act("Copy", pipeline.Deploy, "S3", 1)
	use.Configuration = map[string]string{"BucketName": "web", "Extract": "false", "ObjectKey": "#{Fn.Size}"}
	use.InputArtifacts = []pipeline.InputArtifact{{Name: "Report"}}
	d.Stages = []pipeline.Stage{d.Stages[0], {Name: "Check", Actions: []pipeline.Action{ask}}, {Name: "Release", Actions: []pipeline.Action{use}}}
	f.create(d)
	return f
}

// Provider implements action.Catalog.
func (f *functions) Provider(id pipeline.ActionTypeID) action.Provider {
	if id.Category == pipeline.Invoke {
		return f.provider
	}
	return catalog{f.world}
}

// Invoke is that of lambda.Client.
func (f *functions) Invoke(_ context.Context, in *sdk.InvokeInput, _ ...func(*sdk.Options)) (*sdk.InvokeOutput, error) {
	var event struct {
		Job invocation `json:"CodePipeline.job"`
	}
	if err := json.Unmarshal(in.Payload, &event); err != nil {
		f.t.Error(err)
	}
	f.invoked = append(f.invoked, event.Job)
	return &sdk.InvokeOutput{StatusCode: 202}, nil
}

// begun starts an execution and returns it and the job its function has got.
func (f *functions) begun() (execution, job string) {
	f.t.Helper()
	execution = f.start()
	f.settle()
	if len(f.invoked) == 0 {
		f.t.Fatal("no function was invoked")
	}
	return execution, f.invoked[len(f.invoked)-1].ID
}

// pass lets time pass, and what waits for it happen.
func (f *functions) pass(d time.Duration) {
	f.t.Helper()
	f.now = f.now.Add(d)
	f.must(func() error { return f.svc.Sweep(f.t.Context()) })
	f.settle()
}

// refused reports an answer that was not refused as it should be.
func refused(t *testing.T, err error, code pipeline.Code, message string) {
	t.Helper()
	if pipeline.CodeOf(err) != code || !strings.Contains(err.Error(), message) {
		t.Errorf("%s: %v; want %s: %s", pipeline.CodeOf(err), err, code, message)
	}
}

func TestJobSuccess(t *testing.T) {
	f := newFunctions(t, 1)
	id, job := f.begun()
	in := orchestrator.JobSuccess{
		Job: job, Variables: map[string]string{"Size": "12"}, Summary: "checked", ExternalID: "x-1", Percent: 100,
		Revision: &action.Revision{ID: "abc", Change: "c1"},
	}
	for range 2 { // the same answer again is fine, before it is heeded and after
		for range 2 {
			if err := f.svc.PutJobSuccess(t.Context(), in); err != nil {
				t.Fatal(err)
			}
		}
		f.settle()
	}
	f.want(id, pipeline.Succeeded)
	got := f.latest("Check", "Ask").Result
	got.ExternalURL, got.Outputs = "", nil
	want := action.Result{Status: pipeline.Succeeded, Summary: "checked", ExternalID: "x-1", Percent: 100, Variables: in.Variables, Revision: in.Revision}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if used := f.latest("Release", "Copy").Job; used.Action.Configuration["ObjectKey"] != "12" || used.Inputs[0].Ref.Digest != "sha256:uploaded" {
		t.Errorf("the copy got %+v", used)
	}
	if e := f.execution(id); len(e.Revisions) != 1 || e.Revisions[0].Action != "Checkout" {
		t.Errorf("revisions %+v; want the source's", e.Revisions)
	}
	other := in
	other.Summary = "not checked"
	refused(t, f.svc.PutJobSuccess(t.Context(), other), pipeline.InvalidJobState, "The status of job with id "+job+" is already set to the desired value.")
	refused(t, f.svc.PutJobFailure(t.Context(), orchestrator.JobFailure{Job: job, Type: action.JobFailed, Message: "no"}), pipeline.InvalidJobState, "Job with id "+job+" has already terminated")
	if len(f.invoked) != 1 {
		t.Errorf("invoked %d times", len(f.invoked))
	}
}

// TestJobFailure has a stage fail and run again: the new job has an answer of
// its own, and the old one takes none any more.
func TestJobFailure(t *testing.T) {
	f := newFunctions(t, 2)
	id, job := f.begun()
	if err := f.svc.PutJobFailure(t.Context(), orchestrator.JobFailure{Job: job, Type: action.ConfigurationError, Message: "no bucket", ExternalID: "x-1"}); err != nil {
		t.Fatal(err)
	}
	f.settle()
	f.want(id, pipeline.Failed)
	got := f.latest("Check", "Ask").Result
	if want := (action.Error{Code: action.ConfigurationError, Message: "no bucket"}); got.Error == nil || *got.Error != want || got.ExternalID != "x-1" || got.Summary != "no bucket" {
		t.Errorf("%+v %+v", got, got.Error)
	}
	if err := f.svc.RetryStage(t.Context(), orchestrator.Retry{Pipeline: "app", Stage: "Check", Execution: id, Mode: pipeline.FailedActions}); err != nil {
		t.Fatal(err)
	}
	f.settle()
	refused(t, f.svc.PutJobSuccess(t.Context(), orchestrator.JobSuccess{Job: job}), pipeline.InvalidJobState, "has already terminated")
	if len(f.invoked) != 2 || f.invoked[1].ID == job {
		t.Fatalf("invoked %+v; want a second job", f.invoked)
	}
	if err := f.svc.PutJobSuccess(t.Context(), orchestrator.JobSuccess{Job: f.invoked[1].ID, Variables: map[string]string{"Size": "1"}}); err != nil {
		t.Fatal(err)
	}
	f.settle()
	f.want(id, pipeline.Succeeded)
}

// TestJobContinues has a function ask to be called again.
func TestJobContinues(t *testing.T) {
	f := newFunctions(t, 3)
	id, first := f.begun()
	on := orchestrator.JobSuccess{Job: first, Continuation: "page-2", Summary: "half", Percent: 50}
	for range 2 {
		if err := f.svc.PutJobSuccess(t.Context(), on); err != nil {
			t.Fatal(err)
		}
		f.settle()
	}
	if r := f.latest("Check", "Ask").Result; r.Summary != "half" || r.Percent != 50 || r.ExternalID != "fn" {
		t.Errorf("after a continuation: %+v", r)
	}
	if f.pass(29 * time.Second); len(f.invoked) != 1 {
		t.Errorf("invoked again after 29 s: %+v", f.invoked)
	}
	if f.pass(2 * time.Second); len(f.invoked) != 2 || f.invoked[1].ID == first || f.invoked[1].Data.Continuation != "page-2" {
		t.Fatalf("invoked %+v; want a second job with the token", f.invoked)
	}
	if r := f.latest("Check", "Ask").Result; r.Summary != "half" || r.Percent != 50 {
		t.Errorf("while it is called again: %+v", r)
	}
	on.Continuation = "page-3"
	refused(t, f.svc.PutJobSuccess(t.Context(), on), pipeline.InvalidJobState, "already set")
	f.want(id, pipeline.InProgress)
	if err := f.svc.PutJobSuccess(t.Context(), orchestrator.JobSuccess{Job: f.invoked[1].ID, Variables: map[string]string{"Size": "1"}}); err != nil {
		t.Fatal(err)
	}
	f.settle()
	f.want(id, pipeline.Succeeded)
	if a := f.latest("Check", "Ask"); a.ID != first || len(f.invoked) != 2 {
		t.Errorf("action execution %s, %d invocations; want %s, 2", a.ID, len(f.invoked), first)
	}
}

// TestJobErrand pins that somebody is told to ask at once when there is an
// end, and in half a minute when the function is to be called again.
func TestJobErrand(t *testing.T) {
	for token, wait := range map[string]time.Duration{"": 0, "page-2": 30 * time.Second} {
		f := newFunctions(t, 4)
		_, job := f.begun()
		var sent []orchestrator.Errand
		svc, err := orchestrator.New(f.svc.Ports, orchestrator.Home{Account: "123456789012", Region: "eu-west-1"}, orchestrator.Options{
			Now:  func() time.Time { return f.now },
			Send: func(_ context.Context, e orchestrator.Errand) error { sent = append(sent, e); return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		f.svc = svc
		if err := svc.PutJobSuccess(t.Context(), orchestrator.JobSuccess{Job: job, Continuation: token}); err != nil {
			t.Fatal(err)
		}
		f.settle()
		want := []orchestrator.Errand{{Job: f.latest("Check", "Ask").ID}}
		if wait > 0 {
			want[0].Due = f.now.Add(wait).Truncate(time.Millisecond)
		}
		if diff := cmp.Diff(want, sent); diff != "" {
			t.Errorf("token %q: %s", token, diff)
		}
	}
}

// TestJobGivenUp answers jobs nobody waits for: the function hears no
// reproach, and nothing happens.
func TestJobGivenUp(t *testing.T) {
	tests := []struct {
		name string
		end  func(f *functions, id string)
		want pipeline.Status
	}{
		{"abandoned", func(f *functions, id string) {
			f.must(func() error {
				return f.svc.StopExecution(f.t.Context(), orchestrator.Stop{Pipeline: "app", Execution: id, Abandon: true})
			})
		}, pipeline.Stopped},
		{"silent for 20 minutes", func(f *functions, _ string) { f.pass(25 * time.Minute) }, pipeline.Failed},
		{"past its deadline", func(f *functions, _ string) { f.pass(25 * time.Hour) }, pipeline.Failed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFunctions(t, 5)
			id, job := f.begun()
			tt.end(f, id)
			f.settle()
			f.want(id, tt.want)
			before := f.latest("Check", "Ask")
			for _, summary := range []string{"done", "done otherwise"} {
				if err := f.svc.PutJobSuccess(t.Context(), orchestrator.JobSuccess{Job: job, Summary: summary}); err != nil {
					t.Errorf("%s: %v", summary, err)
				}
			}
			f.settle()
			if diff := cmp.Diff(before, f.latest("Check", "Ask")); diff != "" {
				t.Error(diff)
			}
			f.want(id, tt.want)
			if tt.want != pipeline.Failed {
				return
			}
			if err := f.svc.RetryStage(t.Context(), orchestrator.Retry{Pipeline: "app", Stage: "Check", Execution: id, Mode: pipeline.FailedActions}); err != nil {
				t.Fatal(err)
			}
			f.settle()
			refused(t, f.svc.PutJobSuccess(t.Context(), orchestrator.JobSuccess{Job: job}), pipeline.InvalidJobState, "has already terminated")
			f.want(id, pipeline.InProgress)
		})
	}
}

// TestNoJob answers what is no job of a function.
func TestNoJob(t *testing.T) {
	f := newFunctions(t, 6)
	_, job := f.begun()
	for _, id := range []string{orchestrator.NewID(), f.latest("Source", "Checkout").ID} {
		message := "Job with id '" + id + "' does not exist"
		refused(t, f.svc.PutJobSuccess(t.Context(), orchestrator.JobSuccess{Job: id}), pipeline.JobNotFound, message)
		refused(t, f.svc.PutJobFailure(t.Context(), orchestrator.JobFailure{Job: id, Type: action.JobFailed, Message: "no"}), pipeline.JobNotFound, message)
	}
	both := orchestrator.JobSuccess{Job: job, Continuation: "page-2", Variables: map[string]string{"a": "b"}}
	refused(t, f.svc.PutJobSuccess(t.Context(), both), pipeline.Validation, "A job can not contain both a continuation token and output variables.")
	large := orchestrator.JobSuccess{Job: job, Variables: map[string]string{"a": strings.Repeat("x", 122_880)}}
	refused(t, f.svc.PutJobSuccess(t.Context(), large), pipeline.OutputVariablesTooLarge, "122881 bytes")
	large.Variables["a"] = large.Variables["a"][1:]
	if err := f.svc.PutJobSuccess(t.Context(), large); err != nil {
		t.Errorf("the job was not left as it was: %v", err)
	}
}

// TestOneAnswerCounts has many answers arrive at once.
func TestOneAnswerCounts(t *testing.T) {
	const n = 16
	f := newFunctions(t, 7)
	_, job := f.begun()
	svc, err := orchestrator.New(orchestrator.Ports{Store: f.store.Store}, orchestrator.Home{Account: "123456789012", Region: "eu-west-1"}, orchestrator.Options{})
	if err != nil {
		t.Fatal(err)
	}
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			if i%2 == 0 {
				errs[i] = svc.PutJobSuccess(context.Background(), orchestrator.JobSuccess{Job: job, Summary: fmt.Sprint("answer ", i), Variables: map[string]string{"Size": "1"}})
			} else {
				errs[i] = svc.PutJobFailure(context.Background(), orchestrator.JobFailure{Job: job, Type: action.JobFailed, Message: fmt.Sprint("answer ", i)})
			}
		})
	}
	all.Wait()
	first := -1
	for i, err := range errs {
		switch {
		case err == nil && first < 0:
			first = i
		case pipeline.CodeOf(err) != pipeline.InvalidJobState:
			t.Errorf("answer %d: %v; want InvalidJobState", i, err)
		}
	}
	f.pass(time.Second)
	if got := f.latest("Check", "Ask").Result.Summary; first < 0 || got != fmt.Sprint("answer ", first) {
		t.Errorf("the action ended with %q; answer %d was taken", got, first)
	}
}

// meanwhile is a store in which something happens right after a call was read.
type meanwhile struct {
	store.Store
	once func()
}

func (m *meanwhile) Get(ctx context.Context, key store.Key) (store.Item, error) {
	it, err := m.Store.Get(ctx, key)
	if then := m.once; then != nil && strings.HasPrefix(key.PK, "CALL#") {
		m.once = nil
		then()
	}
	return it, err
}

// TestJobTooLate has the provider give a function up while its answer comes
// in. One of the two counts, and it is the one that was written first.
func TestJobTooLate(t *testing.T) {
	f := newFunctions(t, 8)
	id, job := f.begun()
	ports := f.svc.Ports
	ports.Store = &meanwhile{ports.Store, func() { // and is not yet heard
		f.now = f.now.Add(25 * time.Minute)
		if r, err := f.provider.Poll(t.Context(), f.latest("Check", "Ask").Job); err != nil || r.Status != pipeline.Failed {
			t.Errorf("the provider says %+v, %v", r, err)
		}
	}}
	svc, err := orchestrator.New(ports, orchestrator.Home{Account: "123456789012", Region: "eu-west-1"}, orchestrator.Options{Now: func() time.Time { return f.now }})
	if err != nil {
		t.Fatal(err)
	}
	if err := svc.PutJobSuccess(t.Context(), orchestrator.JobSuccess{Job: job}); err != nil {
		t.Errorf("the function hears %v", err)
	}
	f.pass(0)
	f.want(id, pipeline.Failed)
	if c, err := f.svc.Records.Call(t.Context(), job); err != nil || c.Value.Answer == nil || c.Value.Answer.Status != pipeline.Failed {
		t.Errorf("the call is %+v, %v; want the end that was told first", c.Value, err)
	}
}

// TestJobFaults answers while writes fail or lose their answer and everything
// may happen twice. A function may be called twice for one job, as Lambda
// itself may do; what it answers counts once.
func TestJobFaults(t *testing.T) {
	for seed := range uint64(30) {
		f := newFunctions(t, seed)
		f.faults = true
		id := f.start()
		f.settle()
		for minute := 0; !f.execution(id).Status.Final(); minute++ {
			if minute > 100 {
				t.Fatalf("seed %d: it never ends", seed)
			}
			for _, job := range f.invoked {
				in := orchestrator.JobSuccess{Job: job.ID, Variables: map[string]string{"Size": "1"}}
				if job.Data.Continuation == "" {
					in.Continuation, in.Variables = "page-2", nil
				}
				f.must(func() error { return f.svc.PutJobSuccess(t.Context(), in) })
			}
			f.pass(time.Minute)
		}
		f.want(id, pipeline.Succeeded)
		jobs := map[string]bool{}
		for _, in := range f.invoked {
			jobs[in.ID] = true
		}
		if len(jobs) != 2 {
			t.Fatalf("seed %d: jobs %v; want the first and its continuation", seed, jobs)
		}
	}
}
