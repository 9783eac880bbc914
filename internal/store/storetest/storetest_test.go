package storetest

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/store"
	"github.com/sluice-ci/sluice/internal/store/memory"
)

// forgetful writes without looking at the version.
type forgetful struct{ memory.Store }

func (s *forgetful) Write(ctx context.Context, ops ...store.Op) error {
	for i := range ops {
		if ops[i].Kind != store.Check {
			ops[i].If = store.Any
		}
	}
	return s.Store.Write(ctx, ops...)
}

// piecemeal writes one op after the other.
type piecemeal struct{ memory.Store }

func (s *piecemeal) Write(ctx context.Context, ops ...store.Op) error {
	if err := store.CheckOps(ops); err != nil {
		return err
	}
	for _, op := range ops {
		if err := s.Store.Write(ctx, op); err != nil {
			return err
		}
	}
	return nil
}

// aliasing hands out pages that begin with the key they should start behind.
type aliasing struct{ memory.Store }

func (s *aliasing) Query(ctx context.Context, q store.Query) ([]store.Item, error) {
	limit := q.Limit
	q.Limit = 0
	after := q.After
	q.After = ""
	items, err := s.Store.Query(ctx, q)
	for len(items) > 0 && after != "" && items[0].SK != after {
		items = items[1:]
	}
	if limit > 0 && len(items) > limit {
		items = items[:limit]
	}
	return items, err
}

var broken = map[string]struct {
	open   func() store.Store
	caught string // the test that must fail
}{
	"forgetful": {func() store.Store { return new(forgetful) }, "OneConcurrentWriteWins"},
	"piecemeal": {func() store.Store { return new(piecemeal) }, "ConflictWritesNothing"},
	"aliasing":  {func() store.Store { return new(aliasing) }, "QuerySelects"},
}

// TestSuiteCatches runs the suite on stores known to be wrong, in a child
// process because a failure is what it hopes for.
func TestSuiteCatches(t *testing.T) {
	if name := os.Getenv("STORETEST_BROKEN"); name != "" {
		Run(t, func(*testing.T) store.Store { return broken[name].open() })
		return
	}
	for name, b := range broken {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestSuiteCatches$", "-test.timeout=20s")
			cmd.Env = append(os.Environ(), "STORETEST_BROKEN="+name)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "--- FAIL: TestSuiteCatches/"+b.caught) {
				t.Errorf("%s passed:\n%s", b.caught, out)
			}
		})
	}
}
