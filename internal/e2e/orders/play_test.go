package orders

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/engine"
	"github.com/sluice-ci/sluice/internal/machine"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/orchestrator/orchestratortest"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
)

// An event happens once to the action.
type event int

const (
	intent event = iota
	start
	link
	done
	again
	timeout
	stop
)

var events = []string{"intent", "start", "link", "done", "again", "timeout", "stop"}

// calling says how the machine calls the function whose processes die.
type calling int

const (
	same calling = iota // again, as an engine does that was started again
	anew                // with a new token, after it has given up the call before
	late                // it has given up two calls, which come when they like
)

var callings = []string{"same", "anew", "late"}

// A form is how an order is played.
type form struct {
	kind    *kind
	calling calling
	abandon bool // the stop does not wait
	tardy   bool // rows of the outbox are delivered when all has happened
}

func (f form) String() string {
	s := f.kind.name + ", called " + callings[f.calling]
	if f.abandon {
		s += ", stop and abandon"
	}
	if f.tardy {
		s += ", outbox last"
	}
	return s
}

// A play is one order under way.
type play struct {
	form
	world     *orchestratortest.World
	provider  *mortal
	execution string
	ref       record.ActionID
	run       string

	calls    []engine.Invoke // of the task that begins the action; the last is the newest
	died     bool            // the process of the newest call
	heard    string          // the token of the newest call that came
	begun    int             // how often work was begun
	over     bool            // the work has ended elsewhere
	accepted event           // the end that was accepted first: done, again; 0 is none
	stopped  bool            // a stop was accepted
	early    bool            // and nothing was recorded then
	problems []string
}

// catalog has the action's provider, and those of the world for all else.
type catalog struct{ p *play }

// Provider implements action.Catalog.
func (c catalog) Provider(id pipeline.ActionTypeID) action.Provider {
	k := c.p.kind
	if id.Category == k.category && id.Provider == k.provider || k.rule && id.Category == pipeline.RuleCategory {
		return c.p.provider
	}
	return c.p.world.Provider(id)
}

// A base is a world in which the action is about to be called for.
type base struct {
	world     *orchestratortest.World
	execution string
	run       string
	ref       record.ActionID
	call      engine.Invoke
}

// begin returns a play of f in a copy of base.
func begin(f form, base *base, mutant func(store.Store) store.Store) *play {
	p := &play{form: f, execution: base.execution, ref: base.ref, run: base.run, calls: []engine.Invoke{base.call}}
	p.world = base.world.Clone(orchestratortest.Options{Catalog: catalog{p}, Wrap: func(inner store.Store) store.Store {
		if mutant != nil {
			inner = mutant(inner)
		}
		return store.Observe(inner, p.hear)
	}})
	p.provider = &mortal{Provider: f.kind.open(p)}
	if f.calling == late {
		p.recall()
		p.recall()
	}
	return p
}

func (p *play) now() time.Time { return p.world.Clock }

func (p *play) wrong(format string, args ...any) {
	p.problems = append(p.problems, fmt.Sprintf(format, args...))
}

// must notes an error of what cannot go wrong.
func (p *play) must(err error) {
	if err != nil {
		p.wrong("%v", err)
	}
}

// hear looks at a commit: the end of an action tells the task that waits for
// it, once.
func (p *play) hear(ops []store.Op) {
	for _, op := range ops {
		if op.Key != p.ref.Key() || op.Kind != store.Put {
			continue
		}
		a, err := record.Decode[record.Action](store.Item{Key: op.Key, Value: op.Value})
		p.must(err)
		told := 0
		for _, row := range orchestrator.RowsOf(ops) {
			for _, answer := range row.Answers {
				if answer.Token == a.Token {
					told++
				}
			}
		}
		if a.Status.Final() && a.Token != "" && told != 1 {
			p.wrong("%s ended as %s and its task was told %d times", a.Ref(), a.Status, told)
		}
	}
}

// recall has the machine give up the call that waits and call again; a task
// that waits no more is called no more.
func (p *play) recall() {
	newest := p.calls[len(p.calls)-1]
	err := p.world.Step(p.run, engine.TaskFailed{Token: newest.Token, Error: "Lambda.Unknown"})
	if errors.Is(err, machine.ErrTaskGone) {
		return
	}
	p.must(err)
	p.world.Clock = p.world.Clock.Add(time.Minute)
	p.must(p.world.Step(p.run, engine.Tick{}))
	p.collect()
}

// collect takes the calls of the action's task out of what waits to happen:
// when they come is what is played.
func (p *play) collect() {
	p.world.Todo = slices.DeleteFunc(p.world.Todo, func(t orchestratortest.Thing) bool {
		mine := t.Call != nil && p.kind.begins(*t.Call)
		if mine {
			p.calls, p.died = append(p.calls, *t.Call), false
		}
		return mine
	})
}

// begins reports whether f is a call of the task that begins the action.
func (k *kind) begins(f engine.Invoke) bool {
	in, err := orchestratortest.Payload[struct{ Stage, Action, Enter string }](f)
	if err != nil {
		panic(err) // the machine writes it
	}
	return k.rule && in.Enter == "Work" || in.Action == "Act"
}

// job is the id of the action, or that of nobody when there is none yet.
func (p *play) job() string {
	if a := p.record(); a != nil {
		return a.ID
	}
	return "ffffffff-0000-4000-8000-000000000000"
}

// record returns the latest try of the action, or nil.
func (p *play) record() *record.Action { return p.world.Latest(p.ref) }

// happen lets e happen and returns what it was answered.
func (p *play) happen(e event) error {
	ctx := context.Background()
	switch e {
	case intent, start, link:
		return p.call(e)
	case done:
		p.over = true
		return p.kind.end(p)
	case again:
		return p.kind.again(p)
	case timeout:
		p.world.Clock = p.world.Clock.AddDate(0, 0, 8)
		return errors.Join(p.world.Sweep(ctx), p.tick())
	}
	return p.world.StopExecution(ctx, orchestrator.Stop{Pipeline: "app", Execution: p.execution, Abandon: p.abandon})
}

// call delivers a call, to a process that dies before it begins the work, or
// before it says so, or lives. A rule is begun from the outbox, not by the call.
func (p *play) call(e event) error {
	n := len(p.calls) - 1
	if p.calling == late {
		n = min(int(e), n)
	} else if p.calling == anew && e != intent {
		p.recall()
		n = len(p.calls) - 1
	}
	p.provider.before, p.provider.after = e == intent, e == start
	defer func() { p.provider.before, p.provider.after = false, false }()
	err := orchestratortest.Call(context.Background(), p.world.Service, p.calls[n])
	if p.kind.rule {
		err = errors.Join(err, p.beginRule())
	}
	if n == len(p.calls)-1 {
		p.died, p.heard = errors.Is(err, errDied), p.calls[n].Token
	}
	return err
}

// beginRule delivers the rows that have rules begun, and keeps them.
func (p *play) beginRule() error {
	var errs []error
	for _, t := range p.world.Todo {
		if t.Row != nil && len(t.Row.Begins) > 0 {
			errs = append(errs, p.world.Do(context.Background(), t))
		}
	}
	return errors.Join(errs...)
}

// waits reports whether the machine waits for the answer to a call that came.
func (p *play) waits() bool {
	newest := p.calls[len(p.calls)-1].Token
	return newest == p.heard && p.world.Step(p.run, engine.Heartbeat{Token: newest}) == nil // it wants no heartbeats
}

// tick lets the timers of the run go off that are due.
func (p *play) tick() error { return p.world.Step(p.run, engine.Tick{}) }

// settle delivers what waits, but for what the play delivers itself: calls of
// the action's task, the beginning of rules, errands that go on with pieces.
func (p *play) settle(all bool) {
	for range 1000 {
		p.collect()
		i := slices.IndexFunc(p.world.Todo, func(t orchestratortest.Thing) bool {
			return all || t.Row == nil || len(t.Row.Begins) == 0 && !slices.ContainsFunc(t.Row.Polls, func(poll record.Poll) bool { return poll.Cursor != "" })
		})
		if i < 0 {
			return
		}
		t := p.world.Todo[i]
		p.world.Todo = slices.Delete(p.world.Todo, i, i+1)
		if err := p.world.Do(context.Background(), t); err != nil {
			p.wrong("%+v: %v", t, err)
		}
	}
	p.wrong("it never comes to rest")
}

// heal lets happen what happens by itself: the outbox is delivered, a call
// whose process died is made again, minutes pass and are swept. People answer
// at last what they could not yet, and so does a function.
func (p *play) heal() {
	ctx := context.Background()
	for range 40 {
		p.settle(true)
		if p.died {
			p.recall()
			p.must(orchestratortest.Call(ctx, p.world.Service, p.calls[len(p.calls)-1]))
			p.died = false
			p.settle(true)
		}
		if p.world.Over() == nil {
			return
		}
		if a := p.record(); a != nil && a.Status == pipeline.InProgress && p.kind.answers && p.accepted == 0 {
			if err := p.kind.end(p); err != nil {
				p.wrong("%s cannot be ended: %v", a.Ref(), err)
			}
		}
		p.world.Clock = p.world.Clock.Add(time.Minute)
		p.must(errors.Join(p.world.Sweep(ctx), p.tick()))
	}
	p.wrong("it does not heal: %v", p.world.Over())
}
