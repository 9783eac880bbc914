package s3_test

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/actiontest"
	"github.com/sluice-ci/sluice/internal/action/s3"
	"github.com/sluice-ci/sluice/internal/action/whole/wholetest"
	"github.com/sluice-ci/sluice/internal/blob/dir"
	"github.com/sluice-ci/sluice/internal/mapping"
)

// TestSourceContract runs the suite over objects in a real folder.
func TestSourceContract(t *testing.T) {
	actiontest.Run(t, func(t *testing.T) actiontest.Harness {
		blobs, err := dir.New(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { blobs.Close() })
		data := t.TempDir()
		write(t, filepath.Join(data, "buckets/inbox/app.zip"), "hello")
		return actiontest.Harness{
			Open: func(_ *testing.T, _ func(string)) action.Provider {
				return s3.NewSource(mapping.Mapping{}, data, blobs)
			},
			Succeeds: func(*testing.T) action.Job { return source("app.zip") },
			Fails:    func(*testing.T) action.Job { return source("none.zip") },
			Blobs:    blobs,
		}
	})
}

// TestDeployContract does so for deployments, over objects in a real folder.
func TestDeployContract(t *testing.T) {
	actiontest.Run(t, func(t *testing.T) actiontest.Harness {
		blobs, err := dir.New(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { blobs.Close() })
		data := t.TempDir()
		deployed := func(pairs ...string) func(*testing.T) action.Job {
			return func(t *testing.T) action.Job {
				job := deployment(t, &wholetest.Blobs{}, nil, pairs...)
				ref, err := blobs.Create(t.Context(), "b", "in", bytes.NewReader(pack(t, site...)))
				if err != nil {
					t.Fatal(err)
				}
				job.Inputs[0].Ref = ref
				return job
			}
		}
		return actiontest.Harness{
			Open: func(_ *testing.T, _ func(string)) action.Provider {
				return s3.NewDeploy(mapping.Mapping{}, data, blobs)
			},
			Succeeds: deployed(),
			Fails: func(t *testing.T) action.Job {
				job := deployment(t, &wholetest.Blobs{}, nil, "Extract", "maybe")
				return job
			},
			Blobs: blobs,
		}
	})
}
