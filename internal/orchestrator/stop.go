package orchestrator

import (
	"context"

	"github.com/sluice-ci/sluice/events"
	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/stage"
)

// StopExecution asks an execution to end (user guide, How executions are stopped and retried). Without Abandon what
// runs may finish; with it, what runs is stopped and its result is not waited
// for. Waiting can be escalated to abandoning, nothing else may be repeated.
func (s *Service) StopExecution(ctx context.Context, in Stop) error {
	return s.change(ctx, func(c *change) error {
		if _, err := c.Records.Pipeline(ctx, in.Pipeline); err != nil {
			return err
		}
		if _, err := c.Records.Execution(ctx, in.Pipeline, in.Execution); err != nil { // the operation has no error for it
			return pipeline.Errorf(pipeline.NotStoppable, "The pipeline execution '%s' is not in progress: %w", in.Execution, err)
		}
		e, err := c.execution(in.Execution)
		if err != nil {
			return err
		}
		switch {
		case e.Status.Final():
			return pipeline.Errorf(pipeline.NotStoppable, "The pipeline execution '%s' is not in progress: its status is %s", e.ID, e.Status)
		case e.Status == pipeline.Stopping && (!in.Abandon || e.Stop != nil && e.Stop.Abandon):
			return pipeline.Errorf(pipeline.DuplicatedStopRequest, "The pipeline execution '%s' is already being stopped", e.ID)
		}
		e.Stop = &record.Stop{Reason: in.Reason, Abandon: in.Abandon, By: in.By, At: c.at}
		e.Updated = c.at
		if e.Status == pipeline.InProgress {
			e.Status = pipeline.Stopping
			c.announcePipeline(e, events.Stopping)
		}
		return c.stop(e, in.Abandon, outcome{stage: pipeline.Stopped, execution: pipeline.Stopped})
	})
}

// stop ends e now if it is not inside a stage, or if what runs there is to be
// abandoned. Otherwise the stage's end will end it.
func (c *change) stop(e *record.Execution, abandon bool, o outcome) error {
	d, err := c.declaration(c.ctx, e)
	if err != nil {
		return err
	}
	declared := d.Stages[e.Stage]
	name := declared.Name
	s, err := c.stage(e.Pipeline, name, e.Mode)
	if err != nil {
		return err
	}
	if !e.Inside {
		if err := c.dismiss(e, name, o); err != nil {
			return err
		}
		if s.Lock.Owner == e.ID { // it was granted the stage and has not heard of it: it ends inside
			e.Outside = false
			enters(s, e, o.stage)
		}
		return c.follow(e.Pipeline, name, c.step(s, stage.Remove{Execution: e.ID}))
	}
	switch _, gate, err := c.openGateOf(e, declared); {
	case err != nil:
		return err
	case gate != nil: // nothing of the stage runs
		return c.ends(e, s, declared, "", o)
	}
	if err := c.turnAway(e, d, declared); err != nil {
		return err
	}
	if e.Status == pipeline.Stopping && !abandon && stands(s, e, pipeline.Stopping) {
		c.announceStage(e, name, events.Stopping)
	}
	if err := c.abandonActions(e, declared, abandon, o); err != nil || !abandon {
		return err
	}
	c.out.Stops = append(c.out.Stops, record.StopRun{Run: e.Run, Error: "Sluice." + string(o.execution), Cause: "the execution was stopped"})
	return c.ends(e, s, declared, "", o)
}

// abandonActions ends what runs in a stage and has its work stopped: all of it,
// or of what is cancelled what waits for people, because there is nothing to be
// answered any more.
func (c *change) abandonActions(e *record.Execution, declared pipeline.Stage, all bool, o outcome) error {
	if !all && o.execution != pipeline.Cancelled {
		return nil
	}
	latest, err := c.latestActions(e, declared)
	if err != nil {
		return err
	}
	for _, d := range declared.Actions {
		known := latest[d.Name]
		if known == nil || known.Status != pipeline.InProgress {
			continue
		}
		a, err := c.action(known.Ref())
		if err != nil {
			return err
		}
		if a.Status != pipeline.InProgress || !all && a.Job.Action.TypeID.Category != pipeline.Approval {
			continue
		}
		if all {
			a.Token = "" // its run is stopped as a whole
		}
		status, result := abandoned(a, o)
		c.endAction(e, a, status, result)
		c.out.Kills = append(c.out.Kills, a.Ref())
	}
	return nil
}

// abandoned is how an action ends that is not waited for. The service shows an
// approval that an update cut short as failed.
func abandoned(a *record.Action, o outcome) (pipeline.Status, action.Result) {
	switch {
	case o.execution != pipeline.Cancelled:
		return pipeline.Abandoned, action.Result{Summary: "Abandoned: the execution was stopped"}
	case a.Job.Action.TypeID.Category == pipeline.Approval:
		return pipeline.Failed, action.Result{Summary: "The approval action has been canceled."}
	}
	return pipeline.Abandoned, action.Result{Summary: "Abandoned: the pipeline was deleted"}
}
