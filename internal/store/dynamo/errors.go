package dynamo

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/sluice-ci/sluice/internal/store"
)

// A verdict is what is known about an attempt to write.
type verdict int

const (
	unknown verdict = iota // it may have been applied
	applied
	refused // a condition did not hold; nothing was written
	busy    // nothing was written, and the same request may succeed later
	final   // nothing was written, and never will be
)

// busyCodes are the errors, and the reasons of a cancelled transaction, for
// which DynamoDB asks to try again.
var busyCodes = map[string]bool{
	"TransactionConflict":                    true, // another transaction holds one of the items
	"TransactionConflictException":           true,
	"ReplicatedWriteConflictException":       true,
	"ThrottlingError":                        true,
	"ThrottlingException":                    true,
	"Throttling":                             true,
	"ProvisionedThroughputExceeded":          true,
	"ProvisionedThroughputExceededException": true,
	"RequestLimitExceeded":                   true,
}

// unknownCodes are the errors of the service after which an attempt may have
// been applied, although their HTTP status is not of the 500s.
var unknownCodes = map[string]bool{
	"TransactionInProgressException": true, // an earlier attempt of ours is under way
	"RequestTimeout":                 true,
	"RequestTimeoutException":        true,
}

const conditionFailed = "ConditionalCheckFailed" // the reason of a cancelled transaction

// classify returns what err, the error of one attempt, says about it. What it
// does not know it takes for unknown: a broken connection, a time-out.
func classify(err error) verdict {
	if err == nil {
		return applied
	}
	if cancelled, ok := errors.AsType[*types.TransactionCanceledException](err); ok {
		return classifyReasons(cancelled.CancellationReasons)
	}
	if answer, ok := errors.AsType[interface {
		error
		HTTPStatusCode() int
	}](err); ok && answer.HTTPStatusCode() >= http.StatusInternalServerError {
		return unknown
	}
	answer, ok := errors.AsType[smithy.APIError](err)
	switch {
	case !ok || unknownCodes[answer.ErrorCode()] || answer.ErrorFault() == smithy.FaultServer:
		return unknown
	case busyCodes[answer.ErrorCode()]:
		return busy
	}
	return final
}

// classifyReasons does so for a cancelled transaction. A condition that failed
// decides, whatever happened to the other items.
func classifyReasons(reasons []types.CancellationReason) verdict {
	result := final
	for _, r := range reasons {
		switch code := aws.ToString(r.Code); {
		case code == conditionFailed:
			return refused
		case busyCodes[code]:
			result = busy
		}
	}
	return result
}

// conflict returns the first condition of ops that err, a cancelled
// transaction, says did not hold. Its reasons come in the order of the ops and
// have the item as it was.
func conflict(ops []store.Op, err error) error {
	cancelled, ok := errors.AsType[*types.TransactionCanceledException](err)
	if !ok || len(cancelled.CancellationReasons) != len(ops) {
		return fmt.Errorf("a condition does not hold: %w", err)
	}
	for i, r := range cancelled.CancellationReasons {
		if aws.ToString(r.Code) != conditionFailed {
			continue
		}
		got, _ := numberIn(r.Item["ver"]) // none: there is no item
		return &store.ConflictError{Key: ops[i].Key, Want: ops[i].If, Got: got}
	}
	return err
}

// outcome returns err, and says so if what it was about may have happened all
// the same.
func outcome(unsure bool, err error) error {
	if unsure {
		return fmt.Errorf("outcome unknown: %w", err)
	}
	return err
}

// named returns err with the table it is about, which DynamoDB does not say.
func (s *Store) named(err error) error {
	if _, ok := errors.AsType[*types.ResourceNotFoundException](err); ok {
		return fmt.Errorf("table %s does not exist: %w", s.table, err)
	}
	return err
}
