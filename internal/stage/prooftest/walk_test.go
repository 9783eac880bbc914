package prooftest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/bartest"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/store"
)

// TestLikeTheService walks the model and the service at once, over every store
// and with the compiled machine, and compares all that both know of executions,
// locks, runs and the outbox after each move; the invariants are checked of
// what is then known to be recorded. A model that does not do what the code
// does would prove nothing about the code.
//
// Rapid makes a walk that fails short, and says with which -rapid.seed all
// worlds play it again.
func TestLikeTheService(t *testing.T) {
	began, all, worlds, stores, checks := time.Now(), tally{}, strollsByMode(), shelves(t), 0
	for _, s := range stores {
		var played tally
		t.Run(s.name, func(t *testing.T) {
			for _, c := range worlds {
				checks++
				check(t, &model{c, production}, s, checks, s.walks(len(worlds)), &played)
			}
			t.Log(&played)
		})
		all.add(&played)
	}
	for k, n := range all.moves {
		// In a stage of one action nothing runs beside one that has failed.
		if kind(k) != firstFault && kind(k) != loseAdmit && kind(k) != loseAnswer && kind(k) != retryBeside && n == 0 {
			t.Errorf("no walk had the move %q", kinds[k])
		}
	}
	bartest.Report(t, "B6", "sequences=%d steps=%d stores=%d worlds=%d seconds=%.1f seed=1..%d", all.walks, all.total(), len(stores), len(worlds), time.Since(began).Seconds(), checks)
}

// check takes the walks of one world.
func check(t *testing.T, m *model, s shelf, seed, walks int, played *tally) {
	s.check(t, seed, walks, func(t tester, choose chooser) string {
		if diff := walk(t, m, s.open(t, choose), choose, played); diff != "" {
			return fmt.Sprintf("%s, %s: %s", m.Mode, m.Name, diff)
		}
		return ""
	})
}

// A chooser picks one of n: the first is the simplest.
type chooser func(n int) int

// walk plays one walk on both and returns how they differ after it, or "".
func walk(t tester, m *model, s store.Store, choose chooser, played *tally) string {
	w, twin := m.begin(), newTwin(t, m, s)
	w.left.Total = uint8(1 + choose(int(m.Faults.Total)))
	for _, n := range w.left.each() { // some kinds of fault, often
		if choose(2) == 0 {
			*n = 0
		}
	}
	played.walks++
	var trace []string
	for {
		mv, ok := m.next(&w, choose)
		if !ok {
			return ""
		}
		trace = append(trace, mv.describe(&w))
		played.moves[mv.kind]++
		change := &change{model: m}
		ok = change.play(&w, mv)
		if err := twin.play(&w, mv); (err == nil) != ok {
			return fmt.Sprintf("the model accepts: %v; the service: %v, after %s", ok, err, lines(trace))
		}
		if !ok {
			return "" // the model has forgotten that it was asked
		}
		if name := m.wrongChange(&w, mv, change); name != "" {
			return fmt.Sprintf("%s is broken by the last move of %s", name, lines(trace))
		}
		w = change.w
		twin.noise(choose)
		if diff := twin.compare(&w); diff != "" {
			return fmt.Sprintf("%s, after %s", diff, lines(trace))
		}
		if name := m.wrongState(&w); name != "" {
			return fmt.Sprintf("%s is broken after %s", name, lines(trace))
		}
	}
}

// next chooses what happens next. Faults are rare enough for something to come
// of them.
func (m *model) next(w *world, choose chooser) (move, bool) {
	moves := m.moves(nil, w)
	if len(moves) == 0 {
		return move{}, false
	}
	slices.SortStableFunc(moves, func(a, b move) int { return fault(a) - fault(b) })
	by := 0
	for by < len(moves) && moves[by].progress() {
		by++
	}
	if by == 0 || choose(4) == 3 {
		by = len(moves)
	}
	if by == 1 {
		return moves[0], true
	}
	return moves[choose(by)], true
}

func fault(m move) int {
	if m.progress() {
		return 0
	}
	return 1
}

func lines(trace []string) string { return "\n\t" + strings.Join(trace, "\n\t") }

// A tally counts walks, and their moves by kind.
type tally struct {
	walks int
	moves [len(kinds)]int
}

func (y *tally) add(z *tally) {
	y.walks += z.walks
	for k, n := range z.moves {
		y.moves[k] += n
	}
}

func (y *tally) total() (n int) {
	for _, k := range y.moves {
		n += k
	}
	return n
}

func (y *tally) String() string {
	s := fmt.Sprintf("%d walks, %d moves", y.walks, y.total())
	for k, n := range y.moves {
		if n > 0 {
			s += fmt.Sprintf(", %d %s", n, kinds[k])
		}
	}
	return s
}

// strolls are the worlds of the walks.
var strolls = []Config{
	{Name: "2 stages", Executions: 3, Stages: 2, Faults: many},
	{Name: "3 stages", Executions: 3, Stages: 3, Faults: many},
	{Name: "onFailure RETRY", Executions: 2, Stages: 2, Faults: many, AutoRetry: true},
	{Name: "a rollback after two others", Executions: 3, Stages: 3, Faults: few, Rollback: 3},
	{Name: "a rollback between two others", Executions: 3, Stages: 2, Faults: few, Rollback: 2},
	{Name: "updates", Executions: 3, Stages: 3, Faults: many, Updates: []pipeline.Mode{pipeline.Parallel, pipeline.Queued}},
	{Name: "more updates", Executions: 3, Stages: 3, Faults: many, Updates: []pipeline.Mode{pipeline.Superseded, pipeline.Parallel, pipeline.Superseded}},
	{Name: "an entry condition", Executions: 3, Stages: 3, Faults: many, Gate: entryFails},
	{Name: "an entry condition that skips", Executions: 3, Stages: 3, Faults: many, Gate: entrySkips},
	{Name: "a condition of success", Executions: 3, Stages: 3, Faults: many, Gate: successFails},
	{Name: "a condition of success that rolls back", Executions: 3, Stages: 2, Faults: many, Rollback: 3, AutoBack: true, Gate: successRollsBack},
	{Name: "a condition of failure", Executions: 3, Stages: 2, Faults: many, Rollback: 3, AutoBack: true, Gate: failureRollsBack},
	{Name: "an entry condition and updates", Executions: 2, Stages: 2, Faults: many, Updates: back, Gate: entryFails},
	{Name: "a condition of success and updates", Executions: 2, Stages: 2, Faults: many, Updates: back, Gate: successFails},
	{Name: "onFailure ROLLBACK", Executions: 3, Stages: 2, Faults: few, Rollback: 3, AutoBack: true},
}

// few faults, so that something succeeds and can be gone back to.
var few = Faults{Total: 3, Disable: 1, Stop: 1, Fail: 2, Retry: 2, Kill: 1, Recall: 2, Linger: 1, Twice: 1, GiveUp: 1}

// many faults for a random walk.
var many = Faults{Total: 12, Disable: 1, Stop: 1, Fail: 4, Retry: 3, Kill: 1, Recall: 4, Linger: 3, Twice: 2, GiveUp: 1, Cut: 1, Override: 2}

func strollsByMode() (all []Config) {
	for _, c := range strolls {
		for _, c.Mode = range modes {
			if !c.AutoBack || c.Mode != pipeline.Parallel { // there it has none
				all = append(all, c)
			}
		}
	}
	return all
}

// TestLikenessBites: a model that differs in one rule is found to differ. In
// the short form those are left to the long one that take many walks.
func TestLikenessBites(t *testing.T) {
	differ := map[string]func(*rules){
		"noRewake": func(r *rules) { r.noRewake = true }, "deafWait": func(r *rules) { r.deafWait = true },
		"stopKeepsPlace": func(r *rules) { r.stopKeepsPlace = true }, "restoresByNumber": func(r *rules) { r.reduce = restoresByNumber },
		"anyVersion": func(r *rules) { r.anyVersion = true }, "goesBeside": func(r *rules) { r.goesBeside = false },
		"gateForgets": func(r *rules) { r.gateForgets = true },
	}
	if bartest.Proving() {
		maps.Copy(differ, map[string]func(*rules){
			"successIsWell": func(r *rules) { r.successIsWell = false },
			"hearsBeside":   func(r *rules) { r.hearsBeside = false }, "arrivalSetsMode": func(r *rules) { r.arrivalSetsMode = false },
			"newestSettles": func(r *rules) { r.newestSettles = false },
			"gateBlind":     func(r *rules) { r.gateBlind = true }, "keepsGate": func(r *rules) { r.keepsGate = true },
			"anyRun": func(r *rules) { r.anyRun = true }, "newestCallWaits": func(r *rules) { r.newestCallWaits = false },
			"newestCallActs": func(r *rules) { r.newestCallActs = false }, "repeatsAgain": func(r *rules) { r.repeatsAgain = false },
		})
	}
	worlds := strollsByMode()
	for name, change := range differ {
		r := production
		change(&r)
		found := false
		for seed := uint64(1); seed <= 4000 && !found; seed++ {
			c := worlds[seed%uint64(len(worlds))]
			choose := rand.New(rand.NewPCG(seed, 0)).IntN
			if found = walk(t, &model{c, r}, inMemory(t, choose), choose, new(tally)) != ""; found {
				t.Logf("%s: told after %d walks", name, seed)
			}
		}
		if !found {
			t.Errorf("%s: no walk told the model from the service", name)
		}
	}
}
