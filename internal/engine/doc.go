// Package engine runs state machines on one computer: what Step Functions does
// in an AWS account, it does in this process, on the same text.
//
// [Load] turns the text of a machine into a [Machine]. [Begin] and [Step] decide
// what happens in a run and do nothing else: no clock, no randomness, no I/O.
// [Engine] is the shell around them. It keeps all runs in memory, writes what
// changed to a [Journal], and only then does what Step asked for. It implements
// the port of package machine.
//
// # Invariants
//
// Each is held by the test of the same name.
//
//	CommitBeforeEffect  No task is invoked and no caller is answered before the commit that says so.
//	ReplayIsLive        A run read back from any prefix of the journal equals the run at that moment.
//	RestartEverywhere   A crash after any commit changes neither the path nor the end of a run.
//	DeadTokens          A token that was answered, timed out or cancelled changes nothing.
//	FailedCommit        A commit that fails leaves every run as it was.
//	Quarantine          A row that cannot be read ends the run it belongs to and no other.
//
// # What it leaves out
//
// Map, JSONata, filters in paths, most intrinsic functions, every resource but
// arn:aws:states:::lambda:invoke.waitForTaskToken, TimeoutSeconds of a whole
// machine. Load refuses them by the name of state and field. Tasks are invoked
// at least once, and once more after a restart: handlers must be idempotent.
package engine
