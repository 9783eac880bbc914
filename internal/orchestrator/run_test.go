package orchestrator_test

import (
	"testing"

	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// TestCalledAgainWhileStopping: a stop waits for an approval, and the task of
// the approval is called again, because its first call was given up or the
// machine was started again. The approval may still be given, and then the task
// that waits now is told.
func TestCalledAgainWhileStopping(t *testing.T) {
	w := newWorld(t, 43)
	w.create(app(pipeline.Superseded))
	id := w.start()
	w.settle()
	if err := w.svc.StopExecution(t.Context(), orchestrator.Stop{Pipeline: "app", Execution: id}); err != nil {
		t.Fatal(err)
	}
	gate := w.latest("Release", "Gate")
	again := orchestrator.RunRequest{Token: gate.Run + ".99", Run: gate.Run, Execution: id, Stage: "Release", Action: "Gate", Call: 1}
	if err := w.svc.RunAction(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if got := w.latest("Release", "Gate"); got.Status != pipeline.InProgress || got.Token != again.Token {
		t.Fatalf("the approval is %s (%s) and its task %s; want that it waits for %s", got.Status, got.Result.Summary, got.Token, again.Token)
	}
	if err := w.approve(true); err != nil {
		t.Error(err)
	}
}
