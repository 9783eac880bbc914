package simulation

import (
	"context"
	"fmt"

	"github.com/sluice-ci/sluice/internal/local"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
)

// work stands in front of what a system calls by itself. It gives every caller
// its name, and it is where calls get lost, come late or come again.
type work struct {
	local.Work
	gate *turnstile
	w    *world
}

func (x work) Enter(ctx context.Context, in orchestrator.EnterRequest) error {
	in = x.w.mutateEnter(in)
	what := fmt.Sprintf("enter %s %d", in.Token, in.Call)
	return x.call(ctx, what, in.Token, in.Execution, in.Run, func(ctx context.Context) error { return x.Work.Enter(ctx, in) })
}

func (x work) RunAction(ctx context.Context, in orchestrator.RunRequest) error {
	what := fmt.Sprintf("run %s/%s %s %d", in.Stage, in.Action, in.Token, in.Call)
	return x.call(ctx, what, in.Token, in.Execution, in.Run, func(ctx context.Context) error { return x.Work.RunAction(ctx, in) })
}

// call is a call of a function by a machine. One that the machine gives up may
// go on later, beside or behind the call that follows it.
func (x work) call(ctx context.Context, what, token, execution, run string, f func(context.Context) error) error {
	ctx = as(ctx, what)
	fa := x.gate.pass(ctx, functions, "call")
	switch fa {
	case killed:
		return errKilled
	case givenUp:
		x.w.cover("F13")
		x.w.later(what+" late", func(ctx context.Context) error {
			x.w.comesLate(execution, run)
			return f(ctx)
		})
		return errThrottled{}
	}
	x.w.opens(run, token)
	err := once(fa, func() error { return f(ctx) })
	if err != nil && !x.gate.killed() {
		x.w.disturbed(run)
	}
	return err
}

func (x work) Ended(ctx context.Context, run, cause string) error {
	ctx = as(ctx, "ended "+run)
	f := x.gate.pass(ctx, endings, "hear")
	if x.w.unheardEnds && f == done {
		f = lost
	}
	if f == lost {
		x.w.cover("F15")
		return nil
	}
	return once(f, func() error { return x.Work.Ended(ctx, run, cause) })
}

func (x work) Resume(ctx context.Context, job string) error {
	return x.Work.Resume(as(ctx, "resume "+job), job)
}

func (x work) Sweep(ctx context.Context) error {
	ctx = as(ctx, "sweep")
	f := x.gate.pass(ctx, sweeps, "look")
	if x.w.mutant == "the sweep is switched off" {
		return nil
	}
	return once(f, func() error { return x.Work.Sweep(ctx) })
}

func (x work) Outbox(ctx context.Context) (rows []orchestrator.Row, err error) {
	ctx = as(ctx, "outbox")
	err = once(x.gate.pass(ctx, others, "read"), func() (err error) {
		rows, err = x.Work.Outbox(ctx)
		return err
	})
	if x.w.mutant == "what nobody heard of stays in the outbox" && x.w.sys != nil {
		rows = nil
	}
	return rows, err
}

func (x work) Act(ctx context.Context, row record.Outbox) error {
	ctx = as(ctx, "act "+row.ID)
	f := x.gate.pass(ctx, deliveries, rowSays(row))
	if x.w.mutateAct(ctx, x.gate, row) {
		return nil
	}
	err := once(f, func() error { return x.Work.Act(ctx, row) })
	if err != nil {
		return err
	}
	x.w.audit.acted(row)
	if f == again { // and again, when other things have happened
		if len(row.Admits) > 0 {
			x.w.cover("F12")
		}
		x.w.later("act "+row.ID+" again", func(ctx context.Context) error { return x.Work.Act(ctx, row) })
	}
	return nil
}

// rowSays is what a row is about.
func rowSays(row record.Outbox) string {
	s := "deliver"
	for _, x := range row.Starts {
		s += " start " + x.Run
	}
	for _, x := range row.Answers {
		s += " answer " + x.Token + " " + x.Error
	}
	for _, x := range row.Admits {
		s += " admit " + x.Execution + " " + x.Stage
	}
	for _, x := range row.Stops {
		s += " stop " + x.Run
	}
	return s
}

func (x work) Announce(ctx context.Context, row record.Outbox) error {
	ctx = as(ctx, "announce "+row.ID)
	f := x.gate.pass(ctx, deliveries, "announce")
	if f == again {
		x.w.cover("F39")
	}
	err := once(f, func() error { return x.Work.Announce(ctx, row) })
	if err == nil {
		x.w.audit.announced(row)
	}
	return err
}

func (x work) Delivered(ctx context.Context, keys []store.Key) error {
	ctx = as(ctx, "delivered "+name(keys[0]))
	return once(x.gate.pass(ctx, deletions, fmt.Sprint(len(keys), " rows")), func() error { return x.Work.Delivered(ctx, keys) })
}

// hears is what the pump hears of a commit.
func (w *world) hears(rows []orchestrator.Row) []orchestrator.Row {
	if w.plan.deaf == 0 || w.settled && !w.plan.deafForEver {
		return rows
	}
	var heard []orchestrator.Row
	for _, row := range rows {
		if w.rng.IntN(100) >= w.plan.deaf {
			heard = append(heard, row)
			continue
		}
		w.log.line("LOST row %s %s", row.ID, rowSays(row.Outbox))
		w.cover("F25")
		if len(row.Admits) > 0 {
			w.cover("F11")
		}
		if len(row.Starts) > 0 {
			w.cover("F4")
		}
	}
	return heard
}
