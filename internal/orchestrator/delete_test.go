package orchestrator_test

import (
	"testing"

	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// TestDeleteCutShort cuts a deletion short behind its first write. Whoever
// repeats it finds no pipeline any more, and what it ran is abandoned.
func TestDeleteCutShort(t *testing.T) {
	w := newWorld(t, 1)
	w.create(app(pipeline.Parallel))
	id := w.start()
	w.settle() // it waits for its approval
	ports := w.svc.Ports
	ports.Store = &cut{ports.Store, 1}
	svc, err := orchestrator.New(ports, orchestrator.Home{Account: "123456789012", Region: "eu-west-1"}, orchestrator.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := svc.DeletePipeline(t.Context(), "app", "me"); err == nil {
		t.Fatal("it was not cut short")
	}
	if err := w.svc.DeletePipeline(t.Context(), "app", "me"); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if got := w.execution(id).Status; got != pipeline.Cancelled {
		t.Errorf("the execution of the deleted pipeline is %s", got)
	}
}
