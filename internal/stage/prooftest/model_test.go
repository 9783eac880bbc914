package prooftest

import (
	"runtime/debug"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/bartest"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/stage"
)

var modes = []pipeline.Mode{pipeline.Superseded, pipeline.Queued, pipeline.Parallel}

// production is the protocol as package orchestrator has it; see
// TestLikeTheService.
var production = rules{reduce: stage.Step, newestCallWaits: true, newestCallActs: true, newestVisitActs: true, repeatsAgain: true, successIsWell: true, retryRunning: true, goesBeside: true, hearsBeside: true, arrivalSetsMode: true, newestSettles: true}

// upTo is so many faults, of each kind at most one.
func upTo(n uint8) Faults {
	return Faults{Total: n, Disable: 1, Stop: 1, Fail: 1, Retry: 1, Kill: 1, Recall: 1, Linger: 1, Twice: 1, GiveUp: 1}
}

// cutting is likewise, and an update may be cut short.
func cutting(n uint8) Faults {
	f := upTo(n)
	f.Cut = 1
	return f
}

// overriding is likewise, and a condition may be overridden.
func overriding(n uint8) Faults {
	f := upTo(n)
	f.Override = 1
	return f
}

// back are updates to PARALLEL and to QUEUED after it.
var back = []pipeline.Mode{pipeline.Parallel, pipeline.Queued}

// ordered are the modes in which a stage has an owner.
var ordered = modes[:2]

// configs are the worlds that are visited, in which modes, and whether in the
// short form too.
var configs = []struct {
	Config
	modes []pipeline.Mode
	short bool
}{
	{Config{Name: "3 executions, 2 stages, one fault of nine kinds", Executions: 3, Stages: 2, Faults: upTo(1)}, ordered, true},
	{Config{Name: "2 executions, 2 stages, two faults of nine kinds", Executions: 2, Stages: 2, Faults: upTo(2)}, modes, true},
	{Config{Name: "2 executions, 2 stages, updates to PARALLEL and back", Executions: 2, Stages: 2, Updates: back}, ordered, true},
	{Config{Name: "2 executions, 2 stages, an update to QUEUED that may be cut short, one fault of nine kinds", Executions: 2, Stages: 2, Updates: back[1:], Faults: cutting(1)}, modes, false},
	{Config{Name: "2 executions, 2 stages, an update to SUPERSEDED that may be cut short, two faults of nine kinds", Executions: 2, Stages: 2, Updates: modes[:1], Faults: cutting(2)}, modes[2:], false},
	{Config{Name: "3 executions, 1 stage, updates to PARALLEL and back that may be cut short, or a run is killed", Executions: 3, Stages: 1, Updates: back, Faults: Faults{Total: 1, Cut: 1, Kill: 1}}, ordered[:1], false},
	{Config{Name: "2 executions, 2 stages, an entry condition, one fault of ten kinds", Executions: 2, Stages: 2, Gate: entryFails, Faults: overriding(1)}, modes, true},
	{Config{Name: "2 executions, 3 stages, an entry condition that skips, one fault of ten kinds", Executions: 2, Stages: 3, Gate: entrySkips, Faults: overriding(1)}, ordered[1:], true},
	{Config{Name: "2 executions, 2 stages, a condition of success, one fault of ten kinds", Executions: 2, Stages: 2, Gate: successFails, Faults: overriding(1)}, ordered, true},
	{Config{Name: "3 executions, a condition of failure that rolls back, one fault of ten kinds", Executions: 3, Stages: 2, Rollback: 3, AutoBack: true, Gate: failureRollsBack, Faults: overriding(1)}, ordered[:1], true},
	{Config{Name: "2 executions, 2 stages, an entry condition, three faults of ten kinds", Executions: 2, Stages: 2, Gate: entryFails, Faults: overriding(3)}, ordered[1:], false},
	{Config{Name: "2 executions, 2 stages, an entry condition, two faults of ten kinds", Executions: 2, Stages: 2, Gate: entryFails, Faults: overriding(2)}, modes[2:], false},
	{Config{Name: "2 executions, 3 stages, an entry condition that skips, two faults of ten kinds", Executions: 2, Stages: 3, Gate: entrySkips, Faults: overriding(2)}, ordered, false},
	{Config{Name: "2 executions, 2 stages, a condition of success, three faults of ten kinds", Executions: 2, Stages: 2, Gate: successFails, Faults: overriding(3)}, ordered[:1], false},
	{Config{Name: "3 executions, a condition of success that rolls back, two faults of ten kinds", Executions: 3, Stages: 2, Rollback: 3, AutoBack: true, Gate: successRollsBack, Faults: overriding(2)}, ordered, false},
	{Config{Name: "3 executions, a condition of failure that rolls back, two faults of ten kinds", Executions: 3, Stages: 2, Rollback: 3, AutoBack: true, Gate: failureRollsBack, Faults: overriding(2)}, ordered, false},
	{Config{Name: "2 executions, 2 stages, an entry condition and an update, one fault of ten kinds", Executions: 2, Stages: 2, Gate: entryFails, Updates: back[1:], Faults: overriding(1)}, ordered[1:], false},
	{Config{Name: "2 executions, 2 stages, a condition of success and an update, one fault of ten kinds", Executions: 2, Stages: 2, Gate: successFails, Updates: back[1:], Faults: overriding(1)}, ordered[1:], false},
	{Config{Name: "2 executions, 2 stages, onFailure RETRY, a failure and a repeated call", Executions: 2, Stages: 2, AutoRetry: true, Faults: Faults{Total: 3, Fail: 2, Recall: 1, Linger: 1}}, ordered, true},
	{Config{Name: "3 executions, 3 stages, kill and retry", Executions: 3, Stages: 3, Faults: Faults{Total: 2, Kill: 1, Retry: 1}}, ordered, false},
	{Config{Name: "3 executions, 3 stages, one fault of nine kinds", Executions: 3, Stages: 3, Faults: upTo(1)}, ordered, false},
	{Config{Name: "3 executions, a rollback between two others, two faults of nine kinds", Executions: 3, Stages: 2, Rollback: 2, Faults: upTo(2)}, ordered, false},
	{Config{Name: "3 executions, a rollback after two others, two faults of nine kinds", Executions: 3, Stages: 2, Rollback: 3, Faults: upTo(2)}, ordered, false},
	{Config{Name: "3 executions, 3 stages, a rollback, one fault of nine kinds", Executions: 3, Stages: 3, Rollback: 2, Faults: upTo(1)}, ordered, false},
	{Config{Name: "3 executions, onFailure ROLLBACK, two faults of nine kinds", Executions: 3, Stages: 2, Rollback: 3, AutoBack: true, Faults: upTo(2)}, ordered, false},
	{Config{Name: "2 executions, 2 stages, onFailure RETRY, three faults of nine kinds", Executions: 2, Stages: 2, AutoRetry: true, Faults: upTo(3)}, ordered, false},
	{Config{Name: "2 executions, 2 stages, three faults of nine kinds", Executions: 2, Stages: 2, Faults: upTo(3)}, modes[2:], false},
	{Config{Name: "1 execution, 2 stages, all nine faults", Executions: 1, Stages: 2, Faults: upTo(9)}, ordered[:1], false},
	{Config{Name: "2 executions, 1 stage, all nine faults", Executions: 2, Stages: 1, Faults: upTo(9)}, ordered, false},
	{Config{Name: "3 executions, 2 stages, three faults of nine kinds", Executions: 3, Stages: 2, Faults: upTo(3)}, ordered, false},
}

// TestModel visits every state of each world and checks every invariant.
func TestModel(t *testing.T) {
	if bartest.Proving() { // states are large and hold no pointers: collecting often costs nothing
		defer debug.SetGCPercent(debug.SetGCPercent(20))
	}
	var all Result
	began := time.Now()
	for _, c := range configs {
		if !c.short && !bartest.Proving() {
			continue
		}
		for _, mode := range c.modes {
			c.Mode = mode
			r := (&model{c.Config, production}).explore(40e6)
			t.Logf("%s, %s: %s", mode, c.Name, r)
			if r.Broken != "" {
				t.Errorf("%s, %s: %s", mode, c.Name, r)
			}
			all.States, all.Edges = all.States+r.States, all.Edges+r.Edges
		}
	}
	bartest.Report(t, "B4", "states=%d edges=%d seconds=%.1f peakMB=%d seed=none", all.States, all.Edges, time.Since(began).Seconds(), peak(t))
	if n := all.States; bartest.Proving() && n < 5e6 {
		t.Errorf("%d states; want 5 million", n)
	}
}

// peak is the most memory that this process has had, in MB.
func peak(t *testing.T) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Error(err)
	}
	return u.Maxrss >> 10
}

// findings are what was wrong with the protocol of production, each in a world
// that shows it, with all other rules kept. All are repaired; what is found
// here is that the rule of each repair is needed. See docs/proof.md.
var findings = []struct {
	name   string
	config Config
	leave  func(*rules) // unrepaired
	want   string
}{
	{"1: a late call of Enter takes the place of the call that waits",
		Config{Mode: pipeline.Queued, Executions: 2, Stages: 1, Faults: Faults{Total: 2, Recall: 1, Linger: 1}},
		func(r *rules) { r.newestCallWaits = false }, "I3"},
	{"2: a late call of RunAction takes the place of the call that waits",
		Config{Mode: pipeline.Queued, Executions: 1, Stages: 1, Faults: Faults{Total: 2, Recall: 1, Linger: 1}},
		func(r *rules) { r.newestCallActs = false }, "I3"},
	{"3: a repeated call ends the attempt that the first one began by onFailure RETRY",
		Config{Mode: pipeline.Queued, Executions: 1, Stages: 2, AutoRetry: true, Faults: Faults{Total: 2, Recall: 1, Fail: 1}},
		func(r *rules) { r.repeatsAgain = false }, "I10"},
	{"4: a repeated Finish fails the run of an execution that succeeded",
		Config{Mode: pipeline.Queued, Executions: 1, Stages: 1, Faults: Faults{Total: 1, Recall: 1}},
		func(r *rules) { r.successIsWell = false }, "T3"},
	{"5: a retry beside others, where nothing runs any more, sends the run where it has no way",
		Config{Mode: pipeline.Queued, Executions: 1, Stages: 2, Faults: Faults{Total: 2, Fail: 1, Retry: 1}},
		func(r *rules) { r.retryRunning = false }, "T4"},
	{"6: nobody may retry a stage that was granted to one who is stopped before it hears of it",
		Config{Mode: pipeline.Queued, Executions: 2, Stages: 1, Faults: Faults{Total: 1, Stop: 1}},
		func(r *rules) { r.endsUnseen = true }, "T5"},
	{"7: an execution that is PARALLEL is superseded under the mode of an update",
		Config{Mode: pipeline.Parallel, Executions: 2, Stages: 2, Updates: []pipeline.Mode{pipeline.Superseded}},
		func(r *rules) { r.goesBeside = false }, "I4"},
	{"8: the grant of an execution that is PARALLEL is lost when the mode changes before it is heard",
		Config{Mode: pipeline.Parallel, Executions: 1, Stages: 2, Updates: []pipeline.Mode{pipeline.Queued}, Faults: Faults{Total: 1, Disable: 1}},
		func(r *rules) { r.hearsBeside = false }, "I3"},
	{"9: executions of a new version keep to the old mode until the update comes to the stage",
		Config{Mode: pipeline.Parallel, Executions: 2, Stages: 1, Updates: []pipeline.Mode{pipeline.Queued}},
		func(r *rules) { r.arrivalSetsMode = false }, "T7"},
	{"10: of two updates at once the older one has the last word about the mode",
		Config{Mode: pipeline.Queued, Executions: 2, Stages: 1, Updates: []pipeline.Mode{pipeline.Parallel, pipeline.Queued}},
		func(r *rules) { r.newestSettles = false }, "T7"},
	{"11: a call of RunAction from before its stage was repeated takes the place of the call that waits",
		Config{Mode: pipeline.Queued, Executions: 1, Stages: 2, AutoRetry: true, Faults: Faults{Total: 3, Recall: 1, Linger: 1, Fail: 1}},
		func(r *rules) { r.newestVisitActs = false }, "I3"},
}

// TestFindings shows each finding by its shortest trace (-v).
func TestFindings(t *testing.T) {
	for _, f := range findings {
		m := &model{f.config, production}
		f.leave(&m.rules)
		r := m.explore(1e6)
		if r.Broken != f.want {
			t.Errorf("%s: breaks %q; want %q: %s", f.name, r.Broken, f.want, r)
		}
		t.Logf("%s: %s", f.name, r)
	}
}
