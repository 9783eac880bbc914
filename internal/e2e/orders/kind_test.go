package orders

import (
	"context"
	"errors"

	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/approval"
	"github.com/sluice-ci/sluice/internal/action/aws/lambda"
	"github.com/sluice-ci/sluice/internal/action/whole"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// A kind of action says how its work is done and how its end is told.
type kind struct {
	name     string
	category pipeline.Category
	provider string
	rule     bool // it is a rule of the entry condition of its stage
	asked    bool // nobody tells its end: a sweep asks
	pieces   bool // whose turn it is goes on with the next piece
	answers  bool // who does the work answers when asked to, and not before
	open     func(p *play) action.Provider
	end      func(p *play) error // tells that the work went well
	again    func(p *play) error // tells that it went wrong
	unknown  [2]pipeline.Code    // what end and again are refused with when nobody can know of a job
}

var kinds = []kind{
	{name: "done in one call", category: pipeline.Deploy, provider: "S3", asked: true, open: inOneCall, end: sweep, again: reportFailure,
		unknown: [2]pipeline.Code{"", pipeline.ActionNotFound}},
	{name: "a source", category: pipeline.Source, provider: "CodeCommit", asked: true, open: inOneCall, end: sweep, again: reportFailure,
		unknown: [2]pipeline.Code{"", pipeline.ActionNotFound}},
	{name: "goes on elsewhere", category: pipeline.Build, provider: "CodeBuild", open: elsewhere, end: resume, again: reportFailure,
		unknown: [2]pipeline.Code{pipeline.ActionExecutionNotFound, pipeline.ActionNotFound}},
	{name: "in pieces", category: pipeline.Deploy, provider: "S3", pieces: true, open: inPieces, end: nextPiece, again: nextPiece,
		unknown: [2]pipeline.Code{pipeline.ActionExecutionNotFound, pipeline.ActionExecutionNotFound}},
	{name: "a function", category: pipeline.Invoke, provider: "Lambda", answers: true, open: function, end: jobSuccess, again: jobFailure,
		unknown: [2]pipeline.Code{pipeline.JobNotFound, pipeline.JobNotFound}},
	{name: "an approval", category: pipeline.Approval, provider: "Manual", answers: true, open: people, end: answer(true), again: answer(false),
		unknown: [2]pipeline.Code{pipeline.InvalidApprovalToken, pipeline.InvalidApprovalToken}},
	{name: "a rule", rule: true, open: elsewhere, end: resume, again: reportFailure,
		unknown: [2]pipeline.Code{pipeline.ActionExecutionNotFound, pipeline.ActionNotFound}},
}

// errDied is what a call comes to whose process has died.
var errDied = errors.New("the process has died")

// A mortal provider dies where it is told to: before it begins a job, or
// before it can say that it has.
type mortal struct {
	action.Provider
	before, after bool
}

// Start implements action.Provider.
func (m *mortal) Start(ctx context.Context, job action.Job) (action.Result, error) {
	if m.before {
		return action.Result{}, errDied
	}
	r, err := m.Provider.Start(ctx, job)
	if m.after {
		return action.Result{}, errDied
	}
	return r, err
}

// inOneCall is the real provider of work that is done whole.
func inOneCall(p *play) action.Provider {
	return whole.Provider(func(_ context.Context, job action.Job) (action.Result, error) {
		p.begun++
		return p.world.Result(job, pipeline.Succeeded), nil
	})
}

// A service does work that goes on elsewhere, once for each job.
type service struct {
	p    *play
	jobs map[string]bool
}

func elsewhere(p *play) action.Provider { return service{p, map[string]bool{}} }

// Start implements action.Provider.
func (s service) Start(ctx context.Context, job action.Job) (action.Result, error) {
	if !s.jobs[job.ID] {
		s.jobs[job.ID] = true
		s.p.begun++
	}
	return s.Poll(ctx, job)
}

// Poll implements action.Provider.
func (s service) Poll(_ context.Context, job action.Job) (action.Result, error) {
	r := action.Result{Status: pipeline.InProgress}
	if s.jobs[job.ID] && s.p.over {
		r = s.p.world.Result(job, pipeline.Succeeded)
	}
	if s.jobs[job.ID] {
		r.ExternalID = "build-" + job.ID
	}
	return r, nil
}

// Stop implements action.Provider.
func (service) Stop(context.Context, action.Job) error { return nil }

// pieces does work in two pieces.
type pieces struct{ p *play }

func inPieces(p *play) action.Provider { return pieces{p} }

// Start implements action.Provider. A piece that was not recorded is done again.
func (s pieces) Start(context.Context, action.Job) (action.Result, error) {
	s.p.begun = 1
	return action.Result{Status: pipeline.InProgress, Cursor: "1/2"}, nil
}

// Poll implements action.Provider.
func (s pieces) Poll(_ context.Context, job action.Job) (action.Result, error) {
	if job.Cursor == "" {
		return action.Result{Status: pipeline.InProgress}, nil
	}
	return s.p.world.Result(job, pipeline.Succeeded), nil
}

// Stop implements action.Provider.
func (pieces) Stop(context.Context, action.Job) error { return nil }

// functions invokes nothing but counts.
type functions struct{ p *play }

// Invoke implements lambda.Client.
func (f functions) Invoke(context.Context, *sdk.InvokeInput, ...func(*sdk.Options)) (*sdk.InvokeOutput, error) {
	f.p.begun++
	return &sdk.InvokeOutput{StatusCode: 202}, nil
}

// function is the real provider of functions.
func function(p *play) action.Provider {
	provider, err := lambda.New(lambda.Ports{
		Connect:     func(context.Context, action.Job) (lambda.Client, error) { return functions{p}, nil },
		Calls:       lambda.Recorded(p.world.Store),
		Credentials: func(context.Context, action.Job) (lambda.Credentials, error) { return lambda.Credentials{}, nil },
		Uploaded: func(_ context.Context, _ action.Job, out action.Artifact) (action.Artifact, error) {
			out.Ref.Digest = "sha256:uploaded"
			return out, nil
		},
	}, lambda.Options{Now: p.now})
	if err != nil {
		panic(err) // it has all that it asks for
	}
	return provider
}

// people is the real provider of approvals.
func people(p *play) action.Provider {
	provider, err := approval.New(make([]byte, approval.SaltSize))
	if err != nil {
		panic(err) // the salt is long enough
	}
	return counting{provider, p}
}

// counting counts the jobs that a provider begins.
type counting struct {
	action.Provider
	p *play
}

// Start implements action.Provider.
func (c counting) Start(ctx context.Context, job action.Job) (action.Result, error) {
	c.p.begun = 1 // the same request for the same answer, however often
	return c.Provider.Start(ctx, job)
}

func sweep(p *play) error  { return p.world.Sweep(context.Background()) }
func resume(p *play) error { return p.world.Resume(context.Background(), p.job()) }

func reportFailure(p *play) error {
	return p.world.Report(context.Background(), p.ref, action.Fail(action.JobFailed, "it says so"))
}

func nextPiece(p *play) error {
	return p.world.Run(context.Background(), orchestrator.Errand{Job: p.job(), Cursor: "1/2"})
}

func jobSuccess(p *play) error {
	return p.world.PutJobSuccess(context.Background(), orchestrator.JobSuccess{Job: p.job()})
}

func jobFailure(p *play) error {
	return p.world.PutJobFailure(context.Background(), orchestrator.JobFailure{Job: p.job(), Type: action.JobFailed, Message: "no"})
}

// answer answers the approval, with the token that it will have when nobody
// has asked for it yet.
func answer(approved bool) func(p *play) error {
	return func(p *play) error {
		request, err := p.provider.Provider.Poll(context.Background(), action.Job{ID: p.job()})
		if err != nil {
			return err
		}
		_, err = p.world.PutApproval(context.Background(), orchestrator.Approval{
			Pipeline: "app", Stage: "Work", Action: "Act", Token: request.Token, Approved: approved, By: "me",
		})
		return err
	}
}
