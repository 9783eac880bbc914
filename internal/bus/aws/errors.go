package aws

import (
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
)

// refused returns the error of the entry that EventBridge did not take, or nil.
// A call that succeeds says nothing about its entries: each is taken or refused
// by itself.
func refused(out *eventbridge.PutEventsOutput) error {
	for _, entry := range out.Entries {
		if code := aws.ToString(entry.ErrorCode); code != "" {
			return fmt.Errorf("EventBridge refused it: %s: %s", code, aws.ToString(entry.ErrorMessage))
		}
	}
	if out.FailedEntryCount > 0 {
		return errors.New("EventBridge refused it and did not say why")
	}
	return nil
}
