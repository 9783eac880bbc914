package crash_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

var kills = flag.Int("kills", 0, "how often TestKill kills a system that works; a fifth more while it recovers")

// proving reports whether long forms are run.
func proving() bool { return os.Getenv("SLUICE_PROVE") != "" }

// between is how many kills there are between two looks at everything.
const between = 50

// TestKill kills the system with SIGKILL at random moments, also while it
// recovers from the kill before, under a load of all that people do. See
// load.check for what has to hold.
func TestKill(t *testing.T) {
	seed, began := uint64(time.Now().UnixNano()), time.Now()
	rng := rand.New(rand.NewPCG(seed, 0))
	n := *kills
	if n == 0 {
		n = 40
		if proving() {
			n = 1000
		}
	}
	defer func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	}()
	l := newLoad(t)
	recovery, all := 0, tally{statuses: map[pipeline.Status]int{}}
	boot := 500 * time.Millisecond
	for done := 0; done < n; {
		for range min(between, n-done) {
			if rng.IntN(5) == 0 {
				c := spawn(t, os.Args[0], l.folder)
				after(t, time.Duration(rng.Int64N(int64(boot))))
				c.kill()
				recovery++
			}
			from := time.Now()
			c := start(t, l.folder)
			boot = (3*boot + time.Since(from)) / 4
			ctx, cancel := context.WithCancel(t.Context())
			over, users := make(chan struct{}), rand.New(rand.NewPCG(rng.Uint64(), 0))
			go func() {
				l.run(ctx, c, users)
				close(over)
			}()
			after(t, time.Duration(rng.Int64N(int64(300*time.Millisecond))))
			c.kill()
			cancel()
			<-over
			done++
		}
		settling := time.Now()
		all = l.settle(start(t, l.folder), rng)
		t.Logf("%d kills, %d calls acknowledged, boot %s, %s until all had ended, %s in all: %d executions so far %v, %d tries of commands, %d lost",
			done, l.acknowledged, boot.Round(time.Millisecond), time.Since(settling).Round(time.Millisecond), time.Since(began).Round(time.Second), all.executions, all.statuses, all.tries, all.lost)
	}
	if l.acknowledged < n {
		t.Errorf("only %d calls were acknowledged; the load was too small to show anything", l.acknowledged)
	}
	if t.Failed() || !proving() {
		return
	}
	fmt.Printf("BAR B1 kills=%d recovery_kills=%d acknowledged=%d executions=%d tries=%d lost_tries=%d lost=0 duplicated=0 stuck=0 seconds=%.0f seed=%d\n",
		n, recovery, l.acknowledged, all.executions, all.tries, all.lost, time.Since(began).Seconds(), seed)
}

// after waits until a random moment has come.
func after(t *testing.T, d time.Duration) {
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}
