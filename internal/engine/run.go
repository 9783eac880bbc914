package engine

import (
	"time"

	"github.com/sluice-ci/sluice/internal/machine"
)

// A Run is how far one execution of a machine has come. It is all that must
// survive a crash. It is a value: Step returns a new one and leaves the old as
// it was. Counters live here and never in the machine.
type Run struct {
	Name     string
	Pipeline string // the name of the machine
	Digest   string // of the machine's text
	Status   machine.Status
	Error    string // once it has ended badly
	Cause    string
	Output   []byte // once it has succeeded

	input   []byte
	started int64 // times are nanoseconds since 1970; 0 is none
	seed    uint64
	serial  uint64 // of the latest visit to a state; see frame.serial
	events  int    // so far, counted as Step Functions does
	lastID  uint32 // of a frame
	steps   uint64 // that changed something
	wake    int64  // when the next timer is due
	frames  []frame
}

// phase is what a frame waits for.
type phase uint8

const (
	ready   phase = iota // it does not wait
	working              // for the answer of a task
	waiting              // for the end of a Wait
	backoff              // for the next attempt
	joining              // for its branches
)

// A frame is a position in a machine: the run's own, or that of a branch of a
// Parallel. Frames stand behind the frame that they are branches of.
type frame struct {
	id       uint32
	parent   uint32 // the frame of the Parallel; 0 is the run itself
	branch   int    // of the Parallel
	state    int
	phase    phase
	retries  int      // in this state so far
	spent    []int    // attempts by each Retry of the state; nil is none
	serial   uint64   // of this attempt: makes its token and its UUIDs
	entered  int64    // the state
	deadline int64    // of a task, a Wait or a backoff
	beat     int64    // when a heartbeat is missed
	input    []byte   // of the state, as it came
	outputs  [][]byte // of the branches that have ended
	left     int      // branches that have not
}

// due returns the earliest time at which something happens to f by itself.
func (f *frame) due() int64 {
	if f.beat != 0 && (f.deadline == 0 || f.beat < f.deadline) {
		return f.beat
	}
	return f.deadline
}

// Wake returns when the run wants its next [Tick]; the zero time if it waits
// for no timer.
func (r Run) Wake() time.Time {
	if r.wake == 0 {
		return time.Time{}
	}
	return time.Unix(0, r.wake)
}

// An Event happens to a run.
type Event interface{ event() }

// TaskSucceeded: the task that waits for Token has ended well. Output is
// compact JSON.
type TaskSucceeded struct {
	Token  string
	Output []byte
}

// TaskFailed: the task that waits for Token has failed.
type TaskFailed struct{ Token, Error, Cause string }

// Heartbeat: the task that waits for Token is alive.
type Heartbeat struct{ Token string }

// Tick: time has passed. A tick that comes too early or twice changes nothing.
type Tick struct{}

// Stopped: the run is to end at once.
type Stopped struct{ Error, Cause string }

func (TaskSucceeded) event() {}
func (TaskFailed) event()    {}
func (Heartbeat) event()     {}
func (Tick) event()          {}
func (Stopped) event()       {}

// An Effect is what follows once the new Run is safe.
type Effect interface{ effect() }

// Invoke: call Function with Payload; Token stands for the answer.
type Invoke struct {
	Token    string
	Function string
	Payload  []byte
}

// Entered: the run is in State now. Nothing needs to be done.
type Entered struct{ State string }

// Ended: the run is over; its Status, Error, Cause and Output say how.
type Ended struct{}

func (Invoke) effect()  {}
func (Entered) effect() {}
func (Ended) effect()   {}
