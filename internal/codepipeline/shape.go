package codepipeline

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

// A shape is what the model of the API says of a value. It adds to broken what
// the value at path breaks; the decoder has seen to its type.
type shape interface {
	check(path string, value any, broken *[]string)
}

// A structure lists the members that have constraints, in the model's order.
type structure []member

// A member of a structure.
type member struct {
	name     string
	required bool
	shape    shape
}

func required(name string, s shape) member { return member{name, true, s} }
func optional(name string, s shape) member { return member{name, false, s} }

// A text has a length in characters and a pattern or a set of values.
type text struct {
	min, max int                   // max 0: no limit
	pattern  func() *regexp.Regexp // compiled on first use: a function that begins has not checked anything yet; nil: anything
	source   string                // the pattern as the model has it
	set      []string
}

// An integer lies between min and max.
type integer struct{ min, max int64 }

// A list has min to max entries (max 0: no limit) of one shape.
type list struct {
	min, max int
	of       shape
}

// A dictionary has keys of one shape. Its values are checked by the decoder.
type dictionary struct{ key shape }

// anything is whatever the decoder accepts.
type anything struct{}

// length returns a text of any characters.
func length(min, max int) text { return text{min: min, max: max} }

// enum returns a text that is one of set.
func enum(set ...string) text { return text{set: set} }

// matching returns a text that matches source as a whole.
func matching(min, max int, source string) text {
	compiled := sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(?:` + source + `)$`) })
	return text{min: min, max: max, pattern: compiled, source: source}
}

// The shapes that several operations share. Package pipeline knows most of
// that of a declaration.
var (
	nameText       = matching(1, 100, `[A-Za-z0-9.@\-_]+`) // of a pipeline, stage or action
	uuidText       = matching(0, 0, `[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	tokenText      = length(1, 2048)
	pageSizes      = integer{1, 100}
	transitionType = enum("Inbound", "Outbound")
	positive       = integer{1, 1<<31 - 1}
)

// declaration is what package pipeline cannot tell of a declaration: there, a
// zero is a number that was left out.
var declaration = structure{
	optional("stages", list{of: structure{
		optional("actions", list{of: structure{
			optional("runOrder", positive),
			optional("timeoutInMinutes", positive),
		}}),
	}}),
}

// verify returns a ValidationException with everything that is wrong with tree.
func (s structure) verify(tree map[string]any) error {
	var broken []string
	s.check("", tree, &broken)
	switch len(broken) {
	case 0:
		return nil
	case 1:
		return pipeline.Errorf(pipeline.Validation, "1 validation error detected: %s", broken[0])
	}
	return pipeline.Errorf(pipeline.Validation, "%d validation errors detected: %s", len(broken), strings.Join(broken, "; "))
}

func (s structure) check(path string, value any, broken *[]string) {
	tree, _ := value.(map[string]any)
	for _, m := range s {
		where := join(path, m.name)
		switch v := tree[m.name]; {
		case v != nil:
			m.shape.check(where, v, broken)
		case m.required:
			breaks(broken, where, "Member must not be null")
		}
	}
}

func (t text) check(path string, value any, broken *[]string) {
	s, _ := value.(string)
	size(path, utf8.RuneCountInString(s), t.min, t.max, broken)
	if t.pattern != nil && !t.pattern().MatchString(s) {
		breaks(broken, path, "Member must satisfy regular expression pattern: "+t.source)
	}
	if t.set != nil && !slices.Contains(t.set, s) {
		breaks(broken, path, "Member must satisfy enum value set: ["+strings.Join(t.set, ", ")+"]")
	}
}

func (i integer) check(path string, value any, broken *[]string) {
	number, _ := value.(json.Number)
	n, _ := number.Int64()
	if n < i.min {
		breaks(broken, path, fmt.Sprintf("Member must have value greater than or equal to %d", i.min))
	}
	if n > i.max {
		breaks(broken, path, fmt.Sprintf("Member must have value less than or equal to %d", i.max))
	}
}

func (l list) check(path string, value any, broken *[]string) {
	entries, _ := value.([]any)
	size(path, len(entries), l.min, l.max, broken)
	for i, v := range entries {
		if v == nil {
			breaks(broken, element(path, i), "Member must not be null")
			continue
		}
		l.of.check(element(path, i), v, broken)
	}
}

func (d dictionary) check(path string, value any, broken *[]string) {
	tree, _ := value.(map[string]any)
	for _, key := range sortedKeys(tree) {
		var wrong []string
		d.key.check("", key, &wrong)
		for _, w := range wrong {
			_, constraint, _ := strings.Cut(w, "constraint: ")
			breaks(broken, path, "Map keys must satisfy constraint: ["+constraint+"]")
		}
	}
}

func (anything) check(string, any, *[]string) {}

// size checks the length of a text or a list.
func size(path string, n, min, max int, broken *[]string) {
	if n < min {
		breaks(broken, path, fmt.Sprintf("Member must have length greater than or equal to %d", min))
	}
	if max > 0 && n > max {
		breaks(broken, path, fmt.Sprintf("Member must have length less than or equal to %d", max))
	}
}

func breaks(broken *[]string, path, constraint string) {
	*broken = append(*broken, fmt.Sprintf("Value at '%s' failed to satisfy constraint: %s", path, constraint))
}
