package pipeline_test

import (
	"slices"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

// TestTimeouts pins the table of the service's defaults.
func TestTimeouts(t *testing.T) {
	const day = 24 * time.Hour
	aws, partner := pipeline.AWS, pipeline.ThirdParty
	tests := []struct {
		id   pipeline.ActionTypeID
		want time.Duration
	}{
		{typeID(pipeline.Approval, aws, "Manual"), 7 * day},
		{typeID(pipeline.Deploy, aws, "CloudFormation"), 3 * day},
		{typeID(pipeline.Deploy, aws, "CloudFormationStackSet"), 3 * day},
		{typeID(pipeline.Deploy, aws, "CloudFormationStackInstances"), 3 * day},
		{typeID(pipeline.Deploy, aws, "CodeDeploy"), 5 * day},
		{typeID(pipeline.Deploy, aws, "CodeDeployToECS"), 5 * day},
		{typeID(pipeline.Invoke, aws, "Lambda"), day},
		{typeID(pipeline.Invoke, aws, "StepFunctions"), 7 * day},
		{typeID(pipeline.Deploy, aws, "S3"), 90 * time.Minute},
		{typeID(pipeline.Build, aws, "CodeBuild"), 36 * time.Hour},
		{typeID(pipeline.Test, aws, "CodeBuild"), 8 * time.Hour},
		{typeID(pipeline.Test, aws, "DeviceFarm"), 8 * time.Hour},
		{typeID(pipeline.Test, partner, "BlazeMeter"), 8 * time.Hour},
		{typeID(pipeline.Compute, aws, "Commands"), 55 * time.Minute},
		{typeID(pipeline.Build, pipeline.Custom, "Jenkins"), day},
		{typeID(pipeline.Deploy, aws, "ECS"), time.Hour},
		{typeID(pipeline.Source, aws, "S3"), time.Hour},
		{typeID(pipeline.Deploy, aws, "Unknown"), time.Hour},
	}
	for _, tt := range tests {
		a := pipeline.Action{TypeID: tt.id}
		if got := pipeline.Timeout(a); got != tt.want {
			t.Errorf("Timeout of %v = %v; want %v", tt.id, got, tt.want)
		}
		a.TimeoutInMinutes = 10
		if got := pipeline.Timeout(a); tt.id.Category != pipeline.Approval && got != tt.want {
			t.Errorf("Timeout of %v listens to timeoutInMinutes: %v", tt.id, got)
		}
	}
	a := pipeline.Action{TypeID: typeID(pipeline.Approval, aws, "Manual"), TimeoutInMinutes: 10}
	if got := pipeline.Timeout(a); got != 10*time.Minute {
		t.Errorf("Timeout of an approval = %v; want its own 10m", got)
	}
}

func TestRuleTimeout(t *testing.T) {
	for provider, want := range map[string]time.Duration{"Commands": 55 * time.Minute, "CloudWatchAlarm": time.Hour, "Unknown": time.Hour} {
		if got := pipeline.RuleTimeout(rule(provider, nil)); got != want {
			t.Errorf("RuleTimeout of %s = %v; want %v", provider, got, want)
		}
	}
	r := rule("Commands", nil)
	r.TimeoutInMinutes = 5
	if got := pipeline.RuleTimeout(r); got != 5*time.Minute {
		t.Errorf("RuleTimeout = %v; want its own 5m", got)
	}
}

// TestCatalog looks for slips a table invites: types listed twice, counts
// upside down, keys named twice, secrets that are no keys.
func TestCatalog(t *testing.T) {
	seen := map[pipeline.ActionTypeID]bool{}
	for _, a := range pipeline.ActionTypes() {
		if seen[a.ID] {
			t.Errorf("%v is listed twice", a.ID)
		}
		seen[a.ID] = true
		if found, ok := pipeline.LookupType(a.ID); !ok || found.ID != a.ID {
			t.Errorf("%v is not found", a.ID)
		}
		if a.Inputs.Min > a.Inputs.Max || a.Outputs.Min > a.Outputs.Max {
			t.Errorf("%v has odd counts: %+v %+v", a.ID, a.Inputs, a.Outputs)
		}
		keys := slices.Sorted(slices.Values(a.Keys()))
		if len(slices.Compact(keys)) != len(a.Keys()) {
			t.Errorf("%v names a key twice: %v", a.ID, keys)
		}
		for _, s := range a.Secret {
			if !slices.Contains(keys, s) {
				t.Errorf("%v: secret %s is no key", a.ID, s)
			}
		}
		if source := a.ID.Category == pipeline.Source; source != (a.Outputs == pipeline.Count{Min: 1, Max: 1} && a.Inputs == pipeline.Count{}) {
			t.Errorf("%v: a source, and only a source, reads nothing and writes one artifact", a.ID)
		}
	}
	if len(seen) < 30 {
		t.Errorf("the catalog has %d types; the service has more", len(seen))
	}
}

func TestLookup(t *testing.T) {
	custom := pipeline.ActionTypeID{Category: pipeline.Test, Owner: pipeline.Custom, Provider: "Ours", Version: "3"}
	if got, ok := pipeline.LookupType(custom); !ok || !got.Open || got.Inputs != (pipeline.Count{Max: 5}) || got.Outputs != (pipeline.Count{Max: 5}) {
		t.Errorf("custom type: %+v, %v", got, ok)
	}
	if _, ok := pipeline.LookupType(pipeline.ActionTypeID{Category: pipeline.Source, Owner: pipeline.ThirdParty, Provider: "GitHub", Version: "2"}); ok {
		t.Error("GitHub has no version 2")
	}
	for _, id := range []pipeline.RuleTypeID{{Provider: "Commands"}, {Provider: "Commands", Owner: "AWS", Version: "1"}} {
		if _, ok := pipeline.LookupRule(id); !ok {
			t.Errorf("rule type %+v is not found", id)
		}
	}
	if _, ok := pipeline.LookupRule(pipeline.RuleTypeID{Provider: "Commands", Version: "2"}); ok {
		t.Error("rule types have no version 2")
	}
	if n := len(pipeline.RuleTypes()); n != 6 {
		t.Errorf("%d rule types; want 6", n)
	}
}
