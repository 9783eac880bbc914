package expr

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
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
