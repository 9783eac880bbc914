// Package machine is the port to whoever runs state machines: the embedded
// engine on a laptop, Step Functions in an AWS account.
package machine

import "context"

// A Start asks for a run of a machine.
type Start struct {
	Name     string // unique among all runs ever; 1 to 80 of A-Z a-z 0-9 - _
	Pipeline string // whose machine
	Version  int    // of the pipeline's declaration
	Input    []byte // JSON
}

// Status is how a run stands.
type Status string

const (
	Running   Status = "RUNNING"
	Succeeded Status = "SUCCEEDED"
	Failed    Status = "FAILED"
	TimedOut  Status = "TIMED_OUT"
	Aborted   Status = "ABORTED"
	Unknown   Status = "UNKNOWN" // no run of that name was ever started, or it is forgotten
)

// A Machine starts runs and takes the answers of their tasks. It is safe for
// concurrent use. When a method returns nil its effect survives a crash.
type Machine interface {
	// Start begins a run. Starting a name that was started before, running or
	// ended, does nothing and returns nil. A machine that does not exist gives
	// ErrNoMachine.
	Start(ctx context.Context, s Start) error

	// Stop aborts a run; every task token of it is dead from then on. Stopping
	// a run that has ended, or was never started, does nothing.
	Stop(ctx context.Context, name, errorName, cause string) error

	// Describe tells how a run stands.
	Describe(ctx context.Context, name string) (Status, error)

	// Succeed answers the task that waits for token. A token that is unknown,
	// answered before or timed out gives ErrTaskGone.
	Succeed(ctx context.Context, token string, output []byte) error

	// Fail answers the task that waits for token with an error, under the same
	// rules as Succeed.
	Fail(ctx context.Context, token, errorName, cause string) error
}
