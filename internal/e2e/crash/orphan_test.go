package crash_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/codepipeline"
	"github.com/sluice-ci/sluice/internal/orchestrator"
)

// sleeping is a pipeline whose one command leaves two processes behind, one of
// them in a session of its own, and writes down who they are.
const sleeping = `
name: sleeping
pipelineType: V2
stages:
  - name: Source
    actions:
      - name: Checkout
        actionTypeId: {category: Source, owner: AWS, provider: CodeCommit, version: 1}
        configuration: {RepositoryName: app, BranchName: main}
        outputArtifacts: [{name: Code}]
  - name: Build
    actions:
      - name: Sleep
        actionTypeId: {category: Compute, owner: AWS, provider: Commands, version: 1}
        commands: ["sleep 7777 & a=$!; setsid sleep 7777 & echo $a $! >> %s/pids; wait"]
        inputArtifacts: [{name: Code}]
`

// TestNoOrphans kills the system while a build runs. The next one ends what
// the build left, even what left its process group, and runs it again; stopping
// that leaves nothing either.
func TestNoOrphans(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("left out: processes are found through procfs")
	}
	folder := newFolder(t)
	write(t, filepath.Join(folder, "pipelines", "sleeping.yaml"), fmt.Sprintf(sleeping, folder))
	c := start(t, folder)
	in := codepipeline.StartPipelineExecutionInput{Name: "sleeping", ClientRequestToken: orchestrator.NewID()}
	var out codepipeline.StartPipelineExecutionOutput
	if err := c.api.Do(t.Context(), "StartPipelineExecution", in, &out); err != nil {
		t.Fatal(err)
	}
	first := sleepers(t, folder, 0)
	c.kill()

	c = start(t, folder)
	defer c.kill()
	second := sleepers(t, folder, 2)
	await(t, func() string { return "what the first build left to end" }, func() bool { return alive(first) == 0 })
	stop := codepipeline.StopPipelineExecutionInput{PipelineName: "sleeping", PipelineExecutionID: out.PipelineExecutionID, Abandon: true}
	if err := c.api.Do(t.Context(), "StopPipelineExecution", stop, nil); err != nil {
		t.Fatal(err)
	}
	await(t, func() string { return "the abandoned build to end" }, func() bool { return alive(second) == 0 })
}

// sleepers waits until the two processes of a build that come behind others
// are asleep, and returns their ids. When they are written down they may not be
// what they are to be yet: the shell has made them, and they have its name.
func sleepers(t *testing.T, folder string, behind int) []string {
	t.Helper()
	var pids []string
	await(t, func() string {
		return fmt.Sprintf("two processes of a build behind %d others; there are %v", behind, pids)
	}, func() bool {
		text, err := os.ReadFile(filepath.Join(folder, "pids"))
		pids = strings.Fields(string(text))
		return err == nil && len(pids) >= behind+2 && alive(pids[behind:behind+2]) == 2
	})
	return pids[behind : behind+2]
}

// alive counts the sleeping processes that live. A zombie is dead; so is a
// process that only has the id of an old one.
func alive(pids []string) int {
	n := 0
	for _, pid := range pids {
		if line, err := os.ReadFile("/proc/" + pid + "/cmdline"); err == nil && strings.HasPrefix(string(line), "sleep\x007777") {
			n++
		}
	}
	return n
}
