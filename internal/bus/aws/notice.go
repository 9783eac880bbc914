package aws

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"github.com/sluice-ci/sluice/internal/bus"
)

// Limits of SNS. A topic may be set to take larger messages; few are.
const (
	maxMessage = 256 << 10
	maxSubject = 99 // "less than 100 characters long", says the API reference
)

// A notice is the detail of a notification. Its topic is the event's resource.
// What goes out is Message as it is, JSON for programs, or Text for people.
type notice struct {
	Subject string          `json:"subject"`
	Message json.RawMessage `json:"message"`
	Text    string          `json:"text"`
}

// body returns what goes out; empty when there is nothing.
func (n notice) body() string {
	if len(n.Message) == 0 || bytes.Equal(n.Message, []byte("null")) {
		return n.Text
	}
	return string(n.Message)
}

// notify publishes the message of e to the topic that is its first resource.
func (b *Bus) notify(ctx context.Context, e bus.Event) error {
	var n notice
	if err := json.Unmarshal(e.Detail, &n); err != nil {
		return fmt.Errorf("detail of a notification: %w", err)
	}
	if len(e.Resources) == 0 || e.Resources[0] == "" {
		return errors.New("a notification names its topic")
	}
	body := n.body()
	if body == "" {
		return errors.New("a notification has a message")
	}
	const stringType = "String"
	if size := len(body) + len(idName) + len(stringType) + len(e.ID); size > maxMessage {
		return fmt.Errorf("%d bytes are over the limit of %d", size, maxMessage)
	}
	in := &sns.PublishInput{
		TopicArn: &e.Resources[0],
		Message:  &body,
		MessageAttributes: map[string]types.MessageAttributeValue{
			idName: {DataType: aws.String(stringType), StringValue: &e.ID},
		},
	}
	if s := subject(n.Subject); s != "" { // an empty one is refused, none is not
		in.Subject = &s
	}
	_, err := b.topics.Publish(ctx, in)
	return err
}

// subject returns s as SNS takes it: one short line of printable ASCII. What is
// no ASCII becomes "?", and what is cut ends in "...".
func subject(s string) string {
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r < ' ' || r == 0x7f:
			return ' '
		case r > '~':
			return '?'
		}
		return r
	}, s))
	if len(s) > maxSubject {
		return s[:maxSubject-len("...")] + "..."
	}
	return s
}
