package s3deploy

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/credentials"
	"github.com/sluice-ci/sluice/internal/action/whole"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// Options holds what has a sensible default. The zero value is valid.
type Options struct {
	// Lives is how long at most a caller of Start goes on, whatever happens
	// to it. Until then nobody takes a job for lost. Default: a job is lost
	// to whoever has not started it.
	Lives time.Duration

	Now func() time.Time // default time.Now
}

// A provider does each slice of a job whole. It knows a slice by the job and
// the cursor it begins at.
type provider struct {
	slices action.Provider
	opts   Options

	mu      sync.Mutex
	current map[string]action.Job // the slice that is done of each job; guarded by mu
}

// New returns the provider.
func New(client credentials.Client[S3], blobs blob.Store, opts Options) action.Provider {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	d := deployer{client, blobs, opts.Now}
	return &provider{opts: opts, current: map[string]action.Job{}, slices: whole.Provider(func(ctx context.Context, job action.Job) (action.Result, error) {
		job.ID = job.ID[:len(job.ID)-len(mark(job))]
		return d.deploy(ctx, job)
	})}
}

// mark tells the slices of a job apart.
func mark(job action.Job) string { return "@" + job.Cursor }

// slice returns a job as that of one slice.
func slice(job action.Job) action.Job {
	job.ID += mark(job)
	return job
}

// Start implements action.Provider.
func (p *provider) Start(ctx context.Context, job action.Job) (action.Result, error) {
	return p.do(ctx, job)
}

// do does the slice that begins at the cursor of job.
func (p *provider) do(ctx context.Context, job action.Job) (action.Result, error) {
	p.mu.Lock()
	p.current[job.ID] = slice(job)
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.current[job.ID].ID == slice(job).ID {
			delete(p.current, job.ID)
		}
	}()
	return p.slices.Start(ctx, slice(job))
}

// Poll implements action.Provider. With a cursor it does the next slice.
func (p *provider) Poll(ctx context.Context, job action.Job) (action.Result, error) {
	if job.Cursor != "" {
		return p.do(ctx, job)
	}
	r, err := p.slices.Poll(ctx, slice(job))
	began := job.Deadline.Add(-pipeline.Timeout(job.Action))
	if r.Status == action.Lost && p.opts.Now().Before(began.Add(p.opts.Lives)) {
		return action.Result{Status: pipeline.InProgress}, nil
	}
	return r, err
}

// Stop implements action.Provider.
func (p *provider) Stop(ctx context.Context, job action.Job) error {
	p.mu.Lock()
	current, ok := p.current[job.ID]
	p.mu.Unlock()
	if !ok {
		return nil
	}
	return p.slices.Stop(ctx, current)
}

// progress is how many files of all there are were written.
type progress struct{ done, all int }

func (p progress) cursor() string { return fmt.Sprintf("%d/%d", p.done, p.all) }

func (p progress) percent() int { return p.done * 100 / p.all }

func (p progress) summary() string { return fmt.Sprintf("%d of %d files are deployed", p.done, p.all) }

// parse reads a cursor. None is the beginning.
func parse(cursor string) (p progress, err error) {
	if cursor == "" {
		return p, nil
	}
	if n, err := fmt.Sscanf(cursor, "%d/%d", &p.done, &p.all); err != nil || n != 2 || p.cursor() != cursor || p.done < 1 {
		return p, fmt.Errorf("%q is no cursor of an S3 deployment", cursor)
	}
	return p, nil
}

// margin is left at the end of a caller's time, for the files that are on
// their way and for what the caller does after.
const margin = 2 * time.Minute

// A budget says when a slice has to end; never, if that is zero.
type budget struct {
	end time.Time
	now func() time.Time
}

// errLate says that there is no time for a slice. Whoever is called next has
// more.
var errLate = errors.New("too little time is left to deploy files")

// budget returns the time that a caller gives. When the job itself is out of
// time it has timed out, and there is nothing to go on with.
func (d deployer) budget(ctx context.Context, job action.Job) (budget, error) {
	deadline, limited := ctx.Deadline()
	if !limited || deadline.Equal(job.Deadline) {
		return budget{now: d.now}, nil
	}
	b := budget{deadline.Add(-margin), d.now}
	if b.spent() {
		return b, errLate
	}
	return b, nil
}

func (b budget) spent() bool { return !b.end.IsZero() && !b.now().Before(b.end) }
