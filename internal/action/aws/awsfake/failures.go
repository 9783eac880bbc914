package awsfake

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// Driven polls the jobs that p leaves in progress, as the orchestrator would,
// and calls ended when one has ended.
func Driven(t testing.TB, p action.Provider, ended func(jobID string)) action.Provider {
	return driven{p, t, ended}
}

type driven struct {
	action.Provider
	t     testing.TB
	ended func(string)
}

func (d driven) Start(ctx context.Context, job action.Job) (action.Result, error) {
	r, err := d.Provider.Start(ctx, job)
	if err == nil && r.Status == pipeline.InProgress {
		go func() {
			for d.t.Context().Err() == nil {
				if r, err := d.Poll(d.t.Context(), job); err == nil && r.Status.Final() {
					d.ended(job.ID)
					return
				}
				time.Sleep(time.Millisecond)
			}
		}()
	}
	return r, err
}

// ToEnd starts a job and polls it to its end, each time with another provider,
// as each look at a job is another process in an account.
func ToEnd(t testing.TB, open func() action.Provider, job action.Job) action.Result {
	t.Helper()
	r, err := open().Start(t.Context(), job)
	for range 100 {
		if err != nil {
			t.Fatal(err)
		}
		if r.Status.Final() {
			return r
		}
		r, err = open().Poll(t.Context(), job)
	}
	t.Fatalf("still %s after 100 polls: %s", r.Status, r.Summary)
	return r
}

// A Bench is a provider over a fake service, and a job that succeeds.
type Bench struct {
	Provider action.Provider
	Service  *Service
	Job      action.Job
	Done     func() int // how often the work of the job was begun
}

// Failures runs the job of a new bench for each call that fails in a way: its
// answer lost, it is throttled, it is not permitted. ops are the calls that a
// job makes.
func Failures(t *testing.T, open func(t *testing.T) Bench, ops ...string) {
	for _, op := range ops {
		t.Run(op+" answer lost", func(t *testing.T) {
			b := open(t)
			b.Service.Lose(op)
			r := b.run(t, 1)
			if r.Status != pipeline.Succeeded {
				t.Errorf("%s %+v; want Succeeded", r.Status, r.Error)
			}
			if n := b.Done(); n != 1 {
				t.Errorf("the work was begun %d times", n)
			}
		})
		t.Run(op+" throttled", func(t *testing.T) {
			b := open(t)
			b.Service.Refuse(op, API("ThrottlingException", "Rate exceeded"))
			if r, err := b.attempt(t); err == nil || r.Status.Final() {
				t.Errorf("%s %+v, %v; want an error that ends nothing", r.Status, r.Error, err)
			}
			b.Service.Refuse(op, nil)
			if r := b.run(t, 0); r.Status != pipeline.Succeeded {
				t.Errorf("after that %s %+v; want Succeeded", r.Status, r.Error)
			}
			if n := b.Done(); n != 1 {
				t.Errorf("the work was begun %d times", n)
			}
		})
		t.Run(op+" denied", func(t *testing.T) {
			b := open(t)
			b.Service.Refuse(op, API("AccessDeniedException", "User: me is not authorized to perform: "+op))
			r := b.run(t, 0)
			if r.Status != pipeline.Failed || r.Error == nil || r.Error.Code != action.PermissionError || !strings.Contains(r.Error.Message, op) {
				t.Errorf("%s %+v; want PermissionError that names %s", r.Status, r.Error, op)
			}
		})
	}
}

// attempt starts the job and polls it to its end, or to the first error.
func (b Bench) attempt(t *testing.T) (action.Result, error) {
	t.Helper()
	r, err := b.Provider.Start(t.Context(), b.Job)
	for range 100 {
		if err != nil || r.Status.Final() {
			return r, err
		}
		r, err = b.Provider.Poll(t.Context(), b.Job)
	}
	t.Fatalf("still %s after 100 polls", r.Status)
	return r, err
}

// run does so again after each error, of which it wants at most as many.
func (b Bench) run(t *testing.T, errs int) action.Result {
	t.Helper()
	for {
		r, err := b.attempt(t)
		if err == nil {
			return r
		}
		if errs--; errs < 0 {
			t.Fatal(err)
		}
	}
}
