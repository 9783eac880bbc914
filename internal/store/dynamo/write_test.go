package dynamo_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/sluice-ci/sluice/internal/store"
	"github.com/sluice-ci/sluice/internal/store/dynamo"
	"github.com/sluice-ci/sluice/internal/store/dynamo/dynamotest"
)

func contains(err error, s string) bool { return strings.Contains(err.Error(), s) }

// script is a fake whose transactions end as they are told, in order; then
// they end well.
type script struct {
	*dynamotest.Fake
	answers []func(call func() error) error
}

func (s *script) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, o ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	call := func() error {
		_, err := s.Fake.TransactWriteItems(ctx, in, o...)
		return err
	}
	if len(s.answers) == 0 {
		return &dynamodb.TransactWriteItemsOutput{}, call()
	}
	answer := s.answers[0]
	s.answers = s.answers[1:]
	return &dynamodb.TransactWriteItemsOutput{}, answer(call)
}

var errLost = errors.New("connection reset by peer")

// The ways one attempt can end without an answer.
var (
	lostRequest = func(func() error) error { return errLost }
	lostAnswer  = func(call func() error) error { call(); return errLost }
)

// meanwhile is a lost answer after which others do something too.
func meanwhile(t *testing.T, fake *dynamotest.Fake, lost func(func() error) error, ops ...store.Op) func(func() error) error {
	return func(call func() error) error {
		err := lost(call)
		for _, op := range ops {
			if err := open(t, fake, "table").Write(context.Background(), op); err != nil {
				t.Error(err)
			}
		}
		return err
	}
}

// TestAmbiguous loses requests and answers, and lets others write before the
// next attempt. A conflict is reported only when nothing was written, success
// only when all was.
func TestAmbiguous(t *testing.T) {
	a, b := store.Key{PK: "p", SK: "a"}, store.Key{PK: "p", SK: "b"}
	put := func(k store.Key, v int64, value string) store.Op {
		return store.Op{Key: k, If: v, Value: []byte(value)}
	}
	del := func(k store.Key, v int64) store.Op { return store.Op{Key: k, Kind: store.Delete, If: v} }
	const ok, conflict, unknown = "ok", "conflict", "unknown"
	tests := []struct {
		name   string
		ops    []store.Op
		lost   func(func() error) error
		others []store.Op
		want   string // where tokens mean something
		forget string // where they do not
	}{
		{"answer lost", []store.Op{put(a, 1, "x")}, lostAnswer, nil, ok, ok},
		{"request lost", []store.Op{put(a, 1, "x")}, lostRequest, nil, ok, ok},
		{"answer lost, overwritten", []store.Op{put(a, 1, "x")}, lostAnswer, []store.Op{put(a, 2, "y")}, ok, unknown},
		{"answer lost, another item overwritten", []store.Op{put(a, 1, "x"), put(b, 1, "x")}, lostAnswer, []store.Op{put(a, 2, "y")}, ok, ok},
		{"request lost, another wins with the same value", []store.Op{put(a, 1, "x")}, lostRequest, []store.Op{put(a, 1, "x")}, conflict, conflict},
		{"request lost, two others write", []store.Op{put(a, 1, "x")}, lostRequest, []store.Op{put(a, 1, "x"), put(a, 2, "x")}, unknown, unknown},
		{"request lost, check fails", []store.Op{put(a, 1, "x"), {Key: b, Kind: store.Check, If: 1}}, lostRequest, []store.Op{put(b, 1, "y")}, conflict, conflict},
		{"answer lost, check would fail", []store.Op{put(a, 1, "x"), {Key: b, Kind: store.Check, If: 1}}, lostAnswer, []store.Op{put(b, 1, "y")}, ok, ok},
		{"made, answer lost", []store.Op{put(store.Key{PK: "p", SK: "new"}, 0, "x")}, lostAnswer, nil, ok, ok},
		{"made, answer lost, removed", []store.Op{put(store.Key{PK: "p", SK: "new"}, 0, "x"), put(a, 1, "x")}, lostAnswer, []store.Op{del(store.Key{PK: "p", SK: "new"}, 1)}, ok, ok},
		{"deleted, answer lost", []store.Op{del(a, 1)}, lostAnswer, nil, ok, unknown},
		{"delete, request lost", []store.Op{del(a, 1)}, lostRequest, nil, ok, ok},
		{"delete, request lost, another item changed", []store.Op{del(a, 1), put(b, 1, "x")}, lostRequest, []store.Op{put(b, 1, "y")}, conflict, conflict},
		{"any, answer lost", []store.Op{put(a, store.Any, "x")}, lostAnswer, nil, ok, ok},
		{"any, answer lost, overwritten", []store.Op{put(a, store.Any, "x"), put(b, 1, "x")}, lostAnswer, []store.Op{put(a, 2, "y")}, ok, ok},
		{"stale, request lost", []store.Op{put(a, 9, "x"), put(b, 1, "x")}, lostRequest, nil, conflict, conflict},
	}
	for _, tt := range tests {
		for _, forget := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, forget %v", tt.name, forget), func(t *testing.T) {
				fake := dynamotest.New(1, dynamotest.Faults{ForgetTokens: forget})
				client := &script{Fake: fake}
				s := dynamo.Hasten(open(t, client, "table"))
				if err := s.Write(t.Context(), put(a, 0, "old"), put(b, 0, "old")); err != nil {
					t.Fatal(err)
				}
				client.answers = []func(func() error) error{meanwhile(t, fake, tt.lost, tt.others...)}

				err := s.Write(t.Context(), tt.ops...)

				got := ok
				if store.IsConflict(err) {
					got = conflict
				} else if err != nil {
					got = unknown
				}
				want := tt.want
				if forget {
					want = tt.forget
				}
				if got != want || got == unknown && !contains(err, "outcome unknown") {
					t.Errorf("Write: %v; want %s", err, want)
				}
			})
		}
	}
}

// TestGivesUp holds how often a write is tried, how long that takes, and what
// is said when all of it was in vain.
func TestGivesUp(t *testing.T) {
	tests := []struct {
		name   string
		faults dynamotest.Faults
		want   string
		not    string
	}{
		{"throttled", dynamotest.Faults{Throttle: 1}, "given up after 8 attempts", "unknown"},
		{"in conflict", dynamotest.Faults{Conflict: 1}, "given up after 8 attempts", "unknown"},
		{"no answer", dynamotest.Faults{FailBefore: 1}, "outcome unknown: given up after 8 attempts", "conflict"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := dynamotest.New(1, tt.faults)
				s, start := open(t, fake, "table"), time.Now()
				err := s.Write(t.Context(), store.Op{Key: store.Key{PK: "p", SK: "s"}})
				if err == nil || store.IsConflict(err) || !contains(err, tt.want) || contains(err, tt.not) || !contains(err, "p s") {
					t.Errorf("Write: %v; want %s", err, tt.want)
				}
				if n := fake.Calls("TransactWriteItems"); n != dynamo.Attempts {
					t.Errorf("%d attempts; want %d", n, dynamo.Attempts)
				}
				if took := time.Since(start); took < 100*time.Millisecond || took > 4*time.Second {
					t.Errorf("gave up after %v", took)
				}
			})
		})
	}
}

// retries is a fake that looks at the options of its calls.
type retries struct {
	*dynamotest.Fake
	attempts int
}

func (r *retries) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, o ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	var opts dynamodb.Options
	for _, f := range o {
		f(&opts)
	}
	r.attempts = opts.Retryer.MaxAttempts()
	return r.Fake.TransactWriteItems(ctx, in)
}

// The SDK must not retry a write behind our back.
func TestSDKDoesNotRetry(t *testing.T) {
	client := &retries{Fake: dynamotest.New(1, dynamotest.Faults{})}
	if err := open(t, client, "table").Write(t.Context(), store.Op{Key: counter}); err != nil || client.attempts != 1 {
		t.Errorf("%v; the SDK would try %d times, want 1", err, client.attempts)
	}
}

// silent never answers a transaction, as a connection that nobody resets.
type silent struct{ *dynamotest.Fake }

func (s silent) TransactWriteItems(ctx context.Context, _ *dynamodb.TransactWriteItemsInput, _ ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// A caller's deadline ends a write at once; a silent connection alone does not
// keep it for ever.
func TestSilence(t *testing.T) {
	op := store.Op{Key: store.Key{PK: "p", SK: "s"}}
	synctest.Test(t, func(t *testing.T) {
		s := open(t, silent{dynamotest.New(1, dynamotest.Faults{})}, "table")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := s.Write(ctx, op); !errors.Is(err, context.DeadlineExceeded) || !contains(err, "outcome unknown") {
			t.Errorf("Write: %v; want the deadline and an unknown outcome", err)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("it took %v; want 1s", took)
		}
		start = time.Now()
		if err := s.Write(t.Context(), op); err == nil || !contains(err, "given up") {
			t.Errorf("Write: %v; want it given up", err)
		}
		if took := time.Since(start); took > 2*time.Minute {
			t.Errorf("it took %v", took)
		}
	})
}

// TestFaults has writers append their mark to one item while requests and
// answers get lost, come late, or meet. Each acknowledged mark is there once,
// each refused one is not there, and each of unknown outcome at most once.
func TestFaults(t *testing.T) {
	for _, forget := range []bool{false, true} {
		for seed := range uint64(30) {
			s, fake := faulty(t, seed, dynamotest.Faults{
				Throttle: 0.1, Conflict: 0.1, FailBefore: 0.1, CommitThenError: 0.2, Late: 0.1, Unprocessed: 0.1, ForgetTokens: forget,
			})
			got := appendMarks(s)
			fake.Settle()
			item, err := s.Get(t.Context(), counter)
			if err != nil && !store.IsNotFound(err) {
				t.Fatal(err)
			}
			for mark, outcome := range got {
				n := strings.Count(string(item.Value), mark)
				if outcome == "ok" && n != 1 || outcome == "conflict" && n != 0 || n > 1 {
					t.Errorf("seed %d, forget %v: write of %s: %s, and it is there %d times", seed, forget, mark, outcome, n)
				}
			}
			if int(item.Version) != strings.Count(string(item.Value), ";") {
				t.Errorf("seed %d, forget %v: version %d of %s", seed, forget, item.Version, item.Value)
			}
		}
	}
}

var counter = store.Key{PK: "p", SK: "counter"}

// appendMarks has eight writers append ten marks each, whatever becomes of
// them, and returns how each write ended.
func appendMarks(s store.Store) map[string]string {
	var mu sync.Mutex
	got := map[string]string{}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 10 {
				mark := fmt.Sprintf("%d.%d;", w, i)
				item, err := s.Get(context.Background(), counter)
				if err == nil || store.IsNotFound(err) {
					err = s.Write(context.Background(),
						store.Op{Key: counter, If: item.Version, Value: append(item.Value, mark...)},
						store.Op{Key: store.Key{PK: "p", SK: mark}, If: 0},
					)
				}
				outcome := "ok"
				if store.IsConflict(err) {
					outcome = "conflict"
				} else if err != nil {
					outcome = "unknown"
				}
				mu.Lock()
				got[mark] = outcome
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return got
}
