package simulation

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-ci/sluice/internal/local"
	"github.com/sluice-ci/sluice/internal/machine"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/sqlite"
	"github.com/sluice-ci/sluice/internal/store"
	"github.com/sluice-ci/sluice/internal/store/memory"
)

type key = store.Key

// A world is a system, everything around it, and the driver of both.
type world struct {
	t      *testing.T
	seed   uint64
	rng    *rand.Rand
	plan   plan
	mutant string // what is broken on purpose
	folder string
	log    *history
	audit  *audit
	works  *works

	sys     *local.System // nil while none is open
	gate    *turnstile    // of the process that runs
	opened  chan opened   // tells of the one that opens; nil when none does
	kept    local.Kept    // what outlives the process
	db      *sqlite.DB    // under kept, in some worlds
	process int           // counts processes
	inside  sync.WaitGroup

	people  int             // how many acts there were
	busy    int             // how many are under way
	mu      sync.Mutex      // of what callers note that one commit of the engine lets go on together
	asked   map[string]bool // jobs of approvals that help has answered
	pending []errand        // that may happen later
	outage  bool            // nobody takes messages
	full    bool            // nothing can be written
	skew    time.Duration
	settled bool // faults have ceased

	script  func()                   // what happens instead of steps
	defined []pipeline.Declaration   // instead of drawn ones
	latest  map[string]time.Duration // how late things were noticed that nobody told of

	unheardEnds bool                 // nobody hears of the end of a run
	abortedAt   map[string]time.Time // runs

	disturbedRuns map[string]bool
	tokens        map[string]string // newest, by run
	steps, events int
	faults        int
	covered       map[string]int
	broken        *violation
}

// A violation is what went wrong first.
type violation struct{ what, text string }

// An errand may be begun by the driver at any time.
type errand struct {
	name string
	here bool // it is of the process, and dies with it
	f    func(context.Context) error
}

type opened struct {
	sys *local.System
	err error
}

// A history is the log of a history: its hash, and its lines if they are wanted,
// else the last of them.
type history struct {
	sum   hash.Hash64
	begun time.Time
	all   bool
	lines []string
}

func (h *history) line(format string, args ...any) {
	line := fmt.Sprintf("%v ", time.Since(h.begun)) + fmt.Sprintf(format, args...)
	h.sum.Write([]byte(line))
	h.lines = append(h.lines, line)
	if !h.all && len(h.lines) > 400 {
		h.lines = append(h.lines[:0], h.lines[200:]...)
	}
}

func (h *history) value(b []byte) { h.sum.Write(b) }

// violated notes what went wrong. The driver stops at its next step.
func (w *world) violated(what, format string, args ...any) {
	if w.broken == nil {
		w.broken = &violation{what, fmt.Sprintf(format, args...)}
		w.log.line("VIOLATED %s: %s", what, w.broken.text)
	}
}

func (w *world) cover(class string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.covered[class]++
	w.faults++
}

// disturbed notes that calls of a run failed, so it may come to an early end.
func (w *world) disturbed(run string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.disturbedRuns[run] = true
}

func (w *world) wasDisturbed(run string) bool { return w.disturbedRuns[run] }

// contended counts that somebody was faster.
func (w *world) contended(err error) {
	if c, ok := errors.AsType[*store.ConflictError](err); ok && strings.HasPrefix(c.Key.PK, "STAGE#") {
		w.cover("F9")
		if w.plan.modes[0] == pipeline.Superseded {
			w.cover("F17")
		}
	}
}

// startsRun holds that a run is that of its execution, on the version that the
// record shows (F6).
func (w *world) startsRun(s machine.Start, f fate) {
	for _, e := range w.audit.executions {
		if e.Run != s.Name {
			continue
		}
		if e.Version != s.Version {
			w.violated("F6", "run %s starts on version %d, execution %s shows %d", s.Name, s.Version, e.ID, e.Version)
		}
		if p := w.audit.pipelines[e.Pipeline]; p.Version != e.Version {
			w.cover("F6")
		}
	}
	if f == unanswered {
		w.cover("F5")
	}
}

// comesLate counts calls that come when their machine has gone on.
func (w *world) comesLate(execution, run string) {
	w.cover("F14")
	if e := w.audit.executions[execution]; e != nil && (e.Run != run || e.Status.Final()) {
		w.cover("F16")
	}
}

// healed notes how late something was noticed.
func (w *world) healed(what string, since time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.latest[what] = max(w.latest[what], time.Since(since))
}

// later adds an errand of the process.
func (w *world) later(name string, f func(context.Context) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending = append(w.pending, errand{name, true, f})
	slices.SortFunc(w.pending, func(a, b errand) int { return strings.Compare(a.name, b.name) })
}

// spawn runs f beside everything else.
func (w *world) spawn(name string, f func(context.Context)) {
	w.inside.Go(func() { f(as(w.t.Context(), name)) })
}

// simulate plays a seed. It runs in a bubble.
func (w *world) simulate() {
	defer w.end()
	w.begin()
	switch {
	case w.script != nil:
		w.script()
	case w.rng.IntN(2) == 0: // trouble comes when executions have come some way
		for range 1 + w.rng.IntN(3) {
			w.start("p0")
		}
		w.play(w.rng.IntN(400))
	}
	for w.script == nil && !w.over() && w.steps < w.plan.steps {
		w.step()
	}
	w.settle()
	if w.over() {
		return
	}
	if standing := w.standing(); !w.over() {
		w.audit.rest(standing)
	}
}

// standing asks how the runs of all executions stand.
func (w *world) standing() map[string]machine.Status {
	all, asked := map[string]machine.Status{}, false
	w.spawn("the audit", func(ctx context.Context) {
		for _, id := range w.audit.order {
			run := w.audit.executions[id].Run
			s, err := w.sys.Service.Machine.Describe(ctx, run)
			if err != nil && !errors.Is(err, errKilled) {
				w.violated("I3", "run %s: %v", run, err)
			}
			all[run] = s
		}
		asked = true
	})
	w.quietly(func() bool { return !asked })
	return all
}

func (w *world) over() bool { return w.broken != nil }

// begin opens the first system and makes its pipelines.
func (w *world) begin() {
	if w.plan.sqlite {
		w.openDB()
	} else {
		w.kept = local.Kept{Items: table{new(memory.Store), w}, Journal: newMemo()}
	}
	w.open()
	w.quietly(func() bool { return w.sys == nil })
	for i, mode := range w.plan.modes {
		d := declaration(w.rng, fmt.Sprintf("p%d", i), mode, 1+w.rng.IntN(3))
		if w.defined != nil {
			d = w.defined[i]
		}
		ready := false
		w.spawn("make "+d.Name, func(ctx context.Context) {
			if _, err := w.sys.Service.CreatePipeline(ctx, orchestrator.Create{Declaration: d}); err != nil {
				w.violated("plan", "%v", err)
			}
			ready = true
		})
		w.quietly(func() bool { return !ready })
	}
}

// quietly lets calls through without faults while cond holds.
func (w *world) quietly(cond func() bool) {
	for w.look(); cond() && !w.over(); w.look() {
		if calls := w.gate.waiting(); len(calls) > 0 {
			w.let(calls[0], done)
		} else {
			w.pass(time.Second)
		}
	}
}

// end leaves nothing of the bubble behind.
func (w *world) end() {
	if p := recover(); p != nil {
		w.violated("panic", "%v\n%s", p, debug.Stack())
	}
	w.down()
	if w.db != nil {
		w.db.Close()
	}
}

// play plays a seed and returns the world as it ended.
func play(t *testing.T, seed uint64, change func(*world)) *world {
	w := &world{
		seed: seed, rng: rand.New(rand.NewPCG(seed, 14)), covered: map[string]int{}, asked: map[string]bool{},
		latest: map[string]time.Duration{}, abortedAt: map[string]time.Time{}, disturbedRuns: map[string]bool{}, tokens: map[string]string{},
	}
	w.plan = planOf(w.rng)
	w.works = newWorks(w)
	w.audit = newAudit(w)
	if change != nil {
		change(w)
	}
	w.folder = folder(t)
	defer os.RemoveAll(w.folder)
	synctest.Test(t, func(t *testing.T) {
		w.t = t
		w.log = &history{sum: fnv.New64a(), begun: time.Now(), all: *verboseSeed}
		w.log.line("%+v", w.plan)
		w.simulate()
	})
	return w
}

// folder returns a folder in memory, if there is one: nothing in it matters.
func folder(t *testing.T) string {
	base := "/dev/shm"
	if _, err := os.Stat(base); err != nil {
		base = ""
	}
	f, err := os.MkdirTemp(base, "sluice-simulation")
	if err != nil {
		t.Fatal(err)
	}
	return f
}
