package orchestratortest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/compile"
	"github.com/sluice-ci/sluice/internal/engine"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
	"github.com/sluice-ci/sluice/internal/store/memory"
)

// Home is where every world lives.
var Home = orchestrator.Home{Account: "123456789012", Region: "eu-west-1"}

// A World is a service and all that surrounds it. It is not safe for
// concurrent use.
type World struct {
	*orchestrator.Service
	Machines
	Clock  time.Time        // moves a millisecond each time the service reads it
	Todo   []Thing          // what waits to happen, oldest first
	Jobs   map[string]*Work // by id
	Broken []string         // what broke an invariant

	// Failing actions and rules fail; the work of Waiting ones goes on until
	// it is told to end. Both are by name.
	Failing, Waiting map[string]bool

	items  *memory.Store
	ledger ledger
	lines  map[store.Key]line // of State, which is asked for often
	ids    int
}

// A Thing waits to happen. One of its fields is set.
type Thing struct {
	Row   *record.Outbox // is to be acted on
	Call  *engine.Invoke // a machine calls a function
	Ended string         // the run of that name has ended, and the service is to hear of it
	Done  string         // the work of that job ends, and the service is to hear of it
}

// Options say what differs from a world as it is. The zero value is valid.
type Options struct {
	Wrap    func(store.Store) store.Store // what stands in front of the store
	Catalog action.Catalog                // default: the world's own providers
}

// New returns a world in which nothing has happened.
func New(opts Options) *World {
	w := &World{
		Clock:    time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Machines: Machines{Runs: map[string]*Run{}}, Jobs: map[string]*Work{},
		Failing: map[string]bool{}, Waiting: map[string]bool{},
		items: new(memory.Store), ledger: newLedger(), lines: map[store.Key]line{},
	}
	w.serve(opts)
	return w
}

// Clone returns a world that is as w is, and goes on by itself. w must have
// been made without a Catalog of its own, or opts bring one for the clone.
func (w *World) Clone(opts Options) *World {
	c := *w
	c.Todo, c.Broken = slices.Clone(w.Todo), slices.Clone(w.Broken)
	c.Failing, c.Waiting = maps.Clone(w.Failing), maps.Clone(w.Waiting)
	c.Runs, c.Jobs = clones(w.Runs), clones(w.Jobs)
	c.items, c.ledger, c.lines = w.items.Clone(), w.ledger.clone(), maps.Clone(w.lines)
	c.serve(opts)
	return &c
}

func clones[V any](m map[string]*V) map[string]*V {
	c := make(map[string]*V, len(m))
	for k, v := range m {
		copied := *v
		c[k] = &copied
	}
	return c
}

// serve gives w its service.
func (w *World) serve(opts Options) {
	var front store.Store = w.items
	if opts.Wrap != nil {
		front = opts.Wrap(front)
	}
	ports := orchestrator.Ports{Store: store.Observe(front, w.Committed), Machine: &w.Machines, Catalog: opts.Catalog}
	if opts.Catalog == nil {
		ports.Catalog = works{w}
	}
	var err error
	w.Service, err = orchestrator.New(ports, Home, orchestrator.Options{Now: w.tick, NewID: w.newID})
	if err != nil {
		panic(err) // it has all that it asks for
	}
	w.Machines = Machines{Runs: w.Runs, Text: w.Records.Version, Now: func() time.Time { return w.Clock }, Follow: w.follow}
}

// follow has what follows from a step of a machine wait.
func (w *World) follow(run string, effect engine.Effect) {
	switch f := effect.(type) {
	case engine.Invoke:
		w.Todo = append(w.Todo, Thing{Call: &f})
	case engine.Ended:
		w.Todo = append(w.Todo, Thing{Ended: run})
	}
}

func (w *World) tick() time.Time {
	w.Clock = w.Clock.Add(time.Millisecond)
	return w.Clock
}

func (w *World) newID() string {
	w.ids++
	return fmt.Sprintf("00000000-0000-4000-8000-%012d", w.ids)
}

// Committed holds a commit against the invariants and has its outbox row wait.
// A store that fails after it has written calls it itself.
func (w *World) Committed(ops []store.Op) {
	w.Broken = append(w.Broken, w.ledger.commit(ops)...)
	for _, row := range orchestrator.RowsOf(ops) {
		w.Todo = append(w.Todo, Thing{Row: &row.Outbox})
	}
}

// Do lets one thing happen.
func (w *World) Do(ctx context.Context, t Thing) error {
	switch {
	case t.Row != nil:
		return w.Act(ctx, *t.Row)
	case t.Call != nil:
		return Call(ctx, w.Service, *t.Call)
	case t.Done != "":
		return w.End(ctx, t.Done, pipeline.Succeeded)
	}
	return w.Ended(ctx, t.Ended, "it ended")
}

// Call has s do what a machine calls a function for.
func Call(ctx context.Context, s *orchestrator.Service, f engine.Invoke) error {
	if f.Function == compile.Local.Stage {
		in, err := Payload[orchestrator.EnterRequest](f)
		if err != nil {
			return err
		}
		return s.Enter(ctx, in)
	}
	in, err := Payload[orchestrator.RunRequest](f)
	if err != nil {
		return err
	}
	return s.RunAction(ctx, in)
}

// Payload returns what a call says.
func Payload[T any](f engine.Invoke) (T, error) {
	var in T
	err := json.Unmarshal(f.Payload, &in)
	return in, err
}

// Next lets the oldest thing happen. What fails waits again, behind the others.
func (w *World) Next(ctx context.Context) error {
	t := w.Todo[0]
	w.Todo = w.Todo[1:]
	err := w.Do(ctx, t)
	if err != nil {
		w.Todo = append(w.Todo, t)
	}
	return err
}

// Settle lets things happen, oldest first, until nothing is left to do.
func (w *World) Settle(ctx context.Context) error {
	var err error
	for range 10_000 {
		if len(w.Todo) == 0 {
			return nil
		}
		err = w.Next(ctx)
	}
	return fmt.Errorf("it never comes to rest, after the last of 10,000 steps: %w", err)
}

// Execution returns the record of an execution, zero if there is none.
func (w *World) Execution(id string) record.Execution { return w.ledger.executions[id] }

// Latest returns the latest try of an action from try id.Try on, or nil.
func (w *World) Latest(id record.ActionID) *record.Action {
	var latest *record.Action
	for ; ; id.Try++ {
		a, ok := w.ledger.actions[id.Key()]
		if !ok {
			return latest
		}
		latest = &a
	}
}
