package orchestrator_test

import (
	"testing"

	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

func TestUpdateCancelsApproval(t *testing.T) {
	w := newWorld(t, 6)
	w.create(app(pipeline.Superseded))
	id := w.start()
	w.settle()
	token := w.latest("Release", "Gate").Result.Token
	if _, err := w.svc.UpdatePipeline(t.Context(), app(pipeline.Superseded), "me"); err != nil {
		t.Fatal(err)
	}
	w.settle()
	w.want(id, pipeline.Cancelled)
	_, err := w.svc.PutApproval(t.Context(), orchestrator.Approval{Pipeline: "app", Stage: "Release", Action: "Gate", Token: token, Approved: true})
	if pipeline.CodeOf(err) != pipeline.InvalidApprovalToken {
		t.Errorf("the old token gave %v; want InvalidApprovalTokenException", err)
	}
}

func TestParallelGoesOnAfterUpdate(t *testing.T) {
	w := newWorld(t, 9)
	w.create(app(pipeline.Parallel))
	ids := []string{w.start(), w.start()}
	w.settle()
	if _, err := w.svc.UpdatePipeline(t.Context(), app(pipeline.Queued), "me"); err != nil {
		t.Fatal(err)
	}
	w.settle()
	for _, id := range ids {
		w.want(id, pipeline.InProgress)
	}
	if !w.approveAny() {
		t.Error("no approval waits")
	}
	w.settle()
	for _, id := range ids {
		w.want(id, pipeline.Succeeded)
	}
}

// TestParallelWaitsBesideTheNewMode: executions that were PARALLEL when the
// pipeline was updated go on beside its new mode. They are neither superseded
// nor queued, and a grant that they have not heard of yet stays theirs.
func TestParallelWaitsBesideTheNewMode(t *testing.T) {
	for _, opens := range []string{"before the update", "after it"} {
		for _, mode := range []pipeline.Mode{pipeline.Superseded, pipeline.Queued} {
			t.Run(string(mode)+", the transition opens "+opens, func(t *testing.T) {
				w := newWorld(t, 10)
				w.create(app(pipeline.Parallel))
				gate := func(open bool) {
					if err := w.svc.SetTransition(t.Context(), orchestrator.Transition{Pipeline: "app", Stage: "Release", Enabled: open, Reason: "why"}); err != nil {
						t.Fatal(err)
					}
				}
				gate(false)
				ids := []string{w.start(), w.start()}
				w.settle()
				if opens == "before the update" {
					gate(true) // nobody has heard of it yet
				}
				if _, err := w.svc.UpdatePipeline(t.Context(), app(mode), "me"); err != nil {
					t.Fatal(err)
				}
				if opens == "after it" {
					gate(true)
				}
				w.settle()
				for w.approveAny() {
					w.settle()
				}
				for _, id := range ids {
					w.want(id, pipeline.Succeeded)
				}
			})
		}
	}
}

// TestLateUpdate: an update that comes to the stages after a newer one leaves
// them the newer mode.
func TestLateUpdate(t *testing.T) {
	w := newWorld(t, 11)
	w.create(app(pipeline.Superseded))
	w.settle()
	w.store.afterRead = func() { // the first one has written its version and looks for who is to be cancelled
		if _, err := w.svc.UpdatePipeline(t.Context(), app(pipeline.Queued), "me"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.svc.UpdatePipeline(t.Context(), app(pipeline.Parallel), "me"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Source", "Release"} {
		st, err := w.svc.Records.Stage(t.Context(), "app", name)
		if err != nil || st.Value.Lock.Mode != pipeline.Queued {
			t.Errorf("stage %s is %s, %v; want QUEUED, as the pipeline", name, st.Value.Lock.Mode, err)
		}
	}
}

// TestNewModeBeforeTheStagesHeard: executions of a new version keep to its
// mode, however far the update has come with the stages.
func TestNewModeBeforeTheStagesHeard(t *testing.T) {
	w := newWorld(t, 12)
	w.create(app(pipeline.Parallel))
	w.start()
	w.settle()
	w.store.afterRead = func() { // the update has written its version
		ids := []string{w.start(), w.start()}
		w.settle()
		if a, b := w.execution(ids[0]), w.execution(ids[1]); !a.Inside || b.Inside {
			t.Errorf("inside their stages: %v and %v; want the first one only, and the second behind it", a.Inside, b.Inside)
		}
	}
	if _, err := w.svc.UpdatePipeline(t.Context(), app(pipeline.Queued), "me"); err != nil {
		t.Fatal(err)
	}
}
