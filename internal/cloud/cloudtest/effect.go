package cloudtest

import (
	"context"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A Trial is a function in a world where it has something to do.
type Trial struct {
	Call   func(ctx context.Context) error // what starts the function, always with the same event
	Effect func(t testing.TB) string       // everything that has come of it
}

// OneEffect requires of a function that its event does something, and that it
// does the same when it comes twice, and when it comes three times at once.
// Lambda, EventBridge, SQS and Step Functions all deliver more than once.
//
// open makes a new trial. Call is made as if each time by a new process: it may
// share nothing with another call but what a real function shares.
func OneEffect(t *testing.T, open func(t *testing.T) Trial) {
	t.Helper()
	once := open(t)
	before := once.Effect(t)
	if err := once.Call(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := once.Effect(t)
	if want == before {
		t.Fatalf("the event does nothing, so nothing is tested:\n%s", before)
	}
	t.Run("twice", func(t *testing.T) {
		trial := open(t)
		for range 2 {
			if err := trial.Call(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		same(t, want, trial)
	})
	t.Run("at once", func(t *testing.T) {
		for range 20 { // for another order of steps
			trial := open(t)
			var all sync.WaitGroup
			for range 3 {
				all.Go(func() {
					if err := trial.Call(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			same(t, want, trial)
		}
	})
}

func same(t *testing.T, want string, trial Trial) {
	t.Helper()
	if diff := cmp.Diff(want, trial.Effect(t)); diff != "" {
		t.Fatalf("the effect is another one than of one call (-once +here):\n%s", diff)
	}
}
