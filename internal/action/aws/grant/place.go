package grant

import (
	"fmt"
	"regexp"
	"strings"
)

// A place is where an action runs and what it is about.
type place struct {
	Home
	conf          map[string]string
	reads, writes bool // it has input artifacts, output artifacts
}

// arn returns an ARN of the action's account and Region. Parts of rest that
// come from the configuration have been through [pattern].
func (p place) arn(service, rest string) string {
	return "arn:" + p.Partition + ":" + service + ":" + p.Region + ":" + p.Account + ":" + rest
}

// bucket returns the ARN of a bucket, or of objects: "bucket/key".
func (p place) bucket(rest string) string { return "arn:" + p.Partition + ":s3:::" + rest }

// of returns the value of a key as a part of a resource.
func (p place) of(key string) string { return pattern(p.conf[key]) }

// given returns the value of a key that has to be an ARN, or unknown if it
// begins with a variable.
func (p place) given(key, unknown string) (string, error) {
	value := p.conf[key]
	switch at := reference.FindStringIndex(value); {
	case strings.HasPrefix(value, "arn:"):
		return pattern(value), nil
	case at != nil && at[0] == 0:
		return unknown, nil
	}
	return "", fmt.Errorf("%s is %q; it has to be an ARN", key, value)
}

// is reports whether a key has the value, or might have: it is a variable.
func (p place) is(key, value string) bool {
	v := p.conf[key]
	return strings.EqualFold(v, value) || reference.MatchString(v)
}

// role returns the statement that lets a role be handed over to a service.
func (p place) role(arn, service string) Statement {
	return Statement{Actions: []string{"iam:PassRole"}, Resources: []string{arn}, PassedTo: service}
}

// anyRole is every role of the account.
func (p place) anyRole() string { return "arn:" + p.Partition + ":iam::" + p.Account + ":role/*" }

// reference is a variable in a configuration value, #{namespace.key}.
var reference = regexp.MustCompile(`#\{[^}]*\}`)

// literally spells the characters that mean something in a policy's resource.
var literally = strings.NewReplacer("*", "${*}", "?", "${?}", "$", "${$}")

// pattern returns a configuration value as a part of a resource: itself, with
// a wildcard for every variable.
func pattern(value string) string {
	var b strings.Builder
	for {
		at := reference.FindStringIndex(value)
		if at == nil {
			return b.String() + literally.Replace(value)
		}
		b.WriteString(literally.Replace(value[:at[0]]) + "*")
		value = value[at[1]:]
	}
}
