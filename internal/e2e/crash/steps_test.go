package crash_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/bus"
	"github.com/sluice-ci/sluice/internal/machine"
)

// unreached are calls that are no steps, and why.
var unreached = map[string]string{
	"store answerJob":  "no function is invoked on a laptop",
	"store expire":     "an action has five minutes at least",
	"machine Describe": "it changes nothing",

	"Test/CodeBuild":                  "the provider of Build/CodeBuild",
	"Build/Commands":                  "the provider of Compute/Commands",
	"Source/CodeStarSourceConnection": "the provider of Source/CodeCommit",
	"Source/GitHub":                   "the provider of Source/CodeCommit",

	"Source/CodeCommit Poll": "its work is done whole by Start", "Source/CodeCommit Stop": "as Poll",
	"Source/S3 Poll": "its work is done whole by Start", "Source/S3 Stop": "as Poll",
	"Deploy/S3 Poll": "its work is done whole by Start", "Deploy/S3 Stop": "as Poll",
	"Approval/Manual Poll": "people tell the end", "Approval/Manual Stop": "nothing runs",
	"Rule/VariableCheck Poll": "its work is done whole by Start", "Rule/VariableCheck Stop": "as Poll",
	"Rule/DeploymentWindow Stop": "nothing runs",
}

// durable are calls, by package, that have to be within a step.
var durable = map[string][]string{
	"engine":            {"e.journal.Append", "e.journal.Checkpoint", "e.journal.SetText"},
	"sqlite":            {"db.mark.raise", "db.mark.reset", "syncData"},
	"blob/dir":          {"s.root.Link", "f.Sync", "s.syncFolder"},
	"action/background": {"r.jobs.add"},
	"process":           {"forkExec"},
}

// TestEveryStepIsKnown reads the sources: every write of the use cases, every
// method of a port that has an effect, and every step that a package names is
// in the list of steps, and nothing else is.
func TestEveryStepIsKnown(t *testing.T) {
	found := map[string]bool{}
	for _, port := range []struct {
		name string
		of   reflect.Type
	}{{"machine", reflect.TypeFor[machine.Machine]()}, {"bus", reflect.TypeFor[bus.Bus]()}} {
		for i := range port.of.NumMethod() {
			found[port.name+" "+port.of.Method(i).Name] = true
		}
	}
	for _, kind := range kinds(t) {
		for _, method := range []string{"Start", "Poll", "Stop"} {
			if unreached[kind] == "" {
				found[kind+" "+method] = true
			}
		}
	}
	for _, dir := range []string{"orchestrator", "local"} {
		for _, f := range functions(t, dir) {
			if f.Name.Name != "change" && f.Name.Name != "write" && writes(f) {
				found["store "+f.Name.Name] = true
			}
		}
	}
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		dir, _ := filepath.Rel("../..", path)
		if dir == "e2e" || dir == "failpoint" || d.Name() == "testdata" {
			return fs.SkipDir
		}
		for _, name := range named(functions(t, dir)) {
			found[name] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range found {
		if unreached[name] == "" && !slices.Contains(steps, name) {
			t.Errorf("%q is a step, and not in the list of steps: nothing makes it fail", name)
		}
	}
	for _, name := range steps {
		if !found[name] {
			t.Errorf("%q is in the list of steps, and nothing in the sources is called so", name)
		}
	}
	if len(steps) < 40 || len(slices.Compact(slices.Sorted(slices.Values(steps)))) != len(steps) {
		t.Errorf("%d steps, some of them perhaps twice; want 40 at least", len(steps))
	}
}

// TestDurableCallsAreSteps: who writes to the disk without a step is found.
func TestDurableCallsAreSteps(t *testing.T) {
	for _, dir := range slices.Sorted(maps.Keys(durable)) {
		seen := map[string]bool{}
		for _, f := range functions(t, dir) {
			inside := map[ast.Node]bool{}
			ast.Inspect(f, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				name := dotted(call.Fun)
				if strings.HasPrefix(name, "failpoint.") {
					ast.Inspect(call, func(n ast.Node) bool { inside[n] = true; return true })
				}
				if slices.Contains(durable[dir], name) {
					seen[name] = true
					if !inside[call] {
						t.Errorf("%s calls %s outside of a step", f.Name.Name, name)
					}
				}
				return true
			})
		}
		for _, name := range durable[dir] {
			if !seen[name] {
				t.Errorf("package %s does not call %s any more", dir, name)
			}
		}
	}
}

// TestProductHasNoFailpoints looks into the program for what only failpoints
// have.
func TestProductHasNoFailpoints(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "sluice")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "../../../cmd/sluice").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	text, err := os.ReadFile(bin)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"SLUICE_FAILPOINTS", "sqlite mark reset", "engine checkpoint", "engine begin", "deploy rename"} {
		if strings.Contains(string(text), word) {
			t.Errorf("the program has %q", word)
		}
	}
}

// functions parses the functions of a package of this module.
func functions(t *testing.T, dir string) []*ast.FuncDecl {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../..", dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var all []*ast.FuncDecl
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil {
				all = append(all, f)
			}
		}
	}
	return all
}

// writes reports whether f makes a change or writes to a store.
func writes(f *ast.FuncDecl) bool {
	found := false
	ast.Inspect(f.Body, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			name := strings.ToLower(dotted(call.Fun))
			found = found || name == "s.change" && len(call.Args) == 2 || strings.HasSuffix(name, ".store.write")
		}
		return true
	})
	return found
}

// named returns the names of the steps in functions of a package.
func named(all []*ast.FuncDecl) []string {
	var names []string
	for _, f := range all {
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			switch dotted(call.Fun) {
			case "failpoint.Step":
				names = append(names, literals(call.Args[0])...)
			case "failpoint.Named":
				method := call.Args[0].(*ast.SelectorExpr).Sel.Name
				for _, g := range all {
					if g.Name.Name == method {
						names = append(names, literals(g)...)
					}
				}
			}
			return true
		})
	}
	return names
}

// literals returns the texts in n that are not empty.
func literals(n ast.Node) []string {
	var texts []string
	ast.Inspect(n, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if text, _ := strconv.Unquote(lit.Value); text != "" {
				texts = append(texts, text)
			}
		}
		return true
	})
	return texts
}

// dotted spells an expression of names.
func dotted(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return dotted(e.X) + "." + e.Sel.Name
	}
	return ""
}

// kinds lists the action types that run on a laptop, as category/provider.
func kinds(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../local/catalog.go")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, m := range regexp.MustCompile(`\{pipeline\.(\w+), "(\w+)"\}:`).FindAllStringSubmatch(string(text), -1) {
		all[strings.TrimSuffix(m[1], "Category")+"/"+m[2]] = true
	}
	if len(all) < 10 {
		t.Fatalf("only %v run here", all)
	}
	return slices.Sorted(maps.Keys(all))
}
