package prooftest

import (
	"flag"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	db "github.com/sluice-ci/sluice/internal/sqlite"
	"github.com/sluice-ci/sluice/internal/store"
	"github.com/sluice-ci/sluice/internal/store/dynamo"
	"github.com/sluice-ci/sluice/internal/store/dynamo/dynamotest"
	"github.com/sluice-ci/sluice/internal/store/memory"
	"github.com/sluice-ci/sluice/internal/store/sqlite"
)

// A shelf is a kind of store. Open returns an empty one; a table that fails
// makes its choices by chance.
type shelf struct {
	name        string
	short, long int // how many walks are taken, in the short form and when proving
	open        func(t tester, chance chooser) store.Store
	pauses      bool // it waits between attempts, so its walks run on a clock of their own
}

// walks is how many walks are taken in each of so many worlds.
func (s shelf) walks(worlds int) int {
	n := s.short
	if proving() {
		n = s.long
	}
	return (n + worlds - 1) / worlds
}

// shelves are the stores that Sluice runs on, and the reference.
func shelves(t *testing.T) []shelf {
	lite := onSQLite(t)
	return []shelf{
		{name: "memory", short: 300, long: 6000, open: inMemory},
		{name: "sqlite", short: 20, long: 1500, open: lite},
		{name: "sqlite behind the cache", short: 20, long: 2500, open: func(t tester, chance chooser) store.Store { return store.Cache(lite(t, chance)) }},
		{name: "dynamo", short: 40, long: 4000, open: onDynamo, pauses: true},
	}
}

// check has rapid take so many walks, beginning with a seed, unless another one
// was asked for. A walk returns what is wrong after it, or "".
func (s shelf) check(t *testing.T, seed, walks int, walk func(t tester, choose chooser) string) {
	if flag.Lookup("rapid.seed").Value.String() == "0" {
		set(t, "rapid.seed", seed)
		defer set(t, "rapid.seed", 0)
	}
	set(t, "rapid.checks", walks)
	set(t, "rapid.nofailfile", true) // a seed does as well
	property := func(rt *rapid.T) {
		choose := func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "choice") }
		if wrong := walk(rt, choose); wrong != "" {
			rt.Fatal(wrong)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		if s.pauses {
			rapid.SyncTest(rt, property)
		} else {
			property(rt)
		}
	})
}

// set gives a flag of rapid a value.
func set(t *testing.T, name string, value any) {
	if err := flag.Set(name, fmt.Sprint(value)); err != nil {
		t.Fatal(err)
	}
}

func inMemory(tester, chooser) store.Store { return new(memory.Store) }

// onSQLite returns what empties the store in one real file.
func onSQLite(t *testing.T) func(tester, chooser) store.Store {
	d, err := db.Open(t.TempDir(), db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := sqlite.New(d)
	if err != nil {
		t.Fatal(err)
	}
	return func(t tester, _ chooser) store.Store {
		if err := d.Write(t.Context(), func(tx *db.Tx) error { return tx.Exec("DELETE FROM item") }); err != nil {
			t.Fatal(err)
		}
		return s
	}
}

// onDynamo returns the adapter of DynamoDB over a table that refuses, loses
// answers and forgets keys.
func onDynamo(t tester, chance chooser) store.Store {
	faults := dynamotest.Faults{Throttle: 0.05, Conflict: 0.05, FailBefore: 0.05, CommitThenError: 0.2, Unprocessed: 0.1}
	s, err := dynamo.New(dynamotest.New(uint64(chance(1<<16)), faults), "table")
	if err != nil {
		t.Fatal(err)
	}
	return s
}
