package prooftest

import "github.com/sluice-ci/sluice/internal/stage"

// A stepFunc is stage.Step or a broken relative of it.
type stepFunc func(stage.State, stage.Event) (stage.State, []stage.Effect)

// rules say how a protocol differs from the one in package orchestrator. The
// zero value, with reduce set, is that protocol.
type rules struct {
	reduce stepFunc

	blindWrites     bool // of two changes at a time both write what they decided
	handOverApart   bool // leaving a stage and queueing for the next are two transactions
	wakeOutside     bool // who is granted a stage is told after the commit, or never
	answerOutside   bool // a task is answered after the commit, or never
	anyEntry        bool // an Admit is good for any wait of its execution
	anyOwner        bool // an Admit is good whoever has the stage
	frozenToken     bool // an Admit has its token in it
	noRewake        bool // a task that comes to wait when all is decided hears nothing
	deafWait        bool // a task that waits is not recorded
	unguardedAction bool // an action starts whoever is inside
	noReaper        bool // nobody looks for dead runs
	blindStatus     bool // a dead run makes its execution failed, whatever it was
	anyRun          bool // calls of former runs count
	finalGoesOn     bool // calls for executions that have ended count
	endsUnseen      bool // who is stopped when it was granted a stage and has not heard of it has not entered
	stopKeepsPlace  bool // who is stopped while it waits keeps its place
	endHoldsLock    bool // who ends inside a stage keeps it
	silentDismissal bool // who is dismissed while it waits is not told
	retryAnybody    bool // a stage is retried for whoever asks
	gateBlind       bool // a task that is called again need not wait for the entry condition
	keepsGate       bool // who is stopped goes on to wait for its gate
	gateForgets     bool // an exit gate does not know who waits for it
	anyVersion      bool // executions go on with a version that was replaced until they are told

	// What would repair the findings of docs/proof.md.
	newestCallWaits bool // a call that is older than the one that waits does not take its place
	newestCallActs  bool // likewise of the task of an action
	newestVisitActs bool // a call from before its stage was repeated does nothing
	repeatsAgain    bool // a call that led to an automatic retry leads there again
	successIsWell   bool // a call for an execution that has succeeded is answered well
	retryRunning    bool // a retry beside others is refused where nothing runs any more
	goesBeside      bool // an execution that is PARALLEL goes beside the others of a newer mode
	hearsBeside     bool // it is let in by its grant, whatever the mode has become
	arrivalSetsMode bool // who comes to a stage that has another mode than its version changes that
	newestSettles   bool // the steps of an update change no mode once there is a newer one
}
