package orchestrator_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/bus"
	"github.com/sluice-ci/sluice/internal/engine"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/orchestrator/orchestratortest"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
	"github.com/sluice-ci/sluice/internal/store/memory"
)

// A world runs the use cases, the compiled machines and scripted providers in
// one thread. Everything that waits to happen is in todo; rng picks what comes
// next, what comes twice, and which write fails after it was done.
type world struct {
	orchestratortest.Machines
	t       *testing.T
	rng     *rand.Rand
	svc     *orchestrator.Service
	store   *faulty
	now     time.Time
	ids     int
	faults  bool
	todo    []func() error
	jobs    map[string]*job
	events  []bus.Event
	outcome func(action.Job) action.Result // what a job ends with; nil succeeds
	started map[string]int                 // how often the work of a job was begun
	always  func()                         // called behind everything that happens; may be nil
}

// A job is work that goes on elsewhere until it is told to end.
type job struct {
	job    action.Job
	result action.Result
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{
		t: t, rng: rand.New(rand.NewPCG(seed, 1)), now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		jobs: map[string]*job{}, started: map[string]int{},
	}
	w.Machines = orchestratortest.Machines{
		Runs: map[string]*orchestratortest.Run{}, Follow: w.follow, Now: func() time.Time { return w.now },
		Text: func(ctx context.Context, name string, version int) (record.Version, error) {
			return w.svc.Records.Version(ctx, name, version)
		},
	}
	w.store = &faulty{Store: new(memory.Store), w: w}
	ports := orchestrator.Ports{Store: store.Observe(w.store, w.observe), Machine: &w.Machines, Catalog: catalog{w}, Bus: busOf{w}}
	svc, err := orchestrator.New(ports, orchestrator.Home{Account: "123456789012", Region: "eu-west-1"}, orchestrator.Options{
		Now:   func() time.Time { w.now = w.now.Add(time.Millisecond); return w.now },
		NewID: func() string { w.ids++; return fmt.Sprintf("00000000-0000-4000-8000-%012d", w.ids) },
		Mail:  orchestrator.Mail{Alerts: alerts, Approvals: approvals, Pages: "https://pages.example/"},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.svc = svc
	return w
}

// faulty fails some writes after, or before, it has done them.
type faulty struct {
	store.Store
	w         *world
	afterRead func() // called once, behind the next query
	afterGet  func() // called once, behind the next read of one item
}

func (f *faulty) Query(ctx context.Context, q store.Query) ([]store.Item, error) {
	defer once(&f.afterRead)
	return f.Store.Query(ctx, q)
}

func (f *faulty) Get(ctx context.Context, key store.Key) (store.Item, error) {
	defer once(&f.afterGet)
	return f.Store.Get(ctx, key)
}

// once calls what then holds, if anything, and forgets it.
func once(then *func()) {
	if f := *then; f != nil {
		*then = nil
		f()
	}
}

var errLost = errors.New("the answer was lost")

func (f *faulty) Write(ctx context.Context, ops ...store.Op) error {
	if !f.w.faults || f.w.rng.IntN(10) > 0 {
		return f.Store.Write(ctx, ops...)
	}
	if f.w.rng.IntN(2) == 0 {
		return errLost
	}
	if err := f.Store.Write(ctx, ops...); err != nil {
		return err
	}
	f.w.observe(ops) // the stream sees what the caller does not know of
	return errLost
}

// observe makes an item of todo of every outbox row, sometimes two.
func (w *world) observe(ops []store.Op) {
	for _, row := range orchestrator.RowsOf(ops) {
		w.later(func() error {
			if err := errors.Join(w.svc.Act(w.t.Context(), row.Outbox), w.svc.Announce(w.t.Context(), row.Outbox)); err != nil {
				return err
			}
			return w.svc.Delivered(w.t.Context(), []store.Key{row.Key})
		})
	}
}

// later adds f to what waits to happen. With faults it may happen twice.
func (w *world) later(f func() error) {
	w.todo = append(w.todo, f)
	if w.faults && w.rng.IntN(5) == 0 {
		w.todo = append(w.todo, f)
	}
	if w.always != nil {
		w.always()
	}
}

// settle lets things happen in random order until nothing is left to do.
func (w *world) settle() {
	w.t.Helper()
	for steps := 0; len(w.todo) > 0; steps++ {
		if steps > 100_000 {
			w.t.Fatal("it never comes to rest")
		}
		w.happen()
	}
}

// follow has what follows from a step of a machine wait.
func (w *world) follow(name string, effect engine.Effect) {
	switch f := effect.(type) {
	case engine.Invoke:
		w.later(func() error { return orchestratortest.Call(w.t.Context(), w.svc, f) })
	case engine.Ended:
		r := w.Runs[name].State
		w.later(func() error { return w.svc.Ended(w.t.Context(), name, r.Error+" "+r.Cause) })
	}
}

// catalog has one provider for everything: sources and deployments end at
// once, builds go on elsewhere, approvals wait for people.
type catalog struct{ w *world }

func (c catalog) Provider(pipeline.ActionTypeID) action.Provider { return c }

func (c catalog) Start(_ context.Context, in action.Job) (action.Result, error) {
	if j := c.w.jobs[in.ID]; j != nil {
		return j.result, nil
	}
	c.w.started[in.ExecutionID+" "+in.Action.Name]++
	j := &job{job: in, result: action.Result{Status: pipeline.InProgress}}
	c.w.jobs[in.ID] = j
	switch in.Action.TypeID.Category {
	case pipeline.Approval:
		j.result.Token = "approve-" + in.ID
	case pipeline.Build, pipeline.Test:
		c.w.later(func() error {
			if j.result.Status == pipeline.InProgress {
				j.result = c.w.end(in)
			}
			return c.w.svc.Resume(c.w.t.Context(), in.ID)
		})
	default:
		j.result = c.w.end(in)
	}
	return j.result, nil
}

func (c catalog) Poll(_ context.Context, in action.Job) (action.Result, error) {
	if j := c.w.jobs[in.ID]; j != nil {
		return j.result, nil
	}
	return action.Result{Status: action.Lost}, nil
}

func (c catalog) Stop(_ context.Context, in action.Job) error {
	if j := c.w.jobs[in.ID]; j != nil && j.result.Status == pipeline.InProgress {
		j.result = action.Fail(action.JobFailed, "stopped")
	}
	return nil
}

// end is how a job ends, with every declared output.
func (w *world) end(in action.Job) action.Result {
	if w.outcome != nil {
		if r := w.outcome(in); r.Status != "" {
			return r
		}
	}
	r := action.Result{Status: pipeline.Succeeded, Summary: "done", Variables: map[string]string{"Id": in.ID}}
	for _, out := range in.Outputs {
		out.Ref.Digest = "sha256:" + in.ID
		r.Outputs = append(r.Outputs, out)
	}
	if in.Action.TypeID.Category == pipeline.Source {
		r.Revision = &action.Revision{ID: "rev-" + in.ID}
	}
	return r
}

type busOf struct{ w *world }

func (b busOf) Publish(_ context.Context, e bus.Event) error {
	b.w.events = append(b.w.events, e)
	return nil
}

// execution returns an execution as it is recorded now.
func (w *world) execution(id string) record.Execution {
	w.t.Helper()
	e, err := w.svc.Records.Execution(w.t.Context(), "", id)
	if err != nil {
		w.t.Fatal(err)
	}
	return e.Value
}

// must repeats a request until its answer arrives. With faults, a repeat of
// what was done already may be refused.
func (w *world) must(f func() error) {
	w.t.Helper()
	for {
		err := f()
		switch {
		case err == nil:
			return
		case errors.Is(err, errLost):
		case w.faults:
			return
		default:
			w.t.Fatal(err)
		}
	}
}

// happen lets one thing happen.
func (w *world) happen() {
	w.t.Helper()
	if len(w.todo) == 0 {
		return
	}
	i := w.rng.IntN(len(w.todo))
	f := w.todo[i]
	w.todo = append(w.todo[:i], w.todo[i+1:]...)
	if err := f(); err != nil {
		if !w.faults {
			w.t.Fatal(err)
		}
		w.todo = append(w.todo, f)
	}
	if w.always != nil {
		w.always()
	}
}
