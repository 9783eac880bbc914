package dynamo

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/sluice-ci/sluice/internal/store"
)

const (
	attempts = 8                // of one Write; with their pauses about two seconds
	patience = 10 * time.Second // with one attempt, which usually takes 10 ms
)

// Write implements store.Store. Every write is a transaction, also that of one
// op: it costs twice as much as a plain one, and has the request token that
// makes a second attempt harmless.
func (s *Store) Write(ctx context.Context, ops ...store.Op) error {
	if err := cmp.Or(ctx.Err(), store.CheckOps(ops)); err != nil {
		return err
	}
	w := s.transaction(ops)
	if len(w.ops) == 0 {
		return nil
	}
	err := s.try(ctx, w)
	if err == nil || store.IsConflict(err) {
		return err
	}
	return fmt.Errorf("write of %d items, %s %s first: %w", len(w.ops), w.ops[0].PK, w.ops[0].SK, err)
}

// try repeats the transaction until its outcome is known. Once an attempt may
// have been applied in secret, unsure stays true, and whatever is refused
// later is compared with what the table holds.
func (s *Store) try(ctx context.Context, w transaction) error {
	unsure := false
	var last error
	for attempt := range attempts {
		if attempt > 0 {
			if err := s.rest(ctx, attempt-1); err != nil {
				return outcome(unsure, fmt.Errorf("%w: %w", err, last))
			}
		}
		last = s.once(ctx, w)
		kind := classify(last)
		if kind == applied {
			return nil
		}
		unsure = unsure || kind == unknown
		if unsure && kind != busy {
			found := s.trace(ctx, w)
			if found == applied {
				return nil
			}
			if kind == refused && found != refused {
				return outcome(unsure, last)
			}
		}
		switch kind {
		case refused:
			return conflict(w.ops, last)
		case final:
			return outcome(unsure, s.named(last))
		}
	}
	return outcome(unsure, fmt.Errorf("given up after %d attempts: %w", attempts, last))
}

// once makes one attempt, and the SDK no more than that.
func (s *Store) once(ctx context.Context, w transaction) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := s.client.TransactWriteItems(ctx, w.input, func(o *dynamodb.Options) { o.Retryer = aws.NopRetryer{} })
	return err
}

// rest waits before attempt n+2 with full jitter: any time up to a bound that
// doubles, so that writers who met do not meet again.
func (s *Store) rest(ctx context.Context, n int) error {
	timer := time.NewTimer(rand.N(s.pause << min(n, 5)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// trace looks for what w left in the table: applied when an item is of w,
// refused when an item shows that w was not applied, and unknown when nothing
// is left that could tell.
//
// An item shows that w was not applied if it still has the version that w
// would have replaced, or has the next one from somebody else. (A version
// could come a second time if the item was deleted and made again within this
// Write. On DynamoDB the request token has answered before that matters.)
func (s *Store) trace(ctx context.Context, w transaction) verdict {
	var keys []store.Key
	for _, op := range w.ops {
		if op.Kind != store.Check {
			keys = append(keys, op.Key)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	found, err := s.fetch(ctx, keys)
	if err != nil {
		return unknown
	}
	result := unknown
	for _, op := range w.ops {
		r := found[op.Key]
		switch {
		case op.Kind == store.Check || r.Version == 0:
		case op.Kind == store.Put && r.tx == w.token:
			return applied
		case r.Version == op.If || op.Kind == store.Put && op.If != store.Any && r.Version == op.If+1:
			result = refused
		}
	}
	return result
}
