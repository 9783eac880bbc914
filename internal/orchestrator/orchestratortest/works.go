package orchestratortest

import (
	"context"
	"strings"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
)

// A Work is what a job means.
type Work struct {
	Job    action.Job
	Result action.Result // that of Poll
	Begun  int           // how often it was begun
}

// works has one provider for everything: approvals wait for people, builds go
// on elsewhere, the rest is done at once.
type works struct{ w *World }

// Provider implements action.Catalog.
func (p works) Provider(pipeline.ActionTypeID) action.Provider { return p }

// Start implements action.Provider.
func (p works) Start(ctx context.Context, in action.Job) (action.Result, error) {
	if known := p.w.Jobs[in.ID]; known != nil {
		return known.Result, nil
	}
	work := &Work{Job: in, Begun: 1, Result: action.Result{Status: pipeline.InProgress}}
	p.w.Jobs[in.ID] = work
	category := in.Action.TypeID.Category
	switch {
	case category == pipeline.Approval:
		work.Result.Token = ApprovalToken(in.ID)
	case p.w.Waiting[in.Action.Name] && in.Action.TypeID.Provider == "Lambda": // who is invoked answers by the API
		call := store.Op{Key: record.CallKey(in.ID), Kind: store.Put, Value: record.Encode(record.Call{ID: in.ID})}
		return work.Result, p.w.Store.Write(ctx, call)
	case p.w.Waiting[in.Action.Name]:
	case category == pipeline.Build || category == pipeline.Test:
		p.w.Todo = append(p.w.Todo, Thing{Done: in.ID})
	default:
		work.Result = p.w.Result(in, pipeline.Succeeded)
	}
	return work.Result, nil
}

// Provider returns who does jobs of a type in w. It implements action.Catalog,
// for catalogs that do some jobs in another way.
func (w *World) Provider(id pipeline.ActionTypeID) action.Provider { return works{w}.Provider(id) }

// ApprovalToken is what the answer to an approval must carry.
func ApprovalToken(job string) string { return "aaaaaaaa" + strings.TrimPrefix(job, "00000000") }

// Poll implements action.Provider.
func (p works) Poll(ctx context.Context, in action.Job) (action.Result, error) {
	known := p.w.Jobs[in.ID]
	if known == nil {
		return action.Result{Status: action.Lost}, nil
	}
	call, err := p.w.Records.Call(ctx, in.ID)
	if answer := call.Value.Answer; answer != nil {
		return p.w.Result(in, answer.Status), err
	}
	return known.Result, err
}

// Stop implements action.Provider.
func (p works) Stop(_ context.Context, in action.Job) error {
	if known := p.w.Jobs[in.ID]; known != nil && known.Result.Status == pipeline.InProgress {
		known.Result = action.Fail(action.JobFailed, "stopped")
	}
	return nil
}

// Result is how a job ends: with status, unless it is among those that fail,
// and with every output that it declares.
func (w *World) Result(in action.Job, status pipeline.Status) action.Result {
	if w.Failing[in.Action.Name] || status != pipeline.Succeeded {
		return action.Fail(action.JobFailed, "as the script says")
	}
	r := action.Result{Status: status, Summary: "done", Variables: map[string]string{"Id": in.ID}}
	for _, out := range in.Outputs {
		out.Ref.Digest = "sha256:" + in.ID
		r.Outputs = append(r.Outputs, out)
	}
	if in.Action.TypeID.Category == pipeline.Source {
		r.Revision = &action.Revision{ID: "rev-" + in.ID}
	}
	return r
}

// End ends the work of a job, if it goes on, and has the service hear of it.
func (w *World) End(ctx context.Context, job string, status pipeline.Status) error {
	if work := w.Jobs[job]; work != nil && work.Result.Status == pipeline.InProgress {
		work.Result = w.Result(work.Job, status)
	}
	return w.Resume(ctx, job)
}
