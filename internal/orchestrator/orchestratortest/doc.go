// Package orchestratortest is a world for tests of the use cases: a service
// over a store in memory, compiled machines in the engine's interpreter and
// providers that do as they are told, all in one thread.
//
// Nothing happens by itself. What waits to happen, a row of the outbox, a call
// of a machine, the end of some work, is a [Thing] in [World.Todo] until the
// test has it happen. A world is data and can be cloned, so that a test plays
// many futures of one past, and [World.State] tells whether two of them are
// the same.
//
// # Invariants
//
// Each commit is held against these, named as in docs/proof.md; what breaks
// one is in [World.Broken].
//
//	I1   only the owner with the current fence is inside a stage
//	I2   an enabled and free stage has no waiter
//	I4   SUPERSEDED: at most one execution waits, the newest, beside those that began in PARALLEL
//	I5   the newest execution is never superseded
//	I6   nobody enters a stage after a later one has, but by a retry
//	I7   the highest number that entered a stage never falls
//	I8   an execution has at most one place, in a stage or in front of one
//	I9   each grant raises the fence
//	I10  a stage is left together with the record of who leaves
//	I12  an end is final but for a retry; who has ended has no place and no
//	     mark of being active; the first end of an action stays
//
// I3, that everything ends, is [World.Finish]. I11, that a crash harms
// nothing, is for who repeats things and leaves them out.
package orchestratortest
