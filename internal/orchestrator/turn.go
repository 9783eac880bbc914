package orchestrator

import (
	"slices"

	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// Of a PARALLEL execution at most [pipeline.MaxParallelActions] actions run at
// a time. One over the limit has not begun: there is no record of it, and its
// task waits in the turns of its stage. The change that ends an action begins
// the next one, which no call of the machine is there to work on, so its work
// is started from the outbox. Nothing is kept where there is room for all.

// turns returns the turns of a stage in one attempt of e, nil if all of its
// actions may run at a time.
func (c *change) turns(e *record.Execution, attempt int, d pipeline.Declaration, st pipeline.Stage) (*record.Turns, error) {
	if !slices.ContainsFunc(st.Groups(), d.Crowded) {
		return nil, nil
	}
	return track(c.turnsOf, record.TurnsKey(e.ID, attempt, st.Name), func() (record.Versioned[record.Turns], error) {
		return c.Records.Turns(c.ctx, e.ID, attempt, st.Name)
	})
}

// waitsTurn reports whether the action that in asks for has to wait, and notes
// the task that waits, by its newest call.
func (c *change) waitsTurn(e *record.Execution, d pipeline.Declaration, st pipeline.Stage, in RunRequest) (bool, error) {
	t, err := c.turns(e, e.Attempt, d, st)
	if err != nil || t == nil || len(t.Running) < pipeline.MaxParallelActions {
		return false, err
	}
	turn := record.Turn{Action: in.Action, Waiter: record.Waiter{Token: in.Token, Run: in.Run, Call: in.Call}}
	switch i := slices.IndexFunc(t.Waiting, func(w record.Turn) bool { return w.Action == in.Action }); {
	case i < 0:
		t.Waiting = append(slices.Clone(t.Waiting), turn)
	case t.Waiting[i].Run != in.Run || t.Waiting[i].Call <= in.Call:
		t.Waiting = slices.Clone(t.Waiting)
		t.Waiting[i] = turn
	}
	return true, nil
}

// takeTurn notes that a runs.
func (c *change) takeTurn(e *record.Execution, d pipeline.Declaration, st pipeline.Stage, a *record.Action) error {
	t, err := c.turns(e, a.Attempt, d, st)
	if err == nil && t != nil {
		t.Running = append(slices.Clone(t.Running), a.ID)
		t.Waiting = slices.DeleteFunc(slices.Clone(t.Waiting), func(w record.Turn) bool { return w.Action == a.Name })
	}
	return err
}

// settleTurns passes on the turns of the actions that this change has ended.
func (c *change) settleTurns() error {
	for len(c.ended) > 0 {
		a := c.ended[0]
		c.ended = c.ended[1:]
		if err := c.passTurn(a); err != nil {
			return err
		}
	}
	return nil
}

// passTurn begins who waits for the turn of a, which has ended.
func (c *change) passTurn(a *record.Action) error {
	e, err := c.execution(a.Execution)
	if err != nil || e.Mode != pipeline.Parallel {
		return err
	}
	d, err := c.declaration(c.ctx, e)
	if err != nil {
		return err
	}
	_, st, err := record.FindStage(d, a.Stage)
	if err != nil {
		return err
	}
	t, err := c.turns(e, a.Attempt, d, st)
	if err != nil || t == nil {
		return err
	}
	t.Running = slices.DeleteFunc(slices.Clone(t.Running), func(id string) bool { return id == a.ID })
	for len(t.Waiting) > 0 && len(t.Running) < pipeline.MaxParallelActions {
		w := t.Waiting[0]
		next, err := c.newAction(e, d, st, RunRequest{Token: w.Token, Run: w.Run, Call: w.Call, Execution: e.ID, Stage: st.Name, Action: w.Action}, 1)
		if err != nil {
			return err
		}
		if next != nil { // else it has ended already
			c.out.Begins = append(c.out.Begins, next.Ref())
		}
	}
	return nil
}

// turnAway answers the tasks that wait for a turn in the stage that e is
// inside, because no action starts there any more: so whoever waits may begin.
func (c *change) turnAway(e *record.Execution, d pipeline.Declaration, st pipeline.Stage) error {
	t, err := c.turns(e, e.Attempt, d, st)
	if err != nil || t == nil {
		return err
	}
	for _, w := range t.Waiting {
		c.answer(w.Token, errorOutdated, "no action may start any more")
	}
	t.Waiting = nil
	return nil
}
