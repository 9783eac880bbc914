package orchestrator

import (
	"context"

	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/stage"
)

// settleUpdate makes executions and stages follow a new version. Each step is
// a transaction of its own; if they are cut short, Sweep cancels the rest of the
// executions, and to the stages the mode comes with the next one that arrives.
func (s *Service) settleUpdate(ctx context.Context, d pipeline.Declaration) error {
	if err := s.cancelActive(ctx, d.Name, replacedBy(d.Version), false); err != nil {
		return err
	}
	for _, st := range d.Stages {
		err := s.change(ctx, func(c *change) error {
			if p, err := c.pipeline(d.Name); err != nil || p.Version != d.Version {
				return err // a newer update has its own mode
			}
			r, err := c.stage(d.Name, st.Name, d.ExecutionMode)
			if err != nil {
				return err
			}
			return c.follow(d.Name, st.Name, c.step(r, stage.SetMode{Mode: d.ExecutionMode}))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// replaced is how an execution ends whose version was replaced.
var replaced = outcome{stage: pipeline.Cancelled, execution: pipeline.Cancelled, summary: "The pipeline was changed while the execution was in progress"}

// replacedBy tells the executions that end because version is there: those of
// older ones, but for PARALLEL.
func replacedBy(version int) func(record.Execution) bool {
	return func(e record.Execution) bool { return e.Version < version && e.Mode != pipeline.Parallel }
}

// cancelActive cancels the executions of a pipeline that are under way and of
// a kind.
func (s *Service) cancelActive(ctx context.Context, name string, of func(record.Execution) bool, abandon bool) error {
	active, err := s.Records.Active(ctx, name, 0)
	if err != nil {
		return err
	}
	for _, known := range active {
		if !of(known) {
			continue
		}
		err := s.change(ctx, func(c *change) error {
			e, err := c.execution(known.ID)
			if err != nil || e.Status.Final() {
				return err
			}
			e.Cancel, e.Updated = true, c.at
			return c.stop(e, abandon, replaced)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
