// Package stage decides which execution may be inside a stage.
//
// [Step] is a pure function: no clock, no randomness, no I/O. Whoever calls it
// stores the state it returns on condition that nobody else did in between,
// and carries out its effects after that.
//
// # Invariants
//
// Each is held by the test of the same name.
//
//	MutualExclusion       SUPERSEDED, QUEUED: at most one owner.
//	NoFreeStageWaits      A free, enabled stage never has a waiter.
//	NewestWaitingWins     SUPERSEDED: a grant goes to the highest sequence number; lower ones are superseded with it.
//	NewestSurvives        The highest sequence number is never superseded.
//	FIFO                  QUEUED: grants are in the order of sequence numbers.
//	MonotoneEntry         SUPERSEDED: the sequence number of entries never decreases, but for a retry of the last.
//	ParallelAdmitsAll     PARALLEL: whoever arrives is admitted, whoever is inside.
//	FreeMeetsNobody       Whoever began in PARALLEL is admitted so in every mode, and nobody else notices.
//	ClosedTransitionHolds Nobody passes a disabled transition, but for a retry.
//	RetryOfLast           A retry is admitted if the stage is free and nobody entered since, and only then.
//	Fence                 Each grant of the lock increases the fence; a stale fence changes nothing.
//	ArriveOnce            Arriving again with the same entry changes nothing.
//	ReleaseOnce           A second release of one grant changes nothing.
//	StateTells            Owner and Waiting name exactly who holds the stage and who waits.
//	ArgumentUntouched     Step changes neither its argument nor a slice it shares.
//	AllCanFinish          From every state some sequence of events ends every execution.
//
// Release and Remove are the only ways out of a stage: there is no lease, so an
// owner whose process died is removed by whoever found out. Of an execution
// that left, and that another one followed, Step remembers nothing. A late
// Enqueue of it would count as new, so the caller makes sure there is none: it
// changes a stage only together with the execution's own record.
package stage

import "github.com/sluice-ci/sluice/internal/pipeline"

// State is the admission of one stage. The zero value with a Mode is a free,
// enabled stage.
type State struct {
	Mode      pipeline.Mode `json:"mode"`
	Disabled  bool          `json:"disabled,omitempty"` // inbound transition
	Owner     string        `json:"owner,omitempty"`    // execution inside; "" when free, and always in PARALLEL
	OwnerSeq  int64         `json:"ownerSeq,omitempty"`
	Fence     int64         `json:"fence"`               // of the latest grant
	LastSeq   int64         `json:"lastSeq"`             // highest sequence number that entered
	LastExec  string        `json:"lastExec,omitempty"`  // latest execution that entered; the owner, if there is one
	LastEntry int           `json:"lastEntry,omitempty"` // the entry it entered with
	Waiting   []Waiter      `json:"waiting,omitempty"`   // in order of arrival
}

// A Waiter is an execution in front of the stage. Entry tells this wait from
// every other wait of the same execution and grows with each.
//
// One that is free began in PARALLEL and goes on as it began, whatever the mode
// is now: only a disabled transition holds it, it supersedes nobody and is not
// superseded, and it holds nothing. In PARALLEL all are free, said or not.
type Waiter struct {
	Execution string `json:"execution"`
	Seq       int64  `json:"seq"`
	Entry     int    `json:"entry"`
	Free      bool   `json:"free,omitempty"`
}

// An Event happens to a stage.
type Event interface{ event() }

// Enqueue: an execution arrives in front of the stage. Arriving again with the
// same entry or an older one changes nothing, and neither does arriving while
// inside; but of one that is free in another mode than PARALLEL nothing is
// remembered. In SUPERSEDED, one that comes after a newer execution arrived or
// entered is superseded at once.
type Enqueue struct{ Waiter }

// Release: the execution that holds the grant Fence leaves. In PARALLEL nobody
// holds anything, so nothing changes.
type Release struct {
	Execution string
	Fence     int64
}

// Remove: an execution is gone, waiting or inside.
type Remove struct{ Execution string }

// Reenter: the execution that entered last comes back for a retry, with a new
// entry. It is admitted at once, past a disabled transition and past those who
// wait, if the stage is free and nobody entered since; otherwise nothing
// changes and there is no effect. In PARALLEL it is always admitted.
type Reenter struct{ Waiter }

// Restore: a rollback begins in the stage. It is admitted at once, past a
// disabled transition and past those who wait, if the stage is free; otherwise
// nothing changes and there is no effect. It holds the place in the order of
// the execution that entered last, so whoever waits is not superseded by it.
type Restore struct{ Waiter }

// SetEnabled opens or closes the inbound transition.
type SetEnabled struct{ Enabled bool }

// SetMode changes the mode of the pipeline. Those who wait go on under the new
// rules at once, unless they are free: SUPERSEDED keeps the newest, PARALLEL
// admits all.
//
// A change to PARALLEL forgets the owner. From then on, and after a change
// back, it is one of those who are inside without holding anything, as is
// everybody whom PARALLEL admitted: nobody waits for them, and their release
// changes nothing. The service, too, lets them run beside the new mode.
type SetMode struct{ Mode pipeline.Mode }

func (Enqueue) event()    {}
func (Release) event()    {}
func (Remove) event()     {}
func (Reenter) event()    {}
func (Restore) event()    {}
func (SetEnabled) event() {}
func (SetMode) event()    {}

// An Effect follows from an event.
type Effect interface{ effect() }

// Grant: the execution is inside from now on.
type Grant struct {
	Waiter
	Fence int64
}

// Supersede: the execution waits no more; a newer one took its place.
type Supersede struct{ Waiter }

func (Grant) effect()     {}
func (Supersede) effect() {}
