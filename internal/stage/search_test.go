package stage_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/stage"
)

var modes = []pipeline.Mode{pipeline.Superseded, pipeline.Queued, pipeline.Parallel}

// TestAllCanFinish visits every state of a small world: three executions that
// arrive in any order, finish, fail, come back once and are removed, a
// transition that opens and closes, and every message delivered again. It
// checks every invariant in each.
func TestAllCanFinish(t *testing.T) {
	for _, mode := range modes {
		t.Run(string(mode), func(t *testing.T) {
			n := 3
			if mode == pipeline.Parallel {
				n = 2 // nobody meets anybody there
			}
			broken, path, states := search(stage.Step, newWorld(mode, n))
			if broken != "" {
				t.Fatalf("%s is broken by %v", broken, path)
			}
			t.Logf("%d states", states)
		})
	}
}

// search visits every world that can follow w, nearest first. It returns the
// first invariant that breaks and the moves that lead there.
func search(step stepFunc, w world) (broken string, path []move, states int) {
	type node struct {
		w      world
		from   int // the node this one was found from
		by     move
		before []int // nodes that get here by progress
		ends   bool
	}
	nodes, known := []node{{w: w, from: -1}}, map[key]int{w.key(): 0}
	trail := func(i int) (ms []move) {
		for ; nodes[i].from >= 0; i = nodes[i].from {
			ms = append(ms, nodes[i].by)
		}
		slices.Reverse(ms)
		return ms
	}
	var ends []int
	for i := 0; i < len(nodes); i++ {
		at := nodes[i].w
		if at.over() {
			ends = append(ends, i)
			nodes[i].ends = true
		}
		for _, m := range at.moves() {
			next, broken := at.do(step, m)
			if broken != "" {
				return broken, append(trail(i), m), len(nodes)
			}
			k := next.key()
			j, ok := known[k]
			if !ok {
				j = len(nodes)
				known[k] = j
				nodes = append(nodes, node{w: next, from: i, by: m})
			}
			if m.progress() {
				nodes[j].before = append(nodes[j].before, i)
			}
		}
	}
	for len(ends) > 0 {
		i := ends[0]
		ends = ends[1:]
		for _, j := range nodes[i].before {
			if !nodes[j].ends {
				nodes[j].ends = true
				ends = append(ends, j)
			}
		}
	}
	for i, n := range nodes {
		if !n.ends {
			return "AllCanFinish", trail(i), len(nodes)
		}
	}
	return "", nil, len(nodes)
}

// TestWalk goes further than the search can, at random: more executions, and
// changes of mode among the other moves.
func TestWalk(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(rapid.SampledFrom(modes).Draw(t, "mode"), 5)
		for range 40 {
			moves := w.moves()
			if rapid.IntRange(0, 9).Draw(t, "change mode") == 0 {
				moves = w.modeChanges()
			}
			w = mustDo(t, w, rapid.SampledFrom(moves).Draw(t, "move"))
		}
		for !w.over() { // and all can go home
			moves := slices.DeleteFunc(w.moves(), func(m move) bool { return !m.progress() })
			if len(moves) == 0 {
				t.Fatalf("nothing leads on from %+v", w)
			}
			w = mustDo(t, w, moves[0])
		}
	})
}

func mustDo(t *rapid.T, w world, m move) world {
	t.Helper()
	next, broken := w.do(stage.Step, m)
	if broken != "" {
		t.Fatalf("%s is broken by %v in %+v; now %+v", broken, m, w.state, next.state)
	}
	return next
}

// mutants are broken Steps and the invariant that each must be found to break.
// They are made by lying to Step about its argument, or about its result.
var mutants = []struct {
	name string
	mode pipeline.Mode
	want string
	step stepFunc
}{
	{"supersedes nobody", pipeline.Superseded, "NewestWaitingWins", believing(func(s *stage.State, _ stage.Event) { s.Mode = pipeline.Queued })},
	{"supersedes in a queue", pipeline.Queued, "FIFO", believing(func(s *stage.State, _ stage.Event) { s.Mode = pipeline.Superseded })},
	{"locks nothing", pipeline.Superseded, "MutualExclusion", believing(func(s *stage.State, ev stage.Event) {
		if _, ok := ev.(stage.Enqueue); ok {
			s.Owner = ""
		}
	})},
	{"newest first in a queue", pipeline.Queued, "FIFO", upsideDown},
	{"oldest first", pipeline.Superseded, "NewestSurvives", upsideDown},
	{"forgets who entered", pipeline.Superseded, "MonotoneEntry", believing(func(s *stage.State, _ stage.Event) { s.LastSeq = 0 })},
	{"wakes nobody on release", pipeline.Queued, "NoFreeStageWaits", deafTo[stage.Release]},
	{"wakes nobody on removal", pipeline.Superseded, "NoFreeStageWaits", deafTo[stage.Remove]},
	{"wakes nobody on enabling", pipeline.Superseded, "NoFreeStageWaits", deafTo[stage.SetEnabled]},
	{"ignores the transition", pipeline.Superseded, "ClosedTransitionHolds", believing(func(s *stage.State, ev stage.Event) { s.Disabled = false })},
	{"fence stands still", pipeline.Queued, "Fence", fenceOf(1)},
	{"any fence will do", pipeline.Queued, "Fence", hearing(func(s stage.State, ev stage.Event) stage.Event {
		if r, ok := ev.(stage.Release); ok && r.Execution == s.Owner {
			return stage.Release{Execution: r.Execution, Fence: s.Fence}
		}
		return ev
	})},
	{"anybody may release", pipeline.Queued, "ReleaseOnce", hearing(func(s stage.State, ev stage.Event) stage.Event {
		if _, ok := ev.(stage.Release); ok {
			return stage.Release{Execution: s.Owner, Fence: s.Fence}
		}
		return ev
	})},
	{"old retries", pipeline.Superseded, "RetryOfLast", believing(func(s *stage.State, ev stage.Event) {
		if r, ok := ev.(stage.Reenter); ok {
			s.LastExec, s.LastEntry = r.Execution, r.Entry-1
		}
	})},
	{"no retries", pipeline.Queued, "RetryOfLast", hearing(func(_ stage.State, ev stage.Event) stage.Event {
		if _, ok := ev.(stage.Reenter); ok {
			return nil
		}
		return ev
	})},
	{"retries queue", pipeline.Queued, "RetryOfLast", hearing(func(_ stage.State, ev stage.Event) stage.Event {
		if r, ok := ev.(stage.Reenter); ok {
			return stage.Enqueue(r)
		}
		return ev
	})},
	{"every arrival is new", pipeline.Queued, "ArriveOnce", believing(func(s *stage.State, ev stage.Event) {
		if e, ok := ev.(stage.Enqueue); ok {
			s.Waiting = slices.DeleteFunc(slices.Clone(s.Waiting), func(w stage.Waiter) bool { return w == e.Waiter })
		}
	})},
	{"removes only who waits", pipeline.Queued, "StateTells", hearing(func(s stage.State, ev stage.Event) stage.Event {
		if r, ok := ev.(stage.Remove); ok && r.Execution == s.Owner {
			return nil
		}
		return ev
	})},
	{"sorts its argument", pipeline.Queued, "ArgumentUntouched", believing(func(s *stage.State, _ stage.Event) {
		slices.SortFunc(s.Waiting, func(a, b stage.Waiter) int { return strings.Compare(a.Execution, b.Execution) })
	})},
	{"admits one at a time in parallel", pipeline.Parallel, "ParallelAdmitsAll", func(s stage.State, ev stage.Event) (stage.State, []stage.Effect) {
		next, effects := stage.Step(s, ev)
		if _, ok := ev.(stage.SetEnabled); ok && len(effects) > 1 {
			next.Waiting = append(next.Waiting, effects[1].(stage.Grant).Waiter)
			effects = effects[:1]
		}
		return next, effects
	}},
}

// TestMutants shows that the checker bites.
func TestMutants(t *testing.T) {
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			broken, path, _ := search(m.step, newWorld(m.mode, 3))
			if broken != m.want {
				t.Errorf("found %q after %v; want %s", broken, path, m.want)
			}
		})
	}
}

// believing returns a Step that is told lies about the state. What the lie
// concerns is put right in its result where Step did not change it.
func believing(lie func(*stage.State, stage.Event)) stepFunc {
	return func(s stage.State, ev stage.Event) (stage.State, []stage.Effect) {
		lied := s
		lie(&lied, ev)
		next, effects := stage.Step(lied, ev)
		if next.Mode == lied.Mode {
			next.Mode = s.Mode
		}
		if next.Owner == lied.Owner {
			next.Owner = s.Owner
		}
		if next.LastSeq == lied.LastSeq {
			next.LastSeq = s.LastSeq
		}
		next.Disabled = s.Disabled
		if e, ok := ev.(stage.SetEnabled); ok {
			next.Disabled = !e.Enabled
		}
		return next, effects
	}
}

// hearing returns a Step that is told of other events.
func hearing(lie func(stage.State, stage.Event) stage.Event) stepFunc {
	return func(s stage.State, ev stage.Event) (stage.State, []stage.Effect) {
		return stage.Step(s, lie(s, ev))
	}
}

// deafTo is a Step that does not settle after an event of type E.
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

// fenceOf returns a Step that grants with one and the same fence.
func fenceOf(fence int64) stepFunc {
	return func(s stage.State, ev stage.Event) (stage.State, []stage.Effect) {
		next, effects := stage.Step(s, ev)
		for i, e := range effects {
			if g, ok := e.(stage.Grant); ok {
				next.Fence, g.Fence = fence, fence
				effects[i] = g
			}
		}
		return next, effects
	}
}

// upsideDown is a Step that takes the oldest for the newest.
func upsideDown(s stage.State, ev stage.Event) (stage.State, []stage.Effect) {
	turn := func(w stage.Waiter) stage.Waiter { w.Seq = 100 - w.Seq; return w }
	turnAll := func(s stage.State) stage.State {
		s.Waiting = slices.Clone(s.Waiting)
		for i, w := range s.Waiting {
			s.Waiting[i] = turn(w)
		}
		if s.Owner != "" {
			s.OwnerSeq = 100 - s.OwnerSeq
		}
		return s
	}
	switch e := ev.(type) {
	case stage.Enqueue:
		ev = stage.Enqueue{Waiter: turn(e.Waiter)}
	case stage.Reenter:
		ev = stage.Reenter{Waiter: turn(e.Waiter)}
	}
	lied := turnAll(s)
	lied.LastSeq = 0
	next, effects := stage.Step(lied, ev)
	next = turnAll(next)
	next.LastSeq = s.LastSeq
	for i, e := range effects {
		switch e := e.(type) {
		case stage.Grant:
			next.LastSeq = max(next.LastSeq, 100-e.Seq)
			effects[i] = stage.Grant{Waiter: turn(e.Waiter), Fence: e.Fence}
		case stage.Supersede:
			effects[i] = stage.Supersede{Waiter: turn(e.Waiter)}
		}
	}
	return next, effects
}
