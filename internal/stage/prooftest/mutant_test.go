package prooftest

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/stage"
)

// A mutant is a broken protocol, or a broken reducer in it, a world that is
// large enough to show it, and what it breaks there. One that breaks nothing is
// redundant on purpose: because says by what, and the mutant of both is caught.
type mutant struct {
	name    string
	config  Config
	mutate  func(*rules)
	want    string
	because string
}

var (
	superseding = Config{Mode: pipeline.Superseded, Executions: 3, Stages: 2}
	rolling     = Config{Mode: pipeline.Superseded, Executions: 3, Stages: 2, Rollback: 3}
	queueing    = Config{Mode: pipeline.Queued, Executions: 2, Stages: 2}
	crowd       = Config{Mode: pipeline.Queued, Executions: 3, Stages: 2}
	changing    = Config{Mode: pipeline.Queued, Executions: 2, Stages: 2, Updates: back}
)

// with returns c with faults.
func (c Config) with(f Faults) Config { c.Faults = f; return c }

var mutants = []mutant{
	// Of the protocol.
	{"no version check on writes", queueing, func(r *rules) { r.blindWrites = true }, "I8", ""},
	{"non-atomic hand-over, QUEUED", queueing, func(r *rules) { r.handOverApart = true }, "I6", ""},
	{"non-atomic hand-over, SUPERSEDED", superseding, func(r *rules) { r.handOverApart = true }, "", "LastSeq sends the older one away; the mutant of both is caught"},
	{"non-atomic hand-over and LastSeq is ignored", superseding, func(r *rules) { r.handOverApart = true; r.reduce = ignoresLastSeq }, "I7", ""},
	{"LastSeq is ignored", superseding, func(r *rules) { r.reduce = ignoresLastSeq }, "", "nobody is overtaken between stages; the mutant of both is caught"},
	{"wake not in the outbox", queueing, func(r *rules) { r.wakeOutside = true }, "I3", ""},
	{"answer not in the outbox", queueing, func(r *rules) { r.answerOutside = true }, "I3", ""},
	{"wake keyed by execution only", queueing.with(Faults{Total: 1, Twice: 1}), func(r *rules) { r.anyEntry, r.anyOwner = true, true }, "I1", ""},
	{"wake does not look at the entry", queueing.with(upTo(2)), func(r *rules) { r.anyEntry = true }, "", "it looks at owner and fence; the mutant of both is caught"},
	{"wake does not look at owner and fence", queueing.with(upTo(2)), func(r *rules) { r.anyOwner = true }, "", "it looks at the entry; the mutant of both is caught"},
	{"no fence check where an action starts", queueing.with(Faults{Total: 2, Kill: 1, Linger: 1}), func(r *rules) { r.unguardedAction = true }, "I9", ""},
	{"calls of former runs count", queueing.with(upTo(3)), func(r *rules) { r.anyRun = true }, "I10", ""},
	{"calls after the end count", queueing.with(upTo(2)), func(r *rules) { r.finalGoesOn = true }, "I12", ""},
	{"no reaper", queueing.with(Faults{Total: 1, Kill: 1}), func(r *rules) { r.noReaper = true }, "I3", ""},
	{"blind status write", queueing, func(r *rules) { r.blindStatus = true }, "I12", ""},
	{"token frozen in the message", queueing.with(Faults{Total: 1, Recall: 1}), func(r *rules) { r.frozenToken = true }, "I3", ""},
	{"no re-wake", queueing.with(Faults{Total: 1, Recall: 1}), func(r *rules) { r.noRewake = true }, "I3", ""},
	{"token frozen and no re-wake", queueing.with(Faults{Total: 1, Recall: 1}), func(r *rules) { r.frozenToken, r.noRewake = true, true }, "I3", ""},
	{"who waits is not recorded", queueing, func(r *rules) { r.deafWait = true }, "I3", ""},
	{"a stop leaves the place in the queue", queueing.with(Faults{Total: 1, Stop: 1}), func(r *rules) { r.stopKeepsPlace = true }, "I12", ""},
	{"an end keeps the lock", queueing.with(Faults{Total: 1, Fail: 1}), func(r *rules) { r.endHoldsLock = true }, "I12", ""},
	{"who is superseded is not told", superseding, func(r *rules) { r.silentDismissal = true }, "I3", ""},
	{"retry does not look who entered", queueing.with(Faults{Total: 2, Fail: 1, Retry: 1}), func(r *rules) { r.retryAnybody = true }, "", "the reducer does; the mutant of both is caught"},
	{"retry does not look who entered, nor does the reducer", queueing.with(Faults{Total: 2, Fail: 1, Retry: 1}), func(r *rules) { r.retryAnybody = true; r.reduce = retriesAnybody }, "I6", ""},
	{"a repeated call need not wait for the entry condition", Config{Mode: pipeline.Queued, Executions: 1, Stages: 2, Gate: entryFails}.with(Faults{Total: 1, Recall: 1}), func(r *rules) { r.gateBlind = true }, "T8", ""},
	{"a gate does not know who waits to leave", Config{Mode: pipeline.Queued, Executions: 1, Stages: 2, Gate: successFails}, func(r *rules) { r.gateForgets = true }, "I3", ""},
	{"a version that was replaced goes on", changing.with(Faults{Total: 1, Cut: 1}), func(r *rules) { r.anyVersion = true }, "T6", ""},

	// Of the reducer.
	{"grants to the oldest", superseding, func(r *rules) { r.reduce = supersedesNobody }, "I4", ""},
	{"wrong pick order", crowd, func(r *rules) { r.reduce = newestFirst }, "I6", ""},
	{"no settle after a release", queueing, func(r *rules) { r.reduce = deafTo[stage.Release] }, "I2", ""},
	{"no settle after a toggle", queueing.with(Faults{Total: 1, Disable: 1}), func(r *rules) { r.reduce = deafTo[stage.SetEnabled] }, "I2", ""},
	{"no settle after a removal", crowd.with(Faults{Total: 1, Stop: 1}), func(r *rules) { r.reduce = deafTo[stage.Remove] }, "I2", ""},
	{"the fence stands still", queueing, func(r *rules) { r.reduce = fenceOne }, "I9", ""},
	{"any fence releases", queueing, func(r *rules) { r.reduce = anyFence }, "I9", ""},
	{"a closed transition is open", queueing.with(Faults{Total: 1, Disable: 1}), func(r *rules) { r.reduce = opensAll }, "T1", ""},
	{"a rollback takes a place of its own in the order", rolling, func(r *rules) { r.reduce = restoresByNumber }, "I5", ""},
	{"a stage keeps its mode", changing, func(r *rules) { r.reduce = keepsMode }, "T7", ""},
	{"who goes beside the others raises the fence", changing, func(r *rules) { r.reduce = fenceBeside }, "I9", ""},
	{"who goes beside the others takes the stage", changing, func(r *rules) { r.reduce = takesBeside }, "I1", ""},
	{"two owners", queueing, func(r *rules) { r.reduce = locksNothing }, "I1", ""},
}

// TestMutants shows that the search bites: each mutant breaks what it is known
// to break, by the shortest way there is (-v prints it), or is explained.
func TestMutants(t *testing.T) {
	caught, states, began := 0, 0, time.Now()
	for _, mu := range mutants {
		t.Run(mu.name, func(t *testing.T) {
			m := &model{mu.config, production}
			mu.mutate(&m.rules)
			r := m.explore(1e6)
			states += r.States
			if r.Broken != mu.want {
				t.Fatalf("breaks %q; want %q: %s", r.Broken, mu.want, r)
			}
			if r.Broken == "" {
				t.Logf("breaks nothing: %s (%s)", mu.because, r)
				return
			}
			caught++
			t.Log(r)
		})
	}
	bar(t, "B5", "mutants=%d caught=%d redundant=%d states=%d seconds=%.1f seed=none", len(mutants), caught, len(mutants)-caught, states, time.Since(began).Seconds())
}

// lying returns a Step that is told lies about the state, and whose result
// keeps what the lie was about.
func lying(lie func(*stage.State, stage.Event), mend func(s, next *stage.State)) stepFunc {
	return func(s stage.State, ev stage.Event) (stage.State, []stage.Effect) {
		lied := s
		lie(&lied, ev)
		next, effects := stage.Step(lied, ev)
		mend(&s, &next)
		return next, effects
	}
}

var (
	ignoresLastSeq = lying(
		func(s *stage.State, _ stage.Event) { s.LastSeq = 0 },
		func(s, next *stage.State) { next.LastSeq = max(next.LastSeq, s.LastSeq) })
	supersedesNobody = lying(
		func(s *stage.State, _ stage.Event) { s.Mode = pipeline.Queued },
		func(s, next *stage.State) { next.Mode = s.Mode })
	retriesAnybody = lying(
		func(s *stage.State, ev stage.Event) {
			if r, ok := ev.(stage.Reenter); ok {
				s.LastExec, s.LastEntry = r.Execution, r.Entry-1
			}
		},
		func(*stage.State, *stage.State) {})
	opensAll = lying(
		func(s *stage.State, ev stage.Event) { s.Disabled = false },
		func(s, next *stage.State) { next.Disabled = next.Disabled || s.Disabled })
	locksNothing = lying(
		func(s *stage.State, ev stage.Event) {
			if _, ok := ev.(stage.Enqueue); ok {
				s.Owner, s.OwnerSeq = "", 0
			}
		},
		func(*stage.State, *stage.State) {})
)

// restoresByNumber has a rollback enter with its own sequence number.
func restoresByNumber(s stage.State, ev stage.Event) (stage.State, []stage.Effect) {
	r, ok := ev.(stage.Restore)
	if !ok || s.Owner != "" {
		return stage.Step(s, ev)
	}
	s.LastExec, s.LastEntry = r.Execution, r.Entry-1
	return stage.Step(s, stage.Reenter(r))
}

// newestFirst grants, in a queue, to the newest who waits.
func newestFirst(s stage.State, ev stage.Event) (stage.State, []stage.Effect) {
	s.Waiting = slices.Clone(s.Waiting)
	if _, ok := ev.(stage.Release); ok && len(s.Waiting) > 1 {
		newest := slices.MaxFunc(s.Waiting, func(a, b stage.Waiter) int { return cmp.Compare(a.Seq, b.Seq) })
		rest := slices.DeleteFunc(slices.Clone(s.Waiting), func(w stage.Waiter) bool { return w == newest })
		s.Waiting = []stage.Waiter{newest}
		next, effects := stage.Step(s, ev)
		next.Waiting = append(next.Waiting, rest...)
		return next, effects
	}
	return stage.Step(s, ev)
}

// deafTo does not settle after an event of type E: what it grants it takes back.
func deafTo[E stage.Event](s stage.State, ev stage.Event) (stage.State, []stage.Effect) {
	next, effects := stage.Step(s, ev)
	if _, ok := ev.(E); !ok || len(effects) == 0 {
		return next, effects
	}
	next.Owner, next.OwnerSeq, next.Fence = "", 0, s.Fence
	next.LastSeq, next.LastExec, next.LastEntry = s.LastSeq, s.LastExec, s.LastEntry
	for _, e := range effects {
		if g, ok := e.(stage.Grant); ok {
			next.Waiting = append(next.Waiting, g.Waiter)
		}
	}
	return next, nil
}

// fenceOne grants with one and the same fence.
func fenceOne(s stage.State, ev stage.Event) (stage.State, []stage.Effect) {
	next, effects := stage.Step(s, ev)
	for i, e := range effects {
		if g, ok := e.(stage.Grant); ok {
			next.Fence, g.Fence = 1, 1
			effects[i] = g
		}
	}
	return next, effects
}

// keepsMode never changes the mode of a stage.
func keepsMode(s stage.State, ev stage.Event) (stage.State, []stage.Effect) {
	if _, ok := ev.(stage.SetMode); ok {
		return s, nil
	}
	return stage.Step(s, ev)
}

// fenceBeside raises the fence with every grant.
func fenceBeside(s stage.State, ev stage.Event) (stage.State, []stage.Effect) {
	next, effects := stage.Step(s, ev)
	for _, e := range effects {
		if g, ok := e.(stage.Grant); ok && g.Free && next.Mode != pipeline.Parallel {
			next.Fence++
		}
	}
	return next, effects
}

// takesBeside makes an owner of everybody that it lets in.
func takesBeside(s stage.State, ev stage.Event) (stage.State, []stage.Effect) {
	next, effects := stage.Step(s, ev)
	for _, e := range effects {
		if g, ok := e.(stage.Grant); ok && g.Free && next.Mode != pipeline.Parallel {
			next.Owner, next.OwnerSeq = g.Execution, g.Seq
		}
	}
	return next, effects
}

// anyFence lets an execution release with whatever fence.
func anyFence(s stage.State, ev stage.Event) (stage.State, []stage.Effect) {
	if r, ok := ev.(stage.Release); ok && r.Execution == s.Owner {
		ev = stage.Release{Execution: r.Execution, Fence: s.Fence}
	}
	return stage.Step(s, ev)
}
