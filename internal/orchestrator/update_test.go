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
