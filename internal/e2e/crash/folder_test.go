package crash_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

// pipelines is how many pipelines a folder has.
const pipelines = 20

// Pipelines with a part of their own. What the load changes about a pipeline is
// one of these.
const (
	stored  = "p18"   // its source is an object
	pushed  = "p19"   // its source is a repository that is pushed to
	updated = "p15"   // its declaration changes
	brief   = "brief" // is created and deleted
)

// A shape is what is different about a pipeline.
type shape struct {
	mode    pipeline.Mode
	plain   bool // nothing of it fails by itself, and nobody retries: its executions keep their order
	flaky   bool // one of its commands fails at random
	asks    bool // it has an approval
	window  bool // a closed window keeps executions out of the last stage
	checks  bool // conditions let it into and out of the test
	failure string
}

func names() []string {
	var all []string
	for i := range pipelines {
		all = append(all, fmt.Sprintf("p%02d", i))
	}
	return all
}

func shapeOf(name string) shape {
	var i int
	fmt.Sscanf(name, "p%d", &i)
	s := shape{
		mode:  []pipeline.Mode{pipeline.Superseded, pipeline.Queued, pipeline.Parallel}[i%3],
		plain: i < 5 && i%3 != 2,
		asks:  i%2 == 0, window: i%5 == 1, checks: i%5 == 2,
	}
	s.flaky = i%2 == 1 && !s.plain
	switch {
	case s.plain:
	case i%5 == 3:
		s.failure = "RETRY"
	case i%5 == 4 && s.mode != pipeline.Parallel:
		s.failure = "ROLLBACK"
	}
	return s
}

const source = `name: %s
pipelineType: V2
executionMode: %s
variables: [{name: level, defaultValue: low}]
stages:
  - name: Source
    actions:
      - name: Checkout
        actionTypeId: {category: Source, owner: AWS, provider: %s, version: "1"}
        configuration: {%s}
        outputArtifacts: [{name: Code}]
  - name: Build
    actions:
%s%s  - name: Test
%s    actions:
%s%s  - name: Release
%s    actions:
%s      - name: Copy
        runOrder: 2
        actionTypeId: {category: Deploy, owner: AWS, provider: S3, version: "1"}
        configuration: {BucketName: web, Extract: "false", ObjectKey: "#{codepipeline.PipelineExecutionId}.zip"}
        inputArtifacts: [{name: Code}]
`

// text returns the definition of a pipeline. Every command leaves one line in
// the file effects: who it is.
func text(folder, name string, revision int) string {
	s := shapeOf(name)
	effect := fmt.Sprintf(`echo \"$SLUICE_ACTION\" >> %s/effects`, folder)
	command := func(name string, order int, commands ...string) string {
		return fmt.Sprintf("      - name: %s\n        runOrder: %d\n        actionTypeId: {category: Compute, owner: AWS, provider: Commands, version: \"1\"}\n        commands: [\"%s\"]\n        inputArtifacts: [{name: Code}]\n",
			name, order, strings.Join(commands, `", "`))
	}
	unit := []string{effect}
	if s.flaky {
		unit = append(unit, `test $(($(od -An -N1 -tu1 /dev/urandom) % 4)) -ne 0`)
	}
	pack := fmt.Sprintf("      - name: Pack\n        runOrder: 2\n        actionTypeId: {category: Build, owner: AWS, provider: CodeBuild, version: \"1\"}\n        configuration: {ProjectName: pack, BuildspecOverride: \"version: 0.2\\nphases: {build: {commands: ['%s', sleep 0.2]}}\"}\n        inputArtifacts: [{name: Code}]\n", effect)
	provider, where := "CodeCommit", "RepositoryName: app, BranchName: main"
	switch name {
	case updated: // and its mode with it
		s.mode = []pipeline.Mode{pipeline.Superseded, pipeline.Queued}[revision%2]
	case stored:
		provider, where = "S3", "S3Bucket: drop, S3ObjectKey: code.zip"
	case pushed:
		where = "RepositoryName: pushed, BranchName: main"
	}
	gates, entry, gate := "", "", ""
	switch {
	case s.checks:
		gates = `    beforeEntry: {conditions: [{result: SKIP, rules: [{name: Level, ruleTypeId: {category: Rule, owner: AWS, provider: VariableCheck, version: "1"}, configuration: {Variable: "#{variables.level}", Operator: EQ, Value: low}}]}]}
    onSuccess: {conditions: [{result: FAIL, rules: [{name: Look, ruleTypeId: {category: Rule, owner: AWS, provider: Commands, version: "1"}, commands: ["` + effect + `"]}]}]}
`
	case s.failure == "RETRY":
		gates = "    onFailure: {result: RETRY, retryConfiguration: {retryMode: FAILED_ACTIONS}}\n"
	case s.failure != "":
		gates = "    onFailure: {result: " + s.failure + "}\n"
	}
	if s.window {
		entry = `    beforeEntry: {conditions: [{result: FAIL, rules: [{name: Window, ruleTypeId: {category: Rule, owner: AWS, provider: DeploymentWindow, version: "1"}, configuration: {Cron: "0 0 0 29 FEB ? *"}}]}]}
`
	}
	if s.asks {
		gate = "      - {name: Gate, actionTypeId: {category: Approval, owner: AWS, provider: Manual, version: \"1\"}}\n"
	}
	return fmt.Sprintf(source, name, s.mode, provider, where,
		command("Compile", 1, effect, fmt.Sprintf(": revision %d", revision)), pack,
		gates, command("Unit", 1, unit...), command("Lint", 1, effect),
		entry, gate)
}

// newFolder makes repositories, pipelines and a mapping.
func newFolder(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for _, name := range []string{"deployed", "drop", "pipelines", "repo", "pushed"} {
		if err := os.MkdirAll(filepath.Join(folder, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"repo", "pushed"} {
		git(t, filepath.Join(folder, name), "init", "-q", "-b", "main")
		commit(t, filepath.Join(folder, name), "first")
	}
	git(t, filepath.Join(folder, "repo"), "archive", "-o", filepath.Join(folder, "drop", "code.zip"), "HEAD")
	for _, name := range names() {
		write(t, filepath.Join(folder, "pipelines", name+".yaml"), text(folder, name, 0))
	}
	write(t, filepath.Join(folder, "sluice.local.yaml"), "repositories:\n  app: repo\n  pushed: pushed\nbuckets:\n  web: deployed\n  drop: drop\n")
	t.Cleanup(func() {
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(folder, "child.log"))
			t.Logf("the end of the children's log:\n%s", log[max(0, len(log)-3000):])
		}
	})
	return folder
}

func git(t *testing.T, repo string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-C", repo, "-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "gc.auto=0"}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit commits content and returns the commit's id.
func commit(t *testing.T, repo, content string) string {
	t.Helper()
	write(t, filepath.Join(repo, "file"), content+"\n")
	git(t, repo, "add", ".")
	git(t, repo, "commit", "-q", "-m", content)
	return git(t, repo, "rev-parse", "HEAD")
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
