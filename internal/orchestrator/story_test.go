package orchestrator_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/action"
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

// TestFailureLetsSiblingsFinish: what runs beside an action that fails ends as
// it ends, and no later run order begins.
func TestFailureLetsSiblingsFinish(t *testing.T) {
	for _, how := range []action.Result{succeeded, action.Fail(action.JobFailed, "too")} {
		w := newWorld(t, 16)
		w.create(reporting("text"))
		w.outcome = func(j action.Job) action.Result {
			if j.Action.Name == "Lint" {
				return action.Fail(action.JobFailed, "lint found something")
			}
			return w.hold("Unit", j)
		}
		id := w.several(1)[0]
		w.want(id, pipeline.InProgress)
		w.shows("Test", id, pipeline.InProgress)
		w.ends("Test", "Unit", how)
		w.settle()
		w.want(id, pipeline.Failed)
		w.shows("Test", id, pipeline.Failed)
		if unit := w.latest("Test", "Unit").Status; unit != how.Status || w.started[id+" Report"] > 0 {
			t.Errorf("Unit is %s and Report ran %d times; want %s and none", unit, w.started[id+" Report"], how.Status)
		}
		w.rested()
	}
}

// TestEventsOfControl has what is told of a stop and of the retry behind it.
func TestEventsOfControl(t *testing.T) {
	w := newWorld(t, 17)
	w.create(app(pipeline.Superseded))
	id := w.several(1)[0]
	told := len(w.events)
	w.refused("stopping", w.stop(id, false), "")
	w.settle()
	w.refused("the rejection", w.approve(false), "")
	w.settle()
	w.refused("the retry", w.retry(id, "Release", pipeline.FailedActions), "")
	w.settle()
	var got []string
	for _, e := range w.events[told:] {
		if !strings.HasSuffix(e.DetailType, "State Change") { // a mail
			continue
		}
		var d struct {
			Stage, Action, State string
			Comment              string  `json:"stop-execution-comments"`
			Attempt              float64 `json:"pipeline-execution-attempt"`
		}
		if err := json.Unmarshal(e.Detail, &d); err != nil {
			t.Fatal(err)
		}
		got = append(got, strings.TrimSpace(fmt.Sprintf("%v %s %s %s %s", d.Attempt, d.State, d.Stage, d.Action, d.Comment)))
	}
	slices.Sort(got) // they are delivered in any order
	want := []string{
		"1 FAILED Release Gate", "1 STOPPED   enough", "1 STOPPED Release", "1 STOPPING   enough", "1 STOPPING Release",
		"2 RESUMED", "2 RESUMED Release", "2 STARTED Release Gate",
	}
	if !slices.Equal(got, want) {
		t.Errorf("told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
