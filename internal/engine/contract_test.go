package engine_test

import (
	"context"
	"encoding/json"
	"sync"
	"testing"

	"github.com/sluice-ci/sluice/internal/engine"
	"github.com/sluice-ci/sluice/internal/machine/machinetest"
	"github.com/sluice-ci/sluice/internal/sqlite"
)

// calls remembers the tokens that an engine handed to its functions.
type calls struct {
	mu     sync.Mutex
	came   *sync.Cond
	tokens map[string][]string // by run; guarded by mu
}

// Invoke implements engine.Invoker.
func (c *calls) Invoke(_ context.Context, _ string, payload []byte) error {
	var in struct{ Token, Run string }
	if err := json.Unmarshal(payload, &in); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tokens[in.Run] = append(c.tokens[in.Run], in.Token)
	c.came.Broadcast()
	return nil
}

func TestMachineContract(t *testing.T) {
	machinetest.Run(t, func(t *testing.T) machinetest.Harness {
		db, err := sqlite.Open(t.TempDir(), sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		journal, err := engine.NewJournal(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		c := &calls{tokens: map[string][]string{}}
		c.came = sync.NewCond(&c.mu)
		text := func(context.Context, string, int) ([]byte, error) { return []byte(machinetest.Text), nil }
		e, err := engine.Open(t.Context(), journal, c, text, engine.Options{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		served := make(chan error, 1)
		go func() { served <- e.Serve(ctx) }()
		t.Cleanup(func() {
			stop()
			if err := <-served; err != nil {
				t.Error(err)
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		return machinetest.Harness{
			Machine: e,
			Token: func(run string, n int) string {
				c.mu.Lock()
				defer c.mu.Unlock()
				for len(c.tokens[run]) < n {
					c.came.Wait()
				}
				return c.tokens[run][n-1]
			},
			Calls: func(run string) int {
				c.mu.Lock()
				defer c.mu.Unlock()
				return len(c.tokens[run])
			},
		}
	})
}
