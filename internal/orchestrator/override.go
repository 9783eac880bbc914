package orchestrator

import (
	"context"

	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// OverrideCondition lets an execution pass a gate that is being evaluated
// (user guide, Overriding a stage condition). The rules that still run are
// abandoned.
func (s *Service) OverrideCondition(ctx context.Context, in Override) error {
	return s.change(ctx, func(c *change) error {
		_, v, i, err := c.newest(in.Pipeline, in.Stage)
		if err != nil {
			return err
		}
		if _, err := s.Records.Execution(ctx, in.Pipeline, in.Execution); err != nil {
			return notOverridable(in, "%w", err)
		}
		e, err := c.execution(in.Execution)
		if err != nil {
			return err
		}
		lock, err := c.stage(e.Pipeline, in.Stage, e.Mode)
		if err != nil {
			return err
		}
		switch {
		case e.Mode != pipeline.Parallel && lock.Latest != nil && lock.Latest.Execution != e.ID:
			return pipeline.Errorf(pipeline.NotLatestPipelineExecution, "The condition of stage '%s' cannot be overridden: the pipeline execution '%s' is not the latest one to have entered it; '%s' is", in.Stage, e.ID, lock.Latest.Execution)
		case e.Version != v.Declaration.Version:
			return notOverridable(in, "the pipeline was changed since")
		case e.Status != pipeline.InProgress || e.Stage != i || !e.Inside:
			return notOverridable(in, "the pipeline execution '%s' is not in it", e.ID)
		}
		cond := conditionOf(v.Declaration.Stages[i], in.Gate)
		if cond == nil {
			return notOverridable(in, "it has none")
		}
		if cond.Result == "SKIP" {
			return notOverridable(in, "its result is SKIP")
		}
		return c.override(e, v.Declaration, v.Declaration.Stages[i], in)
	})
}

func (c *change) override(e *record.Execution, d pipeline.Declaration, st pipeline.Stage, in Override) error {
	g, err := c.gate(e.ID, e.Attempt, st.Name, in.Gate)
	if err != nil {
		return err
	}
	if g.Status != pipeline.InProgress {
		return notOverridable(in, "it is not being evaluated")
	}
	rules, err := c.rules(e, st.Name, in.Gate)
	if err != nil {
		return err
	}
	g.Status, g.UpdatedBy, g.Summary = pipeline.Overridden, in.By, "Overridden by "+in.By
	c.closeGate(e, g, rules, "Abandoned: the condition was overridden")
	return c.decide(e, d, st, in.Gate, g)
}

func notOverridable(in Override, format string, args ...any) error {
	return pipeline.Errorf(pipeline.ConditionNotOverridable, "The "+string(in.Gate)+" condition of stage '"+in.Stage+"' cannot be overridden: "+format, args...)
}
