package orchestrator_test

import (
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// reporting is app with an action behind Unit and Lint that reads what they
// gave.
func reporting(text string) pipeline.Declaration {
	d := app(pipeline.Superseded)
	d.Stages[2].Actions[0].Namespace, d.Stages[2].Actions[1].Namespace = "Unit", "Lint"
	report := act("Report", pipeline.Invoke, "Lambda", 2)
	report.Configuration = map[string]string{"FunctionName": "f", "UserParameters": text}
	d.Stages[2].Actions = append(d.Stages[2].Actions, report)
	return d
}

// TestRetryKeepsVariables: an action that runs again gives new values, what
// had succeeded keeps its own, and what reads them later has both.
func TestRetryKeepsVariables(t *testing.T) {
	w := newWorld(t, 121)
	const text = "#{Unit.Id} #{Lint.Id} #{Src.Id}"
	w.create(reporting(text))
	w.failing("Lint")
	id := w.several(1)[0]
	unit, source := w.latest("Test", "Unit").ID, w.latest("Source", "Checkout").ID
	w.outcome = nil
	w.refused("the retry", w.retry(id, "Test", pipeline.FailedActions), "")
	w.settle()
	lint, report := w.latest("Test", "Lint"), w.latest("Test", "Report")
	if got, want := report.Job.Action.Configuration["UserParameters"], unit+" "+lint.ID+" "+source; got != want {
		t.Errorf("Report was given %q; want %q", got, want)
	}
	if got := report.Raw["UserParameters"]; got != text {
		t.Errorf("as declared it is %q; want %q", got, text)
	}
	if lint.Attempt != 2 || w.latest("Test", "Unit").ID != unit {
		t.Errorf("Lint ran in attempt %d, Unit is %s; want 2, and the first", lint.Attempt, w.latest("Test", "Unit").ID)
	}
}

// TestUnresolved: a key that was not given fails the action, which does not
// run; the failure names every such reference, and names are case sensitive.
func TestUnresolved(t *testing.T) {
	w := newWorld(t, 122)
	w.create(reporting("#{Unit.Id} #{Unit.id} #{Lint.Size}"))
	id := w.several(1)[0]
	w.want(id, pipeline.Failed)
	r := w.latest("Test", "Report").Result
	if r.Error == nil || r.Error.Code != action.ConfigurationError || !strings.Contains(r.Error.Message, "#{Unit.id}") || !strings.Contains(r.Error.Message, "#{Lint.Size}") || strings.Contains(r.Error.Message, "#{Unit.Id}") {
		t.Errorf("Report failed with %+v", r.Error)
	}
	if w.started[id+" Report"] > 0 {
		t.Error("Report ran")
	}
}

// TestVariableSizes: the variables of an action have at most 122,880 bytes,
// names and values together, and its resolved configuration 100 KB.
func TestVariableSizes(t *testing.T) {
	for _, tt := range []struct {
		name string
		size int // of the value of Id, of Unit
		unit pipeline.Status
		text string
	}{
		{"as large as may be", 122_880 - len("Id"), pipeline.Succeeded, ""},
		{"one more", 122_881 - len("Id"), pipeline.Failed, "The output variables have 122881 bytes; at most 122880 are allowed"},
	} {
		w := newWorld(t, 123)
		w.create(reporting("#{Unit.Id}"))
		w.outcome = func(j action.Job) action.Result {
			if j.Action.Name != "Unit" {
				return action.Result{}
			}
			return action.Result{Status: pipeline.Succeeded, Variables: map[string]string{"Id": strings.Repeat("x", tt.size)}}
		}
		id := w.several(1)[0]
		w.want(id, pipeline.Failed)
		if a := w.latest("Test", "Unit"); a.Status != tt.unit || !strings.Contains(a.Result.Summary, tt.text) {
			t.Errorf("%s: Unit is %s: %s", tt.name, a.Status, a.Result.Summary)
		}
		if a := w.latest("Test", "Report"); tt.unit == pipeline.Succeeded && (a.Status != pipeline.Failed || !strings.Contains(a.Result.Summary, "the limit is 102400")) {
			t.Errorf("%s: what reads it all is %s: %s", tt.name, a.Status, a.Result.Summary)
		}
	}
}
