package dynamo_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-ci/sluice/internal/awstest"
	"github.com/sluice-ci/sluice/internal/bartest"
	"github.com/sluice-ci/sluice/internal/store"
	"github.com/sluice-ci/sluice/internal/store/dynamo/dynamotest"
	"github.com/sluice-ci/sluice/internal/store/memory"
)

// current as Op.If of a step stands for the version that the item has then.
const current int64 = -2

// A step is a write or else a query.
type step struct {
	ops   []store.Op
	query store.Query
}

var (
	partitions = rapid.SampledFrom([]string{"p", "q"})
	sortKeys   = rapid.SampledFrom([]string{"a", "a#", "a#1", "a#10", "a#2", "a\U0010ffffz", "b", "B", "ä", "\x00", "a#\uffff"})
	bounds     = rapid.OneOf(sortKeys, rapid.SampledFrom([]string{"", "", "a#15", "c", "a\U0010ffff"}))
)

var steps = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
	if rapid.IntRange(0, 2).Draw(t, "kind") == 0 {
		return step{query: store.Query{
			PK: partitions.Draw(t, "pk"), Prefix: bounds.Draw(t, "prefix"), After: bounds.Draw(t, "after"),
			Reverse: rapid.Bool().Draw(t, "reverse"), Limit: rapid.IntRange(0, 4).Draw(t, "limit"),
		}}
	}
	var ops []store.Op
	for i := range rapid.IntRange(1, 4).Draw(t, "ops") {
		op := store.Op{
			Key:   store.Key{PK: partitions.Draw(t, "pk"), SK: sortKeys.Draw(t, "sk")},
			Kind:  rapid.SampledFrom([]store.Kind{store.Put, store.Put, store.Delete, store.Check}).Draw(t, "kind"),
			If:    rapid.SampledFrom([]int64{current, current, current, store.Any, 0, 1, 2}).Draw(t, "if"),
			Value: rapid.SampledFrom([][]byte{nil, []byte("x"), {0, 255}}).Draw(t, "value"),
		}
		if i%2 == 1 {
			op.Expires = time.Unix(2e9, 0)
		}
		if !slices.ContainsFunc(ops, func(o store.Op) bool { return o.Key == op.Key }) {
			ops = append(ops, op)
		}
	}
	return step{ops: ops}
}), 1, 40)

// walk takes every step on both stores and compares what they say and hold. A
// write of unknown outcome must have been done whole or not at all.
func walk(t interface{ Fatalf(string, ...any) }, s store.Store, model *memory.Store, all []step) (doubts int) {
	ctx := context.Background()
	for i, st := range all {
		if st.ops == nil {
			got, err := s.Query(ctx, st.query)
			want, _ := model.Query(ctx, st.query)
			if diff := cmp.Diff(plain(want), plain(got)); err != nil || diff != "" {
				t.Fatalf("step %d: %+v: %v (-want +got):\n%s", i, st.query, err, diff)
			}
			continue
		}
		ops := slices.Clone(st.ops)
		var keys []store.Key
		for j := range ops {
			keys = append(keys, ops[j].Key)
			if item, _ := model.Get(ctx, ops[j].Key); ops[j].If == current {
				ops[j].If = item.Version
			}
		}
		before, _ := model.GetMany(ctx, keys)
		got := s.Write(ctx, ops...)
		now, err := s.GetMany(ctx, keys)
		if err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		doubtful := got != nil && !store.IsConflict(got)
		if doubtful {
			doubts++
			if cmp.Equal(plain(now), plain(before)) {
				continue // nothing was written
			}
		}
		want := model.Write(ctx, ops...)
		after, _ := model.GetMany(ctx, keys)
		if diff := cmp.Diff(plain(after), plain(now)); diff != "" {
			t.Fatalf("step %d: %+v: %v (-want +got):\n%s", i, ops, got, diff)
		}
		if !doubtful && !reflect.DeepEqual(got, want) {
			t.Fatalf("step %d: %+v: %v; want %v", i, ops, got, want)
		}
	}
	return doubts
}

// plain returns items in a form that tells no nil from empty.
func plain(items []store.Item) []string {
	var lines []string
	for _, item := range items {
		lines = append(lines, fmt.Sprintf("%q %q %d %q %d", item.PK, item.SK, item.Version, item.Value, item.Expires.Unix()))
	}
	return lines
}

// TestWalk compares the store with the reference on a table that fails.
func TestWalk(t *testing.T) {
	tests := []struct {
		name   string
		faults dynamotest.Faults
		doubts bool // whether an outcome may stay unknown
	}{
		{"calm", dynamotest.Faults{}, false},
		{"commit then error", dynamotest.Faults{CommitThenError: 0.2, Unprocessed: 0.1}, false},
		{"tokens mean nothing", dynamotest.Faults{CommitThenError: 0.2, ForgetTokens: true}, true},
		{"everything", dynamotest.Faults{Throttle: 0.1, Conflict: 0.1, FailBefore: 0.1, CommitThenError: 0.2, Late: 0.1, Unprocessed: 0.1}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(rt *rapid.T) {
				all := steps.Draw(rt, "steps")
				s, fake := faulty(t, rapid.Uint64().Draw(rt, "seed"), tt.faults)
				fake.SmallPages(rapid.SampledFrom([]int{1, 60, 1 << 20}).Draw(rt, "page"))
				if doubts := walk(rt, s, new(memory.Store), all); doubts > 0 && !tt.doubts {
					rt.Fatalf("%d outcomes stayed unknown", doubts)
				}
			})
		})
	}
}

// TestFakeIsLikeMoto walks moto and the fake alike: the fake is only worth
// what an independent implementation confirms.
func TestFakeIsLikeMoto(t *testing.T) {
	client := dynamodb.NewFromConfig(awstest.Config(t))
	began, taken, sequences := time.Now(), 0, 12
	if bartest.Proving() {
		sequences = 5000
	}
	for seed := range sequences {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			all := steps.Example(seed)
			calm, _ := faulty(t, 1, dynamotest.Faults{})
			walk(t, calm, new(memory.Store), all)
			walk(t, open(t, client, awstest.Table(t)), new(memory.Store), all)
			taken += len(all)
		})
	}
	bartest.Report(t, "B7", "sequences=%d steps=%d stores=3 seconds=%.0f seed=0..%d", sequences, taken, time.Since(began).Seconds(), sequences-1)
}
