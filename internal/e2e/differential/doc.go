// Package differential runs state machines on package engine and on an
// interpreter of Step Functions that is not ours, and compares what both did:
// the states of each branch in order, every call of a function with its
// payload, what became of every answer, and the end of the run.
//
// # How
//
// A [Case] is a machine and the answers that its tasks get, all made from one
// number. [Case.Embedded] plays it on engine.Start and engine.Step with a clock
// of its own, and writes down each [Move]: which call is answered, in what
// order, when the run is stopped. The tests play the same moves on moto, as
// package standin patches and runs it, through the API of Step Functions. Before
// each move they wait until the emulator has made the calls that the engine had
// made by then, so what runs side by side meets in the same order.
//
// Answers depend on the state, its visit and its try, and on nothing else: a
// case stays what it is when others are left out, and when it is made smaller.
//
// # What differs
//
// Where the emulator is known to differ, deviation_test.go says how and what AWS
// documents. Each entry has a machine that shows it; one that shows nothing any
// more fails, as does any other difference. Random cases keep clear of them.
//
// # What is not compared
//
// How long a retry waits: the emulator waits for real, so the numbers of seconds
// in texts are made small. What a function is told of the time, but whether two
// calls are told the same. Causes that the interpreter itself words.
package differential
