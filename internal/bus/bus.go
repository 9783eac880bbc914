// Package bus is the port to whoever wants to hear what happened: EventBridge
// and SNS in an AWS account, a mailbox on a laptop.
package bus

import (
	"context"
	"encoding/json"
	"time"
)

// An Event is one announcement, in the envelope of EventBridge.
type Event struct {
	ID         string          `json:"id"` // the same for every delivery of one event
	Source     string          `json:"source"`
	DetailType string          `json:"detail-type"`
	Time       time.Time       `json:"time"`
	Region     string          `json:"region"`
	Account    string          `json:"account"`
	Resources  []string        `json:"resources"`
	Detail     json.RawMessage `json:"detail"`
}

// A Bus takes events. It is safe for concurrent use. An event may be published
// twice; those who listen tell repeats by ID.
type Bus interface {
	Publish(ctx context.Context, e Event) error
}
