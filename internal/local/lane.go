package local

import (
	"context"
	"iter"
	"sync"
	"time"
)

// A lane is an unbounded queue with one reader. Pushing never blocks.
type lane[T any] struct {
	mu     sync.Mutex
	items  []T // guarded by mu
	signal chan struct{}
	hurry  chan struct{} // closed when nothing is gathered any more
}

func newLane[T any](hurry chan struct{}) *lane[T] {
	return &lane[T]{signal: make(chan struct{}, 1), hurry: hurry}
}

func (l *lane[T]) push(v T) {
	l.mu.Lock()
	l.items = append(l.items, v)
	l.mu.Unlock()
	select {
	case l.signal <- struct{}{}:
	default:
	}
}

// batches yields everything that is there, pause after something has come,
// until ctx ends. The pause gathers what can share a commit.
func (l *lane[T]) batches(ctx context.Context, pause time.Duration) iter.Seq[[]T] {
	return func(yield func([]T) bool) {
		for {
			select {
			case <-l.signal:
			case <-ctx.Done():
				return
			}
			select {
			case <-time.After(pause):
			case <-l.hurry:
			case <-ctx.Done():
				return
			}
			l.mu.Lock()
			batch := l.items
			l.items = nil
			l.mu.Unlock()
			if len(batch) > 0 && !yield(batch) {
				return
			}
		}
	}
}
