package prooftest

import (
	"slices"

	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/stage"
)

// How large a world may be.
const (
	maxExecutions = 4
	maxStages     = 3
	maxRuns       = 2 // of one execution: the first, and that of one retry
	maxAdmits     = 4 // in the outbox
)

// status of an execution. What comes from stopped on is final.
type status uint8

const (
	absent status = iota // not started
	inProgress
	stopping
	stopped
	failed
	succeeded
	superseded
	cancelled
	skipped // of a stage only
)

func (s status) final() bool { return s >= stopped }

// work is how the action of a stage stands, in the current attempt.
type work uint8

const (
	untouched work = iota
	running
	done
	broken
	abandoned
)

// A task is the state that a machine run is in. For stage i it is "Enter" at
// entering(i), and at acting(i) the stage's action; entering(stages) is
// "Finish". See compile.Machine.
type task uint8

const (
	nowhere task = iota
	asked        // the start of the run is in the outbox
	over
	firstTask
)

func entering(i uint8) task { return firstTask + 2*task(i) }
func acting(i uint8) task   { return firstTask + 2*task(i) + 1 }

func (t task) open() bool   { return t >= firstTask }
func (t task) acts() bool   { return t.open() && (t-firstTask)%2 == 1 }
func (t task) stage() uint8 { return uint8(t-firstTask) / 2 }

// answers is a set of answers on their way to the open task of a run. They can
// differ only in what a broken protocol says.
type answers uint8

const (
	goOn       answers = 1 << iota // well
	endRun                         // an error that nobody catches
	beginAt                        // Sluice.At.<stage of the execution>
	repeatHere                     // Sluice.Retry
	skipStage                      // Sluice.Skip
)

// A run is a machine run.
type run struct {
	at      task
	called  bool    // the call of the open task is on its way
	answers answers // on their way to the open task
	stop    bool    // a StopRun is in the outbox
	visit   uint8   // how often the machine has gone back into the stage before the open task
}

// An execution is what record.Execution, its waiter, its action and its runs
// say.
type execution struct {
	status  status
	stage   uint8
	inside  bool
	fence   uint8
	entry   uint8
	run     uint8 // index of its current run
	work    work  // of its action in stage
	told    bool  // the action's record has the token of the open task
	waits   bool  // the waiter's record has the token of the open task
	abandon bool
	outside bool  // it ended while it waited, in PARALLEL
	again   bool  // somebody asked for a retry while it was inside
	retried bool  // it has had its automatic retry
	repeats uint8 // how often its current run was sent back into its stage
	version uint8 // of the pipeline, that it runs
	cancel  bool  // it was told that the pipeline was updated
	beside  bool  // it is inside its stage and holds nothing; the world's own memory
	gate    gate
	skipped bool // its entry condition left the gated stage out
	runs    [maxRuns]run
}

// A waiter is a stage.Waiter.
type waiter struct{ execution, entry uint8 }

// A lock is what record.Stage says: a stage.State, the latest execution that
// was seen to enter, and the automatic retries of it. An execution is named by
// its index plus 1; 0 is nobody. Top is the world's own memory: the highest
// sequence number that was ever granted the stage, those of executions that
// are PARALLEL left out.
type lock struct {
	mode         lockMode
	disabled     bool
	owner        uint8
	ownerSeq     uint8
	fence        uint8
	lastSeq      uint8
	lastExec     uint8
	lastEntry    uint8
	waiting      [maxExecutions]waiter
	queued       uint8 // how many of waiting count
	latest       uint8
	latestStatus status
	auto         uint8
	top          uint8
}

// lockMode is the mode of a stage; the first is that of one that nobody has
// used.
type lockMode uint8

var lockModes = [...]pipeline.Mode{"", pipeline.Superseded, pipeline.Queued, pipeline.Parallel}

func lockModeOf(m pipeline.Mode) lockMode { return lockMode(slices.Index(lockModes[:], m)) }

func (l lockMode) parallel() bool { return lockModes[l] == pipeline.Parallel }

// An admit is a record.Admit in the outbox. It also has what only a broken
// protocol looks at: whether its token is that of the open task.
type admit struct {
	execution, stage, entry, fence uint8
	frozen                         bool
}

// A call is a call of Enter or RunAction that is under way: by whom, for which
// task, with a token that is live or dead.
type call struct {
	execution, run uint8
	task           task
	live           bool
	visit          uint8
}

// A world is everything that is stored, or under way.
type world struct {
	executions [maxExecutions]execution
	locks      [maxStages]lock
	admits     [maxAdmits]admit
	admitted   uint8 // how many of admits count
	zombie     call
	lingers    bool // zombie is under way
	pipeline   newest
	left       Faults
}

// newest is the version of the pipeline that new executions run, and how far
// its update has come; see update.go.
type newest struct {
	version uint8
	settled uint8 // the next step of its update, counted from 1; 0 when there is none
	cut     bool  // who did the steps is gone
	former  uint8 // the next step of the update before, which goes on beside this one; 0 when there is none
}

// Faults says how many of each fault the adversary may still play, and how
// many in all.
type Faults struct {
	Total                               uint8
	Disable, Stop, Fail, Retry          uint8
	Kill, Recall, Linger, Twice, GiveUp uint8
	Cut, Override                       uint8
}

// each returns the number of each kind.
func (f *Faults) each() [11]*uint8 {
	return [...]*uint8{&f.Disable, &f.Stop, &f.Fail, &f.Retry, &f.Kill, &f.Recall, &f.Linger, &f.Twice, &f.GiveUp, &f.Cut, &f.Override}
}

// A Config is what there is in a world and what may go wrong.
type Config struct {
	Name       string
	Mode       pipeline.Mode
	Executions int
	Stages     int
	Faults     Faults
	Updates    []pipeline.Mode // of the versions that follow; each update spends none of Faults
	Rollback   int             // this execution, counted from 1, is a rollback of the second stage
	AutoRetry  bool            // the first stage has onFailure RETRY
	AutoBack   bool            // the second stage rolls itself back, by onFailure ROLLBACK or as Gate says, and Rollback follows from nothing else
	Gate       condition
}

// A model is a Config and the protocol it is played by.
type model struct {
	Config
	rules
}

// names are those of executions in a stage.State.
var names = [maxExecutions + 1]string{"", "a", "b", "c", "d"}

// index is the inverse of names.
func index(name string) uint8 {
	if name == "" {
		return 0
	}
	return name[0] - 'a' + 1
}

// state returns l as the reducer takes it.
func (m *model) state(in *world, l *lock) stage.State {
	s := stage.State{
		Mode: lockModes[l.mode], Disabled: l.disabled, Owner: names[l.owner], OwnerSeq: int64(l.ownerSeq), Fence: int64(l.fence),
		LastSeq: int64(l.lastSeq), LastExec: names[l.lastExec], LastEntry: int(l.lastEntry),
	}
	for _, w := range l.waiting[:l.queued] {
		s.Waiting = append(s.Waiting, m.waiter(in, w.execution, w.entry))
	}
	return s
}

// waiter is execution i as it comes to a stage.
func (m *model) waiter(w *world, i, entry uint8) stage.Waiter {
	return stage.Waiter{Execution: names[i+1], Seq: int64(i) + 1, Entry: int(entry), Free: m.goesBeside && m.parallel(&w.executions[i])}
}

// keep writes what the reducer made of l.
func (l *lock) keep(s stage.State) {
	l.mode = lockModeOf(s.Mode)
	l.disabled, l.owner, l.ownerSeq, l.fence = s.Disabled, index(s.Owner), uint8(s.OwnerSeq), uint8(s.Fence)
	l.lastSeq, l.lastExec, l.lastEntry = uint8(s.LastSeq), index(s.LastExec), uint8(s.LastEntry)
	l.waiting, l.queued = [maxExecutions]waiter{}, uint8(len(s.Waiting))
	for i, w := range s.Waiting {
		l.waiting[i] = waiter{index(w.Execution) - 1, uint8(w.Entry)}
	}
}

// rollback reports whether execution i is one.
func (m *model) rollback(i int) bool { return i == m.Rollback-1 }

// begin is the world before anything has happened.
func (m *model) begin() world { return world{left: m.Faults} }

// over reports whether all is at rest for good: every execution that was
// started has ended, so have its runs, and nothing is left to be delivered.
func (m *model) over(w *world) bool {
	for i := range w.executions[:m.Executions] {
		e := &w.executions[i]
		if m.mayArrive(w, i) && !m.rollback(i) || e.status != absent && !e.status.final() || e.work == running {
			return false
		}
		for _, r := range e.runs {
			if r.at != nowhere && r.at != over || r.stop {
				return false
			}
		}
	}
	return w.admitted == 0
}
