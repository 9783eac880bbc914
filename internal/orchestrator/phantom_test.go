package orchestrator_test

import (
	"testing"

	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// TestStopSeesWhatBegins: an action that begins while a stop looks for what is
// to be abandoned is abandoned too. It would be in progress for ever.
func TestStopSeesWhatBegins(t *testing.T) {
	w := newWorld(t, 1)
	w.create(app(pipeline.Superseded))
	id := w.start()
	for e := w.execution(id); e.Stage < 1 || !e.Inside; e = w.execution(id) {
		w.happen()
	}
	w.store.afterRead = func() {
		for w.latest("Build", "Compile").ID == "" {
			w.happen()
		}
	}
	if err := w.svc.StopExecution(t.Context(), orchestrator.Stop{Pipeline: "app", Execution: id, Abandon: true}); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if a := w.latest("Build", "Compile"); a.Status != pipeline.Abandoned {
		t.Errorf("the action is %s; the execution is %s", a.Status, w.execution(id).Status)
	}
}
