package git_test

import (
	"testing"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/actiontest"
	"github.com/sluice-ci/sluice/internal/action/git"
	"github.com/sluice-ci/sluice/internal/blob/dir"
	"github.com/sluice-ci/sluice/internal/git/gittest"
)

// TestContract runs the suite over objects in a real folder.
func TestContract(t *testing.T) {
	actiontest.Run(t, func(t *testing.T) actiontest.Harness {
		blobs, err := dir.New(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { blobs.Close() })
		src := gittest.New(t)
		src.Commit("one", "a", "1")
		return actiontest.Harness{
			Open:     func(_ *testing.T, _ func(string)) action.Provider { return git.New(mapped(src.Path), blobs) },
			Succeeds: func(*testing.T) action.Job { return job("CodeCommit") },
			Fails:    func(*testing.T) action.Job { return job("CodeCommit", "BranchName", "none") },
			Blobs:    blobs,
		}
	})
}
