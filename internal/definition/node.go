package definition

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Bounds of a file. The depth is checked before anything is built, so a file
// cannot make the reader use much more than its own size.
const (
	maxSize  = 10 << 20
	maxDepth = 64
)

type kind int

const (
	null kind = iota
	text
	number
	boolean
	list
	object
)

// String returns k in the words of an error.
func (k kind) String() string {
	return [...]string{"null", "text", "a number", "true or false", "a list", "a map"}[k]
}

// A position is a place in a file, both numbers from 1.
type position struct{ line, column int }

// A node is one value of a file, whatever the syntax of the file was.
type node struct {
	kind   kind
	text   string // of a scalar, as it is written
	pos    position
	items  []*node
	fields []field
}

// A field is one entry of an object, in the order of the file.
type field struct {
	key   string
	pos   position
	value *node
}

func (n *node) field(key string) *field {
	for i := range n.fields {
		if n.fields[i].key == key {
			return &n.fields[i]
		}
	}
	return nil
}

// parse reads data as JSON when it says so by its first character or the name
// of the file, and else as YAML.
func parse(file string, data []byte) (*node, Errors) {
	data = []byte(strings.TrimPrefix(string(data), "\ufeff"))
	switch {
	case !utf8.Valid(data):
		return nil, Errors{{File: file, Message: "the file is not UTF-8 text", Fix: "save it as UTF-8"}}
	case strings.TrimSpace(string(data)) == "":
		return nil, Errors{{File: file, Message: "the file is empty", Fix: "write a pipeline"}}
	}
	isYAML := strings.HasSuffix(file, ".yaml") || strings.HasSuffix(file, ".yml")
	if !isYAML && (strings.HasSuffix(file, ".json") || strings.TrimSpace(string(data))[0] == '{') {
		return parseJSON(file, data)
	}
	return parseYAML(file, data)
}

// duplicate reports the second appearance of key in an object.
func duplicate(file, key string, first, second position) Error {
	return Error{File: file, Line: second.line, Column: second.column,
		Message: fmt.Sprintf("key %q is used twice, first in line %d", key, first.line), Fix: "keep one of the two"}
}

// tooDeep reports a value nested too far.
func tooDeep(file string, p position) Error {
	return Error{File: file, Line: p.line, Column: p.column,
		Message: fmt.Sprintf("values are nested more than %d deep", maxDepth), Fix: "a pipeline needs about 10"}
}
