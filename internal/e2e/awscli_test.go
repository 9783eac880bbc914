package e2e_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/local"
	"github.com/sluice-ci/sluice/internal/mapping"
)

// TestAWSCLI plays the story of a release with the unmodified AWS CLI: create
// a pipeline from a file, push, find the run that the push started, read the
// approval's token, approve, and read every action's output variables.
func TestAWSCLI(t *testing.T) {
	if _, err := exec.LookPath("aws"); err != nil {
		t.Skip("left out: the AWS CLI is not installed (make deps installs it)")
	}
	folder := t.TempDir()
	repo := newRepository(t, filepath.Join(folder, "repo"))
	write(t, filepath.Join(folder, "sluice.local.yaml"), "repositories:\n  org/app: repo\nbuckets:\n  web: deployed\n")
	if err := os.Mkdir(filepath.Join(folder, "deployed"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(folder, "create.json"), story)
	aws := awsCLI{t: t, endpoint: serveHere(t, folder)}

	var created struct{ Pipeline struct{ Version int } }
	aws.run(&created, "create-pipeline", "--cli-input-json", "file://"+filepath.Join(folder, "create.json"))
	if created.Pipeline.Version != 1 {
		t.Errorf("created version %d; want 1", created.Pipeline.Version)
	}
	first := aws.waitForExecution("CreatePipeline")
	aws.run(nil, "stop-pipeline-execution", "--pipeline-name", "story", "--pipeline-execution-id", first, "--abandon", "--reason", "not this one")
	if out := aws.fails("create-pipeline", "--cli-input-json", "file://"+filepath.Join(folder, "create.json")); !strings.Contains(out, "PipelineNameInUseException") {
		t.Errorf("creating it again gave %s", out)
	}

	commit := repo.commit("second\n")
	id := aws.waitForExecution("WebhookV2")

	token := aws.waitForToken()
	aws.run(nil, "put-approval-result", "--pipeline-name", "story", "--stage-name", "Release", "--action-name", "Gate",
		"--token", token, "--result", "summary=fine,status=Approved")
	await(t, "the execution to succeed", func() bool {
		var out struct {
			PipelineExecution struct {
				Status            string
				ArtifactRevisions []struct{ RevisionID string }
			}
		}
		aws.run(&out, "get-pipeline-execution", "--pipeline-name", "story", "--pipeline-execution-id", id)
		if s := out.PipelineExecution; s.Status == "Failed" {
			t.Fatalf("the execution failed: %+v", s)
		}
		return out.PipelineExecution.Status == "Succeeded" && out.PipelineExecution.ArtifactRevisions[0].RevisionID == commit
	})

	variables := aws.outputVariables(id)
	for action, want := range map[string][2]string{
		"Checkout": {"CommitId", commit}, "Compile": {"VERSION", "v-" + commit}, "Pack": {"PACKED", "yes"},
	} {
		if got := variables[action][want[0]]; got != want[1] {
			t.Errorf("%s gave %s=%q; want %q (all: %v)", action, want[0], got, want[1], variables)
		}
	}
	deployed, err := os.ReadFile(filepath.Join(folder, "deployed", "version.txt"))
	if err != nil || strings.TrimSpace(string(deployed)) != "v-"+commit {
		t.Errorf("deployed %q, %v; want v-%s", deployed, err, commit)
	}
}

// story is what the AWS CLI creates.
const story = `{"pipeline": {
  "name": "story", "roleArn": "arn:aws:iam::000000000000:role/pipe", "pipelineType": "V2",
  "artifactStore": {"type": "S3", "location": "artifacts"},
  "triggers": [{"providerType": "CodeStarSourceConnection", "gitConfiguration": {"sourceActionName": "Checkout", "push": [{"branches": {"includes": ["main"]}}]}}],
  "stages": [
    {"name": "Source", "actions": [{"name": "Checkout", "namespace": "Src",
      "actionTypeId": {"category": "Source", "owner": "AWS", "provider": "CodeStarSourceConnection", "version": "1"},
      "configuration": {"ConnectionArn": "arn:aws:codeconnections:eu-west-1:000000000000:connection/11111111-2222-4333-8444-555555555555", "FullRepositoryId": "org/app", "BranchName": "main"},
      "outputArtifacts": [{"name": "Code"}]}]},
    {"name": "Build", "actions": [{"name": "Compile", "namespace": "Built",
      "actionTypeId": {"category": "Build", "owner": "AWS", "provider": "CodeBuild", "version": "1"},
      "configuration": {"ProjectName": "story", "EnvironmentVariables": "[{\"name\":\"SHA\",\"value\":\"#{Src.CommitId}\"}]"},
      "inputArtifacts": [{"name": "Code"}], "outputArtifacts": [{"name": "Bin"}]}]},
    {"name": "Test", "actions": [
      {"name": "Pack", "namespace": "P", "actionTypeId": {"category": "Compute", "owner": "AWS", "provider": "Commands", "version": "1"},
       "commands": ["test -f version.txt", "export PACKED=yes"], "outputVariables": ["PACKED"], "inputArtifacts": [{"name": "Bin"}]},
      {"name": "Check", "actionTypeId": {"category": "Compute", "owner": "AWS", "provider": "Commands", "version": "1"},
       "commands": ["grep -q '#{Built.VERSION}' version.txt"], "inputArtifacts": [{"name": "Bin"}]}]},
    {"name": "Release", "actions": [
      {"name": "Gate", "actionTypeId": {"category": "Approval", "owner": "AWS", "provider": "Manual", "version": "1"}, "configuration": {"CustomData": "Ship #{Built.VERSION}?"}},
      {"name": "Copy", "runOrder": 2, "actionTypeId": {"category": "Deploy", "owner": "AWS", "provider": "S3", "version": "1"},
       "configuration": {"BucketName": "web", "Extract": "true"}, "inputArtifacts": [{"name": "Bin"}]}]}]}}`

const storyBuildspec = `version: 0.2
env:
  exported-variables: [VERSION]
phases:
  build:
    commands:
      - export VERSION="v-$SHA"
      - echo "$VERSION" > version.txt
artifacts:
  files: [version.txt]
`

// repository is a git repository of the test.
type repository struct {
	t    *testing.T
	path string
}

func newRepository(t *testing.T, path string) *repository {
	t.Helper()
	r := &repository{t, path}
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	r.git("init", "-q", "-b", "main")
	write(t, filepath.Join(path, "buildspec.yml"), storyBuildspec)
	r.commit("first\n")
	return r
}

func (r *repository) git(args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", append([]string{"-C", r.path, "-c", "user.name=A", "-c", "user.email=a@example.com"}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit commits content to the branch and returns the commit's id.
func (r *repository) commit(content string) string {
	r.t.Helper()
	write(r.t, filepath.Join(r.path, "file"), content)
	r.git("add", ".")
	r.git("commit", "-q", "-m", "change")
	return r.git("rev-parse", "HEAD")
}

// serveHere serves a system over folder in this process and returns its URL.
func serveHere(t *testing.T, folder string) string {
	t.Helper()
	m, err := mapping.Read(filepath.Join(folder, "sluice.local.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	o := options(t, folder)
	o.Mapping = m
	s, err := local.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	watching := make(chan error, 1)
	go func() { watching <- s.Watch(t.Context()) }()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h, err := s.Handler(l.Addr().(*net.TCPAddr).Port)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: h}
	go server.Serve(l)
	t.Cleanup(func() { // the test's context has ended by now
		<-watching
		server.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return "http://" + l.Addr().String()
}

// awsCLI runs the AWS CLI against an endpoint.
type awsCLI struct {
	t        *testing.T
	endpoint string
}

func (a awsCLI) command(args ...string) *exec.Cmd {
	cmd := exec.Command("aws", append([]string{"--endpoint-url", a.endpoint, "codepipeline"}, args...)...)
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=tester", "AWS_SECRET_ACCESS_KEY=unused", "AWS_DEFAULT_REGION=eu-west-1",
		"AWS_PAGER=", "AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null")
	return cmd
}

// run runs an operation and decodes what it prints into out.
func (a awsCLI) run(out any, args ...string) {
	a.t.Helper()
	cmd := a.command(args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	if err != nil {
		a.t.Fatalf("aws codepipeline %v: %v\n%s", args, err, stderr.String())
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal(text, out); err != nil {
		a.t.Fatalf("aws codepipeline %v printed %s: %v", args, text, err)
	}
}

// fails runs an operation that must fail and returns what it says.
func (a awsCLI) fails(args ...string) string {
	a.t.Helper()
	out, err := a.command(args...).CombinedOutput()
	if err == nil {
		a.t.Errorf("aws codepipeline %v succeeded:\n%s", args, out)
	}
	return string(out)
}

// waitForExecution returns the newest execution once its trigger is kind.
func (a awsCLI) waitForExecution(kind string) (id string) {
	a.t.Helper()
	await(a.t, "an execution started by "+kind, func() bool {
		var out struct {
			PipelineExecutionSummaries []struct {
				PipelineExecutionID string
				Trigger             struct{ TriggerType string }
			}
		}
		a.run(&out, "list-pipeline-executions", "--pipeline-name", "story")
		for _, e := range out.PipelineExecutionSummaries {
			if e.Trigger.TriggerType == kind {
				id = e.PipelineExecutionID
			}
		}
		return id != ""
	})
	return id
}

// waitForToken returns the token of the approval that waits.
func (a awsCLI) waitForToken() (token string) {
	a.t.Helper()
	await(a.t, "the approval", func() bool {
		var out struct {
			StageStates []struct {
				ActionStates []struct {
					ActionName      string
					LatestExecution struct{ Token, Status, Summary string }
				}
			}
		}
		a.run(&out, "get-pipeline-state", "--name", "story")
		for _, s := range out.StageStates {
			for _, x := range s.ActionStates {
				if x.LatestExecution.Status == "Failed" {
					a.t.Fatalf("%s failed: %s", x.ActionName, x.LatestExecution.Summary)
				}
				if x.ActionName == "Gate" && x.LatestExecution.Status == "InProgress" {
					token = x.LatestExecution.Token
				}
			}
		}
		return token != ""
	})
	return token
}

// outputVariables returns the output variables of an execution by action.
func (a awsCLI) outputVariables(id string) map[string]map[string]string {
	a.t.Helper()
	var out struct {
		ActionExecutionDetails []struct {
			ActionName string
			Output     struct{ OutputVariables map[string]string }
		}
	}
	a.run(&out, "list-action-executions", "--pipeline-name", "story", "--filter", "pipelineExecutionId="+id)
	byAction := map[string]map[string]string{}
	for _, x := range out.ActionExecutionDetails {
		byAction[x.ActionName] = x.Output.OutputVariables
	}
	return byAction
}

func options(t *testing.T, folder string) local.Options {
	t.Helper()
	m, err := mapping.Read(filepath.Join(folder, "sluice.local.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return local.Options{Data: filepath.Join(folder, "data"), Mapping: m, Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
