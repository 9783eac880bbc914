package orchestrator_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// TestFunctionDecides: the function of a LambdaInvoke rule says whether its
// condition is met, as that of an action says how the action ended.
func TestFunctionDecides(t *testing.T) {
	for _, met := range []bool{true, false} {
		f := newFunctions(t, 131)
		d := f.newest().Declaration
		d.Stages[2].BeforeEntry = &pipeline.Gate{Conditions: []pipeline.Condition{{Result: "FAIL", Rules: []pipeline.Rule{{
			Name: "Ready", TypeID: pipeline.RuleTypeID{Category: "Rule", Provider: "LambdaInvoke"}, Configuration: map[string]string{"FunctionName": "ready-#{Fn.Size}"},
		}}}}}
		if _, err := f.svc.UpdatePipeline(t.Context(), d, "me"); err != nil {
			t.Fatal(err)
		}
		id, job := f.begun()
		if err := f.svc.PutJobSuccess(t.Context(), orchestrator.JobSuccess{Job: job, Variables: map[string]string{"Size": "12"}}); err != nil {
			t.Fatal(err)
		}
		f.settle()
		if len(f.invoked) != 2 {
			t.Fatalf("%d functions were invoked; want the action's and the rule's", len(f.invoked))
		}
		g, err := f.svc.Records.Gate(t.Context(), id, 1, "Release", record.BeforeEntry)
		if err != nil || g.Value.Status != pipeline.InProgress {
			t.Fatalf("the gate is %q, %v; want InProgress", g.Value.Status, err)
		}
		status, rule := pipeline.Succeeded, f.invoked[1].ID
		if met {
			err = f.svc.PutJobSuccess(t.Context(), orchestrator.JobSuccess{Job: rule})
		} else {
			status = pipeline.Failed
			err = f.svc.PutJobFailure(t.Context(), orchestrator.JobFailure{Job: rule, Type: action.JobFailed, Message: "not ready"})
		}
		if err != nil {
			t.Fatal(err)
		}
		f.settle()
		f.want(id, status)
		rules, err := f.svc.Records.Rules(t.Context(), id)
		if err != nil || len(rules) != 1 || rules[0].Status != status || rules[0].Job.Action.Configuration["FunctionName"] != "ready-12" {
			t.Errorf("the rules are %+v, %v; want one that is %s", rules, err, status)
		}
		if e := f.execution(id); !met && !strings.Contains(e.StatusSummary, "Rule Ready was not met: not ready") {
			t.Errorf("it says %q", e.StatusSummary)
		}
	}
}

// TestNewID: ids are UUIDs of version 4, in lower case, and each is another.
func TestNewID(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	for range 1000 {
		id := orchestrator.NewID()
		if !form.MatchString(id) || seen[id] {
			t.Fatalf("%q is no id, or was given before", id)
		}
		seen[id] = true
	}
}
