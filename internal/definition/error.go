package definition

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

// An Error is one thing wrong with a file.
type Error struct {
	File    string
	Line    int // from 1; 0 when it is about the whole file
	Column  int
	Code    pipeline.Code // the API's exception for it
	Path    string        // as in stages[0].actions[1].name
	Value   string        // what was found there
	Message string
	Fix     string // what to write instead
}

// Bounds of a report: how much of a value an error quotes, and how many errors
// of one file are told apart.
const (
	longestValue = 60
	mostErrors   = 100
)

// Error returns e on one line: file:line:col: path: message (value "x"); fix.
func (e Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Column)
	}
	if e.Path != "" {
		b.WriteString(": " + e.Path)
	}
	b.WriteString(": " + strings.ReplaceAll(e.Message, "\n", " "))
	if value := []rune(e.Value); len(value) > longestValue {
		fmt.Fprintf(&b, " (value %q...)", string(value[:longestValue]))
	} else if len(value) > 0 {
		fmt.Fprintf(&b, " (value %q)", e.Value)
	}
	if e.Fix != "" {
		b.WriteString("; " + e.Fix)
	}
	return b.String()
}

// Errors is everything wrong with one file or folder, by line.
type Errors []Error

// Error returns one line for each error.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i := range e {
		lines[i] = e[i].Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives e the code of its first error, so that [pipeline.CodeOf] knows
// a refused file from a failure of ours.
func (e Errors) Unwrap() error {
	if len(e) == 0 {
		return nil
	}
	return pipeline.Errorf(cmp.Or(e[0].Code, pipeline.Validation), "%s", e[0].Message)
}

// report returns e as the answer about one file: in order, and of a length
// that somebody can read.
func (e Errors) report() Errors {
	e.sort()
	if more := len(e) - mostErrors; more > 0 {
		e = append(e[:mostErrors:mostErrors], Error{File: e[0].File, Message: fmt.Sprintf("%d more errors", more), Fix: "correct these first"})
	}
	return e
}

// sort puts e in the order of the file. Errors of one place keep theirs.
func (e Errors) sort() {
	slices.SortStableFunc(e, func(a, b Error) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}
