package mailbox_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-ci/sluice/internal/bus"
	"github.com/sluice-ci/sluice/internal/bus/bustest"
	"github.com/sluice-ci/sluice/internal/bus/mailbox"
	"github.com/sluice-ci/sluice/internal/store/memory"
)

func open(t *testing.T) *mailbox.Bus {
	t.Helper()
	b, err := mailbox.New(new(memory.Store))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestContractOfList(t *testing.T) {
	bustest.Run(t, func(t *testing.T) (bus.Bus, func(int) []bus.Event) {
		b := open(t)
		return b, func(n int) []bus.Event {
			events, _, err := b.List(context.Background(), "", 0)
			if err != nil || len(events) != n {
				t.Errorf("List: %d events, %v; want %d", len(events), err, n)
			}
			return events
		}
	})
}

func TestContractOfSubscribe(t *testing.T) {
	bustest.Run(t, func(t *testing.T) (bus.Bus, func(int) []bus.Event) {
		b, heard := open(t), make(chan bus.Event, 1000)
		t.Cleanup(b.Subscribe(func(e bus.Event) { heard <- e }))
		return b, func(n int) (events []bus.Event) {
			for range n {
				events = append(events, <-heard)
			}
			return events
		}
	})
}

func TestListPages(t *testing.T) {
	b := open(t)
	for _, i := range []int{3, 0, 4, 1, 2} { // the order is that of time
		e := bustest.Event(fmt.Sprint("id", 9-i))
		e.Time = e.Time.Add(time.Duration(i) * time.Millisecond)
		if err := b.Publish(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for after := ""; ; {
		events, next, err := b.List(t.Context(), after, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			got = append(got, e.ID)
		}
		if len(events) < 2 {
			break
		}
		after = next
	}
	if want := "[id9 id8 id7 id6 id5]"; fmt.Sprint(got) != want {
		t.Errorf("listed %v; want %s", got, want)
	}
}

// A subscriber that is stuck, or that publishes itself, holds up nobody.
func TestPublishNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, gate := open(t), make(chan struct{})
		heard := 0
		stuck := b.Subscribe(func(bus.Event) { <-gate })
		echo := b.Subscribe(func(e bus.Event) {
			if heard++; heard == 1 {
				if err := b.Publish(t.Context(), bustest.Event("echo")); err != nil {
					t.Error(err)
				}
			}
		})
		for i := range 100 {
			if err := b.Publish(t.Context(), bustest.Event(fmt.Sprint(i))); err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		if heard != 101 {
			t.Errorf("heard %d events; want 101", heard)
		}
		echo()
		stuck()
		stuck()
		close(gate)
		if err := b.Publish(t.Context(), bustest.Event("late")); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if heard != 101 {
			t.Errorf("heard %d events after the end of the subscription; want 101", heard)
		}
	})
}

func TestPublishRefuses(t *testing.T) {
	b := open(t)
	for _, e := range []bus.Event{{}, {ID: "x"}, {Time: time.Now()}} {
		if err := b.Publish(t.Context(), e); err == nil {
			t.Errorf("Publish of %+v succeeded", e)
		}
	}
}
