package main

import (
	"context"

	"github.com/sluice-ci/sluice/internal/entry"
	"github.com/sluice-ci/sluice/internal/orchestrator"
)

// runner is what this function needs of *orchestrator.Service.
type runner interface {
	RunAction(ctx context.Context, in orchestrator.RunRequest) error
}

// handler takes what compile writes into the text of a machine.
func handler(svc runner) entry.Handler { return entry.Task("task of an action", svc.RunAction) }
