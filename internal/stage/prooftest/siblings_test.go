package prooftest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/engine"
	"github.com/sluice-ci/sluice/internal/machine"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/orchestrator/orchestratortest"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
)

// TestSiblings walks the service where the model has nothing: stages of several
// actions, side by side and one after the other, the retry of what failed
// beside what runs, the limit of actions at a time, approvals, conditions of
// several rules. Nothing is predicted. Each commit is held against the
// invariants (see package orchestratortest), what is refused is refused with
// a code, and when everybody does what is asked of them all of it ends.
func TestSiblings(t *testing.T) {
	began, played, stores := time.Now(), tallies{}, shelves(t)
	for i, s := range stores {
		t.Run(s.name, func(t *testing.T) {
			s.check(t, i+1, s.walks(3), func(t tester, choose chooser) string { return ramble(t, s, choose, played) })
		})
	}
	steps := 0
	for _, v := range verbs {
		if played[v.name] == 0 && proving() { // few walks hear of everybody
			t.Errorf("nobody was heard who asked to %s", v.name)
		}
	}
	for _, n := range played {
		steps += n
	}
	t.Logf("%d steps: %v", steps, played)
	bar(t, "B6-siblings", "sequences=%d steps=%d stores=%d seconds=%.1f seed=1..%d", played["walk"], steps-played["walk"], len(stores), time.Since(began).Seconds(), len(stores))
}

// tallies counts walks, and what was done in them, by name.
type tallies map[string]int

// A rambler is a world with a pipeline, and who happens to be there.
type rambler struct {
	*orchestratortest.World
	ctx    context.Context
	choose chooser
	all    pipeline.Declaration
	calls  []engine.Invoke // that were made so far
	trace  []string
}

// ramble takes one walk and returns what is wrong after it, or "".
func ramble(t tester, s shelf, choose chooser, played tallies) string {
	under := s.open(t, choose)
	r := &rambler{
		World: orchestratortest.New(orchestratortest.Options{Wrap: func(store.Store) store.Store { return under }}),
		ctx:   t.Context(), choose: choose, all: siblings(choose),
	}
	played["walk"]++
	r.Waiting["Rule"] = choose(2) == 1
	if _, err := r.CreatePipeline(r.ctx, orchestrator.Create{Declaration: r.all}); err != nil {
		return err.Error()
	}
	wrong := func(err error) string {
		if err == nil && len(r.Broken) == 0 {
			return ""
		}
		return fmt.Sprintf("%v %s, after %s", err, strings.Join(r.Broken, "; "), lines(r.trace))
	}
	for range 50 + choose(250) {
		v := verbs[0]
		if len(r.Todo) == 0 || choose(5) == 4 {
			v = verbs[choose(len(verbs))]
		}
		r.trace = append(r.trace, v.name)
		err := v.do(r)
		switch {
		case errors.Is(err, errNothing):
			r.trace = r.trace[:len(r.trace)-1]
		case err != nil && pipeline.CodeOf(err) != pipeline.InternalFailure && len(r.Broken) == 0:
			r.trace[len(r.trace)-1] += ": " + err.Error()
		case wrong(err) != "":
			return wrong(err)
		default:
			played[v.name]++
		}
	}
	return wrong(r.Finish(r.ctx))
}

// siblings is a pipeline with several actions in each stage but the first, and
// with conditions by chance.
func siblings(choose chooser) pipeline.Declaration {
	d := declaration(Config{Stages: 3, Gate: condition(choose(int(failureRollsBack) + 1)), AutoBack: choose(2) == 1}, modes[choose(len(modes))])
	if d.ExecutionMode == pipeline.Parallel { // where nothing rolls back
		d = declaration(Config{Stages: 3, Gate: []condition{unconditional, entryFails, entrySkips, successFails}[choose(4)]}, d.ExecutionMode)
	}
	add := func(i int, name string, order int) {
		a := d.Stages[i].Actions[0]
		a.Name, a.RunOrder = name, order
		d.Stages[i].Actions = append(d.Stages[i].Actions, a)
	}
	add(1, "Beside", 1)
	add(1, "Behind", 2)
	for i := range pipeline.MaxParallelActions {
		add(2, fmt.Sprint("More", i), 1)
	}
	d.Stages[2].Actions = append(d.Stages[2].Actions, pipeline.Action{Name: "Ask", RunOrder: 1,
		TypeID: pipeline.ActionTypeID{Category: pipeline.Approval, Owner: pipeline.AWS, Provider: "Manual", Version: "1"}})
	st := &d.Stages[gated]
	addRule := func(all []pipeline.Condition) {
		for i, c := range all {
			other := c.Rules[0]
			other.Name = "Other"
			all[i].Rules = append(c.Rules, other)
		}
	}
	if st.BeforeEntry != nil {
		addRule(st.BeforeEntry.Conditions)
	}
	if st.OnSuccess != nil {
		addRule(st.OnSuccess.Conditions)
	}
	if st.OnFailure != nil {
		addRule(st.OnFailure.Conditions)
	}
	if st.OnFailure == nil && choose(2) == 1 {
		st.OnFailure = &pipeline.OnFailure{Result: "RETRY", Retry: &pipeline.RetryConfiguration{Mode: []pipeline.RetryMode{pipeline.AllActions, pipeline.FailedActions}[choose(2)]}}
	}
	return d
}

// errNothing is what a verb returns that finds nothing to act on.
var errNothing = errors.New("there is nothing of the kind")

// verbs are what can happen. The first one is what happens by itself.
var verbs = []struct {
	name string
	do   func(r *rambler) error
}{
	{"go on", func(r *rambler) error { return r.happens(false) }},
	{"hear it twice", func(r *rambler) error { return r.happens(true) }},
	{"start", func(r *rambler) error {
		_, err := r.StartExecution(r.ctx, orchestrator.Start{Pipeline: "app"})
		return err
	}},
	{"let an action fail", func(r *rambler) error { return r.toggle(r.Failing) }},
	{"let an action wait", func(r *rambler) error { return r.toggle(r.Waiting) }},
	{"end some work", func(r *rambler) error {
		jobs := r.jobs(func(w *orchestratortest.Work) bool { return w.Job.Action.TypeID.Category != pipeline.Approval })
		if len(jobs) == 0 {
			return errNothing
		}
		return r.End(r.ctx, jobs[r.choose(len(jobs))], []pipeline.Status{pipeline.Succeeded, pipeline.Failed}[r.choose(2)])
	}},
	{"approve or reject", func(r *rambler) error {
		jobs := r.jobs(func(w *orchestratortest.Work) bool { return w.Job.Action.TypeID.Category == pipeline.Approval })
		if len(jobs) == 0 {
			return errNothing
		}
		_, err := r.PutApproval(r.ctx, orchestrator.Approval{Pipeline: "app", Stage: "S2", Action: "Ask", Token: orchestratortest.ApprovalToken(jobs[r.choose(len(jobs))]), Approved: r.choose(2) == 0})
		return err
	}},
	{"stop", about(func(r *rambler, e record.Execution) error {
		return r.StopExecution(r.ctx, orchestrator.Stop{Pipeline: "app", Execution: e.ID, Abandon: r.choose(2) == 1})
	})},
	{"retry all", about(func(r *rambler, e record.Execution) error { return r.retry(e, pipeline.AllActions) })},
	{"retry what failed", about(func(r *rambler, e record.Execution) error { return r.retry(e, pipeline.FailedActions) })},
	{"roll back", about(func(r *rambler, e record.Execution) error {
		_, err := r.RollbackStage(r.ctx, orchestrator.Rollback{Pipeline: "app", Stage: stageName(uint8(1 + r.choose(2))), Target: e.ID})
		return err
	})},
	{"override", about(func(r *rambler, e record.Execution) error {
		kind := []record.GateKind{record.BeforeEntry, record.OnSuccess, record.OnFailure}[r.choose(3)]
		return r.OverrideCondition(r.ctx, orchestrator.Override{Pipeline: "app", Stage: stageName(gated), Execution: e.ID, Gate: kind})
	})},
	{"open or close a way", func(r *rambler) error {
		return r.SetTransition(r.ctx, orchestrator.Transition{Pipeline: "app", Stage: stageName(uint8(1 + r.choose(2))), Enabled: r.choose(2) == 0, Reason: "why"})
	}},
	{"update", func(r *rambler) error {
		if r.choose(4) < 3 {
			return errNothing // it cancels too much of what would be interesting
		}
		next := siblings(r.choose)
		_, err := r.UpdatePipeline(r.ctx, next, "")
		return err
	}},
	{"kill a run", about(func(r *rambler, e record.Execution) error {
		if r.choose(3) < 2 {
			return errNothing // likewise
		}
		return gone(r.Step(e.Run, engine.Stopped{Error: "Killed"}))
	})},
	{"give a call up", func(r *rambler) error { return r.giveUp("States.Timeout") }},
	{"call again", func(r *rambler) error {
		if err := r.giveUp("Lambda.Unknown"); err != nil {
			return err
		}
		r.Clock = r.Clock.Add(time.Minute)
		for name := range r.Runs {
			if err := gone(r.Step(name, engine.Tick{})); err != nil && !errors.Is(err, errNothing) {
				return err
			}
		}
		return nil
	}},
	{"call late", func(r *rambler) error {
		if len(r.calls) == 0 {
			return errNothing
		}
		return orchestratortest.Call(r.ctx, r.Service, r.calls[r.choose(len(r.calls))])
	}},
	{"sweep", func(r *rambler) error { return r.Sweep(r.ctx) }},
}

// happens lets one of the things happen that wait to, and perhaps once more
// later.
func (r *rambler) happens(twice bool) error {
	if len(r.Todo) == 0 {
		return errNothing
	}
	i := r.choose(len(r.Todo))
	thing := r.Todo[i]
	if !twice {
		r.Todo = append(r.Todo[:i:i], r.Todo[i+1:]...)
	}
	if thing.Call != nil {
		r.calls = append(r.calls, *thing.Call)
	}
	r.trace[len(r.trace)-1] += ": " + tellThing(thing)
	return r.Do(r.ctx, thing)
}

// tellThing says what is to happen.
func tellThing(t orchestratortest.Thing) string {
	switch {
	case t.Row != nil:
		return fmt.Sprintf("outbox %+v", record.Outbox{Answers: t.Row.Answers, Starts: t.Row.Starts, Admits: t.Row.Admits, Stops: t.Row.Stops, Begins: t.Row.Begins, Kills: t.Row.Kills})
	case t.Call != nil:
		return "call " + string(t.Call.Payload)
	case t.Done != "":
		return "work ends " + t.Done
	}
	return "run ended " + t.Ended
}

// toggle takes one of the actions and rules into a set, or out of it.
func (r *rambler) toggle(set map[string]bool) error {
	names := []string{"Beside", "Behind", "More1", "Rule", "Other"}
	name := names[r.choose(len(names))]
	set[name] = !set[name]
	return nil
}

// about has a verb act on any execution.
func about(do func(*rambler, record.Execution) error) func(*rambler) error {
	return func(r *rambler) error {
		all, err := r.Records.Executions(r.ctx, "app", 0, 0)
		if err != nil {
			return err
		}
		if len(all) == 0 {
			return errNothing
		}
		return do(r, all[r.choose(len(all))])
	}
}

func (r *rambler) retry(e record.Execution, mode pipeline.RetryMode) error {
	return r.RetryStage(r.ctx, orchestrator.Retry{Pipeline: "app", Stage: stageName(uint8(e.Stage)), Execution: e.ID, Mode: mode})
}

// jobs returns the work of a kind that goes on, in the order of its ids.
func (r *rambler) jobs(of func(*orchestratortest.Work) bool) (ids []string) {
	for _, id := range slices.Sorted(maps.Keys(r.Jobs)) {
		if w := r.Jobs[id]; w.Result.Status == pipeline.InProgress && of(w) {
			ids = append(ids, id)
		}
	}
	return ids
}

// giveUp has a machine give up one of its calls.
func (r *rambler) giveUp(errorName string) error {
	if len(r.calls) == 0 {
		return errNothing
	}
	token := r.calls[r.choose(len(r.calls))].Token
	return gone(r.Step(orchestratortest.RunOf(token), engine.TaskFailed{Token: token, Error: errorName}))
}

// gone is errNothing when there is no such task, or run, any more.
func gone(err error) error {
	if errors.Is(err, machine.ErrTaskGone) {
		return errNothing
	}
	return err
}
