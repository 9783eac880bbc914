// Package deploymentwindow is the provider of DeploymentWindow rules: it waits
// until the window is open (user guide, DeploymentWindow). The rule's timeout
// ends the wait.
package deploymentwindow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/window"
)

// New returns the provider, which tells the time by now.
func New(now func() time.Time) (action.Provider, error) {
	if now == nil {
		return nil, errors.New("deploymentwindow.New: a clock is required")
	}
	return provider{now}, nil
}

type provider struct{ now func() time.Time }

// Start looks whether the window is open. Nothing runs while it is not.
func (p provider) Start(_ context.Context, job action.Job) (action.Result, error) {
	conf := job.Action.Configuration
	w, err := window.Parse(conf["Cron"], conf["TimeZone"])
	if err != nil {
		return action.Fail(action.ConfigurationError, fmt.Sprintf("Rule %s: %v", job.Action.Name, err)), nil
	}
	now := p.now()
	next, err := w.Next(now)
	switch {
	case err != nil:
		return action.Fail(action.ConfigurationError, fmt.Sprintf("Rule %s: %v", job.Action.Name, err)), nil
	case next.Equal(now):
		return action.Result{Status: pipeline.Succeeded, Summary: "The window is open"}, nil
	}
	return action.Result{Status: pipeline.InProgress, Summary: "Waits for the window, which opens at " + next.UTC().Format(time.RFC3339)}, nil
}

// Poll looks again.
func (p provider) Poll(ctx context.Context, job action.Job) (action.Result, error) {
	return p.Start(ctx, job)
}

// Stop does nothing: nothing runs.
func (provider) Stop(context.Context, action.Job) error { return nil }
