package simulation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/trigger"
)

func itoa(n int) string { return strconv.Itoa(n) }

// stageName is the inverse of record.StageKey.
func stageName(k key) string { return strings.Split(k.PK, "#")[2] }

// user begins an act of somebody. What is acknowledged has to be there, and
// what is refused must have changed nothing.
func (w *world) user(what string, f func(ctx context.Context, me string) error) {
	w.people++
	me := "user " + itoa(w.people)
	w.log.line("ACT %s by %s", what, me)
	w.busy++
	gate := w.gate
	w.spawn(me+" "+what, func(ctx context.Context) {
		err := f(ctx, me)
		if gate.killed() {
			return
		}
		w.busy--
		w.heard(what, who(ctx), err)
	})
}

// several are acts of more than one change, or of none if there is nothing to do.
var several = map[string]bool{"update": true, "delete": true, "push": true, "start": true, "open": true, "forge": true, "abort": true, "create": true}

// heard judges the answer to an act.
func (w *world) heard(what, me string, err error) {
	w.log.line("  %s hears %v", me, err)
	commits := w.audit.by[me]
	switch {
	case errors.Is(err, errInjected):
	case err == nil && commits == 0 && !several[what]:
		w.violated("P8", "%s was acknowledged and nothing was committed", me)
	case err != nil && pipeline.CodeOf(err) == pipeline.InternalFailure:
		w.violated("B12", "%s: %v", me, err)
	case err != nil && commits > 0 && !several[what]:
		w.violated("P8", "%s was refused (%v) and something was committed", me, err)
	}
}

// act draws what somebody does.
func (w *world) act() {
	svc := w.sys.Service
	names := w.audit.pipelineNames()
	p := names[w.rng.IntN(len(names))]
	if half := w.audit.halfFailed(); half != nil && w.rng.IntN(2) == 0 {
		w.retry(half, w.audit.stageOf(half))
		return
	}
	if w.rng.IntN(100) < w.plan.starts || len(w.audit.order) == 0 {
		w.start(p)
		return
	}
	e := w.audit.executions[w.audit.order[len(w.audit.order)-1-w.rng.IntN(min(len(w.audit.order), 6))]]
	stage := w.audit.stageOf(e)
	switch n := w.rng.IntN(100); {
	case n < 22:
		w.answerSome(e)
	case n < 34:
		w.stop(e, w.rng.IntN(2) == 0)
		if w.rng.IntN(3) == 0 {
			w.cover("F36")
			w.stop(e, w.rng.IntN(2) == 0)
		}
	case n < 52:
		if failed := w.audit.failed(); len(failed) > 0 && w.rng.IntN(4) > 0 {
			e = failed[len(failed)-1-w.rng.IntN(min(len(failed), 3))]
			stage = w.audit.stageOf(e)
		}
		w.retry(e, stage)
		switch w.rng.IntN(6) {
		case 0:
			w.cover("F35")
			w.rollback(e, stage)
		case 1:
			w.cover("F35")
			w.retry(e, stage)
		}
	case n < 60:
		w.rollback(e, stage)
	case n < 80:
		keys := w.audit.stagesOf(p)
		if len(keys) == 0 { // nothing was ever started in it
			return
		}
		k := keys[w.rng.IntN(len(keys))]
		w.toggle(p, stageName(k), w.audit.stages[k].Lock.Disabled != (w.rng.IntN(8) == 0))
	case n < 86:
		gate := []record.GateKind{record.BeforeEntry, record.OnSuccess}[w.rng.IntN(2)]
		w.user("override", func(ctx context.Context, me string) error {
			return svc.OverrideCondition(ctx, orchestrator.Override{Pipeline: e.Pipeline, Stage: stage, Execution: e.ID, Gate: gate, By: me})
		})
	case n < 88:
		w.cover("F30")
		w.user("forge", func(ctx context.Context, _ string) error { return svc.Resume(ctx, "00000000-forged") })
	case n < 92 && w.plan.aborts:
		w.abort(e)
	case n < 98 && w.plan.updates:
		w.update(p)
	case n < 99 && w.plan.updates:
		w.delete(p)
	default:
		w.push(p)
	}
}

// start starts an execution, sometimes again.
func (w *world) start(p string) {
	svc := w.sys.Service
	if w.rng.IntN(4) == 0 {
		w.push(p)
		return
	}
	in := orchestrator.Start{Pipeline: p, Trigger: record.Trigger{Type: "StartPipelineExecution", Detail: "call " + itoa(w.people)}}
	if w.rng.IntN(3) == 0 {
		in.Variables = []record.Variable{{Name: "flavour", Value: "odd"}}
	}
	times := 1
	if w.rng.IntN(2) == 0 {
		in.ClientToken = in.Trigger.Detail
		if w.rng.IntN(2) == 0 {
			times = 2
			w.cover("F1")
		}
	}
	for i := range times {
		if i > 0 {
			in.Variables = nil
			w.cover("F7")
		}
		w.user("start", func(ctx context.Context, _ string) error {
			id, err := svc.StartExecution(ctx, in)
			if err == nil && w.audit.executions[id] == nil {
				w.violated("P8", "the start of %s was acknowledged and is not there", id)
			}
			return err
		})
	}
}

// push tells of a push, new or told before.
func (w *world) push(p string) {
	svc := w.sys.Service
	n := w.people
	if n > 0 && w.rng.IntN(3) == 0 {
		n = w.rng.IntN(n)
	}
	told := 1 + w.rng.IntN(2)
	if told > 1 || n != w.people {
		w.cover("F1")
	}
	ev := trigger.Push{Repository: p, RefType: trigger.Branch, Ref: "main", Commit: fmt.Sprintf("%040d", n), OldCommit: fmt.Sprintf("%040d", 1000+n)}
	for range told {
		w.user("push", func(ctx context.Context, _ string) error {
			made, err := svc.Notice(ctx, "push "+itoa(n), ev)
			for _, d := range made {
				if d.Started && w.audit.executions[d.Execution] == nil {
					w.violated("P8", "the start of %s by a push was acknowledged and is not there", d.Execution)
				}
			}
			return err
		})
	}
}

func (w *world) stop(e *record.Execution, abandon bool) {
	svc := w.sys.Service
	w.user("stop", func(ctx context.Context, me string) error {
		return svc.StopExecution(ctx, orchestrator.Stop{Pipeline: e.Pipeline, Execution: e.ID, Abandon: abandon, Reason: "enough", By: me})
	})
}

func (w *world) retry(e *record.Execution, stage string) {
	svc := w.sys.Service
	mode := []pipeline.RetryMode{pipeline.FailedActions, pipeline.AllActions}[w.rng.IntN(2)]
	w.user("retry", func(ctx context.Context, me string) error {
		return svc.RetryStage(ctx, orchestrator.Retry{Pipeline: e.Pipeline, Stage: stage, Execution: e.ID, Mode: mode, By: me})
	})
}

func (w *world) rollback(e *record.Execution, stage string) {
	svc := w.sys.Service
	target := w.audit.order[w.rng.IntN(len(w.audit.order))]
	for _, id := range w.audit.order { // rather one that has succeeded
		if x := w.audit.executions[id]; x.Pipeline == e.Pipeline && x.Status == pipeline.Succeeded && w.rng.IntN(2) == 0 {
			target = id
		}
	}
	w.user("rollback", func(ctx context.Context, me string) error {
		_, err := svc.RollbackStage(ctx, orchestrator.Rollback{Pipeline: e.Pipeline, Stage: stage, Target: target, By: me})
		return err
	})
}

// toggle opens or closes the way into a stage; there is none into the first.
func (w *world) toggle(p, stage string, open bool) bool {
	if stage == "S0" {
		return false
	}
	svc := w.sys.Service
	what := "close"
	if open {
		what = "open"
	}
	w.user(what, func(ctx context.Context, me string) error {
		return svc.SetTransition(ctx, orchestrator.Transition{Pipeline: p, Stage: stage, Enabled: open, Reason: "pause", By: me})
	})
	return true
}

// answerSome answers an approval: an open one, or one that has ended.
func (w *world) answerSome(e *record.Execution) {
	var open, old []*record.Action
	for _, k := range w.audit.actionKeys {
		r := w.audit.actions[k]
		switch {
		case r.Result.Token == "":
		case r.Status == pipeline.InProgress:
			open = append(open, r)
		default:
			old = append(old, r)
		}
	}
	if len(open) == 0 || len(old) > 0 && w.rng.IntN(6) == 0 {
		if len(old) > 0 {
			w.answer(old[w.rng.IntN(len(old))], true, "approve")
		}
		return
	}
	r := open[w.rng.IntN(len(open))]
	if until := r.Job.Deadline.Sub(time.Now().Add(w.skew)); until > 0 && until < time.Hour && w.rng.IntN(6) == 0 {
		w.cover("F33")
		time.Sleep(until + time.Duration(w.rng.IntN(3)-1)*time.Millisecond)
	}
	w.answer(r, w.rng.IntN(4) > 0, "approve")
	switch w.rng.IntN(5) {
	case 0:
		w.cover("F32")
		w.answer(r, w.rng.IntN(2) == 0, "approve")
	case 1:
		if x := w.audit.executions[r.Execution]; x.Status == pipeline.InProgress {
			w.cover("F31")
			w.stop(x, w.rng.IntN(2) == 0)
		}
	}
}

// answer answers an approval. Of all answers to one request one is taken (P7).
func (w *world) answer(r *record.Action, yes bool, what string) {
	svc, token := w.sys.Service, r.Result.Token
	w.user(what, func(ctx context.Context, me string) error {
		_, err := svc.PutApproval(ctx, orchestrator.Approval{Pipeline: r.Pipeline, Stage: r.Stage, Action: r.Name, Token: token, Approved: yes, Summary: "seen by " + me, By: me})
		if err == nil {
			want := pipeline.Failed
			if yes {
				want = pipeline.Succeeded
			}
			if now := w.audit.actions[r.Key()]; now.Status != want || now.UpdatedBy != me {
				w.violated("P7", "%s was told that its answer to %s counts; it is %s by %s", me, r.Ref(), now.Status, now.UpdatedBy)
			}
		}
		return err
	})
}

// abort ends the machine run of an execution, as an operator might.
func (w *world) abort(e *record.Execution) {
	m := w.sys.Service.Machine
	w.disturbed(e.Run)
	w.cover("F15")
	w.user("abort", func(ctx context.Context, _ string) error { return m.Stop(ctx, e.Run, "Operator", "aborted") })
}

// update changes the definition of a pipeline, and its mode.
func (w *world) update(p string) {
	svc := w.sys.Service
	modes := []pipeline.Mode{pipeline.Superseded, pipeline.Queued, pipeline.Parallel}
	stages := 1 + w.rng.IntN(3)
	if w.audit.heldBehind(p) && w.rng.IntN(2) == 0 {
		stages = 1
	}
	d := declaration(w.rng, p, modes[w.rng.IntN(3)], stages)
	for _, k := range w.audit.stagesOf(p) {
		l := w.audit.stages[k].Lock
		if i := slices.IndexFunc(d.Stages, func(s pipeline.Stage) bool { return s.Name == stageName(k) }); i < 0 && (l.Owner != "" || len(l.Waiting) > 0) {
			w.cover("F20")
		}
	}
	w.user("update", func(ctx context.Context, me string) error {
		_, err := svc.UpdatePipeline(ctx, d, me)
		return err
	})
}

// delete removes a pipeline, and sometimes makes it again.
func (w *world) delete(p string) {
	svc := w.sys.Service
	if w.audit.runs(p, w.audit.pipelines[p].Version) {
		w.cover("F38")
	}
	d := declaration(w.rng, p, pipeline.Superseded, 2)
	w.user("delete", func(ctx context.Context, me string) error { return svc.DeletePipeline(ctx, p, me) })
	if w.rng.IntN(2) == 0 {
		w.user("create", func(ctx context.Context, me string) error {
			_, err := svc.CreatePipeline(ctx, orchestrator.Create{Declaration: d, By: me})
			return err
		})
	}
}
