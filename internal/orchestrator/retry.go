package orchestrator

import (
	"context"

	"github.com/sluice-ci/sluice/events"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/stage"
)

// RetryStage runs a failed or stopped stage again: the same execution, a new
// attempt, a new run of the machine that begins at that stage (user guide, How executions are stopped and retried).
func (s *Service) RetryStage(ctx context.Context, in Retry) error {
	return s.change(ctx, func(c *change) error {
		p, v, i, err := c.newest(in.Pipeline, in.Stage)
		if err != nil {
			return err
		}
		if _, err := s.Records.Execution(ctx, in.Pipeline, in.Execution); err != nil {
			return pipeline.Errorf(pipeline.StageNotRetryable, "The stage '%s' cannot be retried: %w", in.Stage, err)
		}
		e, err := c.execution(in.Execution)
		if err != nil {
			return err
		}
		st, err := c.stage(e.Pipeline, in.Stage, e.Mode)
		if err != nil {
			return err
		}
		if again, err := c.retryBesideOthers(e, v.Declaration.Stages[i], i, in, p.Version); err != nil || again {
			return err
		}
		if err := retryable(e, st, i, in, p.Version); err != nil {
			return err
		}
		if err := c.roomFor(v.Declaration); err != nil {
			return err
		}
		return c.retry(e, st, in)
	})
}

// retryBesideOthers notes the wish to retry what has failed in a stage where
// something still runs, and reports whether that was it. The machine runs the
// stage as a whole, so what failed runs again when the rest has ended.
func (c *change) retryBesideOthers(e *record.Execution, d pipeline.Stage, i int, in Retry, version int) (bool, error) {
	if in.Mode != pipeline.FailedActions || e.Status != pipeline.InProgress || !e.Inside || e.Stage != i || e.Again || e.Version != version {
		return false, nil
	}
	latest, err := c.latestActions(e, d)
	if err != nil {
		return false, err
	}
	failed, runs := false, false
	for _, a := range latest {
		failed = failed || a.Attempt == e.Attempt && a.Status == pipeline.Failed
		runs = runs || a.Status == pipeline.InProgress
	}
	if !failed || !runs { // once nothing runs, the stage is about to end as failed
		return false, nil
	}
	e.Again, e.Updated = true, c.at
	return true, nil
}

// retryable says why a stage cannot be retried, or nil.
func retryable(e *record.Execution, s *record.Stage, i int, in Retry, version int) error {
	latest := s.Latest
	switch {
	case e.Outside:
		return pipeline.Errorf(pipeline.StageNotRetryable, "The stage '%s' cannot be retried: the pipeline execution '%s' ended before it entered it", in.Stage, e.ID)
	case e.Mode != pipeline.Parallel && latest != nil && latest.Execution != e.ID:
		return pipeline.Errorf(pipeline.NotLatestPipelineExecution, "The stage '%s' cannot be retried: the pipeline execution '%s' is not the latest one to have entered it; '%s' is", in.Stage, e.ID, latest.Execution)
	case e.Version != version:
		return pipeline.Errorf(pipeline.StageNotRetryable, "The stage '%s' cannot be retried: the pipeline was changed since (execution '%s' ran version %d, the pipeline is at version %d)", in.Stage, e.ID, e.Version, version)
	case e.Status == pipeline.InProgress:
		return pipeline.Errorf(pipeline.StageNotRetryable, "The stage '%s' cannot be retried: the pipeline execution '%s' is in progress", in.Stage, e.ID)
	case e.Status != pipeline.Failed && e.Status != pipeline.Stopped || e.Stage != i || e.Mode != pipeline.Parallel && latest == nil:
		return pipeline.Errorf(pipeline.StageNotRetryable, "The stage '%s' cannot be retried: no action of it failed or was stopped in the pipeline execution '%s'", in.Stage, e.ID)
	case e.Mode != pipeline.Parallel && latest.Status != pipeline.Failed && latest.Status != pipeline.Stopped:
		return pipeline.Errorf(pipeline.StageNotRetryable, "The stage '%s' cannot be retried: its status is %s", in.Stage, latest.Status)
	}
	return nil
}

func (c *change) retry(e *record.Execution, s *record.Stage, in Retry) error {
	e.Status, e.StatusSummary, e.Stop = pipeline.InProgress, "", nil
	c.nextAttempt(e, in.Mode)
	e.Run = runName(e.ID, e.Attempt)
	e.Entry++
	s.Retries.Manual++
	s.Retries.Latest = "ManualStageRetry"
	c.put(record.ActiveKey(e.Pipeline, e.ID), e.ID)
	c.announcePipeline(e, events.Resumed)
	c.startRun(e)
	seq := e.Seq
	if e.Type == record.Rollback { // it keeps the place in the order that it was given
		seq = s.Lock.LastSeq
	}
	effects := c.step(s, stage.Reenter{Waiter: waiterOf(e, seq)})
	if len(effects) == 0 {
		return pipeline.Errorf(pipeline.Conflict, "The stage '%s' cannot be retried now: it is not free", in.Stage)
	}
	return c.follow(e.Pipeline, in.Stage, effects)
}
