package local

import (
	"github.com/sluice-ci/sluice/internal/store"
	items "github.com/sluice-ci/sluice/internal/store/sqlite"
)

// Unheard returns the records of s. Nobody hears of what is written through it,
// as of a commit that was reported as failed.
func (s *System) Unheard() (store.Store, error) { return items.New(s.db) }
