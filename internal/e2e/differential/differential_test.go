package differential

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/bartest"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// amounts are how many definitions and machines are compared.
func amounts() (pipelines, machines uint64) {
	if bartest.Proving() {
		return 400, 400
	}
	return 40, 30
}

// atOnce is how many runs the emulator has at a time. It is one process of
// Python, but most of what it does is wait.
const atOnce = 8

// Definitions are lawful, so what is compared is what a user can have.
func TestPipelinesAreLawful(t *testing.T) {
	for seed := range uint64(500) {
		if problems := pipeline.Validate(randomPipeline(seed)); len(problems) > 0 {
			t.Errorf("seed %d: %v", seed, problems)
		}
	}
}

// TestDifferential plays random cases on both and compares the traces; then it
// shows that the comparison would notice a machine, or an engine, that is not
// what it should be.
func TestDifferential(t *testing.T) {
	e, began := startEmulator(t), time.Now()
	pipelines, machines := amounts()
	specimens := Specimens(pipelines, machines)
	found := compareAll(t, e, specimens)
	states, calls := 0, 0
	for _, f := range found {
		states, calls = states+f.states, calls+f.calls
	}
	t.Logf("%d cases, %d states, %d calls", len(specimens), states, calls)
	t.Run("deviations", func(t *testing.T) { testDeviations(t, e) })
	bartest.Report(t, "differential", "definitions=%d machines=%d states=%d calls=%d equal=%d deviations=%d seconds=%.1f seed=0..%d",
		pipelines, machines, states, calls, len(found), len(deviations), time.Since(began).Seconds(), pipelines-1)
	if t.Failed() {
		return // mutants are told from what is equal
	}
	t.Run("wrong texts", func(t *testing.T) { testWrongTexts(t, specimens, found) })
	t.Run("wrong engines", func(t *testing.T) { testWrongEngines(t, found, pipelines, machines) })
}

// A finding is what both did.
type finding struct {
	lines         []string
	states, calls int
}

// compareAll returns what was equal, by name of the case, and reports the rest.
func compareAll(t *testing.T, e *emulator, specimens []Specimen) map[string]finding {
	found := map[string]finding{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for _, s := range specimens {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			c, got, diff, err := compare(t.Context(), e, s, patience)
			switch {
			case err != nil:
				t.Errorf("%s: %v", c.Name, err)
			case diff != "":
				report(t, e, s, diff)
			default:
				f := finding{lines: got.Lines()}
				f.states, _ = got.steps()
				for _, calls := range got.Calls {
					f.calls += len(calls)
				}
				mu.Lock()
				found[c.Name] = f
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return found
}

// compare plays s on both. An error says that there is nothing to compare.
func compare(ctx context.Context, e *emulator, s Specimen, patience time.Duration) (c Case, emulated Trace, diff string, err error) {
	if c, err = s.Case(); err != nil {
		return c, emulated, "", err
	}
	embedded, moves, err := c.Embedded()
	if err != nil {
		return c, emulated, "", err
	}
	if emulated, err = e.play(ctx, c, moves, patience); err != nil {
		return c, emulated, "", err
	}
	return c, emulated, sideBySide(embedded, emulated), nil
}

// report says how s differs, after it was made as small as it gets.
func report(t *testing.T, e *emulator, s Specimen, first string) {
	const briefly = 10 * time.Second // what never comes is what most differ in
	small := minimise(s, 40, func(s Specimen) bool {
		_, _, diff, err := compare(t.Context(), e, s, briefly)
		return err == nil && diff != ""
	})
	c, _, diff, err := compare(t.Context(), e, small, briefly)
	if err != nil || diff == "" {
		t.Errorf("%s (kind and seed) differed once, and not again; error %v\n%s", c.Name, err, first)
		return
	}
	t.Errorf("%s (kind and seed) differs; made smaller it is\n%s\n%s", c.Name, c.Origin, diff)
}

// It leaves what makes the difference.
func TestMinimise(t *testing.T) {
	var seed uint64
	has := func(s Specimen) bool {
		return slices.ContainsFunc(s.(pipelineSpecimen).d.Stages, func(s pipeline.Stage) bool {
			return slices.ContainsFunc(s.Actions, func(a pipeline.Action) bool { return a.TypeID.Category == pipeline.Approval })
		})
	}
	for !has(pipelineSpecimen{randomPipeline(seed), seed}) {
		seed++
	}
	got := minimise(pipelineSpecimen{randomPipeline(seed), seed}, 1000, has).(pipelineSpecimen).d
	if len(got.Stages) != 1 || len(got.Stages[0].Actions) != 1 || got.Stages[0].OnFailure != nil {
		t.Errorf("seed %d: %d stages are left; want one with one action:\n%+v", seed, len(got.Stages), got.Stages)
	}
}
