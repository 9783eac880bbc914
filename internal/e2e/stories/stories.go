// Package stories tells what executions do in words that anybody can check: each
// story is a shell script beside the definition of its pipeline, in which the
// unmodified AWS CLI alone works with a running Sluice. README.md says how to
// play one by hand.
//
// A story is told once. Where it is played differs in what lib.sh reads from
// the environment: an API, and a repository that takes pushes. TestStories plays
// them before `sluice up`, package scenarios in a deployment.
package stories

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// LaptopOnly are the stories that cannot be played in a deployment, and why.
var LaptopOnly = map[string]string{
	"update": "in an account a pipeline is changed by deploying it, which TestShop/redeployment does",
}

// A Place is where a story is played: before a Sluice that has the story's
// pipeline and never ran it.
type Place struct {
	Endpoint   string   // of the API
	Repository string   // of the pipeline's source: git pushes to it, and it is empty
	Env        []string // what else the AWS CLI needs, as in os.Environ
}

// Names returns the names of the stories that lie in dir.
func Names(t *testing.T, dir string) []string {
	t.Helper()
	scripts, err := filepath.Glob(filepath.Join(dir, "*", "story.sh"))
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no stories in %s: %v", dir, err)
	}
	var names []string
	for _, script := range scripts {
		names = append(names, filepath.Base(filepath.Dir(script)))
	}
	return names
}

// Need skips a test where a program is not installed that stories are played
// with.
func Need(t *testing.T) {
	t.Helper()
	for _, program := range []string{"bash", "git", "aws"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("left out: %s is not installed (make deps installs it)", program)
		}
	}
}

// Play plays a story of dir at a place; what is said is in the test's output.
func Play(t *testing.T, dir, name string, at Place) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", filepath.Join(dir, name, "story.sh"))
	cmd.Env = append(os.Environ(), at.Env...)
	cmd.Env = append(cmd.Env, "AWS_ENDPOINT_URL_CODEPIPELINE="+at.Endpoint, "STORY_REPOSITORY="+at.Repository)
	out := t.Output()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}
