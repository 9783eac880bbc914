package engine

import (
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sluice-ci/sluice/internal/asl/expr"
	"github.com/sluice-ci/sluice/internal/machine"
)

// maxEvents is how many events Step Functions lets a run have. It also bounds
// a loop of states that never waits.
const maxEvents = 25000

// A Begin asks for a new run.
type Begin struct {
	Name     string
	Pipeline string
	Digest   string // of the text of the machine
	Input    []byte // compact JSON
	Seed     uint64 // of jitter and UUIDs; 0 takes one from the name
}

// Start returns a new run of m that has gone as far as it can by itself, and
// what follows from that.
func Start(m *Machine, b Begin, now time.Time) (Run, []Effect) {
	if b.Seed == 0 {
		h := fnv.New64a()
		h.Write([]byte(b.Name))
		b.Seed = h.Sum64()
	}
	s := borrow(m, Run{
		Name: b.Name, Pipeline: b.Pipeline, Digest: b.Digest, Status: machine.Running,
		input: b.Input, started: now.UnixNano(), seed: b.Seed, lastID: 1, events: 1,
		frames: []frame{{id: 1}},
	}, now)
	s.enter(1, m.start, b.Input)
	return s.finish()
}

// Step returns what becomes of r when ev happens to it at now, and what
// follows. It does not change r. A token that nobody waits for gives
// machine.ErrTaskGone and r as it was.
func Step(m *Machine, r Run, ev Event, now time.Time) (Run, []Effect, error) {
	at := -1
	if token, answers := tokenOf(ev); answers {
		if at = r.waiter(token); at < 0 {
			return r, nil, machine.ErrTaskGone
		}
	}
	if r.idle(m, ev, at, now) {
		return r, nil, nil
	}
	r.frames = append(make([]frame, 0, len(r.frames)+1), r.frames...)
	s := borrow(m, r, now)
	switch ev := ev.(type) {
	case Tick:
		s.tick()
	case Stopped:
		s.end(machine.Aborted, ev.Error, ev.Cause)
	case TaskSucceeded:
		s.event(1)
		s.result(&s.run.frames[at], ev.Output)
	case TaskFailed:
		s.event(1)
		s.failed(&s.run.frames[at], ev.Error, ev.Cause)
	case Heartbeat:
		f := &s.run.frames[at]
		f.beat = s.now + int64(m.states[f.state].heartbeat)
	}
	out, effects := s.finish()
	return out, effects, nil
}

func tokenOf(ev Event) (token string, answers bool) {
	switch ev := ev.(type) {
	case TaskSucceeded:
		return ev.Token, true
	case TaskFailed:
		return ev.Token, true
	case Heartbeat:
		return ev.Token, true
	}
	return "", false
}

// idle reports whether ev, for the frame at if it is an answer, changes
// nothing.
func (r *Run) idle(m *Machine, ev Event, at int, now time.Time) bool {
	switch ev.(type) {
	case Tick:
		return r.wake == 0 || r.wake > now.UnixNano()
	case Stopped:
		return r.Status != machine.Running
	case Heartbeat:
		return m.states[r.frames[at].state].heartbeat == 0
	}
	return false
}

// Resume returns an Invoke for every task that r still waits for at now, the
// same as when it was scheduled. Whoever reads r back after a crash carries
// them out.
func Resume(m *Machine, r Run, now time.Time) []Effect {
	s := borrow(m, r, now)
	for i := range r.frames {
		f := &r.frames[i]
		if due := f.due(); f.phase == working && (due == 0 || due > s.now) {
			if payload, err := s.payload(f); err == nil {
				s.invoke(f, payload)
			}
		}
	}
	effects := s.effects
	s.giveBack()
	return effects
}

// waiter returns the frame of the task that waits for token, or -1.
func (r *Run) waiter(token string) int {
	text, ok := strings.CutPrefix(token, r.Name)
	if !ok || len(text) < 2 || text[0] != '.' || text[1] == '0' {
		return -1
	}
	serial, err := strconv.ParseUint(text[1:], 10, 64)
	if err != nil {
		return -1
	}
	return slices.IndexFunc(r.frames, func(f frame) bool { return f.phase == working && f.serial == serial })
}

// A stepper carries a run from one state of rest to the next. Its queue holds
// the states to enter, so that a loop in the machine is no recursion here.
type stepper struct {
	m       *Machine
	run     Run
	now     int64
	effects []Effect
	queue   []entry
	env     expr.Env
	scope
}

// An entry is a frame that goes to a state.
type entry struct {
	frame uint32
	state int
	input []byte
}

var steppers = sync.Pool{New: func() any { return new(stepper) }}

func borrow(m *Machine, r Run, now time.Time) *stepper {
	s := steppers.Get().(*stepper)
	s.m, s.run, s.now, s.effects = m, r, now.UnixNano(), nil
	s.env.Scope = s
	s.run.steps++
	return s
}

func (s *stepper) giveBack() {
	clear(s.queue)
	*s = stepper{queue: s.queue[:0], scope: scope{scratch: s.scratch[:0]}}
	steppers.Put(s)
}

// finish empties the queue and returns the run at rest.
func (s *stepper) finish() (Run, []Effect) {
	for i := 0; i < len(s.queue); i++ {
		e := s.queue[i]
		s.enter(e.frame, e.state, e.input)
		if i == len(s.queue)-1 {
			s.queue, i = s.queue[:0], -1
		}
	}
	if s.run.events > maxEvents && s.run.Status == machine.Running {
		s.end(machine.Failed, expr.Runtime, "The execution reached the maximum number of history events (25000).")
	}
	s.run.wake = 0
	for i := range s.run.frames {
		if due := s.run.frames[i].due(); due != 0 && (s.run.wake == 0 || due < s.run.wake) {
			s.run.wake = due
		}
	}
	run, effects := s.run, s.effects
	s.giveBack()
	return run, effects
}

func (s *stepper) event(n int)     { s.run.events += n }
func (s *stepper) effect(e Effect) { s.effects = append(s.effects, e) }

// frame returns the frame id, or nil if it is gone. The pointer holds until
// frames come or go.
func (s *stepper) frame(id uint32) *frame {
	for i := range s.run.frames {
		if s.run.frames[i].id == id {
			return &s.run.frames[i]
		}
	}
	return nil
}

// drop removes all that runs inside the frame id; with own, the frame too.
func (s *stepper) drop(id uint32, own bool) {
	gone := append(make([]uint32, 0, 8), id)
	s.run.frames = slices.DeleteFunc(s.run.frames, func(f frame) bool {
		if f.id == id {
			return own
		}
		if slices.Contains(gone, f.parent) {
			gone = append(gone, f.id)
			return true
		}
		return false
	})
}

// end ends the whole run.
func (s *stepper) end(status machine.Status, name, cause string) {
	s.run.Status, s.run.Error, s.run.Cause = status, name, cause
	s.run.frames, s.run.input = nil, nil
	s.queue = s.queue[:0]
	s.effect(Ended{})
}

// enter lets the frame id begin with state at.
func (s *stepper) enter(id uint32, at int, input []byte) {
	f := s.frame(id)
	if f == nil || s.run.events > maxEvents {
		return
	}
	*f = frame{id: f.id, parent: f.parent, branch: f.branch, state: at, entered: s.now, input: input}
	s.event(1)
	s.effect(Entered{s.m.states[at].name})
	s.try(f)
}

// try lets f do what its state says, for the first time or once more.
func (s *stepper) try(f *frame) {
	f.phase, f.deadline, f.beat = ready, 0, 0
	s.run.serial++
	f.serial = s.run.serial
	st := &s.m.states[f.state]
	s.look(f)
	var err error
	switch st.kind {
	case task:
		err = s.doTask(f, st)
	case parallel:
		err = s.doParallel(f, st)
	case choice:
		err = s.doChoice(f, st)
	case pass, succeed:
		err = s.doPass(f, st)
	case wait:
		err = s.doWait(f, st)
	case failure:
		s.failed(f, st.err, st.cause)
	}
	if err != nil {
		s.broken(f, err)
	}
}

// look makes the expressions of f's state see what f sees.
func (s *stepper) look(f *frame) {
	s.env.Input = f.input
	s.of, s.serial, s.uuids = f, f.serial, 0
}

// payload returns what the task f is called with.
func (s *stepper) payload(f *frame) ([]byte, error) {
	s.look(f)
	st := &s.m.states[f.state]
	input, err := st.input.apply(&s.env, "InputPath")
	if err != nil {
		return nil, err
	}
	s.env.Input = input
	if st.payload != nil {
		v, err := st.payload.Must(&s.env, "Payload.$")
		return slices.Clone(v), err
	}
	return st.parameters.Append(make([]byte, 0, 256), &s.env)
}

// tick does all that is due, in the order of its time.
func (s *stepper) tick() {
	for {
		var f *frame
		for i := range s.run.frames {
			g := &s.run.frames[i]
			if due := g.due(); due != 0 && due <= s.now && (f == nil || due < f.due()) {
				f = g
			}
		}
		if f == nil {
			return
		}
		s.timer(f)
	}
}

func (s *stepper) timer(f *frame) {
	st := &s.m.states[f.state]
	switch {
	case f.phase == waiting:
		s.waited(f, st)
	case f.phase == backoff:
		s.try(f)
	case f.due() == f.deadline:
		s.event(1)
		s.failed(f, timedOut, "the task did not end within TimeoutSeconds")
	default:
		s.event(1)
		s.failed(f, heartbeatMissed, "the task gave no sign of life within HeartbeatSeconds")
	}
}
