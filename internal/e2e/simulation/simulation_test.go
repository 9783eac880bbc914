package simulation

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"
)

var (
	oneSeed     = flag.Int64("seed", -1, "the one seed that TestSimulation plays; -v prints its log")
	seeds       = flag.Int("seeds", 0, "how many seeds TestSimulation plays")
	verboseSeed = new(bool)
)

func proving() bool { return os.Getenv("SLUICE_PROVE") != "" }

func TestSimulation(t *testing.T) {
	first, n := uint64(0), 200
	if *seeds > 0 {
		n = *seeds
	}
	if *oneSeed >= 0 {
		first, n = uint64(*oneSeed), 1
		*verboseSeed = testing.Verbose()
	}
	began := time.Now()
	covered := map[string]int{}
	events := 0
	for seed := first; seed < first+uint64(n); seed++ {
		w := play(t, seed, nil)
		events += w.events
		for k, v := range w.covered {
			covered[k] += v
		}
		if *verboseSeed || w.over() && *oneSeed >= 0 {
			for _, l := range w.log.lines {
				fmt.Println(l)
			}
		}
		if *verboseSeed {
			fmt.Println("HASH", w.log.sum.Sum64())
		}
		if w.over() {
			t.Errorf("seed %d: %s: %s\nreplay: go test -run 'TestSimulation$' ./internal/e2e/simulation -seed %d -v", seed, w.broken.what, w.broken.text, seed)
		}
	}
	t.Log(n, "seeds", events, "events", time.Since(began), covered)
}
