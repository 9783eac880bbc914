package pipeline

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// maxResolved is the size of the whole resolved configuration of one action.
const maxResolved = 100 << 10

// isJSON reports whether the service reads the value of key in configuration
// m as JSON. UserParameters is not read: a function gets the text as it is.
func isJSON(m map[string]string, key string) bool {
	switch key {
	case "EnvironmentVariables", "ParameterOverrides", "SourceRevisions", "Variables":
		return true
	case "Input": // of a state machine, unless it is the path of a file
		return m["StateMachineArn"] != "" && m["InputType"] != "FilePath"
	}
	return false
}

// ResolveAction returns a with every reference in its configuration, commands
// and environment variables replaced by its value. Names, artifacts, roles and
// Regions cannot hold references.
//
// Inside JSON a value can only become part of the string it is used in: a
// commit message with a quotation mark adds no environment variable. Commands
// get the text, as they do on the service, so a command should quote
// references or read them from an environment variable.
func ResolveAction(a Action, lookup Lookup) (Action, error) {
	r := resolver{lookup: lookup}
	a.Configuration = r.configuration(a.Configuration)
	a.Commands = r.list(a.Commands)
	a.EnvironmentVariables = slices.Clone(a.EnvironmentVariables)
	for i := range a.EnvironmentVariables {
		a.EnvironmentVariables[i].Value = r.text(a.EnvironmentVariables[i].Value)
	}
	return a, r.failure("action", a.Name)
}

// ResolveRule does for a rule what [ResolveAction] does for an action.
func ResolveRule(rule Rule, lookup Lookup) (Rule, error) {
	r := resolver{lookup: lookup}
	rule.Configuration = r.configuration(rule.Configuration)
	rule.Commands = r.list(rule.Commands)
	return rule, r.failure("rule", rule.Name)
}

// A resolver remembers what went wrong, so that one failure names every
// reference of an action and not just the first.
type resolver struct {
	lookup  Lookup
	missing Unresolved
	err     error
	size    int // of the resolved configuration
}

func (r *resolver) configuration(m map[string]string) map[string]string {
	m = maps.Clone(m)
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if isJSON(m, key) {
			m[key] = r.keep(resolveJSON(m[key], r.lookup))
		} else {
			m[key] = r.text(m[key])
		}
		r.size += len(key) + len(m[key])
	}
	return m
}

func (r *resolver) list(texts []string) []string {
	texts = slices.Clone(texts)
	for i := range texts {
		texts[i] = r.text(texts[i])
	}
	return texts
}

func (r *resolver) text(s string) string { return r.keep(Resolve(s, r.lookup)) }

func (r *resolver) keep(s string, err error) string {
	if missing, ok := errors.AsType[Unresolved](err); ok {
		r.missing = append(r.missing, missing...)
	} else if r.err == nil {
		r.err = err
	}
	return s
}

// failure words what went wrong, if anything did.
func (r *resolver) failure(what, name string) error {
	switch {
	case len(r.missing) > 0:
		return Errorf(InvalidActionDeclaration, "resolve %s %s: %w", what, name, r.missing)
	case r.err != nil:
		return Errorf(InvalidActionDeclaration, "resolve %s %s: %w", what, name, r.err)
	case r.size > maxResolved:
		return Errorf(InvalidActionDeclaration, "resolve %s %s: configuration has %d bytes, the limit is %d", what, name, r.size, maxResolved)
	}
	return nil
}

// resolveJSON resolves text as JSON. A reference inside a string is replaced
// by the inside of a JSON string, one outside of strings by a JSON scalar. A
// text that is one reference and nothing else is that value.
func resolveJSON(text string, lookup Lookup) (string, error) {
	if loc := reference().FindStringIndex(strings.TrimSpace(text)); loc != nil && loc[0] == 0 && loc[1] == len(strings.TrimSpace(text)) {
		return Resolve(text, lookup)
	}
	inside := stringsOf(text)
	return replace(text, lookup, func(offset int, value string) (string, error) {
		if inside(offset) {
			return quoted(value), nil
		}
		if !json.Valid([]byte(value)) || strings.HasPrefix(strings.TrimSpace(value), "{") || strings.HasPrefix(strings.TrimSpace(value), "[") {
			return "", fmt.Errorf("a value outside of quotation marks is no JSON number, boolean or string: %q", value)
		}
		return value, nil
	})
}

// stringsOf returns a function that reports whether an offset of text lies
// inside a JSON string. Offsets must be asked for in ascending order.
func stringsOf(text string) func(offset int) bool {
	at, inside := 0, false
	return func(offset int) bool {
		for ; at < offset; at++ {
			switch {
			case text[at] == '"':
				inside = !inside
			case text[at] == '\\' && inside:
				at++ // the next character is escaped, whatever it is
			}
		}
		return inside
	}
}

// quoted returns s as the inside of a JSON string.
func quoted(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return "" // a string always encodes
	}
	return strings.TrimSuffix(strings.TrimPrefix(b.String(), `"`), "\"\n")
}
