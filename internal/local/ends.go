package local

import (
	"strings"
	"sync"

	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
)

// ends knows who waits for the ends of executions.
type ends struct {
	mu      sync.Mutex
	waiting map[string][]chan struct{} // by execution; guarded by mu
}

// Ended returns a channel that is closed when the execution ends. Who asks
// looks at the execution afterwards: it may have ended before.
func (s *System) Ended(executionID string) <-chan struct{} {
	e := &s.ends
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.waiting == nil {
		e.waiting = map[string][]chan struct{}{}
	}
	c := make(chan struct{})
	e.waiting[executionID] = append(e.waiting[executionID], c)
	return c
}

// observe hears of every transaction that was committed.
func (e *ends) observe(ops []store.Op) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.waiting) == 0 {
		return
	}
	for _, op := range ops {
		id, ok := strings.CutPrefix(op.PK, record.ExecutionKey("").PK)
		if !ok || op.Kind != store.Put || len(e.waiting[id]) == 0 || op.Key != record.ExecutionKey(id) {
			continue
		}
		x, err := record.Decode[record.Execution](store.Item{Key: op.Key, Value: op.Value})
		if err != nil || !x.Status.Final() {
			continue
		}
		for _, c := range e.waiting[id] {
			close(c)
		}
		delete(e.waiting, id)
	}
}
