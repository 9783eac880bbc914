package simulation

import (
	"context"
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/bartest"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
)

// mutants are what is broken on purpose, each by a wrapper, and the worlds that
// lead there.
var mutants = []struct {
	name string
	plan func(*plan)
}{
	{"a delivery is dropped", func(*plan) {}},
	{"the sweep is switched off", func(p *plan) { p.unnoticed = 100 }},
	{"what nobody heard of stays in the outbox", func(p *plan) { p.deaf = 20 }},
	{"the store does not look at versions", func(*plan) {}},
	{"a start that is repeated is another one", func(p *plan) { p.starts, p.users = 80, 10 }},
	{"a grant is not looked at again", func(p *plan) { p.worldBad = 20 }},
	{"a late call takes the place of the one that waits", func(p *plan) { // many wait, and time passes until the machine calls again
		p.modes, p.users, p.starts, p.nap = []pipeline.Mode{pipeline.Queued}, 10, 70, 60
		p.worldBad, p.steps, p.storeBad = 45, 500, 0
	}},
	{"an answer goes to whatever task is open", func(p *plan) { p.worldBad = 20 }},
	{"an event has a new id each time", func(p *plan) { p.worldBad = 20 }},
	{"the journal forgets", func(p *plan) { p.crash, p.steps = 12, 500 }},
	{"a commit is torn", func(*plan) {}},
}

// TestMutants: a system that is broken is found to be, within some seeds.
func TestMutants(t *testing.T) {
	caught, most := 0, 0
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			for seed := range uint64(150) {
				w := play(t, seed, func(w *world) {
					w.mutant = m.name
					m.plan(&w.plan)
				})
				if w.over() {
					t.Logf("seed %d: %s: %.300s", seed, w.broken.what, w.broken.text)
					caught, most = caught+1, max(most, int(seed)+1)
					return
				}
			}
			t.Error("nothing was found in 150 seeds")
		})
	}
	bartest.Report(t, "B9-bites", "mutants=%d caught=%d most_seeds=%d", len(mutants), caught, most)
}

// mutateRead hides what was answered before.
func (w *world) mutateRead(k key, item *store.Item, err error) error {
	if w.mutant == "a start that is repeated is another one" && strings.HasPrefix(k.PK, "IDEM#start") && err == nil {
		*item = store.Item{}
		return &store.NotFoundError{Key: k}
	}
	return err
}

// mutateWrite takes conditions away.
func (w *world) mutateWrite(ops []store.Op) []store.Op {
	var out []store.Op
	for _, op := range ops {
		switch w.mutant {
		case "a start that is repeated is another one":
			if strings.HasPrefix(op.PK, "IDEM#start") {
				continue
			}
		case "the store does not look at versions":
			if op.Kind == store.Check {
				continue
			}
			op.If = store.Any
		}
		out = append(out, op)
	}
	return out
}

// tear returns a part of a commit.
func (w *world) tear(ops []store.Op) []store.Op {
	if w.mutant != "a commit is torn" || w.steps == 0 || len(ops) < 3 || w.rng.IntN(20) > 0 {
		return ops
	}
	return ops[:len(ops)/2]
}

// opens notes the newest token of a run.
func (w *world) opens(run, token string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tokens[run] = token
}

// mutateToken returns the newest token of the run.
func (w *world) mutateToken(token string) string {
	if w.mutant != "an answer goes to whatever task is open" {
		return token
	}
	run, _, _ := strings.Cut(token, ".")
	w.mu.Lock()
	defer w.mu.Unlock()
	if newest := w.tokens[run]; newest != "" {
		return newest
	}
	return token
}

// mutateEnter forgets which call it is.
func (w *world) mutateEnter(in orchestrator.EnterRequest) orchestrator.EnterRequest {
	if w.mutant == "a late call takes the place of the one that waits" {
		in.Call = 0
	}
	return in
}

// mutateAct drops a row, or lets executions in without looking.
func (w *world) mutateAct(ctx context.Context, gate *turnstile, row record.Outbox) bool {
	switch {
	case gate.killed():
	case w.mutant == "a delivery is dropped" && w.rng.IntN(20) == 0:
		w.audit.acted(row)
		return true
	case w.mutant == "a grant is not looked at again" && len(row.Admits) > 0 && w.sys != nil:
		in := row.Admits[0]
		e, err := w.sys.Records.Execution(ctx, "", in.Execution)
		if err != nil {
			return false
		}
		e.Value.Inside, e.Value.Fence = true, in.Fence
		_ = w.sys.Service.Store.Write(ctx, store.Op{Key: record.ExecutionKey(in.Execution), If: store.Any, Value: record.Encode(e.Value)})
		if t, err := w.sys.Records.Waiter(ctx, in.Execution, in.Stage); err == nil && t.Value.Token != "" {
			_ = w.sys.Service.Machine.Succeed(ctx, t.Value.Token, []byte("{}"))
		}
		w.audit.acted(row)
		return true
	}
	return false
}
