package sfn

import (
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/sluice-ci/sluice/internal/machine"
)

// What Step Functions' errors mean is said in this file and nowhere else. An
// error that is not named here says nothing about the run or the task: whoever
// asked asks again.

// is reports whether an error of type E is in the chain of err.
func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// alreadyStarted: the name was used before, for a run that has ended or with
// another input. A name is used for one run only, so it is that one.
func alreadyStarted(err error) bool { return is[*types.ExecutionAlreadyExists](err) }

// unknownRun: there is no such execution, or no more.
func unknownRun(err error) bool { return is[*types.ExecutionDoesNotExist](err) }

// noMachine: the state machine, or the version of it, was deleted.
func noMachine(err error) bool {
	return is[*types.StateMachineDoesNotExist](err) || is[*types.StateMachineDeleting](err)
}

// taskGone: nobody waits for the token, whichever of three ways that is said
// in. All three are also what a repeated answer gets when the first arrived.
func taskGone(err error) bool {
	return is[*types.InvalidToken](err) || is[*types.TaskTimedOut](err) || is[*types.TaskDoesNotExist](err)
}

// answered returns the error of an answer to a task. It never names the token:
// who has it can answer.
func answered(err error) error {
	switch {
	case err == nil:
		return nil
	case taskGone(err):
		return fmt.Errorf("answer task: %w (%w)", machine.ErrTaskGone, err)
	}
	return fmt.Errorf("answer task: %w", err)
}
