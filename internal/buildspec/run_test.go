package buildspec_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/buildspec"
	"github.com/sluice-ci/sluice/internal/process"
)

// run runs a buildspec and returns its log without times.
func run(t *testing.T, text string) (buildspec.Result, string) {
	t.Helper()
	spec, err := buildspec.Parse([]byte(text), "buildspec.yml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "log")
	log, err := process.CreateLog(file, process.LogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(dir, "src")
	os.Mkdir(source, 0o700)
	b := buildspec.Build{
		Spec: spec, Dir: source, Env: append(process.Environment(os.Environ(), nil), "CODEBUILD_BUILD_SUCCEEDING=1"),
		Mark: "buildspec-test:" + filepath.Base(dir), Log: log, Scratch: dir, Hidden: []string{"HIDDEN"},
	}
	result, err := b.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	log.Close()
	out, _ := os.ReadFile(file)
	return result, regexp.MustCompile(`\[Container\] \S+ \S+ `).ReplaceAllString(string(out), "# ")
}

func TestPhases(t *testing.T) {
	tests := []struct {
		name    string
		text    string
		output  string // what the commands print
		failure string // <phase>: <command>
	}{
		{"all", "install: {commands: [echo 1]}\n  pre_build: {commands: [echo 2]}\n  build: {commands: [echo 3]}\n  post_build: {commands: [echo 4]}", "1 2 3 4", ""},
		{"order is fixed", "build: {commands: [echo 3]}\n  install: {commands: [echo 1]}", "1 3", ""},
		{"shell is shared", "install: {commands: ['cd /', 'A=1', 'f() { echo $A $PWD; }']}\n  build: {commands: [f]}", "1 /", ""},
		{"failure ends the phase", "build: {commands: [echo 1, 'false', echo 2], finally: [echo finally]}", "1 finally", "build: false"},
		{"failed build is followed by post_build", "build: {commands: ['exit 4']}\n  post_build: {commands: ['echo post $CODEBUILD_BUILD_SUCCEEDING']}", "post 0", "build: exit 4"},
		{"success is told to post_build", "build: {commands: ['true']}\n  post_build: {commands: ['echo post $CODEBUILD_BUILD_SUCCEEDING']}", "post 1", ""},
		{"failed install ends the build", "install: {commands: ['false'], finally: [echo finally]}\n  build: {commands: [echo 3]}\n  post_build: {commands: [echo 4]}", "finally", "install: false"},
		{"failed pre_build ends the build", "pre_build: {commands: ['false']}\n  build: {commands: [echo 3]}\n  post_build: {commands: [echo 4]}", "", "pre_build: false"},
		{"failed post_build fails the build", "build: {commands: [echo 3]}\n  post_build: {commands: ['false']}", "3", "post_build: false"},
		{"the first failure counts", "build: {commands: ['exit 2']}\n  post_build: {commands: ['exit 3']}", "", "build: exit 2"},
		{"failed finally fails the phase", "build: {commands: [echo 1], finally: ['false', echo 2]}", "1", "build: false"},
		{"ABORT", "build: {on-failure: ABORT, commands: ['false']}\n  post_build: {commands: [echo 4]}", "", "build: false"},
		{"CONTINUE", "install: {on-failure: CONTINUE, commands: ['false', echo 1]}\n  build: {commands: ['echo 3 $CODEBUILD_BUILD_SUCCEEDING']}", "3 0", ""},
		{"CONTINUE in build", "build: {on-failure: CONTINUE, commands: ['false']}\n  post_build: {commands: [echo 4]}", "4", ""},
		{"no commands", "build: {}", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			result, log := run(t, "version: 0.2\nphases:\n  "+tt.text+"\n")
			var output []string
			for line := range strings.Lines(log) {
				if !strings.HasPrefix(line, "# ") {
					output = append(output, strings.TrimSpace(line))
				}
			}
			failure := ""
			if f := result.Failure; f != nil {
				failure = string(f.Phase) + ": " + f.Command
			}
			if got := strings.Join(output, " "); got != tt.output || failure != tt.failure {
				t.Errorf("output %q, failure %q; want %q, %q\n%s", got, failure, tt.output, tt.failure, log)
			}
		})
	}
}

func TestLog(t *testing.T) {
	_, log := run(t, "version: 0.2\nphases:\n  pre_build:\n    commands: [echo hello]\n  build:\n    commands:\n      - |\n        if true; then\n          exit 3\n        fi\n    finally: [echo bye]\n")
	want := `# Entering phase INSTALL
# Phase complete: INSTALL State: SUCCEEDED
# Phase context status code:  Message: 
# Entering phase PRE_BUILD
# Running command echo hello
hello
# Phase complete: PRE_BUILD State: SUCCEEDED
# Phase context status code:  Message: 
# Entering phase BUILD
# Running command if true; then
  exit 3
fi
# Command did not exit successfully if true; then
  exit 3
fi exit status 3
# Running command echo bye
bye
# Phase complete: BUILD State: FAILED
# Phase context status code: COMMAND_EXECUTION_ERROR Message: Error while executing command: if true; then
  exit 3
fi. Reason: exit status 3
# Entering phase POST_BUILD
# Phase complete: POST_BUILD State: SUCCEEDED
# Phase context status code:  Message: 
`
	if log != want {
		t.Errorf("%s\nwant\n%s", log, want)
	}
}

func TestExportedVariables(t *testing.T) {
	result, log := run(t, "version: 0.2\nenv:\n  exported-variables: [A, B, C, AWS_REGION, HIDDEN, PASSWORD]\n  parameter-store: {PASSWORD: p}\nphases:\n  install: {commands: [export A=1]}\n  build: {commands: [A=2; B=$(echo b), HIDDEN=h; PASSWORD=p]}\n")
	if len(result.Variables) != 2 || result.Variables["A"] != "2" || result.Variables["B"] != "b" {
		t.Errorf("%v\n%s", result.Variables, log)
	}
}

// In version 0.1 every command has a shell of its own.
func TestOldVersion(t *testing.T) {
	result, log := run(t, "version: 0.1\nphases:\n  install: {commands: ['cd /', 'A=1']}\n  build: {commands: ['echo A=$A $(basename $PWD)', 'false']}\n  post_build: {commands: ['echo post $CODEBUILD_BUILD_SUCCEEDING']}\n")
	if result.Failure == nil || !strings.Contains(log, "\nA= src\n") || !strings.Contains(log, "\npost 0\n") {
		t.Errorf("%+v\n%s", result, log)
	}
}

func TestBash(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("there is no bash here")
	}
	result, log := run(t, "version: 0.2\nenv: {shell: bash}\nphases:\n  build: {commands: ['a=(x y)', 'echo ${a[1]}', 'set -euo pipefail', 'echo on']}\n")
	if result.Failure != nil || !strings.Contains(log, "\ny\n") || !strings.Contains(log, "\non\n") {
		t.Errorf("%+v\n%s", result, log)
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	for _, file := range []string{
		"README", ".hidden", "app.jar", "dist/a.js", "dist/a.js.map", "dist/sub/b.js", "dist/sub/deep/c.js",
		"my-build1/my-file1.txt", "my-build2/my-file2.txt", "my-build2/my-subdirectory/my-file3.txt",
	} {
		os.MkdirAll(filepath.Join(dir, filepath.Dir(file)), 0o700)
		os.WriteFile(filepath.Join(dir, file), nil, 0o600)
	}
	os.Symlink("README", filepath.Join(dir, "link"))
	os.Symlink("nowhere", filepath.Join(dir, "broken"))
	type set = buildspec.Fileset
	tests := []struct {
		name string
		set  set
		want string
	}{
		{"one file", set{Files: []string{"app.jar"}}, "app.jar"},
		{"./", set{Files: []string{"./dist/a.js"}}, "dist/a.js"},
		{"absolute", set{Files: []string{filepath.Join(dir, "dist/a.js")}}, "dist/a.js"},
		{"all", set{Files: []string{"**/*"}, Base: "dist"}, "a.js a.js.map sub/b.js sub/deep/c.js"},
		{"files of a folder", set{Files: []string{"dist/*"}}, "dist/a.js dist/a.js.map"},
		{"all of a folder", set{Files: []string{"dist/**/*"}}, "dist/a.js dist/a.js.map dist/sub/b.js dist/sub/deep/c.js"},
		{"folder by name", set{Files: []string{"dist"}}, "dist/a.js dist/a.js.map dist/sub/b.js dist/sub/deep/c.js"},
		{"two stars at the end", set{Files: []string{"dist/**"}}, "dist/a.js dist/a.js.map dist/sub/b.js dist/sub/deep/c.js"},
		{"by ending", set{Files: []string{"**/*.js"}}, "dist/a.js dist/sub/b.js dist/sub/deep/c.js"},
		{"choice and class", set{Files: []string{"dist/{a,x}.j[a-s]", "READM?"}}, "README dist/a.js"},
		{"exclude", set{Files: []string{"**/*"}, Base: "dist", Exclude: []string{"**/*.map", "sub/deep"}}, "a.js sub/b.js"},
		{"exclude a tree", set{Files: []string{"dist/**/*"}, Exclude: []string{"dist/sub/**/*"}}, "dist/a.js dist/a.js.map"},
		{"one folder in between", set{Files: []string{"*/my-file3.txt"}, Base: "my-build2"}, "my-subdirectory/my-file3.txt"},
		{"several bases", set{Files: []string{"**/*"}, Base: "my-build*", Discard: true}, "my-file1.txt my-file2.txt my-file3.txt"},
		{"links are followed", set{Files: []string{"link", "broken"}}, "link"},
		{"links are kept", set{Files: []string{"link", "broken"}, Symlinks: true}, "broken link"},
		{"nothing", set{Files: []string{"none", "*.none"}}, ""},
		{"hidden files count", set{Files: []string{".h*"}}, ".hidden"},
	}
	for _, tt := range tests {
		files, err := tt.set.Find(dir)
		var names []string
		for _, f := range files {
			names = append(names, f.Name)
		}
		if got := strings.Join(names, " "); err != nil || got != tt.want {
			t.Errorf("%s: %q, %v; want %q", tt.name, got, err, tt.want)
		}
	}
	for _, bad := range []set{{Files: []string{"../x"}}, {Files: []string{"/etc/passwd"}}, {Files: []string{"a"}, Base: "a/../../b"}, {Files: []string{"{a"}}, {Files: []string{"[a"}}} {
		if files, err := bad.Find(dir); err == nil {
			t.Errorf("%+v: %v; want an error", bad, files)
		}
	}
}
