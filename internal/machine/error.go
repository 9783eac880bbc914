package machine

import "errors"

// ErrTaskGone says that nobody waits for a token (any more). Step Functions
// calls it InvalidToken, TaskTimedOut or TaskDoesNotExist; all three mean:
// perhaps it was answered before, look at our own record.
var ErrTaskGone = errors.New("no task waits for this token")

// ErrNoMachine says that the machine a run was to be started on does not exist
// (any more). The run never began, and no repetition will begin it.
var ErrNoMachine = errors.New("the state machine does not exist")
