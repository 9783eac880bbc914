package pipeline

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// A text is the shape of a string: its length in characters, its pattern, and
// how to say both to a person.
type text struct {
	min, max int
	pattern  func() *regexp.Regexp // compiled on first use: a function that never validates starts sooner; nil: anything
	source   string                // the pattern as the service prints it
	fix      string
}

// pattern returns a text whose whole value matches source.
func pattern(min, max int, source, fix string) text {
	compiled := sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(?:` + source + `)$`) })
	return text{min, max, compiled, source, fix}
}

// length returns a text of any characters.
func length(min, max int) text {
	return text{min: min, max: max, fix: fmt.Sprintf("use %d to %d characters", min, max)}
}

var (
	nameText      = pattern(1, 100, `[A-Za-z0-9.@\-_]+`, "use 1 to 100 letters, digits and . @ - _")
	roleText      = pattern(1, 1024, `arn:aws(-[\w]+)*:iam::[0-9]{12}:role/.*`, "use a role ARN like arn:aws:iam::111122223333:role/name")
	bucketText    = pattern(3, 63, `[a-zA-Z0-9\-\.]+`, "use the name of a bucket: 3 to 63 letters, digits, dots and hyphens")
	keyText       = length(1, 400)
	artifactText  = pattern(1, 100, `[a-zA-Z0-9_\-]+`, "use 1 to 100 letters, digits, _ and -")
	namespaceText = pattern(1, 100, `[A-Za-z0-9@\-_]+`, "use 1 to 100 letters, digits and @ - _")
	variableText  = pattern(1, 128, `[A-Za-z0-9@\-_]+`, "use 1 to 128 letters, digits and @ - _")
	envNameText   = pattern(1, 128, `[A-Za-z0-9_]+`, "use 1 to 128 letters, digits and _")
	providerText  = pattern(1, 35, `[0-9A-Za-z_-]+`, "use 1 to 35 letters, digits, _ and -")
	versionText   = pattern(1, 9, `[0-9A-Za-z_-]+`, `use "1", the version of every AWS provider`)
	regionText    = length(4, 30)
	commandText   = length(1, 1000)
)

// broken reports a member that does not have its shape.
func (c *checker) broken(path, value, constraint, fix string) {
	c.add(Problem{Code: Validation, Path: path, Value: value, Message: constraint, Fix: fix})
}

// required checks a string that must be there. A declaration cannot tell an
// absent string from an empty one, so both are called null.
func (c *checker) required(path, value string, t text) {
	if value == "" {
		c.broken(path, "", "Member must not be null", t.fix)
		return
	}
	c.optional(path, value, t)
}

// optional checks a string that may be left out.
func (c *checker) optional(path, value string, t text) {
	if value == "" {
		return
	}
	n := utf8.RuneCountInString(value)
	if n > t.max {
		c.broken(path, value, atMost(t.max), t.fix)
	}
	if n < t.min {
		c.broken(path, value, atLeast(t.min), t.fix)
	}
	if t.pattern != nil && !t.pattern().MatchString(value) {
		c.broken(path, value, "Member must satisfy regular expression pattern: "+t.source, t.fix)
	}
}

// size checks how many entries a list has. A nil list is an absent one.
func (c *checker) size(path string, n int, isNil bool, min, max int) {
	fix := fmt.Sprintf("give %d to %d entries", min, max)
	switch {
	case isNil:
	case n < min:
		c.broken(path, strconv.Itoa(n), atLeast(min), fix)
	case n > max:
		c.broken(path, strconv.Itoa(n), atMost(max), fix)
	}
}

// number checks a number that may be left out, which zero stands for.
func (c *checker) number(path string, n, min, max int) {
	fix := fmt.Sprintf("use a number from %d to %d", min, max)
	switch {
	case n == 0:
	case n < min:
		c.broken(path, strconv.Itoa(n), fmt.Sprintf("Member must have value greater than or equal to %d", min), fix)
	case n > max:
		c.broken(path, strconv.Itoa(n), fmt.Sprintf("Member must have value less than or equal to %d", max), fix)
	}
}

// enum checks a member of a closed set that may be left out.
func (c *checker) enum(path, value string, set ...string) {
	if value != "" && !slices.Contains(set, value) {
		fix := "write " + strings.Join(set, " or ")
		if near := Nearest(value, set); near != "" {
			fix = "write " + near
		}
		c.broken(path, value, "Member must satisfy enum value set: ["+strings.Join(set, ", ")+"]", fix)
	}
}

// requiredEnum checks a member of a closed set that must be there.
func (c *checker) requiredEnum(path, value string, set ...string) {
	if value == "" {
		c.broken(path, "", "Member must not be null", "write "+strings.Join(set, " or "))
		return
	}
	c.enum(path, value, set...)
}

// entries checks the keys and values of a configuration.
func (c *checker) entries(path string, m map[string]string, max int) {
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if n := utf8.RuneCountInString(key); n < 1 || n > 50 {
			c.broken(path+"."+key, key, mapRule("keys", 1, 50), "use a key of 1 to 50 characters")
		}
		if n := utf8.RuneCountInString(m[key]); n < 1 || n > max {
			c.broken(path+"."+key, m[key], mapRule("value", 1, max), fmt.Sprintf("use a value of 1 to %d characters, or leave the key out", max))
		}
	}
}

func atLeast(n int) string {
	return fmt.Sprintf("Member must have length greater than or equal to %d", n)
}
func atMost(n int) string { return fmt.Sprintf("Member must have length less than or equal to %d", n) }

// mapRule spells the constraint on the keys or values of a map.
func mapRule(what string, min, max int) string {
	return fmt.Sprintf("Map %s must satisfy constraint: [%s, %s]", what, atMost(max), atLeast(min))
}
