// Package commands is the provider of the Commands action on this machine: it
// runs the action's commands in one shell, in the folder of the first input,
// and stops at the first that fails (user guide, Commands action reference).
//
// While an action is being recorded its inputs are unpacked and its shell is
// started already ([Provider.Prepare]): that takes as long as all the rest. No
// command runs before the record is on disk.
//
// It is no sandbox; see package process. EnvironmentType, ComputeType and the
// VPC keys say what machine to run on and mean nothing here.
package commands

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"sync"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/background"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/buildspec"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/process"
	"github.com/sluice-ci/sluice/internal/secret"
)

// image is where Commands actions run in an AWS account.
const image = "aws/codebuild/amazonlinux2-x86_64-standard:5.0"

// Options holds what has a sensible default. The zero value is valid.
type Options struct {
	Secrets     secret.Store // default: none can be looked up
	Environment []string     // names of this process's variables to pass on, besides the usual ones
}

// A Provider does Commands actions.
type Provider struct {
	runner *background.Runner
	blobs  blob.Store
	opts   Options

	mu    sync.Mutex
	ready map[string]*place // by job; guarded by mu
}

var _ action.Provider = (*Provider)(nil)

// New returns a provider that runs its jobs in runner and keeps artifacts in
// blobs.
func New(runner *background.Runner, blobs blob.Store, opts Options) (*Provider, error) {
	if runner == nil || blobs == nil {
		return nil, errors.New("commands.New: a runner and a blob store are required")
	}
	return &Provider{runner: runner, blobs: blobs, opts: opts, ready: map[string]*place{}}, nil
}

// externalID names the build as CodeBuild would.
func externalID(job action.Job) string { return job.Pipeline + "-" + job.Action.Name + ":" + job.ID }

// Start implements action.Provider.
func (p *Provider) Start(_ context.Context, job action.Job) (action.Result, error) {
	return p.runner.Start(background.Task{
		Job: job, ExternalID: externalID(job),
		Run: func(ctx context.Context) action.Result { return p.run(ctx, job) },
		Clean: func() {
			p.discard(job) // it is still there if the work was never begun
			p.runner.RemoveWork(job.ID)
		},
	})
}

// Poll implements action.Provider.
func (p *Provider) Poll(_ context.Context, job action.Job) (action.Result, error) {
	return p.runner.Poll(job, externalID(job))
}

// Stop implements action.Provider.
func (p *Provider) Stop(ctx context.Context, job action.Job) error { return p.runner.Stop(ctx, job) }

func (p *Provider) run(ctx context.Context, job action.Job) action.Result {
	at := p.take(job.ID)
	if at == nil {
		at = newPlace()
		p.furnish(at, job)
	}
	defer at.stop(nil)
	defer context.AfterFunc(ctx, func() { at.stop(context.Cause(ctx)) })()
	<-at.done
	w := at.workspace
	if w == nil {
		return at.failure
	}
	result := at.failure
	if result.Status == "" {
		result = p.work(at, job)
	}
	if result.Error != nil {
		result.Error.Message = w.Masker.String(result.Error.Message)
		result.Summary = w.Masker.String(result.Summary)
		w.Log.Printf("%s", result.Error.Message)
	}
	if err := w.Close(); err != nil && result.Status != pipeline.Failed {
		return action.Fail(action.SystemUnavailable, err.Error())
	}
	return result
}

func (p *Provider) work(at *place, job action.Job) action.Result {
	ctx, w, sh := at.ctx, at.workspace, at.shell
	variables, failure := p.commands(ctx, sh, job)
	if err := sh.Close(); err != nil && failure == nil {
		failure = err
	}
	if failure != nil {
		return action.Fail(action.JobFailed, failure.Error())
	}
	for name := range variables {
		if slices.Contains(at.hidden, name) {
			delete(variables, name)
		}
	}
	result := action.Result{Status: pipeline.Succeeded, Variables: w.Mask(variables)}
	for _, out := range job.Outputs {
		set := buildspec.Fileset{Files: []string{"**/*"}}
		for _, declared := range job.Action.OutputArtifacts {
			if declared.Name == out.Name && len(declared.Files) > 0 {
				set.Files = declared.Files
			}
		}
		stored, err := w.Output(ctx, out, set)
		if err != nil {
			return action.Fail(action.JobFailed, err.Error())
		}
		result.Outputs = append(result.Outputs, stored)
	}
	return result
}

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// commands runs the commands until one fails.
func (p *Provider) commands(ctx context.Context, sh *process.Shell, job action.Job) (map[string]string, error) {
	for i, command := range job.Action.Commands {
		run := sh.Run
		if i == len(job.Action.Commands)-1 && len(job.Action.OutputVariables) == 0 {
			run = sh.RunLast
		}
		sh.Printf("Running command %s", command)
		status, err := run(ctx, command)
		if err != nil {
			return nil, err
		}
		if status != 0 {
			return nil, &buildspec.Failure{Phase: "build", Command: command, Status: status}
		}
	}
	return sh.Values(ctx, job.Action.OutputVariables)
}
