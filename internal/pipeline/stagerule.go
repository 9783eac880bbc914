package pipeline

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A gate is one of the three places of a stage that may hold a condition.
type gate struct {
	name       string
	label      string // how messages speak of its conditions
	conditions []Condition
	failure    *OnFailure // set for onFailure only
}

// gateResults lists what a condition of each gate may do.
var gateResults = map[string][]string{
	"beforeEntry": {"FAIL", "SKIP"},
	"onSuccess":   {"FAIL", "ROLLBACK"},
	"onFailure":   {"ROLLBACK"},
}

// gatesOf returns the gates that s declares.
func gatesOf(s Stage) []gate {
	var gates []gate
	if s.BeforeEntry != nil {
		gates = append(gates, gate{name: "beforeEntry", label: "Entry", conditions: s.BeforeEntry.Conditions})
	}
	if s.OnSuccess != nil {
		gates = append(gates, gate{name: "onSuccess", label: "Success", conditions: s.OnSuccess.Conditions})
	}
	if s.OnFailure != nil {
		gates = append(gates, gate{name: "onFailure", label: "Failure", conditions: s.OnFailure.Conditions, failure: s.OnFailure})
	}
	return gates
}

// staged reports a break of a rule of stages.
func (c *checker) staged(path, value, message, fix string) {
	c.add(Problem{Code: InvalidStageDeclaration, Path: path, Value: value, Message: message, Fix: fix})
}

// stage checks the rules of stage i.
func (c *checker) stage(i int) {
	s, path := c.d.Stages[i], stagePath(i)
	same := func(o Stage) bool { return o.Name == s.Name }
	if s.Name != "" && slices.ContainsFunc(c.d.Stages[:i], same) {
		c.staged(path+".name", s.Name, fmt.Sprintf("Stage name '%s' is used more than once", s.Name), "rename the stage")
	}
	if s.Actions != nil && len(s.Actions) == 0 {
		c.staged(path+".actions", "", fmt.Sprintf("Stage '%s' should contain at least 1 action", s.Name), "add an action or remove the stage")
	}
	gates := gatesOf(s)
	if len(gates) > 0 && !c.v2() {
		c.staged(path+"."+gates[0].name, "", "Stage level conditions can only be used with V2 pipelines.", "set pipelineType to V2")
	}
	for _, g := range gates {
		c.gate(i, g)
	}
}

func (c *checker) gate(i int, g gate) {
	path := stagePath(i) + "." + g.name
	if g.failure != nil {
		c.onFailure(path, c.d.Stages[i].Name, *g.failure)
	}
	for k, cond := range g.conditions {
		where := at(path+".conditions", k)
		c.result(where+".result", g, cond.Result)
		names := map[string]bool{}
		for l, r := range cond.Rules {
			if r.Name != "" && names[r.Name] {
				c.staged(at(where+".rules", l)+".name", r.Name, fmt.Sprintf("Rule name '%s' is used more than once", r.Name), "rename one of the two")
			}
			names[r.Name] = true
			c.rule(at(where+".rules", l), i, g, cond, r)
		}
	}
}

// onFailure checks what only the failure gate has: a result of its own.
func (c *checker) onFailure(path, stage string, f OnFailure) {
	if f.Result != "" && len(f.Conditions) > 0 {
		c.staged(path, "", fmt.Sprintf("The following stage cannot have a failure exit gate configured with both top level result and conditions: '%s'", stage),
			"keep either result or conditions")
	}
	if f.Result == "FAIL" || f.Result == "SKIP" {
		c.staged(path+".result", f.Result, fmt.Sprintf("Failure result type %s is not supported. Supported result types are [ROLLBACK, RETRY]", f.Result),
			"write ROLLBACK or RETRY, or leave onFailure out: a failed stage stays failed")
	}
	if f.Retry != nil && f.Result != "RETRY" {
		c.staged(path+".retryConfiguration", "", "Retry configuration can only be used with the RETRY result type.", "set result to RETRY")
	}
	if f.Result == "ROLLBACK" {
		c.noRollback(path+".result", "Failure")
	}
}

// result checks what the condition of a gate may do.
func (c *checker) result(path string, g gate, result string) {
	allowed := gateResults[g.name]
	if slices.Contains(results, result) && !slices.Contains(allowed, result) {
		c.staged(path, result,
			fmt.Sprintf("%s conditions do not support the result type %s. Supported result types are [%s]", g.label, result, strings.Join(allowed, ", ")),
			"write "+strings.Join(allowed, " or "))
		return
	}
	if result == "ROLLBACK" {
		c.noRollback(path, g.label)
	}
}

// noRollback refuses a rollback where executions overtake each other: there
// is no state of the stage to go back to.
func (c *checker) noRollback(path, label string) {
	if c.d.ExecutionMode == Parallel {
		c.staged(path, "ROLLBACK", label+" conditions with rollback result type cannot be added to a PARALLEL pipeline.",
			"use QUEUED or SUPERSEDED mode, or another result")
	}
}

// rule checks one rule of a condition of a gate of stage i.
func (c *checker) rule(path string, i int, g gate, cond Condition, r Rule) {
	if r.TypeID.Provider == "" {
		return
	}
	t, ok := LookupRule(r.TypeID)
	if !ok {
		c.staged(path+".ruleTypeId.provider", r.TypeID.Provider,
			fmt.Sprintf("RuleType (Category: 'Rule', Provider: '%s', Owner: 'AWS', Version: '%s') in rule '%s' is not available in region '%s'",
				r.TypeID.Provider, cmp.Or(r.TypeID.Version, "1"), r.Name, c.regionEnum(r.Region)),
			suggest(r.TypeID.Provider, ruleProviders()))
		return
	}
	if cond.Result == "SKIP" && !t.Skip {
		c.staged(path+".ruleTypeId.provider", t.Provider, "Conditions with skip result type can only use the LambdaInvoke and VariableCheck rules.",
			"use LambdaInvoke or VariableCheck, or the result FAIL")
	}
	c.ruleConfiguration(path, t, r)
	if t.Commands && len(r.Commands) == 0 {
		c.staged(path+".commands", "", fmt.Sprintf("Rule %s must have a non-empty commands field", r.Name), "list at least one command")
	}
	if !t.Commands && len(r.Commands) > 0 {
		c.staged(path+".commands", "", fmt.Sprintf("The following rule cannot contain a commands field: %s. To use the commands field, use a Commands rule.", r.Name),
			"remove commands")
	}
	c.ruleInputs(path, i, g, t, r)
}

func (c *checker) ruleConfiguration(path string, t RuleType, r Rule) {
	for _, key := range t.Required {
		if _, ok := r.Configuration[key]; !ok {
			c.staged(path+".configuration."+key, "", fmt.Sprintf("Rule configuration for rule '%s' is missing required configuration '%s'", r.Name, key), "add "+key)
		}
	}
	for _, key := range unknownKeys(r.Configuration, t.Keys()) {
		c.staged(path+".configuration."+key, key, fmt.Sprintf("Rule configuration for rule '%s' contains unknown configuration '%s'", r.Name, key),
			suggest(key, t.Keys()))
	}
}

// ruleInputs checks the artifacts of a rule. Rules of an exit gate run after
// every action of their stage.
func (c *checker) ruleInputs(path string, i int, g gate, t RuleType, r Rule) {
	if message, ok := countOf("Rule", r.Name, "input", len(r.InputArtifacts), t.Inputs); !ok {
		c.staged(path+".inputArtifacts", "", message, rangeOf(t.Inputs))
	}
	order := 0
	if g.name != "beforeEntry" {
		order = 1000
	}
	for k, in := range r.InputArtifacts {
		if fix, ok := c.readable(in.Name, i, order); !ok && in.Name != "" {
			c.staged(at(path+".inputArtifacts", k)+".name", in.Name,
				fmt.Sprintf("Input Artifact Bundle %s in rule %s is not declared as Output Artifact Bundle in any of the preceding actions", in.Name, r.Name), fix)
		}
	}
}
