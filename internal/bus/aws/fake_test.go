package aws_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/sluice-ci/sluice/internal/bus"
	"github.com/sluice-ci/sluice/internal/bus/aws"
)

const busName = "sluice"

// fake is EventBridge and SNS in one, as far as this package calls them. Like
// EventBridge it refuses events by entry, and gives those it takes an id, an
// account and a region of its own.
type fake struct {
	mu       sync.Mutex
	entries  []types.PutEventsRequestEntry // guarded by mu
	messages []*sns.PublishInput           // guarded by mu

	refuse string // a code for every entry
	err    error  // of every call
}

// open returns the bus on f.
func open(t *testing.T, f *fake) *aws.Bus {
	t.Helper()
	b, err := aws.New(f, f, busName)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (f *fake) PutEvents(ctx context.Context, in *eventbridge.PutEventsInput, _ ...func(*eventbridge.Options)) (*eventbridge.PutEventsOutput, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if f.err != nil {
		return nil, f.err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	out := new(eventbridge.PutEventsOutput)
	for _, entry := range in.Entries {
		code := f.refuse
		if strings.HasPrefix(*entry.Source, "aws.") {
			code = "NotAuthorizedForSourceException"
		} else if *entry.EventBusName != busName {
			code = "InvalidArgument"
		}
		if code != "" {
			out.FailedEntryCount++
			out.Entries = append(out.Entries, types.PutEventsResultEntry{ErrorCode: &code, ErrorMessage: sdk.String("because")})
			continue
		}
		f.entries = append(f.entries, entry)
		out.Entries = append(out.Entries, types.PutEventsResultEntry{EventId: sdk.String(fmt.Sprint(len(f.entries)))})
	}
	return out, nil
}

func (f *fake) Publish(ctx context.Context, in *sns.PublishInput, _ ...func(*sns.Options)) (*sns.PublishOutput, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if f.err != nil {
		return nil, f.err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.messages = append(f.messages, in)
	return &sns.PublishOutput{MessageId: sdk.String(fmt.Sprint(len(f.messages)))}, nil
}

// heard returns the events in the order they were put, as whoever listens on
// the event bus reads them: a repeat of one it knows is left out.
func (f *fake) heard(t *testing.T) (events []bus.Event) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	known := map[string]bool{}
	for _, entry := range f.entries {
		detail := map[string]json.RawMessage{}
		if err := json.Unmarshal([]byte(*entry.Detail), &detail); err != nil {
			t.Errorf("detail %s: %v", *entry.Detail, err)
		}
		var id string
		if err := json.Unmarshal(detail["sluice-event-id"], &id); err != nil {
			t.Errorf("detail %s: id: %v", *entry.Detail, err)
		}
		if known[id] {
			continue
		}
		known[id] = true
		delete(detail, "sluice-event-id")
		rest, err := json.Marshal(detail)
		if err != nil {
			t.Error(err)
		}
		events = append(events, bus.Event{
			ID: id, Source: strings.Replace(*entry.Source, "sluice.", "aws.", 1), DetailType: *entry.DetailType,
			Time: *entry.Time, Region: "eu-central-1", Account: "111122223333", Resources: entry.Resources, Detail: rest,
		})
	}
	return events
}
