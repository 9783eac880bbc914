// Package internal holds everything that the programs share. This test is its
// architecture.
package internal

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/sluice-ci/sluice/"

// allowed says which parts of this module each part may import. It is the
// architecture: a line added here is a decision, so the commit says why.
// "x/..." allows x and what is below it. A part that is not listed fails.
var allowed = map[string]string{
	// The domain: values and pure functions.
	"events":              "",
	"internal/pipeline":   "",
	"internal/asl":        "",
	"internal/asl/expr":   "",
	"internal/stage":      "internal/pipeline",
	"internal/trigger":    "internal/action internal/pipeline",
	"internal/definition": "internal/pipeline",
	"internal/compile":    "internal/asl internal/pipeline",
	"internal/mapping":    "internal/pipeline",
	"internal/archive":    "",
	"internal/buildspec":  "internal/process",
	"internal/git":        "",
	"internal/window":     "",
	"internal/failpoint":  "",

	// Ports and their adapters.
	"internal/store":        "",
	"internal/store/memory": "internal/store",
	"internal/store/sqlite": "internal/store internal/sqlite",
	"internal/store/dynamo": "internal/store",
	"internal/blob":         "",
	"internal/blob/dir":     "internal/blob internal/failpoint",
	"internal/blob/s3":      "internal/blob",
	"internal/bus":          "",
	"internal/bus/mailbox":  "internal/bus internal/store",
	"internal/bus/aws":      "internal/bus",
	"internal/secret":       "",
	"internal/secret/file":  "internal/secret",
	"internal/secret/aws":   "internal/secret",
	"internal/machine":      "",
	"internal/machine/sfn":  "internal/machine",
	"internal/config":       "",
	"internal/action":       "internal/blob internal/pipeline",
	"internal/sqlite":       "internal/failpoint",
	"internal/process":      "internal/failpoint",
	"internal/engine":       "internal/asl internal/asl/expr internal/failpoint internal/machine internal/sqlite",
	"internal/action/...":   "internal/action/... internal/archive internal/blob internal/buildspec internal/failpoint internal/git internal/mapping internal/pipeline internal/process internal/secret internal/window",
	// What is known of a function that was invoked is a record: its answer comes
	// through the API.
	"internal/action/aws/lambda": "internal/action/... internal/action internal/blob internal/pipeline internal/record internal/store",
	"internal/watch":             "internal/git internal/mapping internal/trigger",

	// Use cases, and what faces the outside.
	"internal/record":              "internal/action internal/blob internal/bus internal/pipeline internal/stage internal/store",
	"internal/orchestrator":        "events internal/action internal/blob internal/bus internal/compile internal/machine internal/pipeline internal/record internal/stage internal/store internal/trigger",
	"internal/codepipeline":        "internal/action internal/orchestrator internal/pipeline internal/record internal/stage internal/store",
	"internal/codepipeline/client": "internal/pipeline",
	"internal/hook":                "internal/orchestrator",

	// An account's assembly may import what it wires, and so may the functions.
	// What their mains share knows no use case.
	"internal/entry":     "events internal/config",
	"internal/connect":   "",
	"internal/cloud/...": "*",
	"internal/cloud":     "*",
	"functions/...":      "*",

	// The CDK app knows what a definition means, and nothing of how it runs.
	"infra":     "internal/action/aws/grant internal/compile internal/definition internal/pipeline",
	"infra/app": "infra",

	// The laptop's assembly may import what it wires; the program uses it.
	"internal/local": "*",
	"internal/demo":  "internal/git",
	"internal/cli":   "*",
	"cmd/sluice":     "internal/cli",

	// Tests only.
	"internal/cost": "",
}

// knowAWS lists the parts that may import the AWS SDK: adapters.
const knowAWS = "functions/... infra infra/... internal/action/aws/... internal/blob/s3 internal/cloud internal/cloud/... internal/connect internal/entry internal/bus/aws internal/machine/sfn internal/secret/aws internal/store/dynamo"

// TestImports reads the sources itself. Asking go list would be shorter, but
// go test caches a result without looking at what a child process read.
func TestImports(t *testing.T) {
	root := os.DirFS("..")
	err := fs.WalkDir(root, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == "testdata" || strings.HasPrefix(entry.Name(), ".") && file != ".") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") || onlyForTests(path.Dir(file)) {
			return nil
		}
		rule, ok := ruleFor(path.Dir(file))
		if !ok {
			t.Errorf("%s: its folder is not part of the architecture; list it in internal/imports_test.go", file)
			return nil
		}
		for _, imp := range imports(t, root, file) {
			rest, ours := strings.CutPrefix(imp, module)
			if ours && rule != "*" && !permits(rule, rest) {
				t.Errorf("%s imports %s", file, rest)
			}
			if strings.HasPrefix(imp, "github.com/aws/") && !permits(knowAWS, path.Dir(file)) {
				t.Errorf("%s imports %s; only adapters, functions and infra may know AWS", file, imp)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// onlyForTests reports whether a folder serves tests only: contract suites and
// fixtures may import what they test.
func onlyForTests(dir string) bool {
	return strings.HasSuffix(dir, "test") || dir == "internal/e2e" || strings.HasPrefix(dir, "internal/e2e/")
}

func ruleFor(dir string) (string, bool) {
	if rule, ok := allowed[dir]; ok {
		return rule, true
	}
	for parent := path.Dir(dir); parent != "."; parent = path.Dir(parent) {
		if rule, ok := allowed[parent+"/..."]; ok {
			return rule, true
		}
	}
	return "", false
}

func permits(rule, imp string) bool {
	return slices.ContainsFunc(strings.Fields(rule), func(r string) bool {
		base, below := strings.CutSuffix(r, "/...")
		return imp == base || below && strings.HasPrefix(imp, base+"/")
	})
}

func imports(t *testing.T, root fs.FS, file string) []string {
	t.Helper()
	src, err := fs.ReadFile(root, file)
	if err != nil {
		t.Fatal(err)
	}
	f, err := parser.ParseFile(token.NewFileSet(), file, src, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, spec := range f.Imports {
		imp, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, imp)
	}
	return all
}
