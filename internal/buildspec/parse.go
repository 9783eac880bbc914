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

func (p *parser) variables(n node) []Variable {
	var vs []Variable
	for _, f := range p.fields(n) {
		v := p.resolve(f.value)
		switch {
		case !identifier.MatchString(f.key):
			p.fail(f.value, "cannot be the name of an environment variable")
		case strings.HasPrefix(f.key, "CODEBUILD_"):
			p.fail(f.value, "names that begin with CODEBUILD_ are reserved")
		case v.Tag == "!!null":
			vs = append(vs, Variable{f.key, ""})
		default:
			vs = append(vs, Variable{f.key, p.text(f.value)})
		}
	}
	return vs
}

func (p *parser) spec(n node) *Spec {
	s := &Spec{}
	fields := p.fields(n)
	for _, f := range fields {
		if f.key == "version" {
			s.Version = Version(p.text(f.value))
			if s.Version != V01 && s.Version != V02 {
				p.fail(f.value, "has to be 0.2 or 0.1, not %q", s.Version)
			}
		}
	}
	if s.Version == "" {
		p.fail(n, "version is missing: write version: 0.2")
	}
	found := false
	for _, f := range fields {
		switch {
		case f.key == "version":
		case f.key == "env" && s.Version == V02:
			p.env(s, f.value)
		case f.key == "environment_variables" && s.Version == V01:
			for _, g := range p.fields(f.value) {
				if g.key == "plaintext" {
					s.Env.Variables = p.variables(g.value)
				} else {
					p.fail(g.value, "is not known in version 0.1")
				}
			}
		case f.key == "phases":
			found = true
			p.phases(s, f.value)
		case f.key == "artifacts":
			s.Artifacts = p.artifacts(f.value)
		case f.key == "cache":
			for _, g := range p.fields(f.value) {
				switch g.key {
				case "paths":
					s.Cache = p.list(g.value)
				case "key", "fallback-keys", "action", "type":
				default:
					p.fail(g.value, "is not known")
				}
			}
		case f.key == "run-as", f.key == "proxy", f.key == "reports":
			s.Ignored = append(s.Ignored, f.key)
		case f.key == "batch":
			p.fail(f.value, "batch builds cannot run here: give each build an action of its own")
		default:
			p.fail(f.value, "is not known")
		}
	}
	if !found {
		p.fail(n, "phases are missing")
	}
	return s
}

func (p *parser) env(s *Spec, n node) {
	for _, f := range p.fields(n) {
		switch f.key {
		case "shell":
			switch shell := p.text(f.value); shell {
			case "bash", "/bin/bash":
				s.Env.Shell = "bash"
			case "sh", "/bin/sh":
			default:
				p.fail(f.value, "has to be bash or /bin/sh here, not %q", shell)
			}
		case "variables":
			s.Env.Variables = p.variables(f.value)
		case "parameter-store":
			s.Env.Parameters = p.variables(f.value)
		case "secrets-manager":
			s.Env.Secrets = p.variables(f.value)
		case "exported-variables":
			s.Env.Exported = p.list(f.value)
			for i, name := range s.Env.Exported {
				if !identifier.MatchString(name) {
					p.fail(node{f.value.Node, fmt.Sprintf("%s[%d]", f.value.path, i)}, "%q cannot be the name of an environment variable", name)
				}
			}
		case "git-credential-helper":
			if p.yes(f.value) {
				s.Ignored = append(s.Ignored, "env.git-credential-helper")
			}
		default:
			p.fail(f.value, "is not known")
		}
	}
}

func (p *parser) phases(s *Spec, n node) {
	for _, f := range p.fields(n) {
		i := slices.Index(Phases[:], PhaseName(f.key))
		if i < 0 {
			p.fail(f.value, "is not a phase: the phases are install, pre_build, build and post_build")
			continue
		}
		for _, g := range p.fields(f.value) {
			switch {
			case g.key == "commands":
				s.Phases[i].Commands = p.list(g.value)
			case g.key == "finally":
				s.Phases[i].Finally = p.list(g.value)
			case g.key == "on-failure":
				s.Phases[i].OnFailure = p.onFailure(g.value)
			case g.key == "runtime-versions":
				for _, h := range p.fields(g.value) {
					s.Ignored = append(s.Ignored, fmt.Sprintf("runtime-versions: %s %s", h.key, p.text(h.value)))
				}
			case g.key == "run-as":
				s.Ignored = append(s.Ignored, g.value.path+": "+p.text(g.value))
			default:
				p.fail(g.value, "is not known")
			}
		}
	}
}

func (p *parser) onFailure(n node) OnFailure {
	s := strings.ToUpper(p.text(n))
	switch {
	case s == string(Abort), s == string(Continue):
		return OnFailure(s)
	case strings.HasPrefix(s, "RETRY"):
		p.fail(n, "%s: retries of a phase are not supported here; retry in the command, or use ABORT or CONTINUE", s)
	default:
		p.fail(n, "has to be ABORT or CONTINUE, not %q", s)
	}
	return ""
}

var artifactIdentifier = regexp.MustCompile(`^[A-Za-z0-9_]+$`)

func (p *parser) artifacts(n node) *Artifacts {
	a := &Artifacts{}
	for _, f := range p.fields(n) {
		switch {
		case f.key == "secondary-artifacts":
			a.Secondary = map[string]Fileset{}
			for _, g := range p.fields(f.value) {
				if !artifactIdentifier.MatchString(g.key) {
					p.fail(g.value, "identifier must contain only alphanumeric characters and underscores")
				}
				var set Fileset
				for _, h := range p.fields(g.value) {
					p.fileset(&set, h)
				}
				if len(set.Files) == 0 {
					p.fail(g.value, "files are missing")
				}
				a.Secondary[g.key] = set
			}
		case f.key == "name":
			a.Name = p.text(f.value)
		default:
			p.fileset(&a.Fileset, f)
		}
	}
	if len(a.Files) == 0 && len(a.Secondary) == 0 {
		p.fail(n, "files are missing")
	}
	return a
}

func (p *parser) fileset(set *Fileset, f field) {
	switch f.key {
	case "files":
		set.Files = p.list(f.value)
	case "exclude-paths":
		set.Exclude = p.list(f.value)
	case "base-directory":
		set.Base = p.text(f.value)
	case "discard-paths":
		set.Discard = p.yes(f.value)
	case "enable-symlinks":
		set.Symlinks = p.yes(f.value)
	case "name", "s3-prefix":
		p.text(f.value) // CodePipeline says where its artifacts are kept
	default:
		p.fail(f.value, "is not known")
	}
}
