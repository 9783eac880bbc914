package orchestrator_test

import (
	"testing"

	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

func TestRunToTheEnd(t *testing.T) {
	w := newWorld(t, 1)
	w.create(app(pipeline.Superseded))
	id := w.start()
	w.settle()
	w.want(id, pipeline.InProgress)
	if got := w.latest("Release", "Gate").Status; got != pipeline.InProgress {
		t.Fatalf("the approval is %q; want InProgress", got)
	}
	if err := w.approve(true); err != nil {
		t.Fatal(err)
	}
	w.settle()
	w.want(id, pipeline.Succeeded)
	if sha := w.latest("Build", "Compile").Job.Action.Configuration["EnvironmentVariables"]; sha != `[{"name":"SHA","value":"`+w.latest("Source", "Checkout").ID+`"}]` {
		t.Errorf("the variable was resolved to %s", sha)
	}
	if got := w.latest("Release", "Copy").Job.Inputs[0].Ref.Digest; got != "sha256:"+w.latest("Build", "Compile").ID {
		t.Errorf("the deployment got artifact %s; want the build's", got)
	}
	if pipeline.CodeOf(w.approve(true)) != pipeline.ApprovalAlreadyCompleted {
		t.Error("a second approval was taken")
	}
}

// TestCreateStarts starts the first execution with the pipeline, in one
// transaction: its version cannot be read back yet.
func TestCreateStarts(t *testing.T) {
	for _, d := range []pipeline.Declaration{app(pipeline.Superseded), behind(record.BeforeEntry, "FAIL")} {
		w := newWorld(t, 1)
		if _, err := w.svc.CreatePipeline(t.Context(), orchestrator.Create{Declaration: d, Start: true}); err != nil {
			t.Fatal(err)
		}
		w.settle()
		w.want(w.last().ID, pipeline.InProgress) // at the approval
		if w.latest("Release", "Gate").Status != pipeline.InProgress {
			t.Error("it did not come to the approval")
		}
	}
}

func TestNewestWaitsBehindApproval(t *testing.T) {
	w := newWorld(t, 2)
	w.create(app(pipeline.Superseded))
	first := w.start()
	w.settle()
	second := w.start()
	w.settle()
	third := w.start()
	w.settle()
	w.want(first, pipeline.InProgress)
	w.want(second, pipeline.SupersededExecution)
	w.want(third, pipeline.InProgress)
	if err := w.approve(true); err != nil {
		t.Fatal(err)
	}
	w.settle()
	w.want(first, pipeline.Succeeded)
	if e := w.execution(third); !e.Inside || e.Stage != 3 {
		t.Errorf("the third execution is at stage %d, inside %v; want inside 3", e.Stage, e.Inside)
	}
}

func TestTransition(t *testing.T) {
	w := newWorld(t, 8)
	w.create(app(pipeline.Superseded))
	set := func(enabled bool) {
		t.Helper()
		if err := w.svc.SetTransition(t.Context(), orchestrator.Transition{Pipeline: "app", Stage: "Build", Enabled: enabled, Reason: "freeze"}); err != nil {
			t.Fatal(err)
		}
		w.settle()
	}
	set(false)
	first := w.start()
	w.settle()
	second := w.start()
	w.settle()
	w.want(first, pipeline.SupersededExecution)
	if e := w.execution(second); e.Inside || e.Stage != 1 {
		t.Errorf("the second execution is at stage %d, inside %v; want in front of 1", e.Stage, e.Inside)
	}
	set(true)
	if got := w.latest("Release", "Gate").Execution; got != second {
		t.Errorf("the approval waits for %q; want %s", got, second)
	}
}
