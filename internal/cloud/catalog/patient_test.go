package catalog_test

import (
	"context"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/whole"
	"github.com/sluice-ci/sluice/internal/cloud/catalog"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// Nobody calls a job lost that another process may be doing, and one that
// nobody can be doing any more is lost.
func TestPatient(t *testing.T) {
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	job := action.Job{ID: "job-1"}
	job.Action.TypeID = catalog.AWS(pipeline.Deploy, "S3")
	job.Deadline = began.Add(pipeline.Timeout(job.Action))
	for age, want := range map[time.Duration]pipeline.Status{
		0: pipeline.InProgress, 15 * time.Minute: pipeline.InProgress, 16 * time.Minute: action.Lost, 89 * time.Minute: action.Lost,
	} {
		inner := whole.Provider(func(context.Context, action.Job) (action.Result, error) {
			return action.Result{Status: pipeline.Succeeded}, nil
		})
		p := catalog.Patient(inner, func() time.Time { return began.Add(age) })
		if r, err := p.Poll(t.Context(), job); err != nil || r.Status != want {
			t.Errorf("after %s: %s, %v; want %s", age, r.Status, err, want)
		}
		if r, err := p.Start(t.Context(), job); err != nil || r.Status != pipeline.Succeeded {
			t.Errorf("Start after %s: %s, %v", age, r.Status, err)
		}
	}
}
