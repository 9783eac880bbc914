package machine

import "errors"

// ErrTaskGone says that nobody waits for a token (any more). Step Functions
// calls it InvalidToken, TaskTimedOut or TaskDoesNotExist; all three mean:
// perhaps it was answered before, look at our own record.
var ErrTaskGone = errors.New("no task waits for this token")
