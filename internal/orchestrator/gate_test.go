package orchestrator_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
)

// two returns a condition of two rules with a result.
func two(result string) []pipeline.Condition {
	check := func(name string) pipeline.Rule {
		return pipeline.Rule{Name: name, TypeID: pipeline.RuleTypeID{Category: "Rule", Provider: "VariableCheck"},
			Configuration: map[string]string{"Variable": "#{Src.Id}", "Operator": "NE", "Value": "x"}}
	}
	return []pipeline.Condition{{Result: result, Rules: []pipeline.Rule{check("One"), check("Two")}}}
}

// behind is app with a condition at a gate of stage Build.
func behind(kind record.GateKind, result string) pipeline.Declaration {
	d := app(pipeline.Superseded)
	switch st := &d.Stages[1]; kind {
	case record.BeforeEntry:
		st.BeforeEntry = &pipeline.Gate{Conditions: two(result)}
	case record.OnSuccess:
		st.OnSuccess = &pipeline.Gate{Conditions: two(result)}
	case record.OnFailure:
		st.OnFailure = &pipeline.OnFailure{Conditions: two(result)}
	}
	return d
}

// script makes the rules that are listed fail or wait, and Compile fail.
func (w *world) script(failing, waiting string, buildFails bool) {
	w.outcome = func(j action.Job) action.Result {
		switch {
		case j.Gate != "" && strings.Contains(waiting, j.Action.Name):
			return action.Result{Status: pipeline.InProgress, Summary: "waits"}
		case j.Gate != "" && strings.Contains(failing, j.Action.Name), j.Action.Name == "Compile" && buildFails:
			return action.Fail(action.JobFailed, "as the script says")
		}
		return action.Result{}
	}
}

// gateOf returns how a gate of stage Build stands in an execution.
func (w *world) gateOf(id string, kind record.GateKind) pipeline.Status {
	w.t.Helper()
	g, err := w.svc.Records.Gate(w.t.Context(), id, w.execution(id).Attempt, "Build", kind)
	if err != nil {
		w.t.Fatal(err)
	}
	return g.Value.Status
}

// stageStatus returns the status of stage Build.
func (w *world) stageStatus() pipeline.Status {
	w.t.Helper()
	s, err := w.svc.Records.Stage(w.t.Context(), "app", "Build")
	if err != nil || s.Value.Latest == nil {
		w.t.Fatal("Build was never entered", err)
	}
	return s.Value.Latest.Status
}

// TestGates has what each gate does, by its result and by what its rules say.
func TestGates(t *testing.T) {
	for _, tt := range []struct {
		kind       record.GateKind
		result     string
		failing    string // rules
		buildFails bool

		gate, stage, execution pipeline.Status
		builds                 int
	}{
		{record.BeforeEntry, "FAIL", "", false, pipeline.Succeeded, pipeline.Succeeded, pipeline.InProgress, 1},
		{record.BeforeEntry, "FAIL", "Two", false, pipeline.Failed, pipeline.Failed, pipeline.Failed, 0},
		{record.BeforeEntry, "SKIP", "", false, pipeline.Succeeded, pipeline.Succeeded, pipeline.InProgress, 1},
		{record.BeforeEntry, "SKIP", "One", false, pipeline.Failed, pipeline.Skipped, pipeline.Failed, 0}, // Release misses Build's output
		{record.OnSuccess, "FAIL", "", false, pipeline.Succeeded, pipeline.Succeeded, pipeline.InProgress, 1},
		{record.OnSuccess, "FAIL", "One", false, pipeline.Failed, pipeline.Failed, pipeline.Failed, 1},
		{record.OnSuccess, "FAIL", "One", true, "", pipeline.Failed, pipeline.Failed, 1}, // it is not reached
		{record.OnSuccess, "ROLLBACK", "Two", false, pipeline.Failed, pipeline.Failed, pipeline.Failed, 1},
		{record.OnFailure, "ROLLBACK", "", false, "", pipeline.Succeeded, pipeline.InProgress, 1},
		{record.OnFailure, "ROLLBACK", "", true, pipeline.Succeeded, pipeline.Failed, pipeline.Failed, 1},
		{record.OnFailure, "ROLLBACK", "One", true, pipeline.Failed, pipeline.Failed, pipeline.Failed, 1},
	} {
		t.Run(fmt.Sprintf("%s %s failing %q %t", tt.kind, tt.result, tt.failing, tt.buildFails), func(t *testing.T) {
			w := newWorld(t, 11)
			w.script(tt.failing, "", tt.buildFails)
			w.create(behind(tt.kind, tt.result))
			id := w.start()
			w.settle()
			if w.execution(id).Stage == 3 && w.latest("Release", "Gate").Status == pipeline.InProgress && tt.execution == pipeline.Failed {
				if err := w.approve(true); err != nil {
					t.Fatal(err)
				}
				w.settle()
			}
			w.want(id, tt.execution)
			if got := w.gateOf(id, tt.kind); got != tt.gate {
				t.Errorf("the gate is %q; want %q", got, tt.gate)
			}
			if got := w.stageStatus(); got != tt.stage {
				t.Errorf("the stage is %s; want %s", got, tt.stage)
			}
			if got := w.started[id+" Compile"]; got != tt.builds {
				t.Errorf("the action ran %d times; want %d", got, tt.builds)
			}
		})
	}
}

// TestGateWaits holds the stage while a rule waits, and ends in each way that a
// wait can end.
func TestGateWaits(t *testing.T) {
	for _, kind := range []record.GateKind{record.BeforeEntry, record.OnSuccess} {
		for name, end := range map[string]struct {
			do              func(w *world, id string) error
			gate, execution pipeline.Status
		}{
			"the rule succeeds": {func(w *world, id string) error { return w.endRule(id, pipeline.Succeeded) }, pipeline.Succeeded, pipeline.InProgress},
			"the rule fails":    {func(w *world, id string) error { return w.endRule(id, pipeline.Failed) }, pipeline.Failed, pipeline.Failed},
			"overridden": {func(w *world, id string) error {
				return w.svc.OverrideCondition(w.t.Context(), orchestrator.Override{Pipeline: "app", Stage: "Build", Execution: id, Gate: kind, By: "me"})
			}, pipeline.Overridden, pipeline.InProgress},
			"stopped, waiting": {func(w *world, id string) error {
				return w.svc.StopExecution(w.t.Context(), orchestrator.Stop{Pipeline: "app", Execution: id})
			}, pipeline.Abandoned, pipeline.Stopped},
			"stopped, abandoning": {func(w *world, id string) error {
				return w.svc.StopExecution(w.t.Context(), orchestrator.Stop{Pipeline: "app", Execution: id, Abandon: true})
			}, pipeline.Abandoned, pipeline.Stopped},
			"updated": {func(w *world, id string) error {
				_, err := w.svc.UpdatePipeline(w.t.Context(), behind(kind, "FAIL"), "me")
				return err
			}, pipeline.Cancelled, pipeline.Cancelled},
			"called again, behind an update that has not come to it": {func(w *world, id string) error {
				w.store.afterRead = func() {
					from, to := "Source", "Build"
					if kind != record.BeforeEntry {
						from, to = "Build", "Test"
					}
					again := orchestrator.EnterRequest{Token: id + "-1.again", Call: 1, Run: id + "-1", Execution: id, Leave: from, Enter: to}
					w.refused("the call", w.svc.Enter(w.t.Context(), again), "")
				}
				_, err := w.svc.UpdatePipeline(w.t.Context(), behind(kind, "FAIL"), "me")
				return err
			}, pipeline.Cancelled, pipeline.Cancelled},
			"timed out": {func(w *world, id string) error {
				w.now = w.now.AddDate(0, 0, 30)
				return w.svc.Sweep(w.t.Context())
			}, pipeline.Failed, pipeline.Failed},
		} {
			t.Run(string(kind)+" "+name, func(t *testing.T) {
				w := newWorld(t, 12)
				w.script("", "One", false)
				w.create(behind(kind, "FAIL"))
				id := w.start()
				w.settle()
				if got := w.gateOf(id, kind); got != pipeline.InProgress {
					t.Fatalf("the gate is %q; want InProgress", got)
				}
				if s, err := w.svc.Records.Stage(t.Context(), "app", "Build"); err != nil || s.Value.Lock.Owner != id {
					t.Errorf("the stage is held by %q, %v; want %s", s.Value.Lock.Owner, err, id)
				}
				if err := end.do(w, id); err != nil {
					t.Fatal(err)
				}
				w.settle()
				w.want(id, end.execution)
				if got := w.gateOf(id, kind); got != end.gate {
					t.Errorf("the gate is %q; want %q", got, end.gate)
				}
				if code := pipeline.CodeOf(w.svc.OverrideCondition(t.Context(), orchestrator.Override{Pipeline: "app", Stage: "Build", Execution: id, Gate: kind})); code != pipeline.ConditionNotOverridable {
					t.Errorf("overriding it afterwards gave %q; want ConditionNotOverridableException", code)
				}
				rules, err := w.svc.Records.Rules(t.Context(), id)
				if err != nil || len(rules) != 2 {
					t.Fatalf("%d rules, %v; want 2", len(rules), err)
				}
				for _, r := range rules {
					if !r.Status.Final() {
						t.Errorf("rule %s is %s", r.Name, r.Status)
					}
				}
			})
		}
	}
}

// endRule lets the rule that waits end.
func (w *world) endRule(id string, status pipeline.Status) error {
	for _, j := range w.jobs {
		if j.job.ExecutionID == id && j.job.Gate != "" && j.result.Status == pipeline.InProgress {
			j.result = action.Result{Status: status, Summary: "it ended"}
			return w.svc.Resume(w.t.Context(), j.job.ID)
		}
	}
	return fmt.Errorf("no rule of %s waits", id)
}

// TestRetryEvaluatesAgain: an entry condition that failed is asked again, one
// that passed is not, when what failed is retried.
func TestRetryEvaluatesAgain(t *testing.T) {
	w := newWorld(t, 13)
	w.script("One", "", true)
	w.create(behind(record.BeforeEntry, "FAIL"))
	id := w.start()
	w.settle()
	w.want(id, pipeline.Failed)
	retry := orchestrator.Retry{Pipeline: "app", Stage: "Build", Execution: id, Mode: pipeline.FailedActions}
	for i, want := range []struct{ ones, builds int }{{2, 1}, {2, 2}} {
		w.script("", "", i == 0)
		if err := w.svc.RetryStage(t.Context(), retry); err != nil {
			t.Fatal(err)
		}
		w.settle()
		if got := w.started[id+" One"]; got != want.ones {
			t.Errorf("after retry %d rule One ran %d times; want %d", i+1, got, want.ones)
		}
		if got := w.started[id+" Compile"]; got != want.builds {
			t.Errorf("after retry %d Compile ran %d times; want %d", i+1, got, want.builds)
		}
	}
	w.want(id, pipeline.InProgress) // at the approval
}

// TestOneRuleDecides: rules are asked side by side, with their variables
// resolved, each once. The first that fails decides, and the other is
// abandoned; one that has succeeded is not asked again while another waits.
func TestOneRuleDecides(t *testing.T) {
	w := newWorld(t, 14)
	w.script("Two", "One", false)
	w.create(behind(record.BeforeEntry, "FAIL"))
	id := w.several(1)[0]
	w.want(id, pipeline.Failed)
	rules, err := w.svc.Records.Rules(t.Context(), id)
	if err != nil || len(rules) != 2 {
		t.Fatalf("%d rules, %v; want 2", len(rules), err)
	}
	for _, r := range rules {
		want := map[string]pipeline.Status{"One": pipeline.Abandoned, "Two": pipeline.Failed}[r.Name]
		if r.Status != want || w.started[id+" "+r.Name] != 1 {
			t.Errorf("rule %s is %s and was asked %d times; want %s, once", r.Name, r.Status, w.started[id+" "+r.Name], want)
		}
		if got := r.Job.Action.Configuration["Variable"]; got != w.latest("Source", "Checkout").ID || r.Raw["Variable"] != "#{Src.Id}" {
			t.Errorf("rule %s compares %q, declared as %q", r.Name, got, r.Raw["Variable"])
		}
	}
	if w.jobs[rules[0].ID].result.Summary != "stopped" {
		t.Error("the work of the abandoned rule was not ended")
	}

	w = newWorld(t, 15)
	w.script("", "One", false)
	w.create(behind(record.OnSuccess, "FAIL"))
	id = w.several(1)[0]
	w.refused("the end of the rule", w.endRule(id, pipeline.Succeeded), "")
	w.settle()
	w.want(id, pipeline.InProgress) // at the approval
	if w.started[id+" Two"] != 1 || w.started[id+" Compile"] != 1 {
		t.Errorf("rule Two was asked %d times, Compile ran %d times; want once each", w.started[id+" Two"], w.started[id+" Compile"])
	}
}

// TestStopAtGateUnread: a stop of an execution that waits at a gate fails as the
// read fails that it needs, whichever that is.
func TestStopAtGateUnread(t *testing.T) {
	for left := 0; ; left++ {
		w := newWorld(t, 1)
		w.create(behind(record.BeforeEntry, "FAIL"))
		w.script("", "One", false)
		id := w.start()
		w.settle()
		ports := w.svc.Ports
		ports.Store = &unread{ports.Store, left}
		svc, err := orchestrator.New(ports, orchestrator.Home{Account: "123456789012", Region: "eu-west-1"}, orchestrator.Options{})
		if err != nil {
			t.Fatal(err)
		}
		err = svc.StopExecution(t.Context(), orchestrator.Stop{Pipeline: "app", Execution: id, Abandon: true})
		if err == nil {
			return
		}
		if !errors.Is(err, errUnread) {
			t.Fatalf("read %d fails, and the stop says %v", left, err)
		}
	}
}

// unread is a store of which one read fails.
type unread struct {
	store.Store
	left int
}

var errUnread = errors.New("the item could not be read")

func (u *unread) Get(ctx context.Context, key store.Key) (store.Item, error) {
	if u.left--; u.left == -1 {
		return store.Item{}, errUnread
	}
	return u.Store.Get(ctx, key)
}
