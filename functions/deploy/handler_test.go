package main

import (
	"context"
	"testing"

	"github.com/sluice-ci/sluice/internal/cloud/cloudtest"
)

// Files are copied once, and the task is answered once.
func TestOneEffect(t *testing.T) {
	cloudtest.OneEffect(t, func(t *testing.T) cloudtest.Trial {
		w := cloudtest.New()
		payload := w.Task(t, w.InWork(t), "Work", "Copy")
		call := func(ctx context.Context) error {
			_, err := handler(w.Process(t))(ctx, payload)
			return err
		}
		return cloudtest.Trial{Call: call, Effect: w.Effect}
	})
}

func TestPayload(t *testing.T) {
	_, err := handler(cloudtest.New().Process(t))(t.Context(), []byte(`{"token":"t","run":"r","stage":"S","action":"A"}`))
	if want := "task of an action: missing or empty: execution"; err == nil || err.Error() != want {
		t.Errorf("%v; want %s", err, want)
	}
}
