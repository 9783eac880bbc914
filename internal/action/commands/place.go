package commands

import (
	"context"
	"os"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/workspace"
	"github.com/sluice-ci/sluice/internal/process"
)

// A place is where the commands of one job run: its inputs are unpacked, its
// environment is known and its shell may be waiting.
type place struct {
	ctx  context.Context // of all that happens here
	stop context.CancelCauseFunc
	done chan struct{} // closed when what is below is set

	workspace *workspace.Workspace // nil if there is none; failure says why
	shell     *process.Shell
	hidden    []string      // variables that are secrets
	failure   action.Result // with a Status if the commands cannot run
}

// Limits of what is made ready for jobs that have not begun.
const (
	maxReady      = 4       // places
	maxReadyInput = 1 << 20 // bytes of inputs, packed
)

func newPlace() *place {
	at := &place{done: make(chan struct{})}
	at.ctx, at.stop = context.WithCancelCause(context.Background())
	return at
}

// Prepare implements action.Preparer: it unpacks the inputs and starts the
// shell, which waits to be told its first command. Unpacking and starting take
// longer than writing a record, so most of that time is saved.
func (p *Provider) Prepare(job action.Job) (discard func()) {
	size := int64(0)
	for _, in := range job.Inputs {
		size += in.Ref.Size
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.ready) >= maxReady || size > maxReadyInput {
		return func() {}
	}
	at := newPlace()
	p.ready[job.ID] = at
	go p.furnish(at, job)
	return func() { p.discard(job) }
}

// take returns the place that was made ready for a job, or nil.
func (p *Provider) take(jobID string) *place {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.ready[jobID]
	delete(p.ready, jobID)
	return at
}

// discard removes the place that was made ready for a job, if it was not taken.
func (p *Provider) discard(job action.Job) {
	at := p.take(job.ID)
	if at == nil {
		return
	}
	at.stop(nil)
	<-at.done
	if at.workspace == nil {
		return
	}
	if at.shell != nil {
		at.shell.Close()
	}
	at.workspace.Close()
	os.Remove(p.runner.LogFile(job.ID))
	p.runner.RemoveWork(job.ID)
}

// furnish does all that comes before the first command.
func (p *Provider) furnish(at *place, job action.Job) {
	defer close(at.done)
	w, err := workspace.New(p.runner, p.blobs, p.opts.Secrets, job, job.Pipeline+"-"+job.Action.Name)
	if err != nil {
		at.failure = action.Fail(action.SystemUnavailable, err.Error())
		return
	}
	at.workspace = w
	if len(job.Action.Commands) == 0 {
		at.failure = workspace.ConfigurationError("action %s has no commands", job.Action.Name)
		return
	}
	var primary *action.Artifact
	if len(job.Inputs) > 0 {
		primary = &job.Inputs[0]
		if err := w.Fetch(at.ctx, primary.Name); err != nil {
			at.failure = action.Fail(action.JobFailed, err.Error())
			return
		}
	}
	var vs []workspace.Variable
	for _, v := range job.Action.EnvironmentVariables {
		vs = append(vs, workspace.Variable(v))
	}
	own, hidden, err := w.Resolve(at.ctx, vs)
	if err != nil {
		at.failure = workspace.ConfigurationError("%v", err)
		return
	}
	for _, name := range job.Action.OutputVariables {
		if !identifier.MatchString(name) {
			at.failure = workspace.ConfigurationError("output variable %q cannot be the name of an environment variable", name)
			return
		}
	}
	at.hidden = hidden
	at.shell = &process.Shell{
		Dir: w.Source, Env: w.Environment(image, primary, own, p.opts.Environment), Mark: w.Mark(), Log: w.Log, Scratch: w.Root,
	}
	// If it cannot be started now, the first command says why.
	at.shell.Begin(at.ctx)
}
