package main

import (
	"log/slog"

	"github.com/sluice-ci/sluice/internal/entry"
	"github.com/sluice-ci/sluice/internal/hook"
)

// handler serves the same pages as sluice up.
func handler(svc hook.Approvals, log *slog.Logger) (entry.Handler, error) {
	pages, err := hook.New(svc, log)
	return entry.URL(pages), err
}
