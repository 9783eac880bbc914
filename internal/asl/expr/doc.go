// Package expr is the part of Amazon States Language that stands inside
// strings: JSONPath, payload templates and intrinsic functions.
//
// Everything is parsed once, when a machine is loaded, and works on JSON text:
// values are cut out of documents and put into documents without being decoded,
// so that numbers keep their digits and a path costs no allocation. Documents
// are compact and valid; [Compact] makes them so at the edge.
//
// Filters, scripts, unions and the other intrinsic functions of Step Functions
// are not here. They are refused when they are parsed, by name.
package expr

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// Limit is how many bytes the data of one state may have. Step Functions
// counts 262,144 too.
const Limit = 262144

// An Error is a failure with the name that a Retry or Catch acts on.
type Error struct {
	Name  string // States.Runtime, States.IntrinsicFailure ...
	Cause string
}

func (e *Error) Error() string { return e.Name + ": " + e.Cause }

// The names of errors of this package.
const (
	Runtime           = "States.Runtime"
	IntrinsicFailure  = "States.IntrinsicFailure"
	ResultPathFailure = "States.ResultPathMatchFailure"
	DataLimitExceeded = "States.DataLimitExceeded"
)

func fail(name, format string, args ...any) error {
	return &Error{Name: name, Cause: fmt.Sprintf(format, args...)}
}

func tooLarge() error { return fail(DataLimitExceeded, "the data of a state is over %d bytes", Limit) }

// An Env is what expressions are evaluated on.
type Env struct {
	Input []byte // what $ stands for
	Scope Scope
}

// A Scope supplies what is not in the input. It is asked only if an expression
// needs it, and what it tells is used before it is asked again.
type Scope interface {
	Context() []byte                           // what $$ stands for
	Field(section, name string) ([]byte, bool) // what $$.section.name stands for
	UUID() string                              // a new one for each call
}

// Compact returns text without white space if it is one JSON value in at most
// Limit bytes.
func Compact(text []byte) ([]byte, error) {
	if !utf8.Valid(text) {
		text = bytes.ToValidUTF8(text, []byte("\uFFFD"))
	}
	buf := bytes.NewBuffer(make([]byte, 0, len(text)))
	if err := json.Compact(buf, text); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if buf.Len() > Limit {
		return nil, tooLarge()
	}
	return buf.Bytes(), nil
}
