// Package failpoint names the steps that must survive a crash, so that a test
// can make each of them fail.
//
// A step is a call whose effect outlives the process, or is seen outside of it:
// a commit, the rename of a file, a command that is started. [Step] and [Named]
// make the call. In a program that is built without the tag failpoint they do
// nothing else, and the compiler leaves no trace of them. With the tag, the
// file that $SLUICE_FAILPOINTS names says which steps fail, how, and at which
// time of being reached (docs/decisions/0018-failpoints.md).
package failpoint

// Env is the variable that names the plan: a file with a line for each failure,
// "<step>\t<mode>\t<n>", which happens once, the n-th time that the step is
// reached on that side. What has happened is added to the file of the same name
// with [FiredSuffix], before it happens.
const (
	Env         = "SLUICE_FAILPOINTS"
	FiredSuffix = ".fired"
)

// A Mode is how a step fails.
type Mode string

// The modes. Before and after are before and after the effect; ErrorAfter is
// an effect that was had and is reported as failed.
const (
	PanicBefore Mode = "panic-before"
	PanicAfter  Mode = "panic-after"
	KillBefore  Mode = "kill-before"
	KillAfter   Mode = "kill-after"
	ErrorBefore Mode = "error-before"
	ErrorAfter  Mode = "error-after"
)

// Modes has every mode.
var Modes = []Mode{PanicBefore, PanicAfter, KillBefore, KillAfter, ErrorBefore, ErrorAfter}
