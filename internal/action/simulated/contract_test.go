package simulated_test

import (
	"testing"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/actiontest"
	"github.com/sluice-ci/sluice/internal/action/simulated"
	"github.com/sluice-ci/sluice/internal/blob/dir"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// TestContract runs the suite over objects in a real folder.
func TestContract(t *testing.T) {
	actiontest.Run(t, func(t *testing.T) actiontest.Harness {
		blobs, err := dir.New(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { blobs.Close() })
		return actiontest.Harness{
			Open:     func(_ *testing.T, _ func(string)) action.Provider { return simulated.New(blobs, simulated.Options{}) },
			Succeeds: func(*testing.T) action.Job { return job(pipeline.Invoke, "Lambda", nil, "Out") },
			Fails:    func(*testing.T) action.Job { return job(pipeline.Source, "S3", nil, "Out") },
			Blobs:    blobs,
		}
	})
}
