package orchestrator

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/sluice-ci/sluice/events"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/stage"
)

// RollbackStage runs a stage again as an earlier execution ran it: a new
// execution, of that stage only, with the revisions, variables and artifacts
// of its target (user guide, Rolling back a stage). It returns the new id.
func (s *Service) RollbackStage(ctx context.Context, in Rollback) (string, error) {
	var id string
	err := s.change(ctx, func(c *change) error {
		p, v, i, err := c.newest(in.Pipeline, in.Stage)
		if err != nil {
			return err
		}
		target, err := s.Records.Execution(ctx, in.Pipeline, in.Target)
		if err != nil {
			return err
		}
		if err := restorable(v.Declaration, i, &target.Value); err != nil {
			return err
		}
		by, err := json.Marshal(map[string]string{"AwsUserArn": in.By})
		if err != nil {
			return err
		}
		id = c.newID()
		return c.restore(p, v, i, &target.Value, record.Trigger{Type: "ManualRollback", Detail: string(by)}, id)
	})
	return id, err
}

// restorable says why a stage cannot go back to target, or nil.
func restorable(d pipeline.Declaration, i int, target *record.Execution) error {
	name := d.Stages[i].Name
	switch {
	case d.Type != pipeline.V2:
		return unable(name, "only pipelines of type V2 can roll back")
	case i == 0:
		return unable(name, "it is the source stage")
	case d.ExecutionMode == pipeline.Parallel:
		return unable(name, "the pipeline is in PARALLEL mode")
	case target.Version != d.Version:
		return pipeline.Errorf(pipeline.PipelineExecutionOutdated, "The stage '%s' cannot be rolled back: the pipeline was changed since (execution '%s' ran version %d, the pipeline is at version %d)", name, target.ID, target.Version, d.Version)
	case target.Type == record.Rollback:
		return unable(name, "the pipeline execution '%s' is a rollback itself", target.ID)
	case !target.Passed(i, name):
		return unable(name, "the pipeline execution '%s' did not succeed in it", target.ID)
	}
	return nil
}

func unable(stageName, format string, args ...any) error {
	return pipeline.Errorf(pipeline.UnableToRollbackStage, "The stage '"+stageName+"' cannot be rolled back: "+format, args...)
}

// restore adds the execution id of p, which runs stage i as target ran it. The
// stage has to be free.
func (c *change) restore(p *record.Pipeline, v record.Version, i int, target *record.Execution, why record.Trigger, id string) error {
	d := v.Declaration
	if err := c.roomFor(d); err != nil { // the operation has no other error for it
		return unable(d.Stages[i].Name, "%w", err)
	}
	p.NextSeq++
	c.begun[id] = d
	c.executions[id] = &tracked[record.Execution]{value: record.Execution{
		ID: id, Pipeline: p.Name, Version: p.Version, Seq: p.NextSeq,
		Status: pipeline.InProgress, Mode: d.ExecutionMode, Type: record.Rollback, Target: target.ID, Trigger: why,
		Role: v.Role, Attempt: 1, Since: 1, Run: runName(id, 1), Stage: i, Entry: 1,
		Variables: target.Variables, Revisions: target.Revisions,
		Started: c.at, Updated: c.at,
	}}
	e := &c.executions[id].value
	name := d.Stages[i].Name
	s, err := c.stage(p.Name, name, d.ExecutionMode)
	if err != nil {
		return err
	}
	effects := c.step(s, stage.Restore{Waiter: waiterOf(e, e.Seq)})
	if len(effects) == 0 {
		return unable(name, "Cannot start rollback while the stage is in progress")
	}
	c.put(record.HistoryKey(p.Name, e.Seq), id)
	c.put(record.ActiveKey(p.Name, id), id)
	c.announcePipeline(e, events.Started)
	c.startRun(e)
	return c.follow(p.Name, name, effects)
}

// rollBack starts the automatic rollback of a stage in which e failed, to the
// latest execution that succeeded there, and returns what to say about it. One
// that cannot be started changes nothing: the stage stays failed.
func (c *change) rollBack(e *record.Execution, d pipeline.Declaration, i int) (string, error) {
	st := d.Stages[i]
	if e.Type == record.Rollback {
		return "A rollback that failed is not rolled back", nil
	}
	target, err := c.latestPassed(d, i)
	if err != nil {
		return "", err
	}
	if target == nil {
		return "There is nothing to roll back to: no execution of this version of the pipeline has succeeded in the stage", nil
	}
	s, err := c.stage(e.Pipeline, st.Name, e.Mode)
	if err != nil {
		return "", err
	}
	if s.Lock.Owner != "" {
		return fmt.Sprintf("It was not rolled back: the execution %s, which waited, has entered the stage", s.Lock.Owner), nil
	}
	p, err := c.pipeline(e.Pipeline)
	if err != nil {
		return "", err
	}
	v, err := c.Records.Version(c.ctx, e.Pipeline, e.Version)
	if err != nil {
		return "", err
	}
	why, err := json.Marshal(map[string]string{"FailedPipelineExecutionId": e.ID})
	if err != nil {
		return "", err
	}
	id := c.newID()
	err = c.restore(p, v, i, target, record.Trigger{Type: "AutomatedRollback", Detail: string(why)}, id)
	if pipeline.CodeOf(err) == pipeline.UnableToRollbackStage {
		return "It was not rolled back: " + err.Error(), nil
	}
	return fmt.Sprintf("The execution %s rolls the stage back to %s", id, target.ID), err
}

// latestPassed returns the latest execution that succeeded in stage i of d's
// version, or nil.
func (c *change) latestPassed(d pipeline.Declaration, i int) (*record.Execution, error) {
	for before := int64(0); ; {
		batch, err := c.Records.Executions(c.ctx, d.Name, before, 100)
		if err != nil || len(batch) == 0 {
			return nil, err
		}
		for _, e := range batch {
			if e.Version < d.Version { // and so is every one before it
				return nil, nil
			}
			if e.Version == d.Version && e.Passed(i, d.Stages[i].Name) {
				return &e, nil
			}
		}
		if before = batch[len(batch)-1].Seq; before <= 1 {
			return nil, nil
		}
	}
}
