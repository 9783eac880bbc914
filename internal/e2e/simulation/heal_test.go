package simulation

import (
	"context"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

type ctx = context.Context

// period is how often a system sweeps, and asks for work that is young.
const period = time.Minute

// TestHeal takes away, for ever, what tells a system that there is something to
// do: the pump's news of commits, the news that work or a run has ended, each
// alone and all together. Everything is found within two periods of the sweep
// (B14).
func TestHeal(t *testing.T) {
	began, seeds, histories := time.Now(), uint64(8), 0
	if proving() {
		seeds = 25
	}
	latest := map[string]time.Duration{}
	for _, deaf := range []struct {
		what              string
		rows, work, ended bool
	}{{"commits", true, false, false}, {"ends of work", false, true, false}, {"ends of runs", false, false, true}, {"all", true, true, true}} {
		for seed := range seeds {
			w := play(t, seed, func(w *world) {
				w.plan = plan{modes: w.plan.modes[:1], deafForEver: true}
				w.defined = []pipeline.Declaration{line(w.plan.modes[0])}
				if deaf.rows {
					w.plan.deaf = 100
				}
				if deaf.work {
					w.plan.unnoticed = 100
				}
				w.unheardEnds = deaf.ended
				w.script = func() { w.heal() }
			})
			w.judged(t)
			histories++
			for what, d := range w.latest {
				latest[what] = max(latest[what], d)
				if d > 2*period {
					t.Errorf("seed %d, nobody tells of %s: a %s was found %v late", seed, deaf.what, what, d)
				}
			}
			if len(w.audit.executions) < 4 {
				t.Errorf("seed %d: there are %d executions", seed, len(w.audit.executions))
			}
		}
	}
	t.Logf("latest: %v", latest)
	bar(t, "B14", "histories=%d latest_row=%v latest_work=%v latest_run=%v period=%v seconds=%.0f",
		histories, latest["row"], latest["work"], latest["run"], period, time.Since(began).Seconds())
}

// heal starts some executions, one of which is aborted in the end, and lets
// work end as soon as it has begun.
func (w *world) heal() {
	for i := range 4 {
		svc, in := w.sys.Service, orchestrator.Start{Pipeline: "p0", Trigger: record.Trigger{Type: "StartPipelineExecution", Detail: itoa(i)}}
		w.user("start", func(ctx ctx, _ string) error {
			_, err := svc.StartExecution(ctx, in)
			return err
		})
		until := time.Now().Add(time.Duration(30+w.rng.IntN(400)) * time.Second)
		for !w.over() && time.Now().Before(until) {
			w.play(20)
		}
	}
	for _, id := range w.audit.order {
		if e := w.audit.executions[id]; !e.Status.Final() && e.Inside {
			w.abortedAt[e.Run] = time.Now()
			w.abort(e)
			return
		}
	}
}

// TestThrottle lets the store fail one write in five for ten minutes. Everything
// ends well, nothing is broken, and it takes at most three times the calls (B15).
func TestThrottle(t *testing.T) {
	began, seeds := time.Now(), uint64(5)
	if proving() {
		seeds = 50
	}
	calls := map[int]int{}
	for seed := range seeds {
		for _, bad := range []int{0, 20} {
			w := play(t, seed, func(w *world) {
				w.plan = plan{modes: w.plan.modes[:1], storeBad: bad, readable: true}
				w.defined = []pipeline.Declaration{line(w.plan.modes[0])}
				w.script = func() { w.throttle() }
			})
			w.judged(t)
			calls[bad] += w.events
			for _, e := range w.audit.executions {
				if e.Status != pipeline.Succeeded && e.Status != pipeline.SupersededExecution {
					t.Errorf("seed %d: execution %d is %s: %s", seed, e.Seq, e.Status, e.StatusSummary)
				}
			}
		}
	}
	ratio := float64(calls[20]) / float64(calls[0])
	if ratio > 3 {
		t.Errorf("%d calls with faults, %d without", calls[20], calls[0])
	}
	t.Logf("calls: %v, ratio %.2f", calls, ratio)
	bar(t, "B15", "histories=%d calls=%d without_faults=%d ratio=%.2f seconds=%.0f", seeds, calls[20], calls[0], ratio, time.Since(began).Seconds())
}

// throttle starts an execution each minute for ten minutes.
func (w *world) throttle() {
	for i := range 10 {
		svc, in := w.sys.Service, orchestrator.Start{Pipeline: "p0", ClientToken: itoa(i), Trigger: record.Trigger{Type: "StartPipelineExecution", Detail: itoa(i)}}
		w.user("start", func(ctx ctx, _ string) error {
			_, err := svc.StartExecution(ctx, in)
			return err
		})
		until := time.Now().Add(time.Minute)
		for !w.over() && time.Now().Before(until) {
			w.look()
			if all := w.gate.waiting(); len(all) > 0 {
				c := all[w.rng.IntN(len(all))]
				w.let(c, w.fate(c))
			} else if !w.elsewhere() {
				w.pass(time.Second)
			}
		}
	}
}
