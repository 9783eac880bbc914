package infra_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/sluice-ci/sluice/infra"
)

var update = flag.Bool("update", false, "write the golden files")

// Tests do not run in parallel: all of them speak with one Node process, which
// takes one request at a time. It is started before this function is called,
// with the environment of that moment; so the environment is set and the
// program begins anew.
func TestMain(m *testing.M) {
	if os.Getenv("CDK_VALIDATION") == "" {
		os.Setenv("CDK_VALIDATION", "false") // takes seven seconds; TestLint asks a third party instead
		os.Setenv("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")
		jsii.Close()
		again()
	}
	var err error
	if written, err = os.MkdirTemp("", "sluice-infra-"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(written)
	jsii.Close()
	os.Exit(code)
}

// again replaces this process by a new one of the same program.
func again() {
	program, err := os.Executable()
	if err == nil {
		err = syscall.Exec(program, os.Args, os.Environ())
	}
	fmt.Fprintln(os.Stderr, "begin anew:", err)
	os.Exit(1)
}

// An object is one of JSON.
type object = map[string]any

// A template is one of CloudFormation.
type template struct {
	Resources  map[string]resource
	Outputs    map[string]object
	Parameters map[string]object
}

type resource struct {
	Type                string
	Properties          object
	Metadata            object
	DependsOn           any
	DeletionPolicy      string
	UpdateReplacePolicy string
}

// A synthesis is what the app wrote.
type synthesis struct {
	dir       string
	templates map[string]template // by stack
	raw       map[string][]byte
}

// root is a folder as the app expects it: the policies of our functions, and
// something in the place of their code.
func root(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	policies, err := filepath.Glob("../functions/*/policy.json")
	if err != nil || len(policies) == 0 {
		t.Fatalf("no policy.json below ../functions: %v", err)
	}
	for _, file := range policies {
		name := filepath.Base(filepath.Dir(file))
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "functions", name, "policy.json"), string(text))
		for _, arch := range []string{"arm64", "amd64"} {
			write(t, filepath.Join(dir, "build", arch, name, "bootstrap"), "not a program")
		}
	}
	return dir
}

func write(t testing.TB, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// definitions is a folder with the definitions of the project and those of the
// tests.
func definitions(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, from := range []string{"pipelines", "testdata/pipelines"} {
		if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// context returns a context that is complete, with changes.
func context(pipelines string, changes object) object {
	all := object{
		"sluice:account": "111122223333", "sluice:region": "eu-west-1", "sluice:pipelines": pipelines,
		"sluice:alerts": []any{"ops@example.com"}, "sluice:approvers": "lead@example.com, boss@example.com",
		"sluice:schedules": object{"hello": "cron(0 6 * * ? *)"},
	}
	maps.Copy(all, changes)
	return all
}

// build makes an app and reads what it wrote.
func build(t testing.TB, root string, context object) (synthesis, error) {
	t.Helper()
	app, out := newApp(t, context)
	if err := infra.Build(app, root); err != nil {
		return synthesis{}, err
	}
	app.Synth(nil)
	return read(t, out), nil
}

// newApp returns an app and where it will write.
func newApp(t testing.TB, context object) (awscdk.App, string) {
	t.Helper()
	out, err := os.MkdirTemp(written, "") // outlives the test: others read the shared one
	if err != nil {
		t.Fatal(err)
	}
	return awscdk.NewApp(&awscdk.AppProps{Outdir: &out, Context: &context, TreeMetadata: jsii.Bool(false)}), out
}

// written is the folder of all that apps wrote, gone when the tests are done.
var written string

func read(t testing.TB, dir string) synthesis {
	t.Helper()
	s := synthesis{dir: dir, templates: map[string]template{}, raw: map[string][]byte{}}
	files, err := filepath.Glob(filepath.Join(dir, "*.template.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".template.json")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var one template
		if err := json.Unmarshal(text, &one); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		s.templates[name], s.raw[name] = one, text
	}
	return s
}

// shared is the deployment that most tests look at. It is made once.
var shared sync.Once
var deployment synthesis

func synth(t *testing.T) synthesis {
	t.Helper()
	shared.Do(func() {
		var err error
		if deployment, err = build(t, root(t), context(definitions(t), nil)); err != nil {
			t.Fatal(err)
		}
	})
	if deployment.templates == nil {
		t.Fatal("the deployment could not be made; see the first test that failed")
	}
	return deployment
}

// A found resource knows where it is.
type found struct {
	resource
	stack, id string
}

func (f found) String() string { return f.stack + ": " + f.id + " (" + f.Type + ")" }

// all returns the resources of some types, or of all, in an order that stays.
func (s synthesis) all(types ...string) []found {
	var all []found
	for _, stack := range slices.Sorted(maps.Keys(s.templates)) {
		resources := s.templates[stack].Resources
		for _, id := range slices.Sorted(maps.Keys(resources)) {
			if r := resources[id]; len(types) == 0 || slices.Contains(types, r.Type) {
				all = append(all, found{r, stack, id})
			}
		}
	}
	return all
}

// named returns the resource that a property calls by a name.
func (s synthesis) named(t *testing.T, kind, property, name string) found {
	t.Helper()
	for _, r := range s.all(kind) {
		if r.Properties[property] == name {
			return r
		}
	}
	t.Fatalf("there is no %s with %s %s", kind, property, name)
	return found{}
}

// at follows a path of keys and returns what is there, or nil.
func at(v any, path ...string) any {
	for _, key := range path {
		o, ok := v.(object)
		if !ok {
			return nil
		}
		v = o[key]
	}
	return v
}

// list returns v as a list; one value is a list of it.
func list(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{v}
}

// text returns a text as it is, nothing as "", and anything else as JSON.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	b, _ := json.Marshal(v)
	return string(b)
}
