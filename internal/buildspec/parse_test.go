package buildspec_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/buildspec"
)

const everything = `version: 0.2
run-as: builder
env:
  shell: bash
  variables: {NAME: value, NUMBER: 1.10, EMPTY: "", NOTHING: }
  parameter-store: {PASSWORD: /app/password}
  secrets-manager: {TOKEN: "app:token:AWSCURRENT"}
  exported-variables: [VERSION, IMAGE_URI]
  git-credential-helper: yes
proxy: {upload-artifacts: no, logs: no}
phases:
  install:
    on-failure: abort
    runtime-versions: {nodejs: 20.x, golang: 1.20}
    commands: [npm ci]
  build:
    run-as: other
    on-failure: CONTINUE
    commands:
      - |
        for i in 1 2; do
          echo $i
        done
      - make
    finally: make clean
reports:
  tests: {files: ['**/*.xml']}
artifacts:
  files: ['**/*']
  base-directory: dist
  discard-paths: yes
  exclude-paths: ['**/*.map']
  enable-symlinks: no
  name: build-$(date +%Y)
  s3-prefix: x
  secondary-artifacts:
    docs: {files: [docs/**/*], base-directory: site}
cache: {paths: ['node_modules/**/*'], key: k}
`

func TestParse(t *testing.T) {
	got, err := buildspec.Parse([]byte(everything), "buildspec.yml")
	if err != nil {
		t.Fatal(err)
	}
	want := &buildspec.Spec{
		Version: "0.2",
		Env: buildspec.Env{
			Shell:      "bash",
			Variables:  []buildspec.Variable{{"NAME", "value"}, {"NUMBER", "1.10"}, {"EMPTY", ""}, {"NOTHING", ""}},
			Parameters: []buildspec.Variable{{"PASSWORD", "/app/password"}},
			Secrets:    []buildspec.Variable{{"TOKEN", "app:token:AWSCURRENT"}},
			Exported:   []string{"VERSION", "IMAGE_URI"},
		},
		Phases: [4]buildspec.Phase{
			{Commands: []string{"npm ci"}, OnFailure: "ABORT"},
			{},
			{Commands: []string{"for i in 1 2; do\n  echo $i\ndone\n", "make"}, Finally: []string{"make clean"}, OnFailure: "CONTINUE"},
			{},
		},
		Artifacts: &buildspec.Artifacts{
			Fileset:   buildspec.Fileset{Files: []string{"**/*"}, Base: "dist", Discard: true, Exclude: []string{"**/*.map"}},
			Name:      "build-$(date +%Y)",
			Secondary: map[string]buildspec.Fileset{"docs": {Files: []string{"docs/**/*"}, Base: "site"}},
		},
		Cache:   []string{"node_modules/**/*"},
		Ignored: []string{"run-as", "env.git-credential-helper", "proxy", "runtime-versions: nodejs 20.x", "runtime-versions: golang 1.20", "phases.build.run-as: other", "reports"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseOld(t *testing.T) {
	got, err := buildspec.Parse([]byte("version: 0.1\nenvironment_variables:\n  plaintext: {A: 1}\nphases:\n  build:\n    commands: [cd x, make]\n"), "b")
	if err != nil || got.Version != buildspec.V01 || len(got.Phases[2].Commands) != 2 || got.Env.Variables[0].Value != "1" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestParseAnchors(t *testing.T) {
	got, err := buildspec.Parse([]byte("version: 0.2\nphases:\n  install: &p\n    commands: &c [a, b]\n  build:\n    <<: *p\n    commands: [*c, d]\n"), "b")
	if err != nil || strings.Join(got.Phases[2].Commands, " ") != "a b d" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestParseErrors(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"empty", "", "b.yml:1: is empty"},
		{"not YAML", "version: 0.2\nphases:\n  - a: [", "b.yml:3: is not YAML: did not find expected node content"},
		{"no version", "phases: {}", "b.yml:1: version is missing: write version: 0.2"},
		{"version", "version: 0.3\nphases: {}", `b.yml:1: version: has to be 0.2 or 0.1, not "0.3"`},
		{"no phases", "version: 0.2\n", "b.yml:1: phases are missing"},
		{"phase", "version: 0.2\nphases:\n  test:\n    commands: [a]", "b.yml:4: phases.test: is not a phase: the phases are install, pre_build, build and post_build"},
		{"colon in a command", "version: 0.2\nphases:\n  build:\n    commands:\n      - echo ok\n      - echo key: value", "b.yml:6: phases.build.commands[1]: has to be a string, but is a mapping: put quotes around a command that has a colon in it"},
		{"no command", "version: 0.2\nphases:\n  build:\n    commands:\n      -\n", "b.yml:5: phases.build.commands[0]: has to be a string, but is nothing"},
		{"commands", "version: 0.2\nphases:\n  build:\n    commands: {a: b}", "b.yml:4: phases.build.commands: has to be a list of strings, but is a mapping"},
		{"unknown key", "version: 0.2\nphases:\n  build:\n    comands: [a]", "b.yml:4: phases.build.comands: is not known"},
		{"twice", "version: 0.2\nphases: {}\ncache: {paths: [a], paths: [b]}", "b.yml:3: cache.paths: is there twice"},
		{"retry", "version: 0.2\nphases:\n  build:\n    on-failure: RETRY-2\n", "b.yml:4: phases.build.on-failure: RETRY-2: retries of a phase are not supported here; retry in the command, or use ABORT or CONTINUE"},
		{"on-failure", "version: 0.2\nphases:\n  build:\n    on-failure: maybe\n", `b.yml:4: phases.build.on-failure: has to be ABORT or CONTINUE, not "MAYBE"`},
		{"batch", "version: 0.2\nbatch: {fast-fail: true}\nphases: {}", "b.yml:2: batch: batch builds cannot run here: give each build an action of its own"},
		{"shell", "version: 0.2\nenv: {shell: powershell.exe}\nphases: {}", `b.yml:2: env.shell: has to be bash or /bin/sh here, not "powershell.exe"`},
		{"reserved", "version: 0.2\nenv:\n  variables:\n    CODEBUILD_X: 1\nphases: {}", "b.yml:4: env.variables.CODEBUILD_X: names that begin with CODEBUILD_ are reserved"},
		{"name", "version: 0.2\nenv: {variables: {a-b: 1}}\nphases: {}", "b.yml:2: env.variables.a-b: cannot be the name of an environment variable"},
		{"secondary", "version: 0.2\nphases: {}\nartifacts:\n  files: [a]\n  secondary-artifacts:\n    a-b: {files: [x]}", "b.yml:6: artifacts.secondary-artifacts.a-b: identifier must contain only alphanumeric characters and underscores"},
		{"no files", "version: 0.2\nphases: {}\nartifacts:\n  name: x\n", "b.yml:4: artifacts: files are missing"},
		{"discard", "version: 0.2\nphases: {}\nartifacts: {files: [a], discard-paths: perhaps}", `b.yml:3: artifacts.discard-paths: has to be yes or no, not "perhaps"`},
		{"list", "- a", "b.yml:1: has to be a mapping, but is a list"},
	}
	for _, tt := range tests {
		_, err := buildspec.Parse([]byte(tt.text), "b.yml")
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: %v; want %s", tt.name, err, tt.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(everything)
	f.Add("version: 0.2\nphases: &a\n  build: *a\n")
	f.Add("version: 0.2\nphases:\n  <<: [{build: {}}, {install: {}}]\n")
	f.Add("version: 0.2\nphases: {build: {commands: &c [*c]}}\n")
	f.Fuzz(func(t *testing.T, text string) {
		spec, err := buildspec.Parse([]byte(text), "f")
		if (spec == nil) == (err == nil) {
			t.Errorf("%v, %v; want one of them", spec, err)
		}
	})
}
