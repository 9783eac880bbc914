package orchestrator

import (
	"errors"
	"fmt"
	"slices"

	"github.com/sluice-ci/sluice/events"
	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/compile"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/stage"
)

// leave decides how the stage that e is inside ended, and lets e out of it. It
// reports whether e goes on to the next stage; otherwise it has answered token.
func (c *change) leave(e *record.Execution, d pipeline.Declaration, in EnterRequest) (bool, error) {
	token := in.Token
	declared := d.Stages[e.Stage]
	s, err := c.stage(e.Pipeline, declared.Name, e.Mode)
	if err != nil {
		return false, err
	}
	latest, err := c.latestActions(e, declared)
	if err != nil {
		return false, err
	}
	if err := errors.Join(c.settleActions(e, declared, latest), c.turnAway(e, d, declared)); err != nil {
		return false, err
	}
	cancelled, err := c.cancelled(e)
	if err != nil {
		return false, err
	}
	switch complete := allSucceeded(declared, latest); {
	case cancelled:
		return false, c.ends(e, s, declared, token, replaced)
	case e.Status == pipeline.Stopping && complete:
		return false, c.ends(e, s, declared, token, outcome{stage: pipeline.Succeeded, execution: pipeline.Stopped})
	case e.Status == pipeline.Stopping:
		return false, c.ends(e, s, declared, token, outcome{stage: pipeline.Stopped, execution: pipeline.Stopped})
	case slices.Contains(e.Skipped, declared.Name):
		return true, c.release(e, s, declared.Name, pipeline.Skipped)
	case complete:
		return c.leaveWell(e, d, s, in)
	case e.Again:
		e.Again = false
		s.Retries.Manual++
		return false, c.repeat(e, s, declared, pipeline.FailedActions, "ManualStageRetry", in)
	case retriesItself(declared, e):
		e.Retried = append(slices.Clone(e.Retried), declared.Name)
		s.Retries.Auto++
		return false, c.repeat(e, s, declared, automatic(declared), "AutomatedStageRetry", in)
	}
	o := outcome{stage: pipeline.Failed, execution: pipeline.Failed, summary: fmt.Sprintf("Stage %s failed", declared.Name)}
	if failed := firstFailed(declared, latest); failed != nil {
		o.summary = fmt.Sprintf("Action %s in stage %s failed: %s", failed.Name, declared.Name, failed.Result.Summary)
	}
	g, err := c.exit(e, d, declared, record.OnFailure, in)
	if err != nil || g != nil && !g.Status.Final() {
		return false, err
	}
	f := declared.OnFailure
	back := f != nil && f.Result == "ROLLBACK" || g != nil && g.Status == pipeline.Succeeded
	return false, c.fails(e, d, s, token, o, back)
}

// leaveWell lets e, whose actions have succeeded, out of its stage, unless the
// stage's condition of success says otherwise.
func (c *change) leaveWell(e *record.Execution, d pipeline.Declaration, s *record.Stage, in EnterRequest) (bool, error) {
	declared := d.Stages[e.Stage]
	g, err := c.exit(e, d, declared, record.OnSuccess, in)
	if err != nil || g != nil && !g.Status.Final() {
		return false, err
	}
	if g == nil || g.Status != pipeline.Failed {
		return true, c.release(e, s, declared.Name, pipeline.Succeeded)
	}
	o := outcome{stage: pipeline.Failed, execution: pipeline.Failed, summary: fmt.Sprintf("The condition of success of stage %s was not met. %s", declared.Name, g.Summary)}
	return false, c.fails(e, d, s, in.Token, o, conditionOf(declared, record.OnSuccess).Result == "ROLLBACK")
}

// fails ends e in its stage, and rolls the stage back if that is wished.
func (c *change) fails(e *record.Execution, d pipeline.Declaration, s *record.Stage, token string, o outcome, back bool) error {
	i := e.Stage
	if err := c.release(e, s, d.Stages[i].Name, o.stage); err != nil {
		return err
	}
	if back {
		said, err := c.rollBack(e, d, i)
		if err != nil {
			return err
		}
		o.summary += ". " + said
	}
	c.finish(e, token, o)
	return nil
}

// cancelled reports whether e runs a version that was replaced while it ran;
// PARALLEL executions go on, all others end (user guide, How pipeline executions work).
func (c *change) cancelled(e *record.Execution) (bool, error) {
	if e.Cancel || e.Mode == pipeline.Parallel {
		return e.Cancel, nil
	}
	p, err := c.Records.Pipeline(c.ctx, e.Pipeline)
	if pipeline.CodeOf(err) == pipeline.PipelineNotFound {
		return true, nil
	}
	return err == nil && p.Value.Version != e.Version, err
}

// An outcome says how a stage and its execution end.
type outcome struct {
	stage, execution pipeline.Status
	summary          string
}

// ends lets e out of its last stage and ends it. A condition that it waits for
// there ends too, and so does the task that waits for that: a newer call of
// token's task may have come.
func (c *change) ends(e *record.Execution, s *record.Stage, declared pipeline.Stage, token string, o outcome) error {
	waits, err := c.cutGate(e, declared, o)
	if err != nil {
		return err
	}
	if err := c.release(e, s, declared.Name, o.stage); err != nil {
		return err
	}
	c.finish(e, token, o)
	if waits != "" && waits != token {
		c.answer(waits, "Sluice."+string(o.execution), "")
	}
	return nil
}

// finish ends e, which has left its stage, and answers its task.
func (c *change) finish(e *record.Execution, token string, o outcome) {
	c.end(e, o.execution, o.summary)
	if token != "" {
		c.answer(token, "Sluice."+string(o.execution), "")
	}
}

// release gives up the stage that e is inside.
func (c *change) release(e *record.Execution, s *record.Stage, stageName string, status pipeline.Status) error {
	fence := e.Fence
	e.Inside, e.Fence, e.Updated = false, 0, c.at
	stands(s, e, status)
	if state, ok := states[status]; ok { // none for a stage that was skipped
		c.announceStage(e, stageName, state)
	}
	return c.follow(e.Pipeline, stageName, c.step(s, stage.Release{Execution: e.ID, Fence: fence}))
}

// latestActions returns the latest try of each action of a stage whose result
// counts for e's attempt, by name. What has not begun must not begin before c
// is written: c would decide without it, and it would go on for ever.
func (c *change) latestActions(e *record.Execution, declared pipeline.Stage) (map[string]*record.Action, error) {
	latest := map[string]*record.Action{}
	for attempt := e.Since; attempt <= e.Attempt; attempt++ {
		tries, err := c.Records.Tries(c.ctx, e.ID, attempt, declared.Name, "")
		if err != nil {
			return nil, err
		}
		for i, a := range tries { // a later try, and a later attempt, replaces
			latest[a.Name] = &tries[i]
		}
	}
	for _, d := range declared.Actions {
		if a := latest[d.Name]; a == nil || a.Attempt < e.Attempt {
			c.absent[record.ActionKey(e.ID, e.Attempt, declared.Name, d.Name, 1)] = true
		}
	}
	return latest, nil
}

// latestAction is latestActions for one action; nil when it has not run.
func (c *change) latestAction(e *record.Execution, stageName, name string) (*record.Action, error) {
	for attempt := e.Attempt; attempt >= e.Since; attempt-- {
		tries, err := c.Records.Tries(c.ctx, e.ID, attempt, stageName, name)
		if err != nil {
			return nil, err
		}
		if len(tries) > 0 {
			return &tries[len(tries)-1], nil
		}
	}
	return nil, nil
}

// settleActions ends the actions whose task of the machine is over although
// nobody said how they ended: the task timed out, or the machine gave up.
func (c *change) settleActions(e *record.Execution, declared pipeline.Stage, latest map[string]*record.Action) error {
	for _, d := range declared.Actions {
		name, a := d.Name, latest[d.Name]
		if a == nil || a.Status != pipeline.InProgress {
			continue
		}
		a, err := c.action(a.Ref())
		if err != nil {
			return err
		}
		latest[name] = a
		if a.Status != pipeline.InProgress {
			continue // it ended just now
		}
		result := action.Fail(action.SystemUnavailable, fmt.Sprintf("The task of action %s ended without a result", name))
		if !c.at.Before(a.Job.Deadline) {
			result = timedOut(a)
		}
		c.endAction(e, a, pipeline.Failed, result)
		c.out.Kills = append(c.out.Kills, a.Ref())
	}
	return nil
}

func timedOut(a *record.Action) action.Result {
	return action.Fail(action.Timeout, fmt.Sprintf("The action %s did not end within its timeout of %s", a.Name, a.Job.Deadline.Sub(a.Started)))
}

func allSucceeded(s pipeline.Stage, latest map[string]*record.Action) bool {
	for _, a := range s.Actions {
		if r := latest[a.Name]; r == nil || r.Status != pipeline.Succeeded {
			return false
		}
	}
	return true
}

func firstFailed(s pipeline.Stage, latest map[string]*record.Action) *record.Action {
	for _, a := range s.Actions {
		if r := latest[a.Name]; r != nil && r.Status != pipeline.Succeeded {
			return r
		}
	}
	return nil
}

// retriesItself reports whether the failure of a stage is followed by the one
// automatic retry that e has there (user guide, How executions are stopped and
// retried).
func retriesItself(d pipeline.Stage, e *record.Execution) bool {
	return d.OnFailure != nil && d.OnFailure.Result == "RETRY" && !slices.Contains(e.Retried, d.Name)
}

// automatic returns the mode of a stage's automatic retry.
func automatic(d pipeline.Stage) pipeline.RetryMode {
	if r := d.OnFailure.Retry; r != nil && r.Mode != "" {
		return r.Mode
	}
	return pipeline.AllActions
}

// repeat opens a new attempt of the stage that e is inside, in the same
// machine run.
func (c *change) repeat(e *record.Execution, s *record.Stage, d pipeline.Stage, mode pipeline.RetryMode, why string, in EnterRequest) error {
	c.nextAttempt(e, mode)
	e.Repeated = in.Visit
	s.Retries.Latest = why
	c.announceStage(e, d.Name, events.Resumed)
	c.answer(in.Token, compile.ErrorRetry, "")
	return nil
}

// nextAttempt counts one attempt more. Under ALL_ACTIONS earlier results of
// the stage do not count any more.
func (c *change) nextAttempt(e *record.Execution, mode pipeline.RetryMode) {
	e.Attempt++
	if mode == pipeline.AllActions {
		e.Since = e.Attempt
	}
	e.Updated = c.at
}
