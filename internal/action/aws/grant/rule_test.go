package grant_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/action/aws/grant"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// ruled returns a rule of a provider with a configuration.
func ruled(provider string, conf ...string) pipeline.Rule {
	r := pipeline.Rule{Name: "R", TypeID: pipeline.RuleTypeID{Category: "Rule", Provider: provider}, Configuration: map[string]string{}}
	for i := 0; i < len(conf); i += 2 {
		r.Configuration[conf[i]] = conf[i+1]
	}
	return r
}

func TestForRule(t *testing.T) {
	for _, tt := range []struct {
		rule pipeline.Rule
		want []string
	}{
		{ruled("CloudWatchAlarm", "AlarmName", "errors-#{variables.Stage}"), []string{"*: cloudwatch:DescribeAlarms"}}, // it may be a composite one
		{ruled("VariableCheck"), nil},
		{ruled("DeploymentWindow"), nil},
	} {
		got, err := grant.ForRule(tt.rule, home)
		if diff := cmp.Diff(tt.want, texts(got)); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", tt.rule.TypeID.Provider, err, diff)
		}
	}
}

// TestRulesAsActions pins that a rule that does what an action does needs what
// the action needs.
func TestRulesAsActions(t *testing.T) {
	for provider, action := range map[string]string{"CodeBuild": "Build/CodeBuild", "LambdaInvoke": "Invoke/Lambda"} {
		conf := []string{"ProjectName", "web", "FunctionName", "check"}
		got, err := grant.ForRule(ruled(provider, conf...), home)
		want, err2 := grant.For(typed(action, conf...), home)
		if diff := cmp.Diff(want, got); err != nil || err2 != nil || len(want) == 0 || diff != "" {
			t.Errorf("%s: %v, %v\n%s", provider, err, err2, diff)
		}
	}
}

func TestRuleRefused(t *testing.T) {
	second := ruled("VariableCheck")
	second.TypeID.Version = "2"
	for _, r := range []pipeline.Rule{ruled("Commands"), second} {
		_, err := grant.ForRule(r, home)
		for _, want := range []string{"rule R: provider " + r.TypeID.Provider, "CloudWatchAlarm, CodeBuild, DeploymentWindow, LambdaInvoke, VariableCheck", "sluice up"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v; want %q in it", err, want)
			}
		}
	}
}
