package local

import (
	"context"
	"time"

	"github.com/sluice-ci/sluice/internal/engine"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
)

// Seams are where a test stands in the place of a part of a system, or in front
// of it. What is nil is the real thing.
type Seams struct {
	// Kept is used instead of the database. It outlives the system, as a file does.
	Kept *Kept

	// Ports stands in front of the ports that the use cases and the watcher are
	// given.
	Ports func(orchestrator.Ports) orchestrator.Ports

	// Tune may change the options of the use cases.
	Tune func(*orchestrator.Options)

	// Work stands in front of what the system calls by itself.
	Work func(Work) Work

	// Hears says which of the outbox rows of a commit the pump hears of.
	Hears func([]orchestrator.Row) []orchestrator.Row

	// SweepEvery is how often the system looks for what nobody noticed.
	SweepEvery time.Duration

	// Deliveries is how many rows the pump delivers at once.
	Deliveries int
}

// Kept is all that a system keeps, but for files.
type Kept struct {
	Items   store.Store
	Journal engine.Journal
}

// Work is what a system calls by itself, for its machines, its outbox and its
// clock; all other use cases are called by people. [orchestrator.Service] is it.
type Work interface {
	Enter(context.Context, orchestrator.EnterRequest) error
	RunAction(context.Context, orchestrator.RunRequest) error
	Ended(ctx context.Context, run, cause string) error
	Resume(ctx context.Context, job string) error
	Sweep(context.Context) error

	Outbox(context.Context) ([]orchestrator.Row, error)
	Act(context.Context, record.Outbox) error
	Announce(context.Context, record.Outbox) error
	Delivered(context.Context, []store.Key) error
}
