package orchestrator

import (
	"context"

	"github.com/sluice-ci/sluice/events"
	"github.com/sluice-ci/sluice/internal/compile"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/stage"
)

// An EnterRequest is the payload of the stage function: leave one stage, if
// any, and wait for the next, if any. The machine writes it; see compile.
type EnterRequest struct {
	Token     string `json:"token"`
	Run       string `json:"run"`
	Execution string `json:"execution"`
	Call      int    `json:"call,omitempty"`  // grows when the machine gives a call up and calls again
	Visit     string `json:"visit,omitempty"` // the same for all calls of one visit of the state
	Leave     string `json:"leave,omitempty"`
	Enter     string `json:"enter,omitempty"`
}

// The errors a stage task ends a run with.
const (
	errorFailed   = "Sluice.Failed"
	errorOutdated = "Sluice.Outdated" // the task belongs to an attempt that is over
)

// Enter moves an execution from one stage to the next. Leaving a stage and
// queueing for the next is one transaction, so nobody can overtake in between.
//
// The task is answered by the transaction that decides: this one, when the
// stage is free, or the one that admits the execution later. Called again, it
// registers the newest token and answers if there is something to say already.
func (s *Service) Enter(ctx context.Context, in EnterRequest) error {
	return s.change(ctx, func(c *change) error {
		e, d, err := c.caller(in.Execution, in.Run, in.Token)
		if err != nil || e == nil {
			return err
		}
		return c.enter(e, d, in)
	})
}

// caller returns the execution whose task calls, and what it runs. It is nil
// when the execution has ended or goes on in another run: then the task was
// answered so.
func (c *change) caller(execution, run, token string) (*record.Execution, pipeline.Declaration, error) {
	e, err := c.execution(execution)
	if err != nil {
		return nil, pipeline.Declaration{}, err
	}
	d, err := c.declaration(c.ctx, e)
	if err != nil {
		return nil, pipeline.Declaration{}, err
	}
	switch {
	case e.Run != run:
		c.answer(token, errorOutdated, "")
		return nil, pipeline.Declaration{}, nil
	case e.Status.Final():
		name := "Sluice." + string(e.Status)
		if e.Status == pipeline.Succeeded && !cutShort(e, d) { // a repeated Finish
			name = ""
		}
		c.answer(token, name, "")
		return nil, pipeline.Declaration{}, nil
	}
	return e, d, nil
}

// cutShort reports whether the run of e, when it has gone well, ends before the
// end of its machine: that of a rollback does, behind its stage.
func cutShort(e *record.Execution, d pipeline.Declaration) bool {
	return e.Type == record.Rollback && e.Stage < len(d.Stages)-1
}

func (c *change) enter(e *record.Execution, d pipeline.Declaration, in EnterRequest) error {
	if in.Visit != "" && in.Visit == e.Repeated { // it led back into the stage before, and is called again
		c.answer(in.Token, compile.ErrorRetry, "")
		return nil
	}
	target := len(d.Stages) // behind the last stage
	if in.Enter != "" {
		i, _, err := record.FindStage(d, in.Enter)
		if err != nil {
			return err
		}
		target = i
	}
	if in.Leave == "" && e.Stage != target { // a new run of an old execution
		c.answer(in.Token, compile.ErrorAt(d.Stages[e.Stage].Name), "")
		return nil
	}
	if e.Stage < target && e.Inside {
		if left, err := c.leave(e, d, in); err != nil || !left {
			return err
		}
	}
	if target == len(d.Stages) || e.Type == record.Rollback && e.Stage < target {
		return c.succeed(e, in, cutShort(e, d))
	}
	w, err := c.waiter(e.ID, in.Enter)
	if err != nil {
		return err
	}
	if w.Run == in.Run && in.Call < w.Call { // it was given up and comes late: the newer call waits
		return nil
	}
	*w = record.Waiter{Token: in.Token, Run: in.Run, Call: in.Call}
	if e.Stage < target {
		return c.enqueue(e, d, target)
	}
	if !e.Inside {
		return nil
	}
	errorName, ready, err := c.entry(e, d, d.Stages[target])
	if err == nil && ready {
		c.answer(in.Token, errorName, "")
	}
	return err
}

// succeed ends e well. A rollback ends behind its stage; its run is then cut
// short by an error that nobody catches.
func (c *change) succeed(e *record.Execution, in EnterRequest, short bool) error {
	c.end(e, pipeline.Succeeded, "")
	name := ""
	if short {
		name = "Sluice." + string(pipeline.Succeeded)
	}
	c.answer(in.Token, name, "")
	return nil
}

// enqueue puts e in front of stage i and follows what the stage decides.
func (c *change) enqueue(e *record.Execution, d pipeline.Declaration, i int) error {
	e.Stage, e.Inside, e.Fence, e.Updated = i, false, 0, c.at
	e.Entry++
	s, err := c.stage(d.Name, d.Stages[i].Name, d.ExecutionMode)
	if err != nil {
		return err
	}
	var effects []stage.Effect
	if e.Mode != pipeline.Parallel && s.Lock.Mode != e.Mode { // the update to its version has not come here yet
		effects = c.step(s, stage.SetMode{Mode: e.Mode})
	}
	effects = append(effects, c.step(s, stage.Enqueue{Waiter: waiterOf(e, e.Seq)})...)
	return c.follow(d.Name, d.Stages[i].Name, effects)
}

// waiterOf is e in front of its stage, with its place in the order.
func waiterOf(e *record.Execution, seq int64) stage.Waiter {
	return stage.Waiter{Execution: e.ID, Seq: seq, Entry: e.Entry, Free: e.Mode == pipeline.Parallel}
}

// follow carries out the effects of a stage. An execution that this change
// already holds is admitted at once; others get an outbox row, whose delivery
// looks again.
func (c *change) follow(name, stageName string, effects []stage.Effect) error {
	for _, effect := range effects {
		switch f := effect.(type) {
		case stage.Grant:
			if own, ok := c.executions[f.Execution]; ok {
				if err := c.admit(&own.value, stageName, f.Fence); err != nil {
					return err
				}
				continue
			}
			c.out.Admits = append(c.out.Admits, record.Admit{Execution: f.Execution, Stage: stageName, Entry: f.Entry, Fence: f.Fence})
		case stage.Supersede:
			e, err := c.execution(f.Execution)
			if err != nil {
				return err
			}
			if err := c.dismiss(e, stageName, outcome{execution: pipeline.SupersededExecution}); err != nil {
				return err
			}
		}
	}
	return nil
}

// admit lets e into the stage it waits for and answers its task, if the task
// has come to wait already.
func (c *change) admit(e *record.Execution, stageName string, fence int64) error {
	e.Inside, e.Fence, e.Updated = true, fence, c.at
	s, err := c.stage(e.Pipeline, stageName, e.Mode)
	if err != nil {
		return err
	}
	enters(s, e, pipeline.InProgress)
	state := events.Started
	if e.Attempt > 1 && s.Retries.Latest != "" {
		state = events.Resumed
	}
	c.announceStage(e, stageName, state)
	d, err := c.declaration(c.ctx, e)
	if err != nil {
		return err
	}
	errorName, ready, err := c.entry(e, d, d.Stages[e.Stage])
	if err != nil || !ready {
		return err
	}
	return c.answerWaiter(e, stageName, errorName)
}

// enters notes that e is the latest to have entered s, and how it stands there.
// In another mode than its own a PARALLEL execution is not shown.
func enters(s *record.Stage, e *record.Execution, status pipeline.Status) {
	if e.Mode == pipeline.Parallel && s.Lock.Mode != pipeline.Parallel {
		return
	}
	if s.Latest == nil || s.Latest.Execution != e.ID {
		s.Retries = record.Retries{}
	}
	s.Latest = &record.StageExecution{Execution: e.ID, Status: status, Type: e.Type}
}

// stands notes how e stands in s, unless another execution has entered since,
// and reports whether that is news.
func stands(s *record.Stage, e *record.Execution, status pipeline.Status) bool {
	if s.Latest == nil || s.Latest.Execution != e.ID || s.Latest.Status == status {
		return false
	}
	s.Latest.Status = status
	return true
}

// admitted delivers a grant to an execution that another transaction let in.
func (s *Service) admitted(ctx context.Context, in record.Admit) error {
	return s.change(ctx, func(c *change) error {
		e, err := c.execution(in.Execution)
		if err != nil {
			return err
		}
		if e.Status.Final() || e.Inside || e.Entry != in.Entry {
			return nil // it went on, or is gone: an old grant must not open a later wait
		}
		st, err := c.stage(e.Pipeline, in.Stage, e.Mode)
		if err != nil {
			return err
		}
		if e.Mode != pipeline.Parallel && (st.Lock.Owner != e.ID || st.Lock.Fence != in.Fence) {
			return nil
		}
		return c.admit(e, in.Stage, in.Fence)
	})
}

// dismiss ends e, which waits in front of a stage.
func (c *change) dismiss(e *record.Execution, stageName string, o outcome) error {
	if e.Status.Final() {
		return nil
	}
	e.Outside = true
	c.end(e, o.execution, o.summary)
	return c.answerWaiter(e, stageName, "Sluice."+string(o.execution))
}

// answerWaiter answers the task of e that waits for a stage. If none has come
// yet there is nothing to do: it will find the answer in the records.
func (c *change) answerWaiter(e *record.Execution, stageName, errorName string) error {
	w, err := c.waiter(e.ID, stageName)
	if err == nil && w.Token != "" && w.Run == e.Run {
		c.answer(w.Token, errorName, "")
	}
	return err
}

// answer completes a machine task after the change: well when errorName is "".
func (c *change) answer(token, errorName, cause string) {
	c.out.Answers = append(c.out.Answers, record.Answer{Token: token, Error: errorName, Cause: cause})
}

// end gives e its final status.
func (c *change) end(e *record.Execution, status pipeline.Status, summary string) {
	e.Status, e.Updated, e.Inside, e.Again = status, c.at, false, false
	if summary != "" {
		e.StatusSummary = summary
	}
	c.remove(record.ActiveKey(e.Pipeline, e.ID))
	c.announcePipeline(e, states[status])
}
