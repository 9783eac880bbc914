package prooftest

import (
	"testing"

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
		{name: "memory", short: 200, long: 6000, open: inMemory},
		{name: "sqlite", short: 20, long: 1500, open: lite},
		{name: "sqlite behind the cache", short: 20, long: 2500, open: func(t tester, chance chooser) store.Store { return store.Cache(lite(t, chance)) }},
		{name: "dynamo", short: 40, long: 4000, open: onDynamo, pauses: true},
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
