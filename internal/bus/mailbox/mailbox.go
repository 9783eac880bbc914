// Package mailbox is the bus of one machine: events are kept in the store, and
// those who subscribed in this process hear of them.
//
// An event lies in the partition MAIL under its time and id, in the order of
// time. One that is published again changes nothing and is not told again.
package mailbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sluice-ci/sluice/internal/bus"
	"github.com/sluice-ci/sluice/internal/store"
)

// Items of the mailbox: MAIL <time>#<id> holds the event, MAILID <id> the key
// of it, so that an event is known by its id alone.
const (
	mail = "MAIL"
	ids  = "MAILID"
)

// layout sorts like the time it stands for.
const layout = "2006-01-02T15:04:05.000000000Z"

// keep is how long an event stays.
const keep = 90 * 24 * time.Hour

// Bus keeps events in a store.
type Bus struct {
	store store.Store

	mu   sync.Mutex
	subs map[*subscriber]bool // guarded by mu
}

var _ bus.Bus = (*Bus)(nil)

// New returns the bus that keeps its events in s.
func New(s store.Store) (*Bus, error) {
	if s == nil {
		return nil, errors.New("mailbox.New: store is required")
	}
	return &Bus{store: s, subs: map[*subscriber]bool{}}, nil
}

// Publish implements bus.Bus. Nobody who listens holds it up.
func (b *Bus) Publish(ctx context.Context, e bus.Event) error {
	if e.ID == "" || e.Time.IsZero() {
		return errors.New("publish: an event has an id and a time")
	}
	sk := e.Time.UTC().Format(layout) + "#" + e.ID
	value, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("publish event %s: %w", e.ID, err)
	}
	until := e.Time.Add(keep)
	err = b.store.Write(ctx,
		store.Op{Key: store.Key{PK: ids, SK: e.ID}, If: 0, Value: []byte(sk), Expires: until},
		store.Op{Key: store.Key{PK: mail, SK: sk}, If: 0, Value: value, Expires: until},
	)
	if store.IsConflict(err) {
		return nil // published before
	}
	if err != nil {
		return fmt.Errorf("publish event %s: %w", e.ID, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for s := range b.subs {
		s.add(e)
	}
	return nil
}

// List returns up to limit events that lie behind the cursor after, oldest
// first, and the cursor behind the last of them. The first cursor is "".
func (b *Bus) List(ctx context.Context, after string, limit int) (events []bus.Event, next string, err error) {
	items, err := b.store.Query(ctx, store.Query{PK: mail, After: after, Limit: limit})
	if err != nil {
		return nil, after, fmt.Errorf("list events: %w", err)
	}
	next = after
	for _, item := range items {
		next = item.SK
		var e bus.Event
		if err := json.Unmarshal(item.Value, &e); err != nil {
			return nil, after, fmt.Errorf("list events: event %s: %w", item.SK, err)
		}
		events = append(events, e)
	}
	return events, next, nil
}

// At returns the cursor in front of what happened at t, for List.
func At(t time.Time) string { return t.UTC().Format(layout) }

// Subscribe calls f with every event that is published from now on, one after
// the other, until the returned function is called. f may take its time and
// may publish: what it has not seen yet is kept for it.
func (b *Bus) Subscribe(f func(bus.Event)) (cancel func()) {
	s := &subscriber{wake: make(chan struct{}, 1), stop: make(chan struct{})}
	b.mu.Lock()
	b.subs[s] = true
	b.mu.Unlock()
	go s.run(f)
	return sync.OnceFunc(func() {
		b.mu.Lock()
		delete(b.subs, s)
		b.mu.Unlock()
		close(s.stop)
	})
}

// A subscriber has a queue without end, so that adding to it never waits.
type subscriber struct {
	mu    sync.Mutex
	queue []bus.Event // guarded by mu
	wake  chan struct{}
	stop  chan struct{}
}

func (s *subscriber) add(e bus.Event) {
	s.mu.Lock()
	s.queue = append(s.queue, e)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *subscriber) run(f func(bus.Event)) {
	for {
		select {
		case <-s.stop:
			return
		case <-s.wake:
		}
		s.mu.Lock()
		events := s.queue
		s.queue = nil
		s.mu.Unlock()
		for _, e := range events {
			select {
			case <-s.stop:
				return
			default:
				f(e)
			}
		}
	}
}
