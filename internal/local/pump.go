package local

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
)

// A pump delivers outbox rows: those that a commit just made, at boot those
// that a crash left, and with each sweep those of a commit whose answer was
// lost, so that nobody heard of it. It stands for the DynamoDB stream of the
// cloud.
//
// Rows that answer or steer the machine are delivered at once and side by side:
// a run waits for them. Announcements, and the deletion of what was delivered,
// are gathered, so that many share a commit. A crash before the deletion
// delivers a row again.
type pump struct {
	work    Work
	log     *slog.Logger
	ctx     context.Context
	stop    context.CancelFunc
	wg      sync.WaitGroup
	open    atomic.Int64 // rows that were taken and are not delivered
	closing atomic.Bool  // the system closes; what fails now is delivered by the next one

	mu    sync.Mutex
	known map[store.Key]bool // rows that were taken and are not deleted; guarded by mu

	slots chan struct{}
	hurry chan struct{}           // closed when nothing is gathered any more
	news  *lane[orchestrator.Row] // announcements
	done  *lane[store.Key]        // of delivered rows
}

const (
	maxDeliveries = 64                     // at once
	retryAfter    = time.Second            // a failed delivery rests as long
	gatherNews    = 20 * time.Millisecond  // how long announcements wait for others
	drainFor      = 300 * time.Millisecond // at most, before closing
	gatherDone    = 200 * time.Millisecond // how long deletions do
)

// newPump returns a pump that delivers so many rows at once; 0: maxDeliveries.
func newPump(log *slog.Logger, deliveries int) *pump {
	deliveries = cmp.Or(deliveries, maxDeliveries)
	ctx, stop := context.WithCancel(context.Background())
	hurry := make(chan struct{})
	return &pump{
		log: log, ctx: ctx, stop: stop, slots: make(chan struct{}, deliveries), hurry: hurry, known: map[store.Key]bool{},
		news: newLane[orchestrator.Row](hurry), done: newLane[store.Key](hurry),
	}
}

// start begins to deliver by w, first of all what was left over.
func (p *pump) start(w Work) error {
	p.work = w
	if err := p.sweep(p.ctx); err != nil {
		return err
	}
	p.wg.Go(p.announce)
	p.wg.Go(p.clear)
	return nil
}

// sweep takes the rows that nobody has told it of.
func (p *pump) sweep(ctx context.Context) error {
	rows, err := p.work.Outbox(ctx)
	p.take(rows)
	return err
}

// drain waits a moment for what is under way to be delivered, so that a
// process that ends after a run has told of the run's end. It is called once.
func (p *pump) drain() {
	close(p.hurry)
	for end := time.Now().Add(drainFor); p.open.Load() > 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
}

// close ends the deliveries under way. What was not delivered stays in the
// outbox.
func (p *pump) close() {
	p.stop()
	p.wg.Wait()
}

// take delivers rows that were committed, unless it is at it.
func (p *pump) take(rows []orchestrator.Row) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, row := range rows {
		if p.known[row.Key] {
			continue
		}
		p.known[row.Key] = true
		p.open.Add(1)
		p.wg.Go(func() {
			if p.do(row, p.work.Act) {
				p.news.push(row)
			}
		})
	}
}

// do does a part of row until it succeeds; false means that the system closes.
func (p *pump) do(row orchestrator.Row, part func(context.Context, record.Outbox) error) bool {
	for {
		select {
		case p.slots <- struct{}{}:
		case <-p.ctx.Done():
			return false
		}
		err := part(p.ctx, row.Outbox)
		<-p.slots
		if err == nil || p.ctx.Err() != nil || p.closing.Load() {
			return err == nil
		}
		p.log.Warn("delivery failed; it is tried again", "row", row.ID, "err", err)
		select {
		case <-time.After(retryAfter):
		case <-p.ctx.Done():
			return false
		}
	}
}

// announce announces what rows have to tell, many at once.
func (p *pump) announce() {
	for rows := range p.news.batches(p.ctx, gatherNews) {
		var batch sync.WaitGroup
		for _, row := range rows {
			batch.Go(func() {
				if p.do(row, p.work.Announce) {
					p.open.Add(-1)
					p.done.push(row.Key)
				}
			})
		}
		batch.Wait()
	}
}

// clear deletes delivered rows, as many at once as there are.
func (p *pump) clear() {
	for keys := range p.done.batches(p.ctx, gatherDone) {
		for chunk := range slices.Chunk(keys, store.MaxOps) {
			if err := p.work.Delivered(p.ctx, chunk); err != nil && !p.closing.Load() {
				p.log.Warn("delivered rows stay in the outbox, and the next sweep delivers them again", "err", err)
			}
			p.forget(chunk)
		}
	}
}

// forget lets rows be taken again, should they still be there.
func (p *pump) forget(keys []store.Key) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, key := range keys {
		delete(p.known, key)
	}
}
