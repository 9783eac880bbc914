package orchestrator_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// asked is a world in which an execution waits for its approval.
func asked(t *testing.T, mode pipeline.Mode) (w *world, id string, gate record.Action) {
	w = newWorld(t, 51)
	w.create(app(mode))
	id = w.start()
	w.settle()
	return w, id, w.latest("Release", "Gate")
}

// answer answers a request.
func (w *world) answer(gate record.Action, approved bool) error {
	_, err := w.svc.PutApproval(w.t.Context(), orchestrator.Approval{
		Pipeline: "app", Stage: "Release", Action: "Gate", Approved: approved, Summary: "seen", By: "me", Token: gate.Result.Token,
	})
	return err
}

// TestAnswerWhereTheStageIsGone: a PARALLEL execution goes on with its own
// version, so its approval takes an answer although the newest one has no such
// stage. A token that nobody waits for is told of the newest.
func TestAnswerWhereTheStageIsGone(t *testing.T) {
	w, id, gate := asked(t, pipeline.Parallel)
	shorter := app(pipeline.Parallel)
	shorter.Stages = shorter.Stages[:3]
	if _, err := w.svc.UpdatePipeline(t.Context(), shorter, "me"); err != nil {
		t.Fatal(err)
	}
	foreign := gate
	foreign.Result.Token = "another"
	w.refused("a token of nobody", w.answer(foreign, true), pipeline.StageNotFound)
	if err := w.answer(gate, true); err != nil {
		t.Fatal(err)
	}
	w.settle()
	w.want(id, pipeline.Succeeded)
}

// TestApprovalDeadline: that an answer comes too late is decided by the record
// when it comes, to the tick, whether or not a sweep has noticed.
func TestApprovalDeadline(t *testing.T) {
	const tick = time.Millisecond
	for _, swept := range []bool{false, true} {
		for _, link := range []bool{false, true} {
			for _, late := range []time.Duration{-tick, 0, tick} {
				w, id, gate := asked(t, pipeline.Superseded)
				secret := w.linkTo(gate.ID)
				w.now = gate.Job.Deadline.Add(late - tick) // the clock goes on by a tick when it is asked
				if swept {
					if err := w.svc.Sweep(t.Context()); err != nil {
						t.Fatal(err)
					}
					w.now = gate.Job.Deadline.Add(late - tick)
				}
				var refused bool
				if link {
					_, err := w.svc.Decide(t.Context(), orchestrator.Decision{Secret: secret, Pipeline: "app", Approved: true, Summary: "ok"})
					if refused = errors.Is(err, orchestrator.ErrLinkExpired); !refused && err != nil {
						t.Errorf("the link gave %v", err)
					}
				} else {
					err := w.answer(gate, true)
					if refused = pipeline.CodeOf(err) == pipeline.InvalidApprovalToken; !refused && err != nil {
						t.Errorf("the answer gave %v", err)
					}
				}
				if refused != (late >= 0) {
					t.Errorf("by link %v, swept %v, %s after the deadline: refused %v", link, swept, late, refused)
				}
				w.settle()
				if swept && late >= 0 {
					w.want(id, pipeline.Failed)
					if e := w.latest("Release", "Gate").Result.Error; e == nil || e.Code != action.Timeout {
						t.Errorf("the approval failed with %+v; want %s", e, action.Timeout)
					}
				}
			}
		}
	}
}

// TestApprovalWinners has who wins when an answer comes after something else,
// and what the loser is told.
func TestApprovalWinners(t *testing.T) {
	const (
		answered = "was already answered"
		outdated = "The pipeline app has been updated, and the approval request you responded to is now out of date."
	)
	for _, tt := range []struct {
		name   string
		before func(w *world, id string, gate record.Action) error
		code   pipeline.Code
		text   string
		gate   pipeline.Status
	}{
		{"nothing", func(*world, string, record.Action) error { return nil }, "", "", pipeline.Succeeded},
		{"approved", func(w *world, _ string, g record.Action) error { return w.answer(g, true) }, pipeline.ApprovalAlreadyCompleted, answered, pipeline.Succeeded},
		{"rejected", func(w *world, _ string, g record.Action) error { return w.answer(g, false) }, pipeline.ApprovalAlreadyCompleted, answered, pipeline.Failed},
		{"stop and wait", func(w *world, id string, _ record.Action) error { return w.stop(id, false) }, "", "", pipeline.Succeeded},
		{"stop and abandon", func(w *world, id string, _ record.Action) error { return w.stop(id, true) }, pipeline.InvalidApprovalToken, outdated, pipeline.Abandoned},
		{"updated", func(w *world, _ string, _ record.Action) error {
			_, err := w.svc.UpdatePipeline(w.t.Context(), app(pipeline.Superseded), "me")
			return err
		}, pipeline.InvalidApprovalToken, outdated, pipeline.Failed},
		{"rejected and retried", func(w *world, id string, g record.Action) error {
			err := w.answer(g, false)
			w.settle()
			return errors.Join(err, w.retry(id, "Release", pipeline.AllActions))
		}, pipeline.ApprovalAlreadyCompleted, answered, pipeline.InProgress},
		{"stopped and retried", func(w *world, id string, g record.Action) error {
			err := w.stop(id, true)
			w.settle()
			return errors.Join(err, w.retry(id, "Release", pipeline.AllActions))
		}, pipeline.InvalidApprovalToken, outdated, pipeline.InProgress},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, id, gate := asked(t, pipeline.Superseded)
			if err := tt.before(w, id, gate); err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(tt.name, "retried") {
				w.settle() // it is asked anew
			}
			err := w.answer(gate, true)
			if pipeline.CodeOf(err) != tt.code || err != nil && !strings.Contains(err.Error(), tt.text) {
				t.Errorf("the answer gave %v; want %s: %s", err, tt.code, tt.text)
			}
			w.settle()
			if got := w.latest("Release", "Gate"); got.Status != tt.gate {
				t.Errorf("the approval is %s; want %s", got.Status, tt.gate)
			}
		})
	}
}
