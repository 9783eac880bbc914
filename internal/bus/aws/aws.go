// Package aws is the bus of an AWS account: events go to EventBridge, notices
// to SNS.
//
// Neither service keeps the id of an event: both give every delivery one of
// their own. So ours travels inside, always under the name "sluice-event-id":
// as a member of an event's detail, and as an attribute of a message. It is the
// same for every delivery of one event, and what repeats are told by.
//
// The role of whoever uses it needs events:PutEvents on the event bus and
// sns:Publish on the topics.
package aws

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/sluice-ci/sluice/internal/bus"
)

// idName is what our id of an event is called on its way.
const idName = "sluice-event-id"

// notification is the detail type of events that are messages to a topic.
const notification = "Notification"

// putter is what this package needs of *eventbridge.Client.
type putter interface {
	PutEvents(context.Context, *eventbridge.PutEventsInput, ...func(*eventbridge.Options)) (*eventbridge.PutEventsOutput, error)
}

// publisher is what this package needs of *sns.Client.
type publisher interface {
	Publish(context.Context, *sns.PublishInput, ...func(*sns.Options)) (*sns.PublishOutput, error)
}

var (
	_ putter    = (*eventbridge.Client)(nil)
	_ publisher = (*sns.Client)(nil)
)

// Bus publishes on EventBridge and SNS.
type Bus struct {
	events putter
	topics publisher
	name   string
}

var _ bus.Bus = (*Bus)(nil)

// New returns the bus that puts events on the event bus called name, which may
// be its ARN, and publishes notices to their topics.
func New(events putter, topics publisher, name string) (*Bus, error) {
	if events == nil || topics == nil || name == "" {
		return nil, errors.New("aws.New: events, topics and the name of the event bus are required")
	}
	return &Bus{events: events, topics: topics, name: name}, nil
}

// Publish implements bus.Bus. A nil error means that the service has taken the
// event; it delivers it at least once.
func (b *Bus) Publish(ctx context.Context, e bus.Event) error {
	if e.ID == "" || e.Time.IsZero() {
		return errors.New("publish: an event has an id and a time")
	}
	send := b.put
	if e.DetailType == notification {
		send = b.notify
	}
	if err := send(ctx, e); err != nil {
		return fmt.Errorf("publish event %s: %w", e.ID, err)
	}
	return nil
}
