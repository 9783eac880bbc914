package buildspec

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// An Error says what is wrong where in a buildspec.
type Error struct {
	File    string
	Line    int
	Path    string // as in phases.build.commands[0]
	Message string
}

func (e *Error) Error() string {
	s := e.File
	if e.Line > 0 {
		s += fmt.Sprintf(":%d", e.Line)
	}
	if e.Path != "" {
		s += ": " + e.Path
	}
	return s + ": " + e.Message
}

// Parse reads a buildspec. Errors name file and a line of it.
func Parse(text []byte, file string) (*Spec, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, yamlError(file, err)
	}
	p := &parser{file: file}
	if doc.Kind == 0 {
		return nil, &Error{file, 1, "", "is empty"}
	}
	spec := p.spec(node{doc.Content[0], ""})
	if p.err != nil {
		return nil, p.err
	}
	return spec, nil
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

func yamlError(file string, err error) error {
	e := &Error{File: file, Message: err.Error()}
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		fmt.Sscan(m[1], &e.Line)
		e.Message = "is not YAML: " + m[2]
	}
	return e
}

// A parser remembers the first error, so that reading goes on without checks.
type parser struct {
	file string
	err  error
	deep int // collections read
}

// A node is a value and where it is.
type node struct {
	*yaml.Node
	path string
}

func (p *parser) fail(n node, format string, args ...any) {
	if p.err == nil {
		p.err = &Error{p.file, n.Line, n.path, fmt.Sprintf(format, args...)}
	}
}

// resolve follows aliases, which YAML allows anywhere.
func (p *parser) resolve(n node) node {
	for n.Kind == yaml.AliasNode {
		n.Node = n.Alias
	}
	return n
}

// visit counts the collections that were read: with aliases one that contains
// itself, or very much of another, can be written in a line.
func (p *parser) visit(n node) bool {
	if p.deep++; p.deep > 10000 {
		p.fail(n, "refers to itself, or is too large")
		return false
	}
	return true
}

func kind(n node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	default:
		if n.Tag == "!!null" {
			return "nothing"
		}
		return "a value"
	}
}

// A field is an entry of a mapping.
type field struct {
	key   string
	value node
}

// fields returns the entries of a mapping, merged ones included. A missing
// value is an empty mapping.
func (p *parser) fields(n node) []field {
	n = p.resolve(n)
	if n.Tag == "!!null" {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		p.fail(n, "has to be a mapping, but is %s", kind(n))
		return nil
	}
	if !p.visit(n) {
		return nil
	}
	var own, merged []field
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], node{n.Content[i+1], ""}
		if key.Tag == "!!merge" {
			v := p.resolve(value)
			v.path = n.path
			if v.Kind == yaml.SequenceNode {
				for _, c := range v.Content {
					merged = append(merged, p.fields(node{c, n.path})...)
				}
			} else {
				merged = append(merged, p.fields(v)...)
			}
			continue
		}
		value.path = strings.TrimPrefix(n.path+"."+key.Value, ".")
		if value.Line == 0 {
			value.Line = key.Line
		}
		if slices.ContainsFunc(own, func(f field) bool { return f.key == key.Value }) {
			p.fail(value, "is there twice")
		}
		own = append(own, field{key.Value, value})
	}
	for _, f := range merged {
		if !slices.ContainsFunc(own, func(g field) bool { return g.key == f.key }) {
			own = append(own, f)
		}
	}
	return own
}

// text reads a scalar as it is written: 1.10 stays "1.10".
func (p *parser) text(n node) string {
	n = p.resolve(n)
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		p.fail(n, "has to be a string, but is %s", kind(n))
		return ""
	}
	return n.Value
}

// list reads a list of strings; one string stands for a list of one.
func (p *parser) list(n node) []string {
	n = p.resolve(n)
	switch {
	case n.Tag == "!!null":
		return nil
	case n.Kind == yaml.ScalarNode:
		return []string{n.Value}
	case n.Kind != yaml.SequenceNode:
		p.fail(n, "has to be a list of strings, but is %s", kind(n))
		return nil
	}
	if !p.visit(n) {
		return nil
	}
	var list []string
	for i, c := range n.Content {
		item := p.resolve(node{c, fmt.Sprintf("%s[%d]", n.path, i)})
		if item.Kind == yaml.MappingNode {
			p.fail(item, "has to be a string, but is a mapping: put quotes around a command that has a colon in it")
			continue
		}
		if item.Kind == yaml.SequenceNode { // from an anchor: the lists are joined
			list = append(list, p.list(item)...)
			continue
		}
		list = append(list, p.text(item))
	}
	return list
}

// yes reads yes or no as YAML 1.1 and CodeBuild spell them.
func (p *parser) yes(n node) bool {
	s := p.text(n)
	switch strings.ToLower(s) {
	case "yes", "true", "on":
		return true
	case "no", "false", "off":
		return false
	}
	p.fail(n, "has to be yes or no, not %q", s)
	return false
}

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
