package grant

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

// ForRule returns what r's role needs, as For does for an action. A rule that
// no provider can run in an account gives an error that says so.
func ForRule(r pipeline.Rule, h Home) ([]Statement, error) {
	permit, ok := rules[r.TypeID.Provider]
	if _, known := pipeline.LookupRule(r.TypeID); !known || !ok {
		return nil, fmt.Errorf("rule %s: provider %s does not run in an AWS account yet; those that do are %s. Take the rule out, or run the pipeline on this machine with sluice up",
			r.Name, r.TypeID.Provider, strings.Join(slices.Sorted(maps.Keys(rules)), ", "))
	}
	if r.Region != "" {
		h.Region = r.Region
	}
	statements, err := permit(place{h, r.Configuration, len(r.InputArtifacts) > 0, false})
	if err != nil {
		return nil, fmt.Errorf("rule %s: %w", r.Name, err)
	}
	return statements, nil
}

// rules is the table: what the provider of a rule needs. Rules that run as
// actions need what those do.
var rules = map[string]func(place) ([]Statement, error){
	"CloudWatchAlarm":  alarmRule,
	"CodeBuild":        codeBuild,
	"DeploymentWindow": nothing,
	"LambdaInvoke":     lambdaInvoke,
	"VariableCheck":    nothing,
}

func alarmRule(place) ([]Statement, error) { return []Statement{alarms()}, nil }

// alarms returns the statement that lets the states of alarms be read: of all,
// because CloudWatch does not show composite alarms to whoever may see some
// (API reference, DescribeAlarms), and nothing tells of which kind an alarm is
// that a definition names.
func alarms() Statement { return on("*", "cloudwatch", "DescribeAlarms") }
