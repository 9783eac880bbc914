package orchestrator_test

import (
	"context"
	"testing"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// TestStopBeforeStart: work that begins although its action was abandoned
// meanwhile is stopped. Whoever abandoned it found nothing to stop.
func TestStopBeforeStart(t *testing.T) {
	w := newWorld(t, 1)
	w.create(app(pipeline.Superseded))
	id := w.start()
	for w.latest("Source", "Checkout").Status != pipeline.Succeeded {
		w.happen()
	}
	ports := w.svc.Ports
	ports.Catalog = slow{catalog{w}, func() {
		if w.latest("Build", "Compile").Status != pipeline.InProgress {
			return
		}
		if err := w.svc.StopExecution(t.Context(), orchestrator.Stop{Pipeline: "app", Execution: id, Abandon: true}); err != nil {
			t.Error(err)
		}
		w.settle()
	}}
	var err error
	w.svc, err = orchestrator.New(ports, orchestrator.Home{Account: "123456789012", Region: "eu-west-1"}, orchestrator.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w.settle()
	a := w.latest("Build", "Compile")
	if a.Status != pipeline.Abandoned {
		t.Fatalf("the action is %s", a.Status)
	}
	if j := w.jobs[a.ID]; j == nil || j.result.Summary != "stopped" {
		t.Errorf("the work of the abandoned action goes on: %+v", j)
	}
}

// slow is a catalog in which something happens before the work of an action
// starts.
type slow struct {
	catalog
	before func()
}

func (s slow) Provider(pipeline.ActionTypeID) action.Provider { return s }

func (s slow) Start(ctx context.Context, in action.Job) (action.Result, error) {
	s.before()
	return s.catalog.Start(ctx, in)
}
