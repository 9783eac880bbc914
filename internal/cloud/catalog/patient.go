package catalog

import (
	"context"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// Lives is how long a function may work on one call, and a little more: Lambda
// has ended it by then.
const Lives = 16 * time.Minute

// Patient returns p, whose jobs are done whole by one call of a function. Only
// that call knows how its job stands; who asks from another process hears that
// the job is lost, although it may go on. So until that call must have ended,
// a job is in progress.
func Patient(p action.Provider, now func() time.Time) action.Provider { return patient{p, now} }

type patient struct {
	action.Provider
	now func() time.Time
}

// Poll implements action.Provider.
func (p patient) Poll(ctx context.Context, job action.Job) (action.Result, error) {
	began := job.Deadline.Add(-pipeline.Timeout(job.Action))
	if p.now().Before(began.Add(Lives)) {
		return action.Result{Status: pipeline.InProgress}, nil
	}
	return p.Provider.Poll(ctx, job)
}
