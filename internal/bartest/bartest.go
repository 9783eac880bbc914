// Package bartest is how a test tells of a bar: a claim about the whole that is
// proven by numbers. Tests of bars have a short form, which runs with all
// others, and a long one, which `make prove` runs; docs/proof.md has the list.
package bartest

import (
	"fmt"
	"os"
	"testing"
)

// Proving reports whether the long form is to run.
func Proving() bool { return os.Getenv("SLUICE_PROVE") != "" }

// Report prints the line of a bar if the long form runs: whether it holds, as
// far as t knows, and its numbers, written as key=value. A bar that printed no
// line has failed.
func Report(t testing.TB, name, format string, args ...any) {
	t.Helper()
	if Proving() {
		fmt.Printf("BAR %s pass=%v %s\n", name, !t.Failed(), fmt.Sprintf(format, args...))
	}
}
