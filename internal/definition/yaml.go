package definition

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// parseYAML returns the one document in data. It reads the nodes of the YAML
// library rather than Go values: nodes know their place, and an alias in them
// is not expanded, so a small file cannot become a large value.
func parseYAML(file string, data []byte) (*node, Errors) {
	doc, err := firstDocument(data)
	if err != nil {
		return nil, Errors{syntaxError(file, err)}
	}
	p := &yamlParser{file: file}
	root := p.node(doc, 0)
	return root, p.errs
}

var errDocuments = errors.New("yaml: the file holds more than one document")

func firstDocument(data []byte) (doc *yaml.Node, err error) {
	// A panic of the library on strange input is a syntax error to us.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("yaml: %v", r)
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var root, more yaml.Node
	if err := dec.Decode(&root); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if err := dec.Decode(&more); err == nil {
		return nil, errDocuments
	} else if !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(root.Content) == 0 {
		return nil, errors.New("yaml: the file holds no value")
	}
	return root.Content[0], nil
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// syntaxError takes the line out of an error of the library, which knows no
// column.
func syntaxError(file string, err error) Error {
	e := Error{File: file, Line: 1, Column: 1, Message: "YAML: " + err.Error(), Fix: "correct the syntax"}
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		e.Message = "YAML: " + m[2]
		if line, err := strconv.Atoi(m[1]); err == nil && line > 0 {
			e.Line = line
		}
	}
	if errors.Is(err, errDocuments) {
		e.Fix = "write one pipeline to a file"
	}
	return e
}

type yamlParser struct {
	file string
	errs Errors
}

func (p *yamlParser) fail(at position, message, fix string) {
	p.errs = append(p.errs, Error{File: p.file, Line: at.line, Column: at.column, Message: message, Fix: fix})
}

func (p *yamlParser) node(y *yaml.Node, depth int) *node {
	n := &node{pos: position{y.Line, y.Column}}
	if y.Kind == yaml.AliasNode || y.Anchor != "" {
		p.fail(n.pos, "anchors and aliases are not supported", "write the value out where it is used")
		return n
	}
	if y.Kind != yaml.ScalarNode && depth >= maxDepth {
		p.errs = append(p.errs, tooDeep(p.file, n.pos))
		return n
	}
	switch tag := y.ShortTag(); {
	case strings.HasPrefix(tag, "!") && !strings.HasPrefix(tag, "!!"):
		p.fail(n.pos, fmt.Sprintf("%s is a function of CloudFormation templates; a definition holds values", tag), "write the value it stands for")
	case y.Kind == yaml.MappingNode:
		p.object(n, y, depth)
	case y.Kind == yaml.SequenceNode:
		n.kind = list
		for _, item := range y.Content {
			n.items = append(n.items, p.node(item, depth+1))
		}
	default:
		p.scalar(n, y, tag)
	}
	return n
}

func (p *yamlParser) object(n *node, y *yaml.Node, depth int) {
	n.kind = object
	seen := map[string]position{}
	for i := 0; i+1 < len(y.Content); i += 2 {
		key, at := y.Content[i], position{y.Content[i].Line, y.Content[i].Column}
		value := p.node(y.Content[i+1], depth+1)
		if key.Kind != yaml.ScalarNode || key.Anchor != "" {
			p.fail(at, "a key is not plain text", "quote values that begin with { or [ or & or *")
			continue
		}
		if first, twice := seen[key.Value]; twice {
			p.errs = append(p.errs, duplicate(p.file, key.Value, first, at))
			continue
		}
		seen[key.Value] = at
		n.fields = append(n.fields, field{key.Value, at, value})
	}
}

func (p *yamlParser) scalar(n *node, y *yaml.Node, tag string) {
	n.text = y.Value
	switch tag {
	case "!!str", "!!timestamp":
		n.kind = text
	case "!!int", "!!float":
		n.kind = number
	case "!!bool":
		n.kind, n.text = boolean, strings.ToLower(y.Value)
	case "!!null":
		n.kind, n.text = null, ""
	default:
		p.fail(n.pos, fmt.Sprintf("tag %s is not supported", tag), "write plain text")
	}
}
