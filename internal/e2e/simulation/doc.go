// Package simulation plays the whole laptop assembly against an adversary, in
// one process, in fake time, and again from the same seed. Its files are tests
// only.
//
// The system is the one that local.Open returns: use cases, engine, pump,
// sweep, mailbox. Only what is outside a process is replaced: the providers of
// actions, and, in most worlds, the database by maps that outlive the system as
// files do; in some it is SQLite. Every call that the system makes to the
// outside, or gets from there, waits at a turnstile until all others wait too
// (testing/synctest). Then the driver draws, from the seed alone, who goes next
// and how it ends, what a user does, what an outside service does, whether time
// passes and whether the process dies. So a seed is a history, and a history
// that goes wrong can be looked at again:
//
//	go test -run 'TestSimulation$' ./internal/e2e/simulation -seed N -v
//
// Every commit is compared with what was there before (audit_test.go): that is
// where the invariants I1 to I12 and the promises are held. In the end faults
// cease, people answer, and everything has to come to rest.
package simulation
