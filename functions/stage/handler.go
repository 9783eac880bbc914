package main

import (
	"context"

	"github.com/sluice-ci/sluice/internal/entry"
	"github.com/sluice-ci/sluice/internal/orchestrator"
)

// enterer is what this function needs of *orchestrator.Service.
type enterer interface {
	Enter(ctx context.Context, in orchestrator.EnterRequest) error
}

// handler takes what compile writes into the text of a machine.
func handler(svc enterer) entry.Handler { return entry.Task("task of a stage", svc.Enter) }
