package orders

import (
	"errors"
	"time"

	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// none is the status of an action that is not recorded.
const none pipeline.Status = ""

func statusOf(a *record.Action) pipeline.Status {
	if a == nil {
		return none
	}
	return a.Status
}

// expect says what becomes of the action, which stands as a, when e happens to
// it in an execution that stands as ex, and what e is refused with.
func (p *play) expect(e event, a *record.Action, ex record.Execution) (pipeline.Status, pipeline.Code) {
	now := statusOf(a)
	runs := now == pipeline.InProgress
	switch e {
	case intent, start, link:
		if now == none && ex.Status != pipeline.InProgress || now.Final() {
			return now, ""
		}
		if e == link {
			return p.linked(), ""
		}
		return pipeline.InProgress, ""
	case done, again:
		return p.told(e, a)
	case timeout:
		if runs {
			return pipeline.Failed, ""
		}
		return now, ""
	}
	if ex.Status.Final() {
		return now, pipeline.NotStoppable
	}
	if runs && (p.abandon || p.kind.rule) { // a stop ends a condition, waiting or not
		return pipeline.Abandoned, ""
	}
	return now, ""
}

// linked is how an action stands whose work was begun by a process that lives
// to say so.
func (p *play) linked() pipeline.Status {
	switch {
	case p.kind.asked, p.accepted == done, p.over && !p.kind.answers && !p.kind.pieces:
		return pipeline.Succeeded
	case p.accepted == again:
		return pipeline.Failed
	}
	return pipeline.InProgress
}

// told says what becomes of an action whose end is told.
func (p *play) told(e event, a *record.Action) (pipeline.Status, pipeline.Code) {
	now, end := statusOf(a), map[event]pipeline.Status{done: pipeline.Succeeded, again: pipeline.Failed}[e]
	if now == none {
		return now, p.kind.unknown[e-done]
	}
	if p.kind.category == pipeline.Approval {
		return p.answered(a, end)
	}
	if p.kind.category == pipeline.Invoke {
		return p.answeredJob(e, now, end)
	}
	switch {
	case now.Final():
		return now, ""
	case p.kind.pieces && a.Result.Cursor == "", e == again && a.Try > 1 && !p.kind.pieces:
		return now, "" // the piece before is not done; the try that failed is over
	case p.kind.pieces:
		return pipeline.Succeeded, ""
	case e == again:
		return pipeline.Failed, ""
	case p.kind.asked && p.now().Sub(a.Started) < time.Minute: // who was called for it is about to begin it
		return now, ""
	case p.kind.asked: // if nobody began it, it is lost and tried again
		return pipeline.Succeeded, ""
	case p.begun == 0:
		return now, ""
	}
	return pipeline.Succeeded, ""
}

// answered is told for an approval.
func (p *play) answered(a *record.Action, end pipeline.Status) (pipeline.Status, pipeline.Code) {
	switch {
	case a.Result.Token == "", a.Status.Final() && a.UpdatedBy == "": // it was not asked for yet, or ended without an answer
		return a.Status, pipeline.InvalidApprovalToken
	case a.Status.Final():
		return a.Status, pipeline.ApprovalAlreadyCompleted
	}
	return end, ""
}

// answeredJob is told for a function, whose answer is heeded by an errand. It
// notes the answer that counts.
func (p *play) answeredJob(e event, now, end pipeline.Status) (pipeline.Status, pipeline.Code) {
	switch {
	case p.begun == 0:
		return now, pipeline.JobNotFound
	case p.accepted == e: // the same once more
		return now, ""
	case p.accepted != 0:
		return now, pipeline.InvalidJobState
	case now.Final(): // given up: any answer is taken and none is heeded
		return now, ""
	}
	p.accepted = e
	if p.tardy {
		return now, ""
	}
	return end, ""
}

// step has e happen and holds what comes of it against what is expected.
func (p *play) step(e event) {
	a, ex := p.record(), p.world.Execution(p.execution)
	want, code := p.expect(e, a, ex)
	err := p.happen(e)
	if e <= link && errors.Is(err, errDied) {
		err = nil
	}
	if got := pipeline.CodeOf(err); got != code {
		p.wrong("%s was answered %q (%v); want %q", events[e], got, err, code)
	}
	if e == stop && code == "" {
		p.stopped, p.early = true, a == nil
	}
	if !p.tardy {
		p.settle(false)
	}
	got := statusOf(p.record())
	if got != want {
		p.wrong("behind %s the action is %q; want %q", events[e], got, want)
	}
	if !p.tardy && got.Final() && p.waits() {
		p.wrong("behind %s the action is %q, and its task waits", events[e], got)
	}
}

// finish heals and holds the end against what happened. Then both ends are told
// once more.
func (p *play) finish() {
	before := statusOf(p.record())
	p.heal()
	for _, e := range []event{done, again} {
		p.step(e)
	}
	a, ex := p.record(), p.world.Execution(p.execution)
	after := statusOf(a)
	switch {
	case before.Final() && after != before:
		p.wrong("the action was %s and is %s", before, after)
	case !after.Final() && after != none:
		p.wrong("the action stays %s", after)
	case p.early && (p.begun > 0 || a != nil):
		p.wrong("the action was begun although a stop had been accepted before")
	case p.begun > 1:
		p.wrong("the work was begun %d times", p.begun)
	}
	want := pipeline.Failed
	switch {
	case p.stopped:
		want = pipeline.Stopped
	case after == pipeline.Succeeded:
		want = pipeline.Succeeded
	}
	if ex.Status != want {
		p.wrong("the execution is %s (%s); want %s, with the action %s", ex.Status, ex.StatusSummary, want, after)
	}
	p.problems = append(p.problems, p.world.Broken...)
}
