package pipeline

import (
	"slices"
	"time"
)

// A RuleType is what the service knows about the provider of a rule.
type RuleType struct {
	Provider string
	Inputs   Count
	Required []string
	Optional []string
	Commands bool // takes the commands field instead of a configuration
	Skip     bool // may stand in a condition whose result is SKIP
	Timeout  time.Duration

	acts ActionTypeID // of the actions that do the same; zero: no action does
}

// Keys returns every key t knows, the required ones first.
func (t RuleType) Keys() []string { return slices.Concat(t.Required, t.Optional) }

var ruleTypes = []RuleType{
	{Provider: "CloudWatchAlarm", Required: []string{"AlarmName"}, Optional: []string{"AlarmStates", "WaitTime"}},
	{Provider: "CodeBuild", Inputs: Count{1, 5}, Required: []string{"ProjectName"}, Optional: codeBuildKeys, acts: ActionTypeID{Build, AWS, "CodeBuild", "1"}},
	{Provider: "Commands", Inputs: Count{0, 10}, Commands: true, Timeout: 55 * time.Minute, acts: ActionTypeID{Compute, AWS, "Commands", "1"}},
	{Provider: "DeploymentWindow", Required: []string{"Cron"}, Optional: []string{"TimeZone"}},
	{Provider: "LambdaInvoke", Inputs: upToFive, Required: []string{"FunctionName"}, Optional: []string{"UserParameters"}, Skip: true, acts: ActionTypeID{Invoke, AWS, "Lambda", "1"}},
	{Provider: "VariableCheck", Required: []string{"Variable", "Value", "Operator"}, Skip: true},
}

// RuleTypes returns every rule type, by name.
func RuleTypes() []RuleType { return slices.Clone(ruleTypes) }

// LookupRule returns the rule type with this id. Owner and version may be
// left out.
func LookupRule(id RuleTypeID) (RuleType, bool) {
	if id.Owner != "" && id.Owner != "AWS" || id.Version != "" && id.Version != "1" {
		return RuleType{}, false
	}
	i := slices.IndexFunc(ruleTypes, func(t RuleType) bool { return t.Provider == id.Provider })
	if i < 0 {
		return RuleType{}, false
	}
	return ruleTypes[i], true
}

// Action returns what the provider of r takes, which is an action's if an action
// does the same. The other rules have providers of their own, of the category
// Rule.
func (r Rule) Action() Action {
	id := ActionTypeID{RuleCategory, AWS, r.TypeID.Provider, "1"}
	if t, ok := LookupRule(r.TypeID); ok && t.acts != (ActionTypeID{}) {
		id = t.acts
	}
	return Action{
		Name: r.Name, TypeID: id, Configuration: r.Configuration, Commands: r.Commands,
		InputArtifacts: r.InputArtifacts, RoleARN: r.RoleARN, Region: r.Region,
	}
}

// RuleTimeout returns how long r may run. Unlike an action, every rule may
// say so itself.
func RuleTimeout(r Rule) time.Duration {
	if r.TimeoutInMinutes > 0 {
		return time.Duration(r.TimeoutInMinutes) * time.Minute
	}
	if t, ok := LookupRule(r.TypeID); ok && t.Timeout > 0 {
		return t.Timeout
	}
	return defaultTimeout
}

// ruleProviders returns the names of all rule types.
func ruleProviders() []string {
	var names []string
	for _, t := range ruleTypes {
		names = append(names, t.Provider)
	}
	return names
}
