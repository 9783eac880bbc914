package orchestrator_test

import (
	"testing"

	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
)

// TestDeleteCutShort cuts a deletion short at each of its writes. The sweep, or
// whoever repeats it, abandons what the pipeline ran, and nothing of a new one
// that has its name meanwhile.
func TestDeleteCutShort(t *testing.T) {
	again := func(w *world) error { return w.svc.DeletePipeline(t.Context(), "app", "me") }
	sweep := func(w *world) error { return w.svc.Sweep(t.Context()) }
	for left := 1; left <= 3; left++ { // what it runs is abandoned by the second write, forgotten by the third
		for name, rest := range map[string]func(w *world) error{"repeated": again, "swept": sweep, "made again and swept": sweep} {
			w := newWorld(t, 1)
			w.create(app(pipeline.Parallel))
			id := w.start()
			w.settle() // it waits for its approval
			svc, _ := w.cutAfter(left)
			if err := svc.DeletePipeline(t.Context(), "app", "me"); (err == nil) != (left == 3) {
				t.Fatalf("with %d writes the deletion says %v", left, err)
			}
			young := ""
			if name == "made again and swept" {
				w.create(app(pipeline.Parallel))
				young = w.start()
			}
			for range 2 {
				if err := rest(w); err != nil {
					t.Fatal(err)
				}
			}
			w.settle()
			w.want(id, pipeline.Cancelled)
			if young != "" {
				w.want(young, pipeline.InProgress)
			}
			if rows, err := w.svc.Store.Query(t.Context(), store.Query{PK: record.DeletedKey}); err != nil || len(rows) > 0 {
				t.Errorf("%s after %d writes: %d deletions are left, %v", name, left, len(rows), err)
			}
		}
	}
}
