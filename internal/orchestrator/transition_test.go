package orchestrator_test

import (
	"slices"
	"testing"

	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// TestOneEdge: the way out of a stage is the way into the next. It shows who
// changed it last, when, and why it is closed.
func TestOneEdge(t *testing.T) {
	w := newWorld(t, 91)
	w.create(app(pipeline.Superseded))
	set := func(stage string, outbound, enabled bool, reason, by string) error {
		return w.svc.SetTransition(t.Context(), orchestrator.Transition{Pipeline: "app", Stage: stage, Outbound: outbound, Enabled: enabled, Reason: reason, By: by})
	}
	for _, tt := range []struct {
		stage    string
		outbound bool
		enabled  bool
		by       string
		closed   bool // the way into Test, afterwards
	}{
		{"Build", true, false, "ann", true},
		{"Test", false, false, "bob", true}, // closed again, for another reason
		{"Test", false, true, "cid", false},
		{"Test", false, false, "dan", true},
		{"Build", true, true, "eve", false},
		{"Build", false, false, "fay", false}, // another edge
	} {
		w.refused("the change", set(tt.stage, tt.outbound, tt.enabled, "because of "+tt.by, tt.by), "")
		s := w.stage("Test")
		if s.Lock.Disabled != tt.closed {
			t.Errorf("after %s changed %s: closed %v; want %v", tt.by, tt.stage, s.Lock.Disabled, tt.closed)
		}
		if tr := s.Transition; tt.by != "fay" && (tr.ChangedBy != tt.by || tr.ChangedAt.IsZero() || (tr.Reason == "because of "+tt.by) != tt.closed) {
			t.Errorf("after %s: %+v", tt.by, tr)
		}
	}
	for _, tt := range []struct {
		stage    string
		outbound bool
		want     pipeline.Code
	}{
		{"Source", false, pipeline.Validation}, // nothing leads into the first stage
		{"Release", true, pipeline.Validation}, // or out of the last
		{"Nowhere", false, pipeline.StageNotFound},
	} {
		w.refused("a way that is none", set(tt.stage, tt.outbound, false, "why", "me"), tt.want)
	}
	err := w.svc.SetTransition(t.Context(), orchestrator.Transition{Pipeline: "none", Stage: "Build"})
	w.refused("another pipeline", err, pipeline.PipelineNotFound)
}

// TestClosedWay: what is inside a stage is not touched; who arrives waits by
// the rules of the mode; opening lets on whoever waits.
func TestClosedWay(t *testing.T) {
	for mode, waits := range map[pipeline.Mode]int{pipeline.Superseded: 1, pipeline.Queued: 3, pipeline.Parallel: 3} {
		w := newWorld(t, 92)
		w.create(app(mode))
		inside := w.several(1)[0] // at the approval
		w.close("Release", true)
		ids := w.several(3)
		if got, want := w.waiting("Release"), ids[3-waits:]; !slices.Equal(got, want) {
			t.Errorf("%s: %v wait; want %v", mode, got, want)
		}
		if err := w.approve(true); err != nil {
			t.Fatal(err)
		}
		w.settle()
		w.want(inside, pipeline.Succeeded)
		if got := w.waiting("Release"); len(got) != waits {
			t.Errorf("%s: with the stage free %d wait; want %d", mode, len(got), waits)
		}
		w.close("Release", false)
		for range waits {
			w.approveAny()
			w.settle()
		}
		for i, id := range ids {
			w.want(id, []pipeline.Status{pipeline.SupersededExecution, pipeline.Succeeded}[min(1, (i+waits)/3)])
		}
		w.rested()
	}
}

// TestClosedSurvivesUpdates: a transition is the pipeline's, not of its
// definition. A stage that is taken out and put back is as closed as it was:
// executions of the old version may wait in front of it meanwhile.
func TestClosedSurvivesUpdates(t *testing.T) {
	w := newWorld(t, 93)
	w.create(app(pipeline.Superseded))
	w.close("Build", true)
	w.close("Test", true)
	update := func(d pipeline.Declaration) {
		t.Helper()
		if _, err := w.svc.UpdatePipeline(t.Context(), d, "me"); err != nil {
			t.Fatal(err)
		}
		w.settle()
	}
	without := app(pipeline.Queued)
	without.Stages = slices.Delete(without.Stages, 2, 3)
	update(without)
	if s := w.stage("Build"); !s.Lock.Disabled || s.Transition.ChangedBy != "me" || s.Lock.Mode != pipeline.Queued {
		t.Errorf("after an update Build is %+v, %+v; want it closed, in the new mode", s.Lock, s.Transition)
	}
	id := w.several(1)[0]
	if e := w.execution(id); e.Stage != 1 || e.Inside {
		t.Errorf("an execution is at stage %d, inside %v; want in front of 1", e.Stage, e.Inside)
	}
	update(app(pipeline.Superseded))
	if s := w.stage("Test"); !s.Lock.Disabled || s.Transition.ChangedBy != "me" {
		t.Errorf("a stage that was taken out and put back is %+v, %+v; want it closed", s.Lock, s.Transition)
	}
	if !w.stage("Build").Lock.Disabled {
		t.Error("the second update has opened Build")
	}
}

// TestClosedStageIsTakenOut: a PARALLEL execution that waits in front of a
// closed stage waits on when an update takes the stage out. Nobody can open
// that any more; a stop ends the wait.
func TestClosedStageIsTakenOut(t *testing.T) {
	w := newWorld(t, 94)
	w.create(app(pipeline.Parallel))
	w.close("Test", true)
	id := w.several(1)[0]
	without := app(pipeline.Parallel)
	without.Stages = slices.Delete(without.Stages, 2, 3)
	if _, err := w.svc.UpdatePipeline(t.Context(), without, "me"); err != nil {
		t.Fatal(err)
	}
	w.settle()
	w.want(id, pipeline.InProgress)
	err := w.svc.SetTransition(t.Context(), orchestrator.Transition{Pipeline: "app", Stage: "Test", Enabled: true})
	w.refused("opening what is gone", err, pipeline.StageNotFound)
	w.refused("the stop", w.stop(id, false), "")
	w.settle()
	w.want(id, pipeline.Stopped)
	w.rested()
}
