package cloudtest

import (
	"context"
	"testing"

	"github.com/sluice-ci/sluice/internal/entry"
	"github.com/sluice-ci/sluice/internal/orchestrator"
)

// Acts returns what opens trials of a function that runs actions: the task of
// an action of the stage Work. handle is the function's handler over the use
// cases.
func Acts(name string, handle func(*orchestrator.Service) entry.Handler) func(*testing.T) Trial {
	return func(t *testing.T) Trial {
		w := New()
		payload := w.Task(t, w.InWork(t), "Work", name)
		call := func(ctx context.Context) error {
			_, err := handle(w.Process(t))(ctx, payload)
			return err
		}
		return Trial{Call: call, Effect: w.Effect}
	}
}

// RefusesTask requires of the handler of a function that runs actions that it
// says what is missing of its payload, and nothing of what is there.
func RefusesTask(t *testing.T, h entry.Handler) {
	t.Helper()
	_, err := h(t.Context(), []byte(`{"token":"hunter2","run":"r","stage":"S","action":"A"}`))
	if want := "task of an action: missing or empty: execution"; err == nil || err.Error() != want {
		t.Errorf("%v; want %s", err, want)
	}
}
