package local

import (
	"context"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// quiet starts jobs of this machine without a word about how they go on. What
// there is to tell (an id, that there is a log) can be told from the job's id
// at any time, so it costs a commit only for a job that takes a while.
type quiet struct {
	action.Provider
	tell func(jobID string)
}

// tellAfter is how long a job may take without its progress being recorded.
const tellAfter = 100 * time.Millisecond

// Prepare implements action.Preparer.
func (q quiet) Prepare(job action.Job) (discard func()) {
	if p, ok := q.Provider.(action.Preparer); ok {
		return p.Prepare(job)
	}
	return func() {}
}

// Start implements action.Provider.
func (q quiet) Start(ctx context.Context, job action.Job) (action.Result, error) {
	result, err := q.Provider.Start(ctx, job)
	if err != nil || result.Status != pipeline.InProgress {
		return result, err
	}
	time.AfterFunc(tellAfter, func() { q.tell(job.ID) })
	return action.Result{Status: pipeline.InProgress}, nil
}
