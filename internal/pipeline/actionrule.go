package pipeline

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// acted reports a break of a rule of actions.
func (c *checker) acted(path, value, message, fix string) {
	c.add(Problem{Code: InvalidActionDeclaration, Path: path, Value: value, Message: message, Fix: fix})
}

// action checks the rules of action j of stage i.
func (c *checker) action(i, j int) {
	s, path := c.d.Stages[i], actionPath(i, j)
	a := s.Actions[j]
	same := func(o Action) bool { return o.Name == a.Name }
	if a.Name != "" && slices.ContainsFunc(s.Actions[:j], same) {
		c.acted(path+".name", a.Name, fmt.Sprintf("Action name '%s' is used more than once in stage '%s'", a.Name, s.Name), "rename the action")
	}
	if t, ok := c.actionType(path, a); ok {
		c.counts(path, a, t)
		c.configuration(path, a, t)
		c.computeFields(path, a, t)
	}
	if a.TypeID.Category == Approval && a.TypeID.Owner == AWS {
		c.topic(path, a)
	}
	if a.TypeID.Category == Source && c.region != "" && a.Region != "" && a.Region != c.region {
		c.acted(path+".region", a.Region, fmt.Sprintf("Source action %s must be in the same region as the pipeline.", a.Name), "remove region")
	}
	c.inputs(i, j)
	c.namespace(i, j)
	c.actionVariableUses(i, j)
}

// actionType finds the type of a, or reports why a cannot have it.
func (c *checker) actionType(path string, a Action) (ActionType, bool) {
	id := a.TypeID
	if !slices.Contains(categories, string(id.Category)) || !slices.Contains(owners, string(id.Owner)) || id.Provider == "" || id.Version == "" {
		return ActionType{}, false // reported by shape
	}
	t, ok := LookupType(id)
	if !ok {
		c.acted(path+".actionTypeId", id.Provider,
			fmt.Sprintf("ActionType (Category: '%s', Provider: '%s', Owner: '%s', Version: '%s') in action '%s' is not available in region '%s'",
				id.Category, id.Provider, id.Owner, id.Version, a.Name, c.regionEnum(a.Region)),
			typeFix(id))
		return t, false
	}
	if t.NeedsV2 && !c.v2() {
		c.acted(path+".actionTypeId.provider", id.Provider, id.Provider+" Action can only be used with V2 pipelines.", "set pipelineType to V2")
	}
	return t, true
}

// typeFix says which part of the id of an action type is wrong.
func typeFix(id ActionTypeID) string {
	fix := ""
	for _, t := range actionTypes {
		switch {
		case t.ID.Provider != id.Provider:
		case t.ID.Category == id.Category && t.ID.Owner == id.Owner:
			return `set version to "1"`
		case t.ID.Category == id.Category:
			fix = "set owner to " + string(t.ID.Owner)
		case t.ID.Owner == id.Owner:
			fix = cmp.Or(fix, "set category to "+string(t.ID.Category))
		}
	}
	return cmp.Or(fix, suggest(id.Provider, providersOf(id.Category, id.Owner)))
}

// regionEnum spells a Region as the service does in this one message.
func (c *checker) regionEnum(region string) string {
	region = cmp.Or(region, c.region, "us-east-1")
	return strings.ToUpper(strings.ReplaceAll(region, "-", "_"))
}

func (c *checker) counts(path string, a Action, t ActionType) {
	if message, ok := countOf("Action", a.Name, "input", len(a.InputArtifacts), t.Inputs); !ok {
		c.acted(path+".inputArtifacts", "", message, rangeOf(t.Inputs))
	}
	if message, ok := countOf("Action", a.Name, "output", len(a.OutputArtifacts), t.Outputs); !ok {
		c.acted(path+".outputArtifacts", "", message, rangeOf(t.Outputs))
	}
}

// countOf checks a number of artifacts and words the complaint about it.
func countOf(what, name, kind string, n int, allowed Count) (message string, ok bool) {
	switch {
	case n < allowed.Min:
		return fmt.Sprintf("%s %s declares %d %s artifacts which is less than the minimum count (%d)", what, name, n, kind, allowed.Min), false
	case n > allowed.Max:
		return fmt.Sprintf("%s %s declares %d %s artifacts which is more than the maximum count (%d)", what, name, n, kind, allowed.Max), false
	}
	return "", true
}

func rangeOf(c Count) string {
	switch {
	case c.Max == 0:
		return "remove the artifacts"
	case c.Min == c.Max:
		return fmt.Sprintf("declare %d", c.Min)
	}
	return fmt.Sprintf("declare %d to %d", c.Min, c.Max)
}

func (c *checker) configuration(path string, a Action, t ActionType) {
	for _, key := range t.Required {
		if _, ok := a.Configuration[key]; !ok {
			c.acted(path+".configuration."+key, "", fmt.Sprintf("Action configuration for action '%s' is missing required configuration '%s'", a.Name, key), "add "+key)
		}
	}
	if !t.Open {
		for _, key := range unknownKeys(a.Configuration, t.Keys()) {
			c.acted(path+".configuration."+key, key, fmt.Sprintf("Action configuration for action '%s' contains unknown configuration '%s'", a.Name, key),
				suggest(key, t.Keys()))
		}
	}
	for _, key := range t.Secret {
		if a.Configuration[key] == Masked {
			c.acted(path+".configuration."+key, Masked,
				fmt.Sprintf(`Action configuration for the new action "%s" contains an invalid configuration for the secret property "%s". "****" may be used in secret properties only when updating an existing action.`, a.Name, key),
				"write the secret itself")
		}
	}
}

// computeFields checks the fields that only some providers read.
func (c *checker) computeFields(path string, a Action, t ActionType) {
	if t.Compute && len(a.Commands) == 0 {
		c.acted(path+".commands", "", fmt.Sprintf("Action %s must have a non-empty commands field", a.Name), "list at least one command")
	}
	refuse := func(where, field, fix string) {
		c.acted(path+"."+where, "", fmt.Sprintf("The following action cannot contain a %s field: %s. To use the %s field, use a compute action.", field, a.Name, field), fix)
	}
	if !t.Compute {
		if len(a.Commands) > 0 {
			refuse("commands", "commands", "remove commands, or use the Commands provider")
		}
		if k := slices.IndexFunc(a.OutputArtifacts, func(o OutputArtifact) bool { return len(o.Files) > 0 }); k >= 0 {
			refuse(at("outputArtifacts", k)+".files", "files", "remove files from the output artifacts")
		}
		if len(a.OutputVariables) > 0 {
			refuse("outputVariables", "outputVariables", "remove outputVariables: this provider decides itself what it exports")
		}
	}
	if !t.Environment && len(a.EnvironmentVariables) > 0 {
		refuse("environmentVariables", "environmentVariables", "remove environmentVariables; CodeBuild takes them as the configuration key EnvironmentVariables")
	}
	for k, v := range a.EnvironmentVariables {
		if t.Environment && !t.Compute && v.Type == "SECRETS_MANAGER" {
			c.acted(at(path+".environmentVariables", k)+".type", v.Type,
				fmt.Sprintf("The following action cannot contain environment variables of type SECRETS_MANAGER: %s.", a.Name), "use PLAINTEXT")
		}
	}
}

// topic checks the form of the topic an approval is announced on. Whether the
// topic exists is found out when the action runs.
func (c *checker) topic(path string, a Action) {
	const key = "NotificationArn"
	arn, ok := a.Configuration[key]
	if !ok || arn == "" || len(References(arn)) > 0 {
		return
	}
	where := path + ".configuration." + key
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[1] == "" || parts[2] == "" || parts[5] == "" {
		c.acted(where, arn, fmt.Sprintf("The ARN %s you specified for sending notifications for the approval action %s contains a format error.", arn, a.Name),
			"use the ARN of a topic, like arn:aws:sns:us-east-1:111122223333:name")
		return
	}
	opening := fmt.Sprintf("The ARN %s has been specified for sending notifications for the approval action %s, but ", arn, a.Name)
	if parts[2] != "sns" {
		c.acted(where, arn, opening+"the AWS service for this ARN cannot be used to send approval requests.", "use the ARN of an SNS topic")
	} else if c.region != "" && parts[3] != c.region {
		c.acted(where, arn, opening+"the ARN is not in the same region as the pipeline.", "use a topic of "+c.region)
	}
}

// unknownKeys returns the keys of m that are not among known, sorted.
func unknownKeys(m map[string]string, known []string) []string {
	keys := slices.Sorted(maps.Keys(m))
	return slices.DeleteFunc(keys, func(key string) bool { return slices.Contains(known, key) })
}

// suggest says what to write instead of word.
func suggest(word string, known []string) string {
	if near := Nearest(word, known); near != "" {
		return "did you mean " + near + "?"
	}
	if len(known) == 0 {
		return "remove it"
	}
	return "use one of " + strings.Join(known, ", ")
}
