package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/sluice-ci/sluice/internal/machine"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
)

// Sweep heals what nobody else noticed: it polls the work that goes on
// elsewhere, ends what is past its deadline, gives back the stages of
// executions whose machine run has died, and does the rest of updates and
// deletions that were cut short. Running it twice is running it once.
func (s *Service) Sweep(ctx context.Context) error {
	deleted, err := s.Store.Query(ctx, store.Query{PK: record.DeletedKey})
	if err != nil {
		return err
	}
	pipelines, err := s.Records.Pipelines(ctx, "", 0)
	if err != nil {
		return err
	}
	var failures []error
	for _, it := range deleted {
		failures = append(failures, s.settleDeletion(ctx, it.SK))
	}
	for _, p := range pipelines {
		active, err := s.Records.Active(ctx, p.Name, 0)
		if err != nil {
			return err
		}
		unheard := replacedBy(p.Version)
		if slices.ContainsFunc(active, func(e record.Execution) bool { return !e.Cancel && unheard(e) }) {
			failures = append(failures, s.cancelActive(ctx, p.Name, unheard, false))
		}
		for _, e := range active {
			if err := s.sweepExecution(ctx, e); err != nil {
				failures = append(failures, fmt.Errorf("sweep execution %s: %w", e.ID, err))
			}
		}
	}
	return errors.Join(failures...)
}

func (s *Service) sweepExecution(ctx context.Context, e record.Execution) error {
	all, err := s.Records.Actions(ctx, e.ID)
	if err != nil {
		return err
	}
	if e.Gated {
		rules, err := s.Records.Rules(ctx, e.ID)
		if err != nil {
			return err
		}
		all = append(all, rules...)
	}
	var failures []error
	for _, a := range all {
		switch {
		case a.Status != pipeline.InProgress:
		case !s.now().Before(a.Job.Deadline):
			failures = append(failures, s.expire(ctx, a.Ref()))
		case a.Result.Cursor != "":
			if stalled(a, s.now()) {
				failures = append(failures, s.send(ctx, Errand{Job: a.ID, Cursor: a.Result.Cursor}))
			}
		case asks(a, s.now()):
			failures = append(failures, s.send(ctx, Errand{Job: a.ID}))
		}
	}
	status, err := s.Machine.Describe(ctx, e.Run)
	if err == nil && status != machine.Running && status != machine.Unknown { // unknown: its start is still in the outbox
		err = s.Ended(ctx, e.Run, "the state machine ended as "+string(status))
	}
	return errors.Join(append(failures, err)...)
}

// asks reports whether the sweep of this minute asks how the work of a stands.
// An approval that has its token waits for people, who tell. Of other work the
// end is told too, as a rule, and the older it is, the longer it takes anyway:
// it is asked for each minute for five minutes, then every 5 minutes for an
// hour, then every 15.
func asks(a record.Action, now time.Time) bool {
	if a.Job.Action.TypeID.Category == pipeline.Approval && a.Result.Token != "" {
		return false
	}
	age := int(now.Sub(a.Started) / time.Minute)
	switch {
	case age == 0 && reflect.ValueOf(a.Result).IsZero():
		return false
	case age < 5:
		return true
	case age < 60:
		return age%5 == 0
	}
	return age%15 == 0
}

// piece is longer than anybody works on one piece of work: a function lives
// for 15 minutes.
const piece = 20 * time.Minute

// stalled reports whether the sweep of this minute has somebody go on with
// work in pieces, because whoever's turn it was is gone.
func stalled(a record.Action, now time.Time) bool {
	minutes := int(now.Sub(a.Updated) / time.Minute)
	return minutes > 0 && minutes%int(piece/time.Minute) == 0
}

// expire fails an action whose time is up and stops its work.
func (s *Service) expire(ctx context.Context, id record.ActionID) error {
	return s.change(ctx, func(c *change) error {
		a, err := c.action(id)
		if err != nil || a.Status.Final() {
			return err
		}
		e, err := c.execution(a.Execution)
		if err != nil {
			return err
		}
		c.endAction(e, a, pipeline.Failed, timedOut(a))
		c.out.Kills = append(c.out.Kills, id)
		return nil
	})
}

// Ended hears that a machine run has ended. Usually the execution ended before
// it; if not, the run died without telling, and whoever it left in a stage
// must not hold it for ever.
func (s *Service) Ended(ctx context.Context, run, cause string) error {
	return s.change(ctx, func(c *change) error {
		e, err := c.execution(executionOf(run))
		if pipeline.CodeOf(err) == pipeline.PipelineExecutionNotFound {
			return nil
		}
		if err != nil || e.Run != run || e.Status.Final() {
			return err
		}
		return c.stop(e, true, outcome{stage: pipeline.Failed, execution: pipeline.Failed, summary: "The run of the state machine ended early: " + cause})
	})
}
