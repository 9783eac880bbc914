// Package variablecheck is the provider of VariableCheck rules: it compares a
// variable, which was resolved before, with a value (user guide, VariableCheck).
package variablecheck

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// New returns the provider.
func New() action.Provider { return provider{} }

type provider struct{}

// Start compares at once.
func (provider) Start(_ context.Context, job action.Job) (action.Result, error) {
	conf := job.Action.Configuration
	variable, value := conf["Variable"], conf["Value"]
	ok, err := compare(conf["Operator"], variable, value)
	if err != nil {
		return action.Fail(action.ConfigurationError, fmt.Sprintf("Rule %s: %v", job.Action.Name, err)), nil
	}
	said := fmt.Sprintf("%q %s %q", variable, conf["Operator"], value)
	if !ok {
		return action.Fail(action.JobFailed, said+" is not so"), nil
	}
	return action.Result{Status: pipeline.Succeeded, Summary: said}, nil
}

func compare(operator, variable, value string) (bool, error) {
	switch operator {
	case "EQ":
		return variable == value, nil
	case "NE":
		return variable != value, nil
	case "CONTAINS":
		return strings.Contains(variable, value), nil
	case "MATCHES": // the whole variable, as Java's matches
		pattern, err := regexp.Compile(`^(?s:` + value + `)$`)
		if err != nil {
			return false, fmt.Errorf("the value of MATCHES is no regular expression that Go knows: %w", err)
		}
		return pattern.MatchString(variable), nil
	}
	return false, fmt.Errorf("the operator %q is none of EQ, NE, CONTAINS, MATCHES", operator)
}

// Poll compares again: nothing it compares can change.
func (p provider) Poll(ctx context.Context, job action.Job) (action.Result, error) {
	return p.Start(ctx, job)
}

// Stop does nothing: nothing runs.
func (provider) Stop(context.Context, action.Job) error { return nil }
