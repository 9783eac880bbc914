package orchestrator

import (
	"context"

	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/stage"
)

// settleUpdate makes executions and stages follow a new version. Each step is
// a transaction of its own; if they are cut short, the executions find out by
// themselves at their next task, and Sweep does the rest.
func (s *Service) settleUpdate(ctx context.Context, d pipeline.Declaration, by string) error {
	if err := s.cancelActive(ctx, d.Name, d.Version, false); err != nil {
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

// cancelActive cancels the executions of a pipeline that run an older version
// than version; 0 means all of them, PARALLEL ones too.
func (s *Service) cancelActive(ctx context.Context, name string, version int, abandon bool) error {
	active, err := s.Records.Active(ctx, name, 0)
	if err != nil {
		return err
	}
	for _, known := range active {
		if version > 0 && (known.Version >= version || known.Mode == pipeline.Parallel) {
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
