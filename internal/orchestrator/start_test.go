package orchestrator_test

import (
	"testing"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

// TestStartBesideNewer: whoever begins to start an execution and sees, half way,
// that newer ones have come meanwhile begins again. It is not told that
// something is wrong.
func TestStartBesideNewer(t *testing.T) {
	w := newWorld(t, 1)
	w.create(app(pipeline.Superseded))
	w.start()
	var newer string
	w.store.afterGet = func() { w.start(); newer = w.start() }
	id := w.start()
	if got, want := w.execution(id).Seq, w.execution(newer).Seq+1; got != want {
		t.Errorf("the start that came last has the number %d; want %d", got, want)
	}
	w.settle()
	if got := w.execution(id).Status; got != pipeline.Succeeded && got != pipeline.InProgress {
		t.Errorf("the newest execution is %s", got)
	}
}
