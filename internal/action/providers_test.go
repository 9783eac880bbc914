package action_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

// waiting are the providers that the contract cannot run on, and why.
var waiting = map[string]string{
	"approval.New":         "its jobs end by somebody's answer, which is the orchestrator's",
	"aws/alarm.New":        "a rule looks at something; it begins no work that could be done twice, lost or stopped",
	"deploymentwindow.New": "the same",
	"variablecheck.New":    "the same",
}

// TestEveryProvider holds that every constructor of a provider, in this folder
// and below, is what a test gives to actiontest.Run: that one can be reached
// from the function with the call, by the names that are used on the way.
func TestEveryProvider(t *testing.T) {
	folders := packages(t)
	found := 0
	for _, folder := range slices.Sorted(maps.Keys(folders)) {
		p := folders[folder]
		used := p.underContract()
		for _, constructor := range p.constructors() {
			found++
			name := folder + "." + constructor
			_, excused := waiting[name]
			if used[constructor] == excused {
				t.Errorf("%s: under contract %v, excused %v; a provider's tests run actiontest.Run on what it returns, or this test says why not", name, used[constructor], excused)
			}
		}
	}
	if found < 15 {
		t.Errorf("only %d providers were found", found)
	}
}

// A code is what a folder holds, by the names of its declarations.
type code struct {
	own, tests map[string][]ast.Node
	provider   bool // whether its type Provider is declared to be one
}

// packages reads all folders but those that serve tests only.
func packages(t *testing.T) map[string]*code {
	t.Helper()
	all := map[string]*code{}
	err := fs.WalkDir(os.DirFS("."), ".", func(file string, d fs.DirEntry, err error) error {
		folder := path.Dir(file)
		if err != nil || !strings.HasSuffix(file, ".go") || folder == "." || strings.HasSuffix(folder, "test") {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			return err
		}
		if all[folder] == nil {
			all[folder] = &code{own: map[string][]ast.Node{}, tests: map[string][]ast.Node{}}
		}
		all[folder].add(parsed, strings.HasSuffix(file, "_test.go"))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// add adds the declarations of a file.
func (c *code) add(file *ast.File, test bool) {
	into := c.own
	if test {
		into = c.tests
	}
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			into[d.Name.Name] = append(into[d.Name.Name], d)
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				v, ok := spec.(*ast.ValueSpec)
				if !ok {
					continue
				}
				c.provider = c.provider || v.Type != nil && text(v.Type) == "action.Provider"
				for _, name := range v.Names {
					into[name.Name] = append(into[name.Name], v)
				}
			}
		}
	}
}

// constructors returns the exported functions that return a provider.
func (c *code) constructors() []string {
	var names []string
	for name, decls := range c.own {
		f, ok := decls[0].(*ast.FuncDecl)
		if !ok || f.Recv != nil || f.Type.Results == nil || !strings.HasPrefix(name, "New") {
			continue
		}
		result := text(f.Type.Results.List[0].Type)
		if result == "action.Provider" || result == "*Provider" && c.provider {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// underContract returns the names that are used by the tests that come to
// call actiontest.Run, and by whatever they use.
func (c *code) underContract() map[string]bool {
	all := map[string]bool{}
	for name, decls := range c.tests {
		if !strings.HasPrefix(name, "Test") {
			continue
		}
		if used := c.uses(decls[0]); used["actiontest.Run"] {
			maps.Copy(all, used)
		}
	}
	return all
}

// uses returns the names that a declaration uses, itself or through others of
// the tests.
func (c *code) uses(decl ast.Node) map[string]bool {
	used := map[string]bool{}
	var walk func(n ast.Node) bool
	walk = func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			used[text(n)] = true
		case *ast.Ident:
			if !used[n.Name] {
				used[n.Name] = true
				for _, d := range c.tests[n.Name] {
					ast.Inspect(d, walk)
				}
			}
		}
		return true
	}
	ast.Inspect(decl, walk)
	return used
}

// text writes a type as it is written: x.Y or *Y.
func text(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.StarExpr:
		return "*" + text(e.X)
	case *ast.SelectorExpr:
		return text(e.X) + "." + e.Sel.Name
	}
	return ""
}
