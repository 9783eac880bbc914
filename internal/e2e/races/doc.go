// Package races plays the control verbs of the API against each other.
//
// Two requests go through the API's handler at once, in situations in which
// both mean something: an approval is pending, a stage has failed, a condition
// is being evaluated, executions have piled up. Every access to the store is
// parked and let through one at a time (schedule_test.go), in each order that
// can make a difference, and at random with conflicts of nobody's making. What
// comes of it, the two answers and everything that is remembered, must be what
// comes of one of the two orders in which nothing overlaps; both are really
// played. Who loses is told so with an error that CodePipeline's API lists for
// the operation, never with a failure of ours.
//
// The test is tested: a store that looks at no version is found out.
package races
