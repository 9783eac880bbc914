package memory_test

import (
	"testing"

	"github.com/sluice-ci/sluice/internal/store"
	"github.com/sluice-ci/sluice/internal/store/memory"
	"github.com/sluice-ci/sluice/internal/store/storetest"
)

func TestContract(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return new(memory.Store) })
}

// TestCachedContract runs the contract on a store with a cache before it.
func TestCachedContract(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return store.Cache(new(memory.Store)) })
}
