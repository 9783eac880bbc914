package stage_test

import (
	"fmt"
	"slices"

	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/stage"
)

// A stepFunc is stage.Step or a broken relative of it.
type stepFunc func(stage.State, stage.Event) (stage.State, []stage.Effect)

// A place is where an execution is.
type place uint8

const (
	away place = iota
	waiting
	inside
	failed // left, may come back
	ended
	superseded
	removed
)

// An exec is what the world knows of an execution. It learns it from events
// and effects, never from a stage.State, so a state that lies is found out.
type exec struct {
	place   place
	entry   int
	fence   int64 // of its latest grant
	holds   bool  // inside with the stage to itself, not by PARALLEL
	retried bool
	free    bool // it arrived first in PARALLEL
	unseen  bool // it entered so in another mode, and the stage remembers nothing of it
}

// A world is a stage and the executions around it. Execution i has the
// sequence number i+1.
type world struct {
	state    stage.State
	mode     pipeline.Mode
	disabled bool
	execs    [5]exec
	n        int   // how many of them take part
	last     int   // the execution that entered last, or -1
	top      int64 // highest sequence number that entered
	fence    int64 // of the latest grant
}

func newWorld(mode pipeline.Mode, n int) world {
	return world{state: stage.State{Mode: mode}, mode: mode, n: n, last: -1}
}

// key is a world as a value that can be compared.
type key struct {
	world   string
	waiting [5]stage.Waiter
}

func (w world) key() key {
	k := key{}
	copy(k.waiting[:], w.state.Waiting)
	b := make([]byte, 0, 64)
	flag := func(v bool) byte {
		if v {
			return 1
		}
		return 0
	}
	for _, x := range w.execs[:w.n] {
		b = append(b, byte(x.place), byte(x.entry), byte(x.fence), flag(x.holds), flag(x.retried), flag(x.free))
	}
	s := w.state
	b = append(b, flag(w.disabled), byte(w.last), byte(w.top), byte(w.fence),
		flag(s.Disabled), byte(s.OwnerSeq), byte(s.Fence), byte(s.LastSeq), byte(s.LastEntry), byte(len(s.Waiting)))
	k.world = string(b) + string(w.mode) + s.Owner + "/" + s.LastExec
	return k
}

// A move is one thing that can happen in a world.
type move struct {
	kind string
	i    int           // of the execution
	mode pipeline.Mode // of "mode"
}

func (m move) String() string { return fmt.Sprintf("%s %s%s", m.kind, name(m.i), m.mode) }

// progress reports whether m brings somebody closer to the end.
func (m move) progress() bool { return m.kind == "arrive" || m.kind == "finish" || m.kind == "enable" }

// moves lists what can happen next.
func (w world) moves() []move {
	var ms []move
	for i, x := range w.execs[:w.n] {
		add := func(kinds ...string) {
			for _, kind := range kinds {
				ms = append(ms, move{kind: kind, i: i})
			}
		}
		switch x.place {
		case away:
			add("arrive")
		case waiting:
			add("arrive again", "remove")
		case inside:
			add("finish", "fail", "remove")
			if x.holds || w.last == i && !x.unseen {
				add("arrive again")
			}
			if x.holds && x.fence > 1 {
				add("release stale")
			}
		case failed, ended:
			if w.last == i && !x.unseen {
				add("arrive again")
			}
			if x.place == failed && !x.retried {
				add("retry")
			}
		}
		if x.place != inside && x.fence > 0 {
			add("release again")
		}
	}
	if w.disabled {
		return append(ms, move{kind: "enable"})
	}
	return append(ms, move{kind: "disable"})
}

// modeChanges lists the changes of mode.
func (w world) modeChanges() []move {
	var ms []move
	for _, mode := range []pipeline.Mode{pipeline.Superseded, pipeline.Queued, pipeline.Parallel} {
		ms = append(ms, move{kind: "mode", mode: mode})
	}
	return ms
}

// event is what m does to the stage.
func (w world) event(m move) stage.Event {
	x := w.execs[m.i]
	free := x.free || m.kind == "arrive" && w.mode == pipeline.Parallel
	at := stage.Waiter{Execution: name(m.i), Seq: seq(m.i), Entry: x.entry, Free: free}
	switch m.kind {
	case "arrive", "retry":
		at.Entry++
		if m.kind == "retry" {
			return stage.Reenter{Waiter: at}
		}
		return stage.Enqueue{Waiter: at}
	case "arrive again":
		return stage.Enqueue{Waiter: at}
	case "finish", "fail", "release again":
		return stage.Release{Execution: name(m.i), Fence: x.fence}
	case "release stale":
		return stage.Release{Execution: name(m.i), Fence: x.fence - 1}
	case "remove":
		return stage.Remove{Execution: name(m.i)}
	case "enable", "disable":
		return stage.SetEnabled{Enabled: m.kind == "enable"}
	}
	return stage.SetMode{Mode: m.mode}
}

// idle names the invariant that m must change nothing by, if it must.
func (w world) idle(m move) string {
	switch m.kind {
	case "arrive again":
		return "ArriveOnce"
	case "release again":
		return "ReleaseOnce"
	case "release stale":
		return "Fence"
	case "retry":
		if w.mode != pipeline.Parallel && !w.execs[m.i].free && (w.holder() >= 0 || w.last != m.i) {
			return "RetryOfLast"
		}
	}
	return ""
}

// do returns the world after m, and the invariant that broke on the way.
func (w world) do(step stepFunc, m move) (world, string) {
	idle, ev, before := w.idle(m), w.event(m), w.state
	arg := before
	arg.Waiting = append(make([]stage.Waiter, 0, len(before.Waiting)+1), before.Waiting...) // with room to spoil
	next, effects := step(arg, ev)
	w.state = next
	if !same(arg, before) || arg.Waiting[:len(arg.Waiting)+1][len(arg.Waiting)] != (stage.Waiter{}) {
		return w, "ArgumentUntouched"
	}
	if idle != "" {
		if len(effects) > 0 || !same(next, before) {
			return w, idle
		}
		return w, ""
	}

	x := &w.execs[m.i]
	switch m.kind {
	case "arrive":
		x.place, x.entry, x.free = waiting, x.entry+1, w.mode == pipeline.Parallel
	case "finish":
		x.place, x.holds = ended, false
	case "fail":
		x.place, x.holds = failed, false
	case "remove":
		x.place, x.holds = removed, false
	case "retry":
		x.entry, x.retried = x.entry+1, true
	case "enable", "disable":
		w.disabled = m.kind == "disable"
	case "mode":
		w.mode = m.mode
		for i := range w.execs {
			w.execs[i].holds = w.execs[i].holds && m.mode != pipeline.Parallel
		}
	}
	for _, e := range effects {
		var broken string
		switch e := e.(type) {
		case stage.Grant:
			broken = w.granted(e, m)
		case stage.Supersede:
			broken = w.superseded(e)
		}
		if broken != "" {
			return w, broken
		}
	}
	if m.kind == "retry" && x.place != inside {
		return w, "RetryOfLast"
	}
	return w, w.rest()
}

// granted notes a grant, or names the invariant it breaks.
func (w *world) granted(g stage.Grant, m move) string {
	i := int(g.Seq) - 1
	if i < 0 || i >= w.n || name(i) != g.Execution {
		return "StateTells"
	}
	x, retry := &w.execs[i], m.kind == "retry" && m.i == i
	switch {
	case x.place != waiting && !retry, x.entry != g.Entry:
		return "StateTells"
	case w.loose(i): // it leaves no trace
		if w.disabled && !retry || g.Fence != w.fence {
			return "FreeMeetsNobody"
		}
		x.place, x.fence, x.unseen = inside, g.Fence, true
		return ""
	case g.Fence <= w.fence:
		return "Fence"
	case w.mode != pipeline.Parallel && w.holder() >= 0:
		return "MutualExclusion"
	case w.disabled && !retry:
		return "ClosedTransitionHolds"
	case w.mode == pipeline.Superseded && !retry && g.Seq < w.top:
		return "MonotoneEntry"
	}
	x.place, x.fence, x.holds = inside, g.Fence, w.mode != pipeline.Parallel
	w.last, w.top, w.fence = i, max(w.top, g.Seq), g.Fence
	if retry {
		return ""
	}
	for j, o := range w.execs[:w.n] {
		switch {
		case o.place != waiting || o.free:
		case w.mode == pipeline.Superseded:
			return "NewestWaitingWins"
		case w.mode == pipeline.Queued && j < i:
			return "FIFO"
		}
	}
	return ""
}

// superseded notes that an execution was superseded, or names the invariant
// that forbids it.
func (w *world) superseded(s stage.Supersede) string {
	newer := false
	for i, x := range w.execs[:w.n] {
		newer = newer || x.place == waiting && !x.free && seq(i) > s.Seq
	}
	i := int(s.Seq) - 1
	switch {
	case i < 0 || i >= w.n || w.execs[i].place != waiting || name(i) != s.Execution:
		return "StateTells"
	case w.execs[i].free:
		return "FreeMeetsNobody"
	case w.mode == pipeline.Queued:
		return "FIFO"
	case w.mode == pipeline.Parallel:
		return "ParallelAdmitsAll"
	case !newer && w.top < s.Seq:
		return "NewestSurvives"
	}
	w.execs[i].place = superseded
	return ""
}

// rest checks what is true between events.
func (w *world) rest() string {
	wait, free := 0, 0
	for i, x := range w.execs[:w.n] {
		listed := slices.ContainsFunc(w.state.Waiting, func(o stage.Waiter) bool { return o.Execution == name(i) })
		if listed != (x.place == waiting) {
			return "StateTells"
		}
		switch {
		case x.place != waiting:
		case x.free:
			free++
		default:
			wait++
		}
	}
	owner := ""
	if i := w.holder(); i >= 0 {
		owner = name(i)
	}
	switch {
	case wait+free > 0 && !w.disabled && w.mode == pipeline.Parallel:
		return "ParallelAdmitsAll"
	case free > 0 && !w.disabled:
		return "FreeMeetsNobody"
	case wait > 0 && !w.disabled && owner == "":
		return "NoFreeStageWaits"
	case wait > 1 && w.mode == pipeline.Superseded:
		return "NewestWaitingWins"
	case wait+free != len(w.state.Waiting) || w.state.Owner != owner || w.state.Disabled != w.disabled:
		return "StateTells"
	}
	return ""
}

// loose reports whether an execution is free among others who are not.
func (w *world) loose(i int) bool { return w.execs[i].free && w.mode != pipeline.Parallel }

// holder is the execution that has the stage to itself, or -1.
func (w *world) holder() int {
	return slices.IndexFunc(w.execs[:w.n], func(x exec) bool { return x.holds })
}

// over reports whether every execution has come to an end.
func (w *world) over() bool {
	return !slices.ContainsFunc(w.execs[:w.n], func(x exec) bool { return x.place < failed })
}

func name(i int) string { return string(rune('a' + i)) }
func seq(i int) int64   { return int64(i) + 1 }

func same(a, b stage.State) bool {
	waiting := slices.Equal(a.Waiting, b.Waiting)
	a.Waiting, b.Waiting = nil, nil
	return waiting && fmt.Sprint(a) == fmt.Sprint(b)
}
