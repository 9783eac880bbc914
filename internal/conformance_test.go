package internal

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// letters are the short names that docs/conformance.md gives to packages.
var letters = map[string]string{
	"O": "internal/orchestrator", "S": "internal/stage", "P": "internal/pipeline", "C": "internal/codepipeline",
	"T": "internal/trigger", "E": "internal/e2e",
}

var (
	// mention is a package or a test, in the order in which they are written:
	// a test is in the package that was named last before it.
	mention = regexp.MustCompile("`([a-z][a-z0-9/]*)`|(?:^|[ (])([A-Z])((?:/[a-z]+)*)(?:[ ,;:)]|$)|\\b(Test[A-Z]\\w*)(?:/([a-z][\\w ,-]*))?")
	// declared is a test function, and quoted the name of a part of one: in a
	// call of Run, at the beginning of a line or of a struct of a table.
	declared = regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	quoted   = regexp.MustCompile(`(?m)(?:\bRun\(|^\t+\{?)"([a-z][^"\\]+)"`)
)

// TestConformance reads docs/conformance.md and wants every test that it names
// to be there, in the package that it says, so that the tables do not rot. A
// test without a package is one of the whole: of internal/e2e or below. What is
// behind a slash is part of the test, by its name in the test's package.
func TestConformance(t *testing.T) {
	text, err := os.ReadFile("../docs/conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	tests, named := index{}, 0
	for _, piece := range pieces(string(text)) {
		in := ""
		for _, m := range mention.FindAllStringSubmatch(piece, -1) {
			switch dir, letter, test, part := m[1], m[2], m[4], m[5]; {
			case test != "":
				named++
				if !tests.show(in, test, part) {
					t.Errorf("docs/conformance.md names %s in %q; there is no such test", strings.TrimSuffix(test+"/"+part, "/"), in)
				}
			case dir != "" && folder(dir) != "":
				in = folder(dir)
			case letters[letter] != "":
				in = letters[letter] + m[3]
			}
		}
	}
	if named < 200 {
		t.Errorf("%d tests are named; the pattern does not find them any more", named)
	}
	if !tests.show("internal/stage", "TestFIFO", "") || tests.show("internal/stage", "TestGates", "") || tests.show("", "TestNowhere", "") || tests.show("", "TestShop", "unheard of") {
		t.Error("what is there and what is not cannot be told apart")
	}
}

// pieces takes a document apart: cells of tables, and paragraphs.
func pieces(text string) []string {
	var all []string
	for _, block := range strings.Split(text, "\n\n") {
		if !strings.Contains(block, "\n|") && !strings.HasPrefix(block, "|") {
			all = append(all, strings.ReplaceAll(block, "\n", " "))
			continue
		}
		for _, line := range strings.Split(block, "\n") {
			all = append(all, strings.Split(line, "|")...)
		}
	}
	return all
}

// folder returns the path of a package that is named without "internal/", or
// with it; "" if there is none.
func folder(name string) string {
	for _, p := range []string{name, "internal/" + name} {
		if info, err := os.Stat(filepath.Join("..", p)); err == nil && info.IsDir() {
			return p
		}
	}
	return ""
}

// An index has what the test files of packages declare, by the package's path.
type index map[string]*declarations

// declarations are the tests of a package and the names of parts of them.
type declarations struct{ tests, parts []string }

// of reads the tests of a package; those of all below E for no package and E.
func (x index) of(in string) *declarations {
	if d := x[in]; d != nil {
		return d
	}
	patterns := []string{"../" + in + "/*_test.go"}
	if in == "" || in == letters["E"] {
		patterns = []string{"e2e/*_test.go", "e2e/*/*_test.go"}
	}
	d := new(declarations)
	x[in] = d
	for _, p := range patterns {
		files, _ := filepath.Glob(p) // the pattern is lawful
		folders, _ := filepath.Glob(filepath.Join(filepath.Dir(p), "*", ""))
		for _, folder := range folders { // each may be a case
			d.parts = append(d.parts, filepath.Base(folder))
		}
		for _, file := range files {
			b, _ := os.ReadFile(file) // what cannot be read declares nothing
			for _, m := range declared.FindAllSubmatch(b, -1) {
				d.tests = append(d.tests, string(m[1]))
			}
			for _, m := range quoted.FindAllSubmatch(b, -1) {
				d.parts = append(d.parts, string(m[1]))
			}
		}
	}
	return d
}

// show reports whether a package has a test, and the test such a part.
func (x index) show(in, test, part string) bool {
	d := x.of(in)
	named := func(s string) bool {
		return s == part || strings.HasPrefix(part, s+" ") || strings.HasPrefix(part, s+",")
	}
	return slices.Contains(d.tests, test) && (part == "" || slices.ContainsFunc(d.parts, named))
}
