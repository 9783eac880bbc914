package main

import (
	"context"
	"testing"

	"github.com/sluice-ci/sluice/internal/cloud/cloudtest"
)

// Whoever asks first for the first approval of all makes the salt of the tokens;
// there is one request with one token.
func TestOneEffect(t *testing.T) {
	cloudtest.OneEffect(t, func(t *testing.T) cloudtest.Trial {
		w := cloudtest.New()
		payload := w.Task(t, w.InWork(t), "Work", "Ask")
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
