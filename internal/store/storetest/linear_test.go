package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/sluice-ci/sluice/internal/bartest"
	db "github.com/sluice-ci/sluice/internal/sqlite"
	"github.com/sluice-ci/sluice/internal/store"
	"github.com/sluice-ci/sluice/internal/store/dynamo"
	"github.com/sluice-ci/sluice/internal/store/dynamo/dynamotest"
	"github.com/sluice-ci/sluice/internal/store/memory"
	"github.com/sluice-ci/sluice/internal/store/sqlite"
)

// The size of a history: every client does as many operations on one group of
// keys as on the next, so all of them meet in each.
const (
	clients = 8
	visits  = 5 // operations of one client on one group
	keys    = 3 // of a group
)

// groups is how many groups of keys a history has: with 200, every client does
// 1,000 operations.
func groups() int {
	if bartest.Proving() {
		return 200
	}
	return 25
}

// TestLinearizable records what eight clients at a time see of a store that
// loses acknowledgements, and has porcupine look for an order of all
// operations, within the time that each took, that explains it.
func TestLinearizable(t *testing.T) {
	d, err := db.Open(t.TempDir(), db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	lite, err := sqlite.New(d)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		record func(t *testing.T, seed uint64) *history
	}{
		{"memory", func(_ *testing.T, seed uint64) *history { return recorded(lossy(new(memory.Store), seed), seed) }},
		{"cache", func(_ *testing.T, seed uint64) *history {
			return recorded(lossy(store.Cache(new(memory.Store)), seed), seed)
		}},
		{"sqlite", func(_ *testing.T, seed uint64) *history { return recorded(lossy(lite, seed), seed) }},
		{"dynamo", onDynamo},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			began, total := time.Now(), &tally{}
			for seed := range histories(8) {
				h := tt.record(t, seed)
				total.add(h)
				if result := h.check(); result != porcupine.Ok {
					t.Fatalf("history %d is not linearizable (%s): %s", seed, result, h.blame())
				}
			}
			t.Log(total)
			bartest.Report(t, "B8-"+tt.name, "%s seconds=%.1f seed=0..%d", total, time.Since(began).Seconds(), histories(8)-1)
		})
	}
}

// TestLinearizableCatches runs the same on stores known to be wrong.
func TestLinearizableCatches(t *testing.T) {
	for name, open := range map[string]func() store.Store{
		"no version check": func() store.Store { return new(forgetful) },
		"piecemeal":        func() store.Store { return new(piecemeal) },
		"old reads":        func() store.Store { return &late{} },
	} {
		t.Run(name, func(t *testing.T) {
			began, refused := time.Now(), 0
			n := histories(20)
			for seed := range n {
				if recorded(lossy(open(), seed), seed).check() == porcupine.Illegal {
					refused++
				}
			}
			if uint64(refused)*100 < n*99 {
				t.Errorf("%d of %d histories were refused; want 99 in 100", refused, n)
			}
			bartest.Report(t, "B8-catches", "store=%q refused=%d histories=%d seconds=%.1f seed=0..%d", name, refused, n, time.Since(began).Seconds(), n-1)
		})
	}
}

// histories is how many are recorded.
func histories(short uint64) uint64 {
	if bartest.Proving() {
		return 500
	}
	return short
}

// onDynamo records a history of the DynamoDB adapter on a table that fails in
// every way. Its pauses take no time.
func onDynamo(t *testing.T, seed uint64) (h *history) {
	synctest.Test(t, func(t *testing.T) {
		fake := dynamotest.New(seed, dynamotest.Faults{
			Throttle: 0.05, Conflict: 0.05, FailBefore: 0.05, CommitThenError: 0.2, Late: 0.05, Unprocessed: 0.1,
		})
		s, err := dynamo.New(fake, "table")
		if err != nil {
			t.Fatal(err)
		}
		h = recorded(s, seed)
	})
	return h
}

// late answers reads with what was true a while ago.
type late struct {
	memory.Store
	old sync.Map // by key: what the last read but one found
}

func (s *late) Get(ctx context.Context, k store.Key) (store.Item, error) {
	item, err := s.Store.Get(ctx, k)
	if before, ok := s.old.Swap(k, item); ok && err == nil {
		return before.(store.Item), nil
	}
	return item, err
}

// ambiguous is a store of which some writes fail before, or after, they are
// done.
type ambiguous struct {
	store.Store
	mu  sync.Mutex
	rng *rand.Rand // guarded by mu
}

func lossy(s store.Store, seed uint64) store.Store {
	return &ambiguous{Store: s, rng: rand.New(rand.NewPCG(seed, 1))}
}

var errLost = errors.New("the answer was lost")

func (s *ambiguous) Write(ctx context.Context, ops ...store.Op) error {
	s.mu.Lock()
	p := s.rng.Float64()
	s.mu.Unlock()
	if p < 0.05 {
		return errLost
	}
	err := s.Store.Write(ctx, ops...)
	if p < 0.25 && err == nil {
		return errLost
	}
	return err
}

// recorded lets the clients work on s and returns what they saw.
func recorded(s store.Store, seed uint64) *history {
	h := &history{}
	var clock atomic.Int64
	var wg sync.WaitGroup
	parts := make([][]porcupine.Operation, clients)
	for i := range clients {
		wg.Go(func() {
			c := &client{
				id: i, s: s, clock: &clock, rng: rand.New(rand.NewPCG(seed, uint64(i)+2)),
				prefix: fmt.Sprintf("%d/", seed),
			}
			for g := range groups() {
				c.known = [keys]int64{}
				for range visits {
					c.act(g)
				}
			}
			parts[i] = c.seen
		})
	}
	wg.Wait()
	end := clock.Add(1)
	for _, part := range parts {
		for _, op := range part {
			if op.Output.(output).unknown { // it may happen any time from now on
				op.Return = end
			}
			h.ops = append(h.ops, op)
		}
	}
	return h
}

// A client does one thing after the other and writes down what it sees.
type client struct {
	id     int
	s      store.Store
	clock  *atomic.Int64
	rng    *rand.Rand
	prefix string
	known  [keys]int64 // the versions it saw last
	seen   []porcupine.Operation
	made   int
}

func (c *client) key(g, k int) store.Key {
	return store.Key{PK: fmt.Sprint(c.prefix, g), SK: strconv.Itoa(k)}
}

// act reads something, or writes something on condition of what was read.
func (c *client) act(g int) {
	runtime.Gosched()
	if c.rng.IntN(2) == 0 {
		c.write(g)
		return
	}
	k := c.rng.IntN(keys)
	switch c.rng.IntN(4) {
	case 0:
		c.read(g, []int{0, 1, 2}, func() ([]store.Item, error) {
			return c.s.GetMany(context.Background(), []store.Key{c.key(g, 0), c.key(g, 1), c.key(g, 2)})
		})
	case 1:
		c.read(g, []int{0, 1, 2}, func() ([]store.Item, error) {
			return c.s.Query(context.Background(), store.Query{PK: c.key(g, 0).PK})
		})
	default:
		c.read(g, []int{k}, func() ([]store.Item, error) {
			item, err := c.s.Get(context.Background(), c.key(g, k))
			if store.IsNotFound(err) {
				return nil, nil
			}
			return []store.Item{item}, err
		})
	}
}

// read records what f finds of each key on its own: no read of several keys
// promises to see them at one moment.
func (c *client) read(g int, which []int, f func() ([]store.Item, error)) {
	call := c.clock.Add(1)
	items, err := f()
	back := c.clock.Add(1)
	if err != nil {
		return // it saw nothing
	}
	for _, k := range which {
		var found cell
		for _, item := range items {
			if item.SK == strconv.Itoa(k) {
				found = cell{item.Version, string(item.Value)}
			}
		}
		c.known[k] = found.version
		c.seen = append(c.seen, porcupine.Operation{
			ClientId: c.id, Call: call, Return: back, Input: input{group: g, key: k}, Output: output{found: found},
		})
	}
}

// write changes, removes or checks some keys, each on condition of the version
// that it had when it was last seen, and now and then of another, or of none.
func (c *client) write(g int) {
	in := input{group: g}
	for _, k := range c.rng.Perm(keys)[:1+c.rng.IntN(keys)] {
		c.made++
		op := store.Op{Key: c.key(g, k), If: c.known[k], Value: fmt.Appendf(nil, "%d.%d", c.id, c.made)}
		switch c.rng.IntN(10) {
		case 0:
			op.Kind = store.Delete
		case 1, 2:
			op.Kind = store.Check
		case 3:
			op.If = store.Any
		case 4:
			op.If = c.rng.Int64N(3)
		}
		in.ops = append(in.ops, op)
	}
	call := c.clock.Add(1)
	err := c.s.Write(context.Background(), slices.Clone(in.ops)...) // a wrong store may change its argument
	back := c.clock.Add(1)
	out := output{}
	if conflict, ok := errors.AsType[*store.ConflictError](err); ok {
		out.conflict = conflict
	} else if err != nil {
		out.unknown = true
	} else {
		for _, op := range in.ops {
			if k, _ := strconv.Atoi(op.SK); op.Kind == store.Put && op.If != store.Any {
				c.known[k] = op.If + 1
			}
		}
	}
	c.seen = append(c.seen, porcupine.Operation{ClientId: c.id, Call: call, Return: back, Input: in, Output: out})
}
