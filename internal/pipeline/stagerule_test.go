package pipeline_test

import (
	"testing"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

// rule returns a rule of this provider, called check.
func rule(provider string, configuration map[string]string) pipeline.Rule {
	return pipeline.Rule{Name: "check", TypeID: pipeline.RuleTypeID{Category: "Rule", Provider: provider}, Configuration: configuration}
}

var (
	alarm  = rule("CloudWatchAlarm", map[string]string{"AlarmName": "a"})
	invoke = rule("LambdaInvoke", map[string]string{"FunctionName": "f"})
)

// gated returns an edit that puts one condition into a gate of the second stage.
func gated(gate, result string, rules ...pipeline.Rule) func(*decl) {
	return func(d *decl) {
		conditions := []pipeline.Condition{{Result: result, Rules: rules}}
		s := &d.Stages[1]
		switch gate {
		case "beforeEntry":
			s.BeforeEntry = &pipeline.Gate{Conditions: conditions}
		case "onSuccess":
			s.OnSuccess = &pipeline.Gate{Conditions: conditions}
		case "onFailure":
			s.OnFailure = &pipeline.OnFailure{Conditions: conditions}
		}
	}
}

func both(edits ...func(*decl)) func(*decl) {
	return func(d *decl) {
		for _, edit := range edits {
			edit(d)
		}
	}
}

func onFailure(f pipeline.OnFailure) func(*decl) {
	return func(d *decl) { d.Stages[1].OnFailure = &f }
}

func parallel(d *decl) { d.ExecutionMode = pipeline.Parallel }

func TestStages(t *testing.T) {
	s := pipeline.InvalidStageDeclaration
	const v2 = "Stage level conditions can only be used with V2 pipelines."
	const noRollback = " conditions with rollback result type cannot be added to a PARALLEL pipeline."
	runRules(t, []ruleTest{
		{"same name", func(d *decl) { d.Stages[1].Name = "Source" }, s, "stages[1].name", "Stage name 'Source' is used more than once"},
		{"no action", func(d *decl) { d.Stages = append(d.Stages, stage{Name: "Empty", Actions: []pipeline.Action{}}) }, s, "stages[2].actions", "Stage 'Empty' should contain at least 1 action"},

		{"entry fails", gated("beforeEntry", "FAIL", alarm), "", "", ""},
		{"entry skips", gated("beforeEntry", "SKIP", invoke), "", "", ""},
		{"entry rolls back", gated("beforeEntry", "ROLLBACK", alarm), s, "stages[1].beforeEntry.conditions[0].result", "Entry conditions do not support the result type ROLLBACK. Supported result types are [FAIL, SKIP]"},
		{"success rolls back", gated("onSuccess", "ROLLBACK", alarm), "", "", ""},
		{"success skips", gated("onSuccess", "SKIP", invoke), s, "stages[1].onSuccess.conditions[0].result", "Success conditions do not support the result type SKIP. Supported result types are [FAIL, ROLLBACK]"},
		{"failure rolls back", gated("onFailure", "ROLLBACK", alarm), "", "", ""},
		{"failure retries by condition", gated("onFailure", "RETRY", alarm), s, "stages[1].onFailure.conditions[0].result", "Failure conditions do not support the result type RETRY. Supported result types are [ROLLBACK]"},
		{"retry", onFailure(pipeline.OnFailure{Result: "RETRY", Retry: &pipeline.RetryConfiguration{Mode: pipeline.AllActions}}), "", "", ""},
		{"rollback", onFailure(pipeline.OnFailure{Result: "ROLLBACK"}), "", "", ""},
		{"failure skips", onFailure(pipeline.OnFailure{Result: "SKIP"}), s, "stages[1].onFailure.result", "Failure result type SKIP is not supported. Supported result types are [ROLLBACK, RETRY]"},
		{"retry mode without retry", onFailure(pipeline.OnFailure{Result: "ROLLBACK", Retry: &pipeline.RetryConfiguration{}}), s, "stages[1].onFailure.retryConfiguration", "Retry configuration can only be used with the RETRY result type."},
		{"result and conditions", both(gated("onFailure", "ROLLBACK", alarm), func(d *decl) { d.Stages[1].OnFailure.Result = "RETRY" }), s, "stages[1].onFailure",
			"The following stage cannot have a failure exit gate configured with both top level result and conditions: 'Build'"},

		{"gate in V1", both(toV1, gated("onSuccess", "FAIL", alarm)), s, "stages[1].onSuccess", v2},
		{"retry in V1", both(toV1, onFailure(pipeline.OnFailure{Result: "RETRY"})), s, "stages[1].onFailure", v2},
		{"rollback in PARALLEL", both(parallel, onFailure(pipeline.OnFailure{Result: "ROLLBACK"})), s, "stages[1].onFailure.result", "Failure" + noRollback},
		{"conditional rollback in PARALLEL", both(parallel, gated("onFailure", "ROLLBACK", alarm)), s, "stages[1].onFailure.conditions[0].result", "Failure" + noRollback},
		{"retry in PARALLEL", both(parallel, onFailure(pipeline.OnFailure{Result: "RETRY"})), "", "", ""},

		{"two conditions", both(gated("onSuccess", "FAIL", alarm), func(d *decl) {
			d.Stages[1].OnSuccess.Conditions = append(d.Stages[1].OnSuccess.Conditions, d.Stages[1].OnSuccess.Conditions[0])
		}), pipeline.Validation, "stages[1].onSuccess.conditions", "Member must have length less than or equal to 1"},
		{"no conditions", func(d *decl) { d.Stages[1].OnSuccess = &pipeline.Gate{} }, pipeline.Validation, "stages[1].onSuccess.conditions", "Member must not be null"},
		{"no rules", gated("onSuccess", "FAIL"), pipeline.Validation, "stages[1].onSuccess.conditions[0].rules", "Member must not be null"},
		{"unknown result", gated("onSuccess", "STOP", alarm), pipeline.Validation, "stages[1].onSuccess.conditions[0].result", "Member must satisfy enum value set: [ROLLBACK, FAIL, RETRY, SKIP]"},
	})
}

func TestRules(t *testing.T) {
	s := pipeline.InvalidStageDeclaration
	entry := func(r pipeline.Rule) func(*decl) { return gated("beforeEntry", "FAIL", r) }
	exit := func(r pipeline.Rule) func(*decl) { return gated("onSuccess", "FAIL", r) }
	with := func(r pipeline.Rule, edit func(*pipeline.Rule)) pipeline.Rule { edit(&r); return r }
	reads := func(name string) func(*pipeline.Rule) {
		return func(r *pipeline.Rule) { r.InputArtifacts = []pipeline.InputArtifact{{Name: name}} }
	}
	codeBuild := rule("CodeBuild", map[string]string{"ProjectName": "p"})
	const at = "stages[1].beforeEntry.conditions[0].rules[0]"
	runRules(t, []ruleTest{
		{"window", entry(rule("DeploymentWindow", map[string]string{"Cron": "0 0 9-17 ? * MON-FRI *"})), "", "", ""},
		{"variable", entry(rule("VariableCheck", map[string]string{"Variable": "#{variables.Level}", "Value": "low", "Operator": "EQ"})), "", "", ""},
		{"unknown provider", entry(rule("Weather", nil)), s, at + ".ruleTypeId.provider",
			"RuleType (Category: 'Rule', Provider: 'Weather', Owner: 'AWS', Version: '1') in rule 'check' is not available in region 'US_EAST_1'"},
		{"missing key", entry(rule("CloudWatchAlarm", nil)), s, at + ".configuration.AlarmName", "Rule configuration for rule 'check' is missing required configuration 'AlarmName'"},
		{"unknown key", entry(with(alarm, func(r *pipeline.Rule) { r.Configuration = map[string]string{"AlarmName": "a", "Colour": "b"} })),
			s, at + ".configuration.Colour", "Rule configuration for rule 'check' contains unknown configuration 'Colour'"},
		{"skip by alarm", gated("beforeEntry", "SKIP", alarm), s, at + ".ruleTypeId.provider", "Conditions with skip result type can only use the LambdaInvoke and VariableCheck rules."},
		{"no commands", entry(rule("Commands", nil)), s, at + ".commands", "Rule check must have a non-empty commands field"},
		{"commands", entry(with(rule("Commands", nil), func(r *pipeline.Rule) { r.Commands = []string{"true"} })), "", "", ""},
		{"alarm with commands", entry(with(alarm, func(r *pipeline.Rule) { r.Commands = []string{"true"} })), s, at + ".commands",
			"The following rule cannot contain a commands field: check. To use the commands field, use a Commands rule."},
		{"build without input", entry(codeBuild), s, at + ".inputArtifacts", "Rule check declares 0 input artifacts which is less than the minimum count (1)"},
		{"alarm with input", entry(with(alarm, reads("Code"))), s, at + ".inputArtifacts", "Rule check declares 1 input artifacts which is more than the maximum count (0)"},
		{"build of earlier output", entry(with(codeBuild, reads("Code"))), "", "", ""},
		{"entry reads own stage", entry(with(codeBuild, reads("Binary"))), s, at + ".inputArtifacts[0].name",
			"Input Artifact Bundle Binary in rule check is not declared as Output Artifact Bundle in any of the preceding actions"},
		{"exit reads own stage", exit(with(codeBuild, reads("Binary"))), "", "", ""},
		{"same name", gated("beforeEntry", "FAIL", alarm, alarm), s, "stages[1].beforeEntry.conditions[0].rules[1].name", "Rule name 'check' is used more than once"},
		{"timeout", entry(with(alarm, func(r *pipeline.Rule) { r.TimeoutInMinutes = 4 })), pipeline.Validation, at + ".timeoutInMinutes", "Member must have value greater than or equal to 5"},
		{"no provider", entry(rule("", nil)), pipeline.Validation, at + ".ruleTypeId.provider", "Member must not be null"},
	})
}
