package main

import (
	"context"
	"fmt"
	"testing"

	"github.com/sluice-ci/sluice/internal/action/aws/awsfake"
	"github.com/sluice-ci/sluice/internal/action/aws/credentials"
	"github.com/sluice-ci/sluice/internal/action/aws/sources"
	"github.com/sluice-ci/sluice/internal/cloud/catalog"
	"github.com/sluice-ci/sluice/internal/cloud/cloudtest"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// The source is fetched by the real provider, into one artifact.
func TestOneEffect(t *testing.T) {
	cloudtest.OneEffect(t, func(t *testing.T) cloudtest.Trial {
		objects := new(awsfake.S3)
		objects.Bucket("incoming", true)
		objects.Bucket("sluice-artifacts", false)
		objects.Write("incoming", "app.zip", []byte("content"), nil)
		w := cloudtest.New()
		payload := w.Task(t, w.InSource(t), "Source", "Fetch")
		call := func(ctx context.Context) error {
			provider := sources.NewS3(credentials.Fixed[sources.S3](objects), objects) // with a memory of its own
			_, err := handler(w.Process(t, catalog.Providers{catalog.AWS(pipeline.Source, "S3"): provider}))(ctx, payload)
			return err
		}
		effect := func(t testing.TB) string {
			return fmt.Sprintf("%s\nartifacts: %d", w.Effect(t), len(objects.Keys("sluice-artifacts")))
		}
		return cloudtest.Trial{Call: call, Effect: effect}
	})
}

func TestPayload(t *testing.T) { cloudtest.RefusesTask(t, handler(cloudtest.New().Process(t))) }
