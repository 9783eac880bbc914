package orders

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
)

// changing is a store that writes something else than it is asked to.
type changing struct {
	store.Store
	change func(store.Op) (store.Op, bool) // what is written instead, if anything
}

// Write implements store.Store.
func (s changing) Write(ctx context.Context, ops ...store.Op) error {
	var changed []store.Op
	for _, op := range ops {
		if op, ok := s.change(op); ok {
			changed = append(changed, op)
		}
	}
	return s.Store.Write(ctx, changed...)
}

// firstToken keeps the first token of each action: who waits now is not told.
func firstToken() func(store.Op) (store.Op, bool) {
	first := map[store.Key]string{}
	return func(op store.Op) (store.Op, bool) {
		if op.Kind != store.Put || !strings.HasPrefix(op.SK, "ACT#") {
			return op, true
		}
		a, err := record.Decode[record.Action](store.Item{Key: op.Key, Value: op.Value})
		if err != nil || a.Token == "" {
			return op, true
		}
		if first[op.Key] == "" {
			first[op.Key] = a.Token
		}
		a.Token = first[op.Key]
		op.Value = record.Encode(a)
		return op, true
	}
}

// without leaves out the puts of keys that begin so.
func without(prefix string) func() func(store.Op) (store.Op, bool) {
	return func() func(store.Op) (store.Op, bool) {
		return func(op store.Op) (store.Op, bool) {
			return op, !strings.HasPrefix(op.PK, prefix) || op.Kind == store.Check
		}
	}
}

// undone loses the end of an action: its record stays as it was.
func undone() func(store.Op) (store.Op, bool) {
	return func(op store.Op) (store.Op, bool) {
		if op.Kind != store.Put || !strings.HasPrefix(op.SK, "ACT#") {
			return op, true
		}
		a, err := record.Decode[record.Action](store.Item{Key: op.Key, Value: op.Value})
		if err == nil && a.Name == "Act" && a.Status.Final() {
			return store.Op{Key: op.Key, Kind: store.Check, If: op.If}, true
		}
		return op, true
	}
}

// hasty is a service that does work as often as it is asked to.
type hasty struct{ service }

// Start implements action.Provider.
func (s hasty) Start(ctx context.Context, job action.Job) (action.Result, error) {
	delete(s.jobs, job.ID)
	return s.service.Start(ctx, job)
}

// TestBites plays with something broken until an order tells.
func TestBites(t *testing.T) {
	build := kinds[slices.IndexFunc(kinds, func(k kind) bool { return k.name == "goes on elsewhere" })]
	careless := build
	careless.open = func(p *play) action.Provider { return hasty{elsewhere(p).(service)} }
	for name, tt := range map[string]struct {
		form   form
		mutant func() func(store.Op) (store.Op, bool)
	}{
		"the task of the first call is told, whoever waits": {form{kind: &build, calling: anew}, firstToken},
		"the job is found by nobody":                        {form{kind: &build}, without("JOB#")},
		"an end is lost":                                    {form{kind: &build}, undone},
		"the service begins work twice":                     {form{kind: &careless}, without("nothing")},
	} {
		t.Run(name, func(t *testing.T) {
			b, orders, rng := prepare(t, tt.form.kind), permutations(), rand.New(rand.NewPCG(1, 1))
			for n := range 200 {
				order := orders[rng.IntN(len(orders))]
				m := tt.mutant()
				problems := playOrder(tt.form, b, order, func(s store.Store) store.Store { return changing{s, m} })
				if len(problems) > 0 {
					t.Logf("told by order %d, %s: %s", n+1, orderName(order), problems[0])
					return
				}
			}
			t.Error("200 orders tell nothing")
		})
	}
}
