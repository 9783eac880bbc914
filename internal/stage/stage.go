// Package stage decides which execution may be inside a stage.
//
// [Step] is a pure function: no clock, no randomness, no I/O. Whoever calls it
// stores the state it returns on condition that nobody else did in between,
// and carries out its effects after that.
//
// # Invariants
//
// Each is held by the test of the same name (reference: reliability I1 to I12).
//
//	MutualExclusion    SUPERSEDED, QUEUED: at most one owner.
//	NoFreeStageWaits   A free, enabled stage never has a waiter.
//	NewestWaitingWins  SUPERSEDED: a grant goes to the highest sequence number; lower ones are superseded with it.
//	NewestSurvives     The highest sequence number is never superseded.
//	FIFO               QUEUED: grants are in the order of sequence numbers.
//	MonotoneEntry      SUPERSEDED: the sequence number of entries never decreases, but for a retry of the last.
//	Fence              Each grant increases the fence; a stale fence changes nothing.
//	ReleaseOnce        A second release of one grant changes nothing.
package stage

import "github.com/sluice-ci/sluice/internal/pipeline"

// State is the admission of one stage. The zero value with a Mode is a free,
// enabled stage.
type State struct {
	Mode     pipeline.Mode `json:"mode"`
	Disabled bool          `json:"disabled,omitempty"` // inbound transition
	Owner    string        `json:"owner,omitempty"`    // execution inside; "" when free, and always in PARALLEL
	OwnerSeq int64         `json:"ownerSeq,omitempty"`
	Fence    int64         `json:"fence"`              // of the latest grant
	LastSeq  int64         `json:"lastSeq"`            // highest sequence number that entered
	LastExec string        `json:"lastExec,omitempty"` // latest execution that entered
	Waiting  []Waiter      `json:"waiting,omitempty"`  // in order of arrival
}

// A Waiter is an execution in front of the stage. Entry tells this wait from
// every other wait of the same execution.
type Waiter struct {
	Execution string `json:"execution"`
	Seq       int64  `json:"seq"`
	Entry     int    `json:"entry"`
}

// An Event happens to a stage.
type Event interface{ event() }

// Enqueue: an execution arrives in front of the stage. Arriving again with the
// same entry changes nothing.
type Enqueue struct{ Waiter }

// Release: the execution that holds the grant Fence leaves.
type Release struct {
	Execution string
	Fence     int64
}

// Remove: an execution is gone, waiting or inside.
type Remove struct{ Execution string }

// Reenter: the execution that entered last comes back for a retry. It is
// admitted at once, past a disabled transition and past those who wait, if the
// stage is free and nobody entered since; otherwise nothing changes and there
// is no effect.
type Reenter struct{ Waiter }

// SetEnabled opens or closes the inbound transition.
type SetEnabled struct{ Enabled bool }

// SetMode changes the mode of the pipeline.
type SetMode struct{ Mode pipeline.Mode }

func (Enqueue) event()    {}
func (Release) event()    {}
func (Remove) event()     {}
func (Reenter) event()    {}
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
