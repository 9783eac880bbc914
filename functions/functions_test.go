// Package functions_test holds what is true of every function.
package functions_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// folders returns the names of all functions.
func folders(t *testing.T) []string {
	t.Helper()
	mains, err := filepath.Glob("*/main.go")
	if err != nil || len(mains) == 0 {
		t.Fatalf("no functions found: %v", err)
	}
	var names []string
	for _, main := range mains {
		names = append(names, filepath.Dir(main))
	}
	return names
}

// A function has its main, its handler, a test and a policy, and nothing else.
func TestFiles(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"handler.go", "handler_test.go", "main.go", "policy.json"}
	for _, dir := range entries {
		if !dir.IsDir() {
			continue
		}
		files, err := os.ReadDir(dir.Name())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range files {
			got = append(got, f.Name())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s has %v; want %v", dir.Name(), got, want)
		}
	}
}

// Every function is called twice, and three times at once, with one event: its
// own test hands its real handler to cloudtest.OneEffect. A command cannot be
// imported, so this test reads theirs; go test runs them.
func TestOneEffectEverywhere(t *testing.T) {
	for _, name := range folders(t) {
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(name, "handler_test.go"), nil, 0)
		if err != nil {
			t.Error(err)
			continue
		}
		tests, handles := false, false
		for _, d := range f.Decls {
			test, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if test.Name.Name == "TestOneEffect" {
				tests = calls(test, "OneEffect")
			}
			handles = handles || calls(test, "handler") || calls(test, "handle")
		}
		if !tests || !handles {
			t.Errorf("%s: TestOneEffect has to call cloudtest.OneEffect with the real handler: found OneEffect %v, handler %v", name, tests, handles)
		}
	}
}

// calls reports whether f calls a function or method of that name.
func calls(f *ast.FuncDecl, name string) bool {
	found := false
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		switch fun := call.Fun.(type) {
		case *ast.Ident:
			found = found || fun.Name == name
		case *ast.SelectorExpr:
			found = found || fun.Sel.Name == name
		}
		return true
	})
	return found
}

// A policy is what policy.json of a function says.
type policy struct {
	Statements []struct {
		Actions, On []string
		Why         string
	}
	Environment              []string
	Memory, Storage, Timeout int
}

func policyOf(t *testing.T, name string) policy {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(name, "policy.json"))
	if err != nil {
		t.Fatal(err)
	}
	var p policy
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		t.Fatalf("%s/policy.json: %v", name, err)
	}
	return p
}

// Nobody may do everything, only those who run actions may take roles, and only
// the outbox talks to machines, the bus, topics and the queue.
func TestPolicies(t *testing.T) {
	action := regexp.MustCompile(`^[a-z0-9]+:[A-Z][A-Za-z]+$`)
	only := map[string][]string{
		"sts:": {"build", "deploy", "invoke", "resume", "source"},
		"s3:":  {"build", "deploy", "invoke", "register", "resume", "source"},
	}
	for _, service := range []string{"states:", "events:", "sns:", "sqs:"} {
		only[service] = []string{"outbox"}
	}
	for _, service := range []string{"secretsmanager:", "ssm:"} {
		only[service] = []string{"resume", "source"}
	}
	for _, name := range folders(t) {
		for _, s := range policyOf(t, name).Statements {
			if slices.Contains(s.On, "any") {
				t.Errorf("%s may do %v to anything", name, s.Actions)
			}
			for _, a := range s.Actions {
				service := a[:strings.IndexByte(a, ':')+1]
				who, limited := only[service]
				if !action.MatchString(a) || limited && !slices.Contains(who, name) || !limited && service != "dynamodb:" && service != "kms:" {
					t.Errorf("%s may do %s, which is for %v", name, a, who)
				}
			}
		}
	}
}
