package main

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/sluice-ci/sluice/internal/cloud/cloudtest"
	"github.com/sluice-ci/sluice/internal/orchestrator"
)

// The way into the first stage, from stage to stage, and the way out.
func TestOneEffect(t *testing.T) {
	for name, open := range map[string]func(*testing.T, *cloudtest.World) orchestrator.EnterRequest{
		"into the first": func(t *testing.T, w *cloudtest.World) orchestrator.EnterRequest {
			e := w.Begin(t)
			return orchestrator.EnterRequest{Run: e.Run, Execution: e.ID, Enter: "Source"}
		},
		"to the next": func(t *testing.T, w *cloudtest.World) orchestrator.EnterRequest {
			e := w.InSource(t)
			w.Act(t, e, "Source", "Fetch")
			return orchestrator.EnterRequest{Run: e.Run, Execution: e.ID, Leave: "Source", Enter: "Work"}
		},
		"out of the last": func(t *testing.T, w *cloudtest.World) orchestrator.EnterRequest {
			e := w.InWork(t)
			return orchestrator.EnterRequest{Run: e.Run, Execution: e.ID, Leave: "Work"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			cloudtest.OneEffect(t, func(t *testing.T) cloudtest.Trial {
				w := cloudtest.New()
				in := open(t, w)
				in.Token = "the task"
				payload, err := json.Marshal(in)
				if err != nil {
					t.Fatal(err)
				}
				call := func(ctx context.Context) error {
					_, err := handler(w.Process(t))(ctx, payload)
					return err
				}
				return cloudtest.Trial{Call: call, Effect: w.Effect}
			})
		})
	}
}

// What compile writes into the text of a machine is what is taken, to the letter.
func TestPayload(t *testing.T) {
	w := cloudtest.New()
	h := handler(w.Process(t))
	for payload, want := range map[string]string{
		`{"token":"t","run":"r","execution":"e","enter":"S","leave":"P"}`: "The pipeline execution 'e' of pipeline '' was not found",
		`{"token":"t","run":"r","enter":"S"}`:                             "task of a stage: missing or empty: execution",
		`{"token":"t","run":"r","execution":"e","stage":"S"}`:             `task of a stage: unknown member "stage"`,
	} {
		if _, err := h(t.Context(), []byte(payload)); err == nil || err.Error() != want {
			t.Errorf("%s: %v; want %s", payload, err, want)
		}
	}
}
