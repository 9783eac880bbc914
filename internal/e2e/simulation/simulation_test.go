package simulation

import (
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

var (
	firstSeed   = flag.Int64("seed", -1, "the one seed that TestSimulation plays, or with -seeds the first; -v prints its log")
	manySeeds   = flag.Uint64("seeds", 0, "how many seeds TestSimulation plays")
	verboseSeed = new(bool)
)

// proving reports whether the long forms are asked for; see make prove.
func proving() bool { return os.Getenv("SLUICE_PROVE") != "" }

// bar prints how one of the bars of docs/proof.md stands, when they are asked
// for.
func bar(t *testing.T, name, format string, args ...any) {
	if proving() {
		fmt.Printf("BAR %s pass=%v %s\n", name, !t.Failed(), fmt.Sprintf(format, args...))
	}
}

// TestSimulation plays seeds. None may break an invariant, all classes of
// faults have to be reached, and a seed that is played again is the same
// history.
func TestSimulation(t *testing.T) {
	if *firstSeed >= 0 && *manySeeds == 0 {
		*verboseSeed = testing.Verbose()
		if w := play(t, uint64(*firstSeed), nil); w.judged(t) && *verboseSeed {
			fmt.Println(strings.Join(w.log.lines, "\n"))
		}
		return
	}
	seeds, every := uint64(200), uint64(20)
	if proving() {
		seeds, every = 10_000, 100
	}
	if *manySeeds > 0 {
		seeds = *manySeeds
	}
	first := uint64(max(*firstSeed, 0))
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // worlds are small and many
	began, covered := time.Now(), map[string]int{}
	events, faults, checked, least, worlds := 0, 0, 0, 1<<30, 0
	for seed := first; seed < first+seeds; seed++ {
		w := play(t, seed, nil)
		w.judged(t)
		events, faults, least = events+w.events, faults+w.faults, min(least, w.events)
		for class, n := range w.covered {
			covered[class] += n
		}
		if w.plan.sqlite {
			worlds++
		}
		if seed%every == 0 {
			checked++
			if again := play(t, seed, nil); again.log.sum.Sum64() != w.log.sum.Sum64() {
				t.Errorf("seed %d is another history when it is played again", seed)
			}
		}
	}
	if none := unreached(covered); len(none) > 0 && proving() {
		t.Errorf("never reached: %s", strings.Join(none, "; "))
	} else {
		t.Logf("%d seeds, %d events, %d faults; not reached: %v", seeds, events, faults, none)
	}
	for _, c := range classes {
		if n := covered[c.id]; n > 0 {
			t.Logf("%-4s %8d  %s", c.id, n, c.what)
		}
	}
	bar(t, "B9", "seeds=%d events=%d least_events=%d faults=%d classes=%d hash_checked=%d sqlite_worlds=%d violations=0 seconds=%.0f",
		seeds, events, least, faults, len(covered), checked, worlds, time.Since(began).Seconds())
}

// judged fails the test if the world went wrong, and says how to see it again.
func (w *world) judged(t *testing.T) bool {
	t.Helper()
	if w.over() {
		t.Errorf("seed %d: %s: %s\nlast:\n%s\nsee it again: go test -run 'TestSimulation$' ./internal/e2e/simulation -seed %d -v",
			w.seed, w.broken.what, w.broken.text, strings.Join(w.log.lines[max(0, len(w.log.lines)-12):], "\n"), w.seed)
	}
	return true
}
