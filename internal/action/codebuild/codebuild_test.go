package codebuild_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/actiontest"
	"github.com/sluice-ci/sluice/internal/action/background"
	"github.com/sluice-ci/sluice/internal/action/codebuild"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/blob/dir"
	"github.com/sluice-ci/sluice/internal/mapping"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

var ids atomic.Int64

type secrets struct{}

func (secrets) Secret(_ context.Context, ref string) (string, error) { return "secret-" + ref, nil }
func (secrets) Parameter(_ context.Context, name string) (string, error) {
	return "parameter-" + name, nil
}

type setup struct {
	data     string
	blobs    blob.Store
	opts     codebuild.Options
	runner   *background.Runner
	provider *codebuild.Provider
	ended    chan string
}

func newSetup(t testing.TB) *setup {
	t.Helper()
	s := &setup{data: t.TempDir(), ended: make(chan string, 100), opts: codebuild.Options{Secrets: secrets{}, Projects: map[string]mapping.Project{}}}
	store, err := dir.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s.blobs = store
	s.open(t, func(id string) { s.ended <- id })
	t.Cleanup(func() {
		if n, err := s.runner.Sweep(); n != 0 || err != nil {
			t.Errorf("%d processes left, %v", n, err)
		}
		store.Close()
	})
	return s
}

func (s *setup) open(t testing.TB, ended func(string)) *codebuild.Provider {
	t.Helper()
	var err error
	if s.runner, err = background.New(s.data, background.Options{Ended: ended}); err != nil {
		t.Fatal(err)
	}
	if s.provider, err = codebuild.New(s.runner, s.blobs, s.opts); err != nil {
		t.Fatal(err)
	}
	return s.provider
}

// newJob returns a job whose one input has files; spec is its buildspec.
func (s *setup) newJob(t testing.TB, spec string, files map[string]string) action.Job {
	t.Helper()
	all := map[string]string{}
	for name, text := range files {
		all[name] = text
	}
	if spec != "" {
		all["buildspec.yml"] = spec
	}
	return action.Job{
		ID: fmt.Sprintf("job-%d", ids.Add(1)), Pipeline: "demo", Region: "eu-west-1", Account: "123456789012",
		Action: pipeline.Action{Name: "Build", Configuration: map[string]string{"ProjectName": "app"}},
		Inputs: []action.Artifact{s.input(t, "Source", all)},
	}
}

func (s *setup) input(t testing.TB, name string, files map[string]string) action.Artifact {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range files {
		w, _ := z.Create(name)
		w.Write([]byte(text))
	}
	z.Close()
	ref, err := s.blobs.Create(t.Context(), "bucket", fmt.Sprintf("demo/%s/%d", name, ids.Add(1)), &b)
	if err != nil {
		t.Fatal(err)
	}
	return action.Artifact{Name: name, Ref: ref, Revision: "0123abc"}
}

func output(name string) action.Artifact {
	return action.Artifact{Name: name, Ref: blob.Ref{Bucket: "bucket", Key: fmt.Sprintf("demo/%s/%d", name, ids.Add(1))}}
}

func (s *setup) finish(t testing.TB, job action.Job) (action.Result, string) {
	t.Helper()
	if _, err := s.provider.Start(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	<-s.ended
	r, err := s.provider.Poll(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(s.runner.LogFile(job.ID))
	if err != nil {
		t.Error(err)
	}
	return r, string(log)
}

// content returns the files of an artifact as name=text.
func (s *setup) content(t testing.TB, a action.Artifact) string {
	t.Helper()
	o, err := s.blobs.Open(t.Context(), a.Ref)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	z, err := zip.NewReader(o, a.Ref.Size)
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, f := range z.File {
		r, _ := f.Open()
		text, _ := io.ReadAll(r)
		files = append(files, f.Name+"="+strings.TrimSpace(string(text)))
	}
	slices.Sort(files)
	return strings.Join(files, " ")
}

func TestContract(t *testing.T) {
	actiontest.Run(t, func(t *testing.T) actiontest.Harness {
		s, counts := newSetup(t), t.TempDir()
		// The name of the count is not the job's id, which is made later.
		var files atomic.Int64
		places := map[string]string{}
		job := func(commands, rest string) action.Job {
			place := filepath.Join(counts, fmt.Sprint(files.Add(1)))
			j := s.newJob(t, "version: 0.2\nphases:\n  build:\n    commands:\n      - echo x >>"+place+"\n"+commands+rest, nil)
			places[j.ID] = place
			return j
		}
		return actiontest.Harness{
			Open: func(t *testing.T, ended func(string)) action.Provider { return s.open(t, ended) },
			Succeeds: func(*testing.T) action.Job {
				j := job("      - echo out >file\n", "artifacts: {files: [file]}\n")
				j.Outputs = []action.Artifact{output("Out")}
				return j
			},
			Fails: func(*testing.T) action.Job { return job("      - exit 5\n", "") },
			Blocks: func(t *testing.T) (action.Job, func()) {
				fifo := filepath.Join(t.TempDir(), "fifo")
				if err := syscall.Mkfifo(fifo, 0o600); err != nil {
					t.Fatal(err)
				}
				return job("      - echo x >"+fifo+"\n      - sleep 1000\n", ""), func() { os.ReadFile(fifo) }
			},
			Lost: true,
			Done: func(t *testing.T, j action.Job) int {
				b, _ := os.ReadFile(places[j.ID])
				return bytes.Count(b, []byte("\n"))
			},
			Blobs: s.blobs,
		}
	})
}

func TestBuild(t *testing.T) {
	s := newSetup(t)
	s.opts.Projects["app"] = mapping.Project{Environment: map[string]string{"BOTH": "project", "ALL": "project"}, Image: "my/image"}
	s.open(t, func(id string) { s.ended <- id })
	spec := `version: 0.2
env:
  variables: {SPEC: spec, BOTH: spec, ALL: spec}
  exported-variables: [VERSION, TOKEN]
phases:
  build:
    commands:
      - echo "$SPEC $BOTH $ALL token=$TOKEN $(echo -n $TOKEN | base64)"
      - cat "$CODEBUILD_SRC_DIR_Other/f" README
      - echo "$CODEBUILD_BUILD_ID $CODEBUILD_BUILD_ARN $CODEBUILD_BUILD_IMAGE $CODEBUILD_INITIATOR $CODEBUILD_RESOLVED_SOURCE_VERSION $AWS_REGION $CODEBUILD_CI"
      - cd sub && VERSION=1.2 && mkdir -p dist && echo built >dist/a && echo two >dist/b
artifacts:
  files: ['**/*']
  base-directory: sub/dist
  secondary-artifacts:
    One: {files: [a], base-directory: sub/dist}
    Two: {files: ['sub/dist/b'], discard-paths: yes}
`
	job := s.newJob(t, spec, map[string]string{"README": "read me\n", "sub/x": ""})
	job.Inputs = append(job.Inputs, s.input(t, "Other", map[string]string{"f": "other\n"}))
	job.Action.Configuration["PrimarySource"] = "Source"
	vars, _ := json.Marshal([]mapping.EnvironmentVariable{{Name: "ALL", Value: "action"}, {Name: "TOKEN", Value: "token", Type: "SECRETS_MANAGER"}})
	job.Action.Configuration["EnvironmentVariables"] = string(vars)
	job.Outputs = []action.Artifact{output("One"), output("Two")}
	r, log := s.finish(t, job)
	if r.Status != pipeline.Succeeded || r.ExternalID != "app:"+job.ID {
		t.Fatalf("%+v %+v\n%s", r, r.Error, log)
	}
	build := "app:" + job.ID
	for _, want := range []string{
		"\nspec project action token=*** ***\n", "\nother\nread me\n",
		"\n" + build + " arn:aws:codebuild:eu-west-1:123456789012:build/" + build + " my/image codepipeline/demo 0123abc eu-west-1 true\n",
		"Phase complete: BUILD State: SUCCEEDED\n",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("log lacks %q:\n%s", want, log)
		}
	}
	if len(r.Variables) != 1 || r.Variables["VERSION"] != "1.2" {
		t.Errorf("variables %v", r.Variables)
	}
	if one, two := s.content(t, r.Outputs[0]), s.content(t, r.Outputs[1]); one != "a=built" || two != "b=two" {
		t.Errorf("outputs %q and %q", one, two)
	}
	if err := s.runner.Close(); err != nil { // waits until all is tidy
		t.Error(err)
	}
	if left, _ := os.ReadDir(filepath.Join(s.data, "work")); len(left) != 0 {
		t.Errorf("work folders left: %v", left)
	}
}

func TestFailures(t *testing.T) {
	tests := []struct {
		name   string
		spec   string
		change func(*setup, *action.Job)
		code   string
		want   string
	}{
		{"command", "version: 0.2\nphases: {build: {commands: [exit 7]}}", nil, "JobFailed", "BUILD: Error while executing command: exit 7. Reason: exit status 7"},
		{"no buildspec", "", nil, "ConfigurationError", `project "app": the source has no buildspec.yml, and sluice.local.yaml does not know the project; write there:`},
		{"broken buildspec", "version: 0.2\nphases: {test: {}}", nil, "JobFailed", "YAML_FILE_ERROR: buildspec.yml:2: phases.test: is not a phase"},
		{"buildspec elsewhere", "", func(_ *setup, j *action.Job) { j.Action.Configuration["BuildspecOverride"] = "../../x" }, "ConfigurationError", "BuildspecOverride: buildspec ../../x: "},
		{"batch", "version: 0.2\nphases: {}", func(_ *setup, j *action.Job) { j.Action.Configuration["BatchEnabled"] = "true" }, "ConfigurationError", "BatchEnabled: batch builds cannot run"},
		{"variables", "version: 0.2\nphases: {}", func(_ *setup, j *action.Job) { j.Action.Configuration["EnvironmentVariables"] = "{" }, "ConfigurationError", "EnvironmentVariables: "},
		{"primary source", "version: 0.2\nphases: {}", func(_ *setup, j *action.Job) { j.Inputs = append(j.Inputs, j.Inputs[0]) }, "ConfigurationError", `PrimarySource is ""`},
		{"no files", "version: 0.2\nphases: {}\nartifacts: {files: [none]}", func(_ *setup, j *action.Job) { j.Outputs = []action.Artifact{output("Out")} }, "JobFailed", "UPLOAD_ARTIFACTS: output artifact Out: no matching artifact paths found: [none]"},
		{"undeclared output", "version: 0.2\nphases: {}\nartifacts: {files: [a], secondary-artifacts: {A: {files: [a]}}}", func(_ *setup, j *action.Job) { j.Outputs = []action.Artifact{output("A"), output("B")} }, "JobFailed", "UPLOAD_ARTIFACTS: "},
		{"digest", "version: 0.2\nphases: {}", func(_ *setup, j *action.Job) {
			j.Inputs[0].Ref.Digest = "sha256:" + strings.Repeat("0", 64)
		}, "JobFailed", "DOWNLOAD_SOURCE: input artifact Source: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSetup(t)
			job := s.newJob(t, tt.spec, nil)
			if tt.change != nil {
				tt.change(s, &job)
			}
			r, _ := s.finish(t, job)
			if r.Status != pipeline.Failed || r.Error.Code != tt.code || !strings.HasPrefix(r.Error.Message, tt.want) {
				t.Errorf("%s, %+v; want %s: %s", r.Status, r.Error, tt.code, tt.want)
			}
			if tt.code == "JobFailed" && r.Summary != "Build terminated with state: FAILED" {
				t.Errorf("summary %q", r.Summary)
			}
		})
	}
}

func TestBuildspecOverrideAndNoArtifacts(t *testing.T) {
	s := newSetup(t)
	job := s.newJob(t, "", nil)
	job.Action.Configuration["BuildspecOverride"] = "version: 0.2\nphases: {build: {commands: [echo inline]}}\n"
	job.Outputs = []action.Artifact{output("Out")}
	r, log := s.finish(t, job)
	if r.Status != pipeline.Succeeded || len(r.Outputs) != 0 || !strings.Contains(log, "\ninline\n") {
		t.Errorf("%+v %+v\n%s", r, r.Error, log)
	}
}

// What one build of a project caches the next one finds.
func TestCache(t *testing.T) {
	s := newSetup(t)
	spec := "version: 0.2\nphases: {build: {commands: [mkdir -p deps/x, echo x >>deps/x/n, wc -l <deps/x/n, exit $((2 - $(wc -l <deps/x/n)))]}}\ncache: {paths: ['deps/**/*', '/var/m2/**/*']}\n"
	for i, want := range []string{"\n1\n", "\n2\n", "\n3\n"} {
		r, log := s.finish(t, s.newJob(t, spec, nil))
		if !strings.Contains(log, want) || (r.Status == pipeline.Succeeded) != (i == 1) {
			t.Errorf("build %d: %+v\n%s", i, r.Error, log)
		}
	}
}

func TestCloneRef(t *testing.T) {
	repo := t.TempDir()
	git := func(args ...string) string {
		cmd := exec.Command("git", append([]string{"-C", repo, "-c", "user.name=n", "-c", "user.email=e@e"}, args...)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("init", "--quiet", "-b", "main")
	os.WriteFile(filepath.Join(repo, "buildspec.yml"), []byte("version: 0.2\nphases: {build: {commands: [git log --format=%s, git rev-parse --abbrev-ref HEAD]}}\n"), 0o600)
	git("add", ".")
	git("commit", "--quiet", "-m", "first")
	git("commit", "--quiet", "--allow-empty", "-m", "second")
	commit := git("rev-parse", "HEAD")
	git("commit", "--quiet", "--allow-empty", "-m", "third")

	s := newSetup(t)
	ref, _ := json.Marshal(map[string]string{"path": repo, "commit": commit, "branch": "main"})
	job := s.newJob(t, "", map[string]string{"codebuild-clone-ref.json": string(ref)})
	r, log := s.finish(t, job)
	if r.Status != pipeline.Succeeded || !strings.Contains(log, "\nsecond\nfirst\n") || strings.Contains(log, "third") || !strings.Contains(log, "\nmain\n") {
		t.Errorf("%+v\n%s", r.Error, log)
	}
}
