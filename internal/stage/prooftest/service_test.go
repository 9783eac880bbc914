package prooftest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/engine"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/orchestrator/orchestratortest"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// play does on the service what mv, seen from w, does on the model.
func (w *twin) play(from *world, mv move) error {
	ctx, i, r := w.t.Context(), mv.a, mv.b
	switch mv.kind {
	case arrive:
		if w.m.rollback(int(i)) {
			_, err := w.svc.RollbackStage(ctx, orchestrator.Rollback{Pipeline: "app", Stage: stageName(1), Target: w.passed()})
			return err
		}
		_, err := w.svc.StartExecution(ctx, orchestrator.Start{Pipeline: "app"})
		return err
	case start:
		name := w.runName(i, r)
		return w.deliver(false, func(o record.Outbox) bool { return len(o.Starts) > 0 && o.Starts[0].Run == name })
	case callTask, callLingering:
		task := w.tasks[w.runName(i, r)]
		if task.called = false; mv.kind == callLingering {
			late := task.Invoke
			w.zombie = &late
		}
		return orchestratortest.Call(ctx, w.svc, task.Invoke)
	case comeLate:
		late := *w.zombie
		w.zombie = nil
		return orchestratortest.Call(ctx, w.svc, late)
	case workEnds, workFails:
		return w.report(i, mv.kind == workEnds)
	case deliverAnswer:
		token := w.tasks[w.runName(i, mv.run())].Token
		acts := from.executions[i].runs[mv.run()].at.acts()
		return w.deliver(false, func(o record.Outbox) bool {
			return len(o.Answers) > 0 && o.Answers[0].Token == token && kindOf(o.Answers[0], acts) == mv.answer()
		})
	case deliverAdmit, admitTwice:
		a := from.admits[i]
		want := record.Admit{Execution: w.ids[a.execution], Stage: stageName(a.stage), Entry: int(a.entry), Fence: int64(a.fence)}
		return w.deliver(mv.kind == admitTwice, func(o record.Outbox) bool { return len(o.Admits) > 0 && o.Admits[0] == want })
	case deliverStop:
		name := w.runName(i, r)
		return w.deliver(false, func(o record.Outbox) bool { return len(o.Stops) > 0 && o.Stops[0].Run == name })
	case ruleHolds, ruleFails:
		return w.rule(i, mv.kind == ruleHolds)
	case override:
		return w.svc.OverrideCondition(ctx, orchestrator.Override{Pipeline: "app", Stage: stageName(gated), Execution: w.ids[i], Gate: gateKind(w.m.Gate)})
	case update, settle, settleFormer, cutShort:
		return w.follow(from, mv.kind)
	case sweep:
		return w.svc.Ended(ctx, w.execution(i).Run, "it died")
	case enable, disable:
		return w.svc.SetTransition(ctx, orchestrator.Transition{Pipeline: "app", Stage: stageName(i), Enabled: mv.kind == enable, Reason: "why"})
	case stopAndWait, stopNow:
		return w.svc.StopExecution(ctx, orchestrator.Stop{Pipeline: "app", Execution: w.ids[i], Abandon: mv.kind == stopNow})
	case retry, retryBeside:
		e := w.execution(i)
		mode := pipeline.AllActions
		if mv.kind == retryBeside {
			mode = pipeline.FailedActions
		}
		return w.svc.RetryStage(ctx, orchestrator.Retry{Pipeline: "app", Stage: stageName(uint8(e.Stage)), Execution: e.ID, Mode: mode})
	}
	return w.fault(from, mv)
}

// report ends the work of an action.
func (w *twin) report(who uint8, well bool) error {
	a := w.action(who)
	result := action.Fail(action.JobFailed, "by chance")
	if well {
		result = action.Result{Status: pipeline.Succeeded}
		for _, out := range a.Job.Outputs {
			out.Ref.Digest = "sha256:0"
			result.Outputs = append(result.Outputs, out)
		}
	}
	return w.svc.Report(w.t.Context(), record.ActionID{Execution: a.Execution, Attempt: a.Attempt, Stage: a.Stage, Name: a.Name, Try: a.Try}, result)
}

// rule ends the rule of a gate.
func (w *twin) rule(who uint8, well bool) error {
	e := w.execution(who)
	rules, err := w.svc.Records.Rules(w.t.Context(), e.ID)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(rules, func(r record.Action) bool { return r.Attempt == e.Attempt && r.Status == pipeline.InProgress })
	if i < 0 {
		return errors.New("no rule runs")
	}
	result := action.Fail(action.JobFailed, "by chance")
	if well {
		result = action.Result{Status: pipeline.Succeeded}
	}
	return w.svc.Report(w.t.Context(), rules[i].Ref(), result)
}

// action is that of an execution's stage, in its current attempt; nil when it
// has not begun.
func (w *twin) action(who uint8) *record.Action {
	e := w.execution(who)
	for attempt := e.Attempt; attempt >= e.Since; attempt-- {
		tries, err := w.svc.Records.Tries(w.t.Context(), e.ID, attempt, stageName(uint8(e.Stage)), "Act")
		if err != nil {
			w.t.Fatal(err)
		}
		if len(tries) == 0 {
			continue
		}
		if a := tries[len(tries)-1]; attempt == e.Attempt || a.Status == pipeline.Succeeded {
			return &a
		}
	}
	return nil
}

// identify gives the executions that have been started the places that they
// have in the model.
func (w *twin) identify() {
	all, err := w.svc.Records.Executions(w.t.Context(), "app", 0, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	w.ids, w.seqs = make([]string, w.m.Executions), map[int64]uint8{}
	next := 0
	for _, e := range slices.Backward(all) {
		i := w.m.Rollback - 1
		if e.Type != record.Rollback {
			if w.m.rollback(next) {
				next++
			}
			i = next
			next++
		}
		w.ids[i], w.seqs[e.Seq] = e.ID, uint8(i)+1
	}
}

// passed is an execution that has passed the second stage.
func (w *twin) passed() string {
	for i, id := range w.ids {
		if id != "" && w.execution(uint8(i)).Passed(1, stageName(1)) {
			return id
		}
	}
	return ""
}

// fault does what the adversary does.
func (w *twin) fault(from *world, mv move) error {
	name := w.runName(mv.a, mv.b)
	open := w.tasks[name]
	lingers := mv.kind == recallLingering || (mv.kind == kill || mv.kind == giveUp) && open.called && !from.lingers
	if lingers {
		late := open.Invoke
		w.zombie = &late
	}
	switch mv.kind {
	case kill:
		return w.machines.Step(name, engine.Stopped{Error: "Killed"})
	case giveUp:
		return w.machines.Step(name, engine.TaskFailed{Token: open.Token, Error: "States.Timeout"})
	}
	token := open.Token
	if err := w.machines.Step(name, engine.TaskFailed{Token: token, Error: "Lambda.Unknown"}); err != nil {
		return err
	}
	w.now = w.now.Add(time.Minute)
	if err := w.machines.Step(name, engine.Tick{}); err != nil {
		return err
	}
	if w.tasks[name].Token == token {
		return fmt.Errorf("task %s was not called again", token)
	}
	return nil
}

// noise delivers an answer again, or one whose task has gone: nothing may
// follow from either.
func (w *twin) noise(choose chooser) {
	var old []record.Answer
	for _, o := range w.outbox {
		for _, a := range o.Answers {
			if !w.live(a.Token) {
				old = append(old, a)
			}
		}
	}
	old = append(old, w.heard...)
	if len(old) == 0 {
		return
	}
	if err := w.svc.Act(w.t.Context(), record.Outbox{Answers: old[choose(len(old)):][:1]}); err != nil {
		w.t.Error(err)
	}
}

func (w *twin) live(token string) bool {
	for name, open := range w.tasks {
		if token != "" && open.Token == token && w.running(name) {
			return true
		}
	}
	return false
}
