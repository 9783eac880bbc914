package store_test

import (
	"slices"
	"testing"

	"github.com/sluice-ci/sluice/internal/store"
	"github.com/sluice-ci/sluice/internal/store/memory"
	"github.com/sluice-ci/sluice/internal/store/storetest"
)

// An observed store is a store.
func TestObserveContract(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store {
		return store.Observe(new(memory.Store), func([]store.Op) {})
	})
}

func TestObserve(t *testing.T) {
	var seen []string
	inner := new(memory.Store)
	s := store.Observe(inner, func(ops []store.Op) {
		for _, op := range ops {
			if _, err := inner.Get(t.Context(), op.Key); err != nil {
				t.Errorf("told of %v before it was committed: %v", op.Key, err)
			}
			seen = append(seen, op.SK)
		}
	})
	a, b := store.Op{Key: store.Key{PK: "p", SK: "a"}}, store.Op{Key: store.Key{PK: "p", SK: "b"}}
	if err := s.Write(t.Context(), a, b); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(t.Context(), a); !store.IsConflict(err) {
		t.Errorf("Write: %v; want a conflict", err)
	}
	if want := []string{"a", "b"}; !slices.Equal(seen, want) {
		t.Errorf("observed %v; want %v", seen, want)
	}
}
