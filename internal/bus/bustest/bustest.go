// Package bustest is the contract of package bus in executable form.
package bustest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/bus"
)

// Run runs every test of the contract. It calls open once per test; open
// returns a bus and a function that waits for n events to arrive with whoever
// listens and returns them.
func Run(t *testing.T, open func(t *testing.T) (b bus.Bus, arrived func(n int) []bus.Event)) {
	tests := []struct {
		name string
		run  func(*testing.T, bus.Bus, func(int) []bus.Event)
	}{
		{"ArrivesWhole", arrivesWhole},
		{"TwiceIsOne", twiceIsOne},
		{"ManyAtOnce", manyAtOnce},
		{"CancelledContext", cancelledContext},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b, arrived := open(t)
			tt.run(t, b, arrived)
		})
	}
}

// Event returns an event with that id.
func Event(id string) bus.Event {
	return bus.Event{
		ID: id, Source: "aws.codepipeline", DetailType: "CodePipeline Pipeline Execution State Change",
		Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Region: "eu-central-1", Account: "111122223333",
		Resources: []string{"arn:aws:codepipeline:eu-central-1:111122223333:p"}, Detail: json.RawMessage(`{"state":"STARTED"}`),
	}
}

func publish(t *testing.T, b bus.Bus, e bus.Event) {
	t.Helper()
	if err := b.Publish(t.Context(), e); err != nil {
		t.Error(err)
	}
}

func arrivesWhole(t *testing.T, b bus.Bus, arrived func(int) []bus.Event) {
	publish(t, b, Event("1"))
	if diff := cmp.Diff([]bus.Event{Event("1")}, arrived(1)); diff != "" {
		t.Errorf("events (-published +arrived):\n%s", diff)
	}
}

// Publishing twice succeeds, and whoever tells repeats by id has one event.
func twiceIsOne(t *testing.T, b bus.Bus, arrived func(int) []bus.Event) {
	publish(t, b, Event("1"))
	publish(t, b, Event("1"))
	publish(t, b, Event("2"))
	if got, want := ids(arrived(2)), []string{"1", "2"}; !slices.Equal(got, want) {
		t.Errorf("arrived %v; want %v", got, want)
	}
}

func manyAtOnce(t *testing.T, b bus.Bus, arrived func(int) []bus.Event) {
	var wg sync.WaitGroup
	var want []string
	for i := range 50 {
		id := fmt.Sprintf("%03d", i)
		want = append(want, id)
		for range 2 {
			wg.Go(func() { publish(t, b, Event(id)) })
		}
	}
	wg.Wait()
	if got := ids(arrived(50)); !slices.Equal(got, want) {
		t.Errorf("arrived %v; want each of 50 events", got)
	}
}

func cancelledContext(t *testing.T, b bus.Bus, _ func(int) []bus.Event) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Publish(ctx, Event("1")); err == nil {
		t.Error("Publish succeeded with a context that was cancelled")
	}
}

// ids returns the ids of events in order, repeats left out.
func ids(events []bus.Event) (ids []string) {
	for _, e := range events {
		ids = append(ids, e.ID)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
