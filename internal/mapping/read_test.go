package mapping_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/mapping"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// folder makes a folder with the folders and empty files a mapping may name,
// and the mapping itself.
func folder(t *testing.T, text string) (dir, file string) {
	t.Helper()
	dir = t.TempDir()
	for _, d := range []string{"web", "lib", "out", "home/src"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	file = filepath.Join(dir, mapping.File)
	write(t, file, text, 0o644)
	write(t, filepath.Join(dir, "secrets.env"), "", 0o600)
	write(t, filepath.Join(dir, "open.env"), "", 0o644)
	t.Setenv("HOME", filepath.Join(dir, "home"))
	return dir, file
}

func write(t *testing.T, file, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func TestRead(t *testing.T) {
	dir, file := folder(t, `
repositories:
  web: web
  acme/lib: {path: ./lib}
  home: ~/src
buckets:
  site: out
projects:
  build:
    buildspec: |
      version: 0.2
    environment: &env {PORT: 8080, FLAG: yes, EMPTY: }
    variables:
      - {name: KEY, value: key, type: SECRETS_MANAGER}
      - {name: PLAIN, value: 007}
    image: aws/codebuild/standard:7.0
    cache: [node_modules]
    timeoutInMinutes: 5
  test: {environment: *env}
  bare:
secrets: secrets.env
`)
	got, err := mapping.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"PORT": "8080", "FLAG": "yes", "EMPTY": ""}
	want := mapping.Mapping{
		Repositories: map[string]mapping.Repository{
			"web":      {Path: filepath.Join(dir, "web")},
			"acme/lib": {Path: filepath.Join(dir, "lib")},
			"home":     {Path: filepath.Join(dir, "home/src")},
		},
		Buckets: map[string]string{"site": filepath.Join(dir, "out")},
		Projects: map[string]mapping.Project{
			"build": {
				Buildspec:   "version: 0.2\n",
				Environment: env,
				Variables: []mapping.EnvironmentVariable{
					{Name: "KEY", Value: "key", Type: "SECRETS_MANAGER"},
					{Name: "PLAIN", Value: "007", Type: "PLAINTEXT"},
				},
				Image:   "aws/codebuild/standard:7.0",
				Cache:   []string{"node_modules"},
				Timeout: 5,
			},
			"test": {Environment: env, Timeout: 60},
			"bare": {Timeout: 60},
		},
		Secrets: filepath.Join(dir, "secrets.env"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestReadErrors pins that a mistake is named with its line, its place, what
// was found and what to write.
func TestReadErrors(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string // parts of the message, without the file
	}{
		{"unknown key", "volumes:\n  a: web\n", []string{`:1: unknown key "volumes"; known are buckets, projects, repositories, secrets`}},
		{"misspelt key", "repositorys: {a: web}\n", []string{`:1: unknown key "repositorys"; did you mean "repositories"?`}},
		{"misspelt key below", "projects:\n  p:\n    enviroment: {}\n", []string{`:3: projects.p: unknown key "enviroment"; did you mean "environment"?`}},
		{"missing folder", "\nrepositories:\n  a: ./nowhere\n", []string{`:3: repositories.a: "./nowhere" does not exist (`, `nowhere); create it`}},
		{"missing folder, long form", "repositories:\n  a:\n    path: nowhere\n", []string{`:3: repositories.a.path: "nowhere" does not exist`}},
		{"no path", "repositories:\n  a: {}\n", []string{`:2: repositories.a: path is missing; write path: FOLDER`}},
		{"empty path", "buckets:\n  b:\n", []string{`:2: buckets.b: the path is empty`}},
		{"file for a folder", "buckets:\n  b: secrets.env\n", []string{`:2: buckets.b: "`, `is not a folder`}},
		{"list for a map", "buckets: [a]\n", []string{`:1: buckets: keys and values are expected, not a list`}},
		{"text for a document", "hello\n", []string{`:1: keys and values are expected, not "hello"`}},
		{"map for text", "buckets:\n  b: {a: b}\n", []string{`:2: buckets.b: text is expected, not keys and values`}},
		{"map for a list", "projects:\n  p:\n    cache: {}\n", []string{`:3: projects.p.cache: a list is expected`}},
		{"twice", "buckets:\n  b: out\n  b: web\n", []string{`:3: buckets.b: "b" is written twice, first in line 2`}},
		{"variable type", "projects:\n  p:\n    variables:\n    - {name: A, type: SECRET}\n", []string{`:4: projects.p.variables[0].type: type "SECRET" is unknown; write PLAINTEXT,`}},
		{"variable name", "projects:\n  p:\n    variables:\n    - {value: A}\n", []string{`:4: projects.p.variables[0]: name is missing`}},
		{"timeout", "projects:\n  p: {timeoutInMinutes: 4}\n", []string{`:2: projects.p.timeoutInMinutes: "4" is no timeout; write a number of minutes from 5 to 2160`}},
		{"open secrets", "secrets: open.env\n", []string{`:1: secrets: others may read "`, `(mode 0644); run chmod 600 `}},
		{"secrets folder", "secrets: out\n", []string{`:1: secrets: "`, `is not a file`}},
		{"no YAML", "a: b\n c: d\n", []string{`:2: not YAML: mapping values are not allowed`}},
		{"merge key", "buckets: &b {a: out}\nsecrets: secrets.env\n<<: *b\n", []string{`:3: unknown key "<<"`}},
		{"all at once", "a: 1\nbuckets: {b: nowhere}\n", []string{`:1: unknown key "a"`, "\n", `:2: buckets.b: "nowhere"`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, file := folder(t, tt.text)
			_, err := mapping.Read(file)
			if err == nil {
				t.Fatal("no error")
			}
			if got := pipeline.CodeOf(err); got != pipeline.Validation {
				t.Errorf("code %s; want %s", got, pipeline.Validation)
			}
			rest := err.Error()
			for _, part := range tt.want {
				i := strings.Index(rest, part)
				if i < 0 {
					t.Fatalf("message\n%s\nlacks %q", err, part)
				}
				rest = rest[i+len(part):]
			}
			if !strings.HasPrefix(err.Error(), file+":") {
				t.Errorf("message %q does not begin with the file", err)
			}
		})
	}
}

func TestReadEmpty(t *testing.T) {
	for _, text := range []string{"", "# nothing yet\n", "---\n", "repositories:\n"} {
		_, file := folder(t, text)
		if _, err := mapping.Read(file); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestReadMissing(t *testing.T) {
	_, err := mapping.Read(filepath.Join(t.TempDir(), "none.yaml"))
	if pipeline.CodeOf(err) != pipeline.Validation || !strings.Contains(err.Error(), "none.yaml") {
		t.Errorf("got %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add("repositories:\n  a: web\n")
	f.Add("a: &a [*a]\n")
	f.Add("projects: {p: {variables: [{name: A}]}}")
	f.Fuzz(func(t *testing.T, text string) {
		file := filepath.Join(t.TempDir(), mapping.File)
		write(t, file, text, 0o644)
		_, _ = mapping.Read(file) // must not panic, nor hang on an alias of itself
	})
}
