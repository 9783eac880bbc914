package prooftest

import (
	"fmt"
	"slices"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

// compare returns how the twin differs from the model's world, or "".
func (w *twin) compare(want *world) string {
	got := w.observed(want)
	for i := range want.executions {
		if a, b := got.executions[i], want.executions[i]; a != b {
			return fmt.Sprintf("execution %s is\n%+v; the model says\n%+v", names[i+1], a, b)
		}
	}
	for i := range want.locks {
		if a, b := got.locks[i], want.locks[i]; a != b {
			return fmt.Sprintf("stage %d is\n%+v; the model says\n%+v", i, a, b)
		}
	}
	if got.pipeline != want.pipeline {
		return fmt.Sprintf("the pipeline is\n%+v; the model says\n%+v", got.pipeline, want.pipeline)
	}
	if got.admits != want.admits || got.admitted != want.admitted {
		return fmt.Sprintf("the outbox has the admits\n%+v; the model says\n%+v", got.admits[:got.admitted], want.admits[:want.admitted])
	}
	return ""
}

// observed is the world as it is recorded. What only the model has is taken
// from it.
func (w *twin) observed(want *world) (got world) {
	w.identify()
	p, err := w.svc.Records.Pipeline(w.t.Context(), "app")
	if err != nil {
		w.t.Fatal(err)
	}
	got.pipeline = want.pipeline
	got.pipeline.version = uint8(p.Value.Version - 1)
	for i, id := range w.ids {
		if id == "" {
			continue
		}
		got.executions[i] = w.executionOf(uint8(i), &want.executions[i])
	}
	for i := range want.locks[:w.m.Stages] {
		got.locks[i] = w.lockOf(uint8(i))
		got.locks[i].top = want.locks[i].top
	}
	for _, o := range w.outbox {
		for _, a := range o.Admits {
			got.add(admit{w.index(a.Execution) - 1, a.Stage[1] - '0', uint8(a.Entry), uint8(a.Fence), false})
		}
	}
	return got
}

// index is the number of an execution plus 1, 0 for nobody.
func (w *twin) index(id string) uint8 {
	if id == "" {
		return 0
	}
	return uint8(slices.Index(w.ids, id) + 1)
}

var statuses = map[pipeline.Status]status{
	pipeline.InProgress: inProgress, pipeline.Stopping: stopping, pipeline.Stopped: stopped,
	pipeline.Failed: failed, pipeline.Succeeded: succeeded, pipeline.SupersededExecution: superseded, pipeline.Cancelled: cancelled, pipeline.Skipped: skipped,
}

var works = map[pipeline.Status]work{
	pipeline.InProgress: running, pipeline.Succeeded: done, pipeline.Failed: broken, pipeline.Abandoned: abandoned,
}

var verdicts = map[pipeline.Status]verdict{
	pipeline.InProgress: open, pipeline.Succeeded: met, pipeline.Failed: unmet, pipeline.Overridden: overridden,
	pipeline.Abandoned: cut, pipeline.Cancelled: cut,
}

func (w *twin) executionOf(who uint8, want *execution) execution {
	r := w.execution(who)
	e := execution{
		status: statuses[r.Status], stage: uint8(r.Stage), inside: r.Inside, fence: uint8(r.Fence), entry: uint8(r.Entry),
		abandon: r.Stop != nil && r.Stop.Abandon, again: r.Again, retried: len(r.Retried) > 0, run: want.run, repeats: want.repeats,
		version: uint8(r.Version - 1), cancel: r.Cancel, beside: want.beside, skipped: slices.Contains(r.Skipped, stageName(gated)), outside: r.Outside && r.Mode == pipeline.Parallel,
	}
	for i := range want.run + 1 {
		e.runs[i] = w.runOf(w.runName(who, i))
		e.runs[i].visit = want.runs[i].visit
	}
	var open string
	if w.running(r.Run) {
		open = w.tasks[r.Run].Token
	}
	if a := w.action(who); a != nil {
		e.work, e.told = works[a.Status], a.Token == open && open != ""
	}
	if r.Stage == gated && w.m.Gate != unconditional {
		g, err := w.svc.Records.Gate(w.t.Context(), r.ID, r.Attempt, stageName(gated), gateKind(w.m.Gate))
		if err != nil {
			w.t.Fatal(err)
		}
		e.gate = gate{verdicts[g.Value.Status], g.Value.Token == open && open != ""}
	}
	waiter, err := w.svc.Records.Waiter(w.t.Context(), r.ID, stageName(uint8(r.Stage)))
	if err != nil {
		w.t.Fatal(err)
	}
	e.waits = waiter.Value.Token == open && open != "" && waiter.Value.Run == r.Run
	return e
}

func (w *twin) runOf(name string) (r run) {
	for _, o := range w.outbox {
		if len(o.Starts) > 0 && o.Starts[0].Run == name {
			r.at = asked
		}
		r.stop = r.stop || len(o.Stops) > 0 && o.Stops[0].Run == name
	}
	known := w.tasks[name]
	if known == nil {
		return r
	}
	if !w.running(name) {
		r.at = over
		return r
	}
	r.at, r.called = taskOf(known.Invoke, w.m.Stages), known.called
	for _, o := range w.outbox {
		if len(o.Answers) > 0 && o.Answers[0].Token == known.Token {
			r.answers |= kindOf(o.Answers[0], r.at.acts())
		}
	}
	return r
}

// lockOf is what is recorded of a stage.
func (w *twin) lockOf(i uint8) lock {
	s, err := w.svc.Records.Stage(w.t.Context(), "app", stageName(i))
	if err != nil {
		w.t.Fatal(err)
	}
	v := s.Value.Lock
	l := lock{
		mode:     lockModeOf(v.Mode),
		disabled: v.Disabled, owner: w.index(v.Owner), ownerSeq: w.seqs[v.OwnerSeq], fence: uint8(v.Fence), lastSeq: w.seqs[v.LastSeq],
		lastExec: w.index(v.LastExec), lastEntry: uint8(v.LastEntry), queued: uint8(len(v.Waiting)), auto: uint8(s.Value.Retries.Auto),
	}
	for k, x := range v.Waiting {
		l.waiting[k] = waiter{w.index(x.Execution) - 1, uint8(x.Entry)}
	}
	if latest := s.Value.Latest; latest != nil {
		l.latest, l.latestStatus = w.index(latest.Execution), statuses[latest.Status]
	}
	return l
}
