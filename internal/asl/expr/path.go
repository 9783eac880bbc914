package expr

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Path is a parsed JSONPath. The zero value is "$".
type Path struct {
	text       string
	context    bool // begins with $$
	indefinite bool // gives the list of what it finds, which may be empty
	steps      []step
}

type stepKind uint8

const (
	child stepKind = iota
	index
	slice
	wildcard
)

// A step leads from a value to some of its parts. A deep one does so from the
// value and from everything inside it.
type step struct {
	kind     stepKind
	deep     bool
	name     string
	from, to int
	open     bool // a slice without end
}

// ParsePath parses a JSONPath that begins with $ or $$.
func ParsePath(text string) (Path, error) {
	p := Path{text: text}
	rest, ok := strings.CutPrefix(text, "$")
	if !ok {
		return p, fmt.Errorf("path %q does not begin with $", text)
	}
	rest, p.context = strings.CutPrefix(rest, "$")
	for rest != "" {
		var s step
		var err error
		if s, rest, err = parseStep(rest); err != nil {
			return p, fmt.Errorf("path %q: %w", text, err)
		}
		p.indefinite = p.indefinite || s.deep || s.kind == slice || s.kind == wildcard
		p.steps = append(p.steps, s)
	}
	return p, nil
}

// ParseReference parses a path that names one place: no wildcard, no slice, no
// descent, no negative index, nothing of the context object.
func ParseReference(text string) (Path, error) {
	p, err := ParsePath(text)
	if err != nil {
		return p, err
	}
	for _, s := range p.steps {
		if s.deep || s.kind != child && s.kind != index || s.from < 0 {
			return p, fmt.Errorf("path %q must name one place", text)
		}
	}
	if p.context {
		return p, fmt.Errorf("path %q must not begin with $$", text)
	}
	return p, nil
}

func parseStep(text string) (step, string, error) {
	var s step
	rest := text
	if rest, s.deep = strings.CutPrefix(text, ".."); !s.deep {
		var dot bool
		if rest, dot = strings.CutPrefix(text, "."); !dot && text[0] != '[' {
			return s, "", fmt.Errorf("%q is not a step", text)
		} else if dot && strings.HasPrefix(rest, "[") {
			return s, "", fmt.Errorf("%q is not a step", text)
		}
	}
	if strings.HasPrefix(rest, "[") {
		return parseBracket(s, rest)
	}
	if after, ok := strings.CutPrefix(rest, "*"); ok {
		s.kind = wildcard
		return s, after, nil
	}
	end := strings.IndexFunc(rest, func(r rune) bool {
		return r != '_' && r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	if end < 0 {
		end = len(rest)
	}
	if end == 0 {
		return s, "", fmt.Errorf("no name at %q", rest)
	}
	s.name = rest[:end]
	if rest = rest[end:]; rest != "" && rest[0] != '.' && rest[0] != '[' {
		return s, "", fmt.Errorf("%q is not supported", rest)
	}
	return s, rest, nil
}

func parseBracket(s step, text string) (step, string, error) {
	if len(text) > 1 && (text[1] == '\'' || text[1] == '"') {
		name, rest, err := quoted(text[1:], text[1])
		if err != nil {
			return s, "", err
		}
		rest, ok := strings.CutPrefix(rest, "]")
		if !ok {
			return s, "", fmt.Errorf("no ] at %q; one name only is supported", rest)
		}
		s.name = name
		return s, rest, nil
	}
	body, rest, ok := strings.Cut(text[1:], "]")
	if !ok {
		return s, "", fmt.Errorf("no ] in %q", text)
	}
	if body == "*" {
		s.kind = wildcard
		return s, rest, nil
	}
	from, to, isSlice := strings.Cut(body, ":")
	var err error
	if s.kind = index; isSlice {
		s.kind = slice
	}
	if s.from, err = strconv.Atoi(from); err != nil && (!isSlice || from != "") {
		return s, "", fmt.Errorf("[%s] is not supported; use a name in quotes, an index, a slice or *", body)
	}
	if s.open = isSlice && to == ""; isSlice && !s.open {
		if s.to, err = strconv.Atoi(to); err != nil {
			return s, "", fmt.Errorf("[%s] is not supported; a slice is [from:to]", body)
		}
	}
	return s, rest, nil
}

// quoted cuts a string in quotes from the beginning of text. A backslash takes
// the next character as it is.
func quoted(text string, quote byte) (value, rest string, err error) {
	var b []byte
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text):
			i++
			b = append(b, text[i])
		case text[i] == quote:
			return string(b), text[i+1:], nil
		default:
			b = append(b, text[i])
		}
	}
	return "", "", fmt.Errorf("no closing quote in %q", text)
}

// String returns the path as it was written.
func (p Path) String() string {
	if p.text == "" {
		return "$"
	}
	return p.text
}

// OfContext reports whether p begins with $$.
func (p Path) OfContext() bool { return p.context }

// Get returns what p finds, which is a part of env and must not be changed; ok is false if that is nothing. A path that could
// find several values gives a list of them, and an empty list is something.
func (p Path) Get(env *Env) (value []byte, ok bool, err error) {
	doc, steps := env.Input, p.steps
	if p.context && !p.indefinite && len(steps) > 1 {
		if doc, ok = env.Scope.Field(steps[0].name, steps[1].name); !ok {
			return nil, false, nil
		}
		steps = steps[2:]
	} else if p.context {
		doc = env.Scope.Context()
	}
	if p.indefinite {
		f := finder{out: []byte{'['}}
		if err := f.find(doc, p.steps); err != nil {
			return nil, false, err
		}
		return append(f.out, ']'), true, nil
	}
	for i := range steps {
		s := &steps[i]
		if s.kind == child {
			doc, ok = member(doc, s.name)
		} else {
			doc, ok = element(doc, s.from)
		}
		if !ok {
			return nil, false, nil
		}
	}
	return doc, true, nil
}

// Must is Get for a place that has to be there. Field names what p is the
// value of.
func (p Path) Must(env *Env, field string) ([]byte, error) {
	v, ok, err := p.Get(env)
	if err == nil && !ok {
		err = fail(Runtime, "The JSONPath '%s' specified for the field '%s' could not be found in the input", p, field)
	}
	return v, err
}

// budget is how many bytes one indefinite path may look at. Descents inside
// descents over deep documents would otherwise take minutes.
const budget = 64 << 20

// A finder collects what an indefinite path finds, in the order of the text.
type finder struct {
	out  []byte
	seen int
}

func (f *finder) find(doc []byte, steps []step) error {
	if f.seen += len(doc); f.seen > budget {
		return fail(Runtime, "a path visits too many values")
	}
	if len(steps) == 0 {
		if len(f.out) > 1 {
			f.out = append(f.out, ',')
		}
		if f.out = append(f.out, doc...); len(f.out) > Limit {
			return tooLarge()
		}
		return nil
	}
	s, rest := steps[0], steps[1:]
	if err := f.pick(doc, s, rest); err != nil || !s.deep {
		return err
	}
	for _, v := range members(doc) {
		if err := f.find(v, steps); err != nil {
			return err
		}
	}
	for v := range elements(doc) {
		if err := f.find(v, steps); err != nil {
			return err
		}
	}
	return nil
}

func (f *finder) pick(doc []byte, s step, rest []step) error {
	switch s.kind {
	case child:
		if v, ok := member(doc, s.name); ok {
			return f.find(v, rest)
		}
	case index:
		if v, ok := element(doc, s.from); ok {
			return f.find(v, rest)
		}
	case wildcard:
		for _, v := range members(doc) {
			if err := f.find(v, rest); err != nil {
				return err
			}
		}
		for v := range elements(doc) {
			if err := f.find(v, rest); err != nil {
				return err
			}
		}
	case slice:
		n := count(doc)
		from, to := fromEnd(s.from, n), fromEnd(s.to, n)
		i := 0
		for v := range elements(doc) {
			if i >= from && (s.open || i < to) {
				if err := f.find(v, rest); err != nil {
					return err
				}
			}
			i++
		}
	}
	return nil
}

func fromEnd(i, n int) int {
	if i < 0 {
		return max(0, i+n)
	}
	return i
}

// Set returns doc with value at the place p names. Objects on the way are made
// if they are missing; p must come from [ParseReference].
func (p Path) Set(doc, value []byte) ([]byte, error) {
	if len(p.steps) == 0 {
		return value, nil
	}
	out, err := set(make([]byte, 0, len(doc)+len(value)+32), doc, p.steps, value)
	if err != nil {
		return nil, fail(ResultPathFailure, "unable to apply ResultPath '%s': %s", p, err)
	}
	if len(out) > Limit {
		return nil, tooLarge()
	}
	return out, nil
}

// set appends doc, with value at the end of steps. A nil doc is a missing one.
func set(dst, doc []byte, steps []step, value []byte) ([]byte, error) {
	if len(steps) == 0 {
		return append(dst, value...), nil
	}
	if s := steps[0]; s.kind == index {
		old, ok := []byte(nil), false
		if doc != nil {
			old, ok = element(doc, s.from)
		}
		if !ok {
			return nil, fmt.Errorf("there is no element [%d]", s.from)
		}
		return replace(dst, doc, old, steps[1:], value)
	}
	name := steps[0].name
	if doc == nil {
		doc = []byte("{}")
	}
	if doc[0] != '{' {
		return nil, fmt.Errorf("%q would be a member of something that is no object", name)
	}
	if old, ok := member(doc, name); ok {
		return replace(dst, doc, old, steps[1:], value)
	}
	dst = append(dst, doc[:len(doc)-1]...)
	if len(doc) > 2 {
		dst = append(dst, ',')
	}
	dst = append(AppendString(dst, name), ':')
	dst, err := set(dst, nil, steps[1:], value)
	return append(dst, '}'), err
}

// replace appends doc, in which the rest of the way is gone inside its part old.
func replace(dst, doc, old []byte, steps []step, value []byte) ([]byte, error) {
	at := cap(doc) - cap(old) // old is a part of doc
	dst, err := set(append(dst, doc[:at]...), old, steps, value)
	return append(dst, doc[at+len(old):]...), err
}

// isString, isNumber tell the type of a value from its first character.
func isString(v []byte) bool { return v[0] == '"' }
func isNumber(v []byte) bool { return v[0] == '-' || '0' <= v[0] && v[0] <= '9' }

// validUTF8 replaces what is not UTF-8, so that every document is.
func validUTF8(b []byte) []byte {
	if utf8.Valid(b) {
		return b
	}
	return bytes.ToValidUTF8(b, []byte("\uFFFD"))
}
