package cloudformation

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
)

// A mode is a value of ActionMode: the keys it cannot do without, and how its
// jobs go on.
type mode struct {
	needs []string
	run   func(*deployment, context.Context) (action.Result, error)
}

var modes = map[string]mode{
	"CREATE_UPDATE":      {[]string{"TemplatePath", "RoleArn"}, (*deployment).createOrUpdate},
	"REPLACE_ON_FAILURE": {[]string{"TemplatePath", "RoleArn"}, (*deployment).replaceOnFailure},
	"DELETE_ONLY":        {[]string{"RoleArn"}, (*deployment).deleteOnly},
	"CHANGE_SET_REPLACE": {[]string{"TemplatePath", "RoleArn", "ChangeSetName"}, (*deployment).replaceChangeSet},
	"CHANGE_SET_EXECUTE": {[]string{"ChangeSetName"}, (*deployment).executeChangeSet},
}

// settings is the configuration of a job, without the keys its mode ignores.
type settings struct {
	mode, stack, changeSet string
	role                   *string
	capabilities           []types.Capability
	output                 string // the file of the output artifact, or none
}

func read(job action.Job) (settings, error) {
	conf := job.Action.Configuration
	s := settings{mode: conf["ActionMode"], stack: conf["StackName"], changeSet: conf["ChangeSetName"]}
	m, ok := modes[s.mode]
	if !ok {
		return s, fault.Refuse(action.ConfigurationError, "ActionMode is %q; it has to be one of %s", s.mode, strings.Join(slices.Sorted(maps.Keys(modes)), ", "))
	}
	for _, key := range append([]string{"StackName"}, m.needs...) {
		if conf[key] == "" {
			return s, fault.Refuse(action.ConfigurationError, "Action %s has no %s, which ActionMode %s needs", job.Action.Name, key, s.mode)
		}
	}
	if role := conf["RoleArn"]; role != "" {
		s.role = &role
	}
	for name := range strings.SplitSeq(conf["Capabilities"], ",") {
		capability := types.Capability(strings.TrimSpace(name))
		if known := types.Capability("").Values(); capability != "" && !slices.Contains(known, capability) {
			return s, fault.Refuse(action.ConfigurationError, "Capabilities has %q; the capabilities are %s", capability, strings.Trim(fmt.Sprint(known), "[]"))
		} else if capability != "" {
			s.capabilities = append(s.capabilities, capability)
		}
	}
	if s.mode == "DELETE_ONLY" || s.mode == "CHANGE_SET_REPLACE" {
		return s, nil
	}
	s.output = conf["OutputFileName"]
	if (s.output != "") != (len(job.Outputs) == 1) {
		return s, fault.Refuse(action.ConfigurationError, "Action %s has OutputFileName %q and %d output artifacts; it needs both or neither", job.Action.Name, s.output, len(job.Outputs))
	}
	return s, nil
}
