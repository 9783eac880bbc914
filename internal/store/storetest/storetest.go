// Package storetest is the contract of package store in executable form. An
// adapter passes it or is no store; what it does not test, nobody may rely on.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/store"
)

// Run runs every test of the contract. It calls open once per test; open
// returns an empty store and registers its own cleanup with t.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	tests := []struct {
		name string
		run  func(*testing.T, store.Store)
	}{
		{"GetMissing", getMissing},
		{"PutThenGet", putThenGet},
		{"VersionsGrowByOne", versionsGrowByOne},
		{"ConditionsDecide", conditionsDecide},
		{"ConflictWritesNothing", conflictWritesNothing},
		{"OpsOfOneWriteAreOne", opsOfOneWriteAreOne},
		{"EachKeyOnce", eachKeyOnce},
		{"LimitsOfWrite", limitsOfWrite},
		{"LimitsOfKeys", limitsOfKeys},
		{"ValuesAreCopied", valuesAreCopied},
		{"AnyByteInValues", anyByteInValues},
		{"ExpiresIsKept", expiresIsKept},
		{"GetManyInOrder", getManyInOrder},
		{"QuerySelects", querySelects},
		{"QueryPages", queryPages},
		{"PartitionsAreApart", partitionsAreApart},
		{"OneConcurrentWriteWins", oneConcurrentWriteWins},
		{"CountersLoseNothing", countersLoseNothing},
		{"ReadersSeeWholeWrites", readersSeeWholeWrites},
		{"CancelledContext", cancelledContext},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.run(t, open(t))
		})
	}
}

func key(pk, sk string) store.Key { return store.Key{PK: pk, SK: sk} }

func put(k store.Key, version int64, value string) store.Op {
	return store.Op{Key: k, Kind: store.Put, If: version, Value: []byte(value)}
}

func remove(k store.Key, version int64) store.Op {
	return store.Op{Key: k, Kind: store.Delete, If: version}
}

func check(k store.Key, version int64) store.Op {
	return store.Op{Key: k, Kind: store.Check, If: version}
}

func must(t *testing.T, s store.Store, ops ...store.Op) {
	t.Helper()
	if err := s.Write(t.Context(), ops...); err != nil {
		t.Fatal(err)
	}
}

// state returns the item as "version:value", or "none".
func state(t *testing.T, s store.Store, k store.Key) string {
	t.Helper()
	item, err := s.Get(t.Context(), k)
	if store.IsNotFound(err) {
		return "none"
	}
	if err != nil {
		t.Fatal(err)
	}
	if item.Key != k {
		t.Errorf("Get of %v gave %v", k, item.Key)
	}
	return fmt.Sprintf("%d:%s", item.Version, item.Value)
}

func want(t *testing.T, s store.Store, k store.Key, want string) {
	t.Helper()
	if got := state(t, s, k); got != want {
		t.Errorf("item %s %s is %s; want %s", k.PK, k.SK, got, want)
	}
}

func getMissing(t *testing.T, s store.Store) {
	_, err := s.Get(t.Context(), key("p", "s"))
	missing, ok := errors.AsType[*store.NotFoundError](err)
	if !ok || missing.Key != key("p", "s") {
		t.Errorf("Get: %v; want a NotFoundError that names the key", err)
	}
}

func putThenGet(t *testing.T, s store.Store) {
	must(t, s, put(key("p", "s"), 0, "one"))
	item, err := s.Get(t.Context(), key("p", "s"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(store.Item{Key: key("p", "s"), Version: 1, Value: []byte("one")}, item); diff != "" {
		t.Errorf("Get (-want +got):\n%s", diff)
	}
}

func versionsGrowByOne(t *testing.T, s store.Store) {
	k := key("p", "s")
	for v := range int64(5) {
		must(t, s, put(k, v, "same")) // an equal value is a write too
		want(t, s, k, fmt.Sprintf("%d:same", v+1))
	}
	must(t, s, put(k, store.Any, "x"), check(key("p", "other"), 0))
	want(t, s, k, "6:x")
	must(t, s, check(k, 6))
	want(t, s, k, "6:x")
	must(t, s, remove(k, 6))
	must(t, s, put(k, 0, "again"))
	want(t, s, k, "1:again")
}

func conditionsDecide(t *testing.T, s store.Store) {
	kinds := map[store.Kind]string{store.Put: "put", store.Delete: "delete", store.Check: "check"}
	i := 0
	for kind, name := range kinds {
		for _, has := range []int64{0, 1, 2} { // version of the stored item
			for _, asks := range []int64{store.Any, 0, 1, 2, 7} {
				i++
				k := key("p", fmt.Sprintf("%03d", i))
				for v := range has {
					must(t, s, put(k, v, "old"))
				}
				err := s.Write(t.Context(), store.Op{Key: k, Kind: kind, If: asks, Value: []byte("new")})

				holds := asks == store.Any || asks == has
				after := "none"
				if has > 0 {
					after = fmt.Sprintf("%d:old", has)
				}
				switch {
				case holds && kind == store.Put:
					after = fmt.Sprintf("%d:new", has+1)
				case holds && kind == store.Delete:
					after = "none"
				}
				if (err == nil) != holds || err != nil && !store.IsConflict(err) {
					t.Errorf("%s of version %d if %d: %v; want success %v", name, has, asks, err, holds)
				}
				if conflict, ok := errors.AsType[*store.ConflictError](err); ok && *conflict != (store.ConflictError{Key: k, Want: asks, Got: has}) {
					t.Errorf("%s of version %d if %d: conflict %+v", name, has, asks, *conflict)
				}
				want(t, s, k, after)
			}
		}
	}
}

// The op that fails is tried in every place of the transaction.
func conflictWritesNothing(t *testing.T, s store.Store) {
	a, b, c := key("p", "a"), key("p", "b"), key("q", "c")
	must(t, s, put(a, 0, "a"), put(b, 0, "b"))
	good := []store.Op{put(a, 1, "changed"), remove(b, 1), put(c, 0, "new"), check(key("p", "none"), 0)}
	bad := []store.Op{put(key("p", "x"), 5, "x"), check(key("p", "x"), 1), remove(key("p", "x"), 1), put(key("p", "y"), 1, "y")}
	for _, b5 := range bad {
		for i := range len(good) + 1 {
			ops := slices.Insert(slices.Clone(good), i, b5)
			if err := s.Write(t.Context(), ops...); !store.IsConflict(err) {
				t.Fatalf("Write with a stale op in place %d: %v; want a conflict", i, err)
			}
			want(t, s, a, "1:a")
			want(t, s, b, "1:b")
			want(t, s, c, "none")
		}
	}
	must(t, s, good...)
	want(t, s, a, "2:changed")
	want(t, s, b, "none")
	want(t, s, c, "1:new")
}

func opsOfOneWriteAreOne(t *testing.T, s store.Store) {
	ops := make([]store.Op, store.MaxOps)
	for i := range ops {
		ops[i] = put(key(fmt.Sprint("p", i%7), fmt.Sprint(i)), 0, fmt.Sprint(i))
	}
	must(t, s, ops...)
	for i, op := range ops {
		want(t, s, op.Key, fmt.Sprint("1:", i))
	}
}

func eachKeyOnce(t *testing.T, s store.Store) {
	k := key("p", "s")
	for _, ops := range [][]store.Op{
		{put(k, 0, "a"), put(k, 1, "b")},
		{put(k, store.Any, "a"), check(k, store.Any)},
		{check(k, 0), put(k, 0, "a")},
	} {
		if err := s.Write(t.Context(), ops...); err == nil || store.IsConflict(err) {
			t.Errorf("Write of one key twice: %v; want an error that is no conflict", err)
		}
	}
	want(t, s, k, "none")
}

func limitsOfWrite(t *testing.T, s store.Store) {
	if err := s.Write(t.Context()); err == nil {
		t.Error("Write without ops succeeded")
	}
	ops := make([]store.Op, store.MaxOps+1)
	for i := range ops {
		ops[i] = put(key("p", fmt.Sprint(i)), 0, "")
	}
	if err := s.Write(t.Context(), ops...); err == nil {
		t.Errorf("Write of %d ops succeeded", len(ops))
	}
	big := put(key("p", "big"), 0, strings.Repeat("x", store.MaxValue))
	must(t, s, big)
	if item, err := s.Get(t.Context(), big.Key); err != nil || !bytes.Equal(item.Value, big.Value) {
		t.Errorf("the largest value came back with %d bytes, %v", len(item.Value), err)
	}
	big.If, big.Value = 1, append(big.Value, 'x')
	if err := s.Write(t.Context(), big); err == nil {
		t.Errorf("Write of %d bytes succeeded", len(big.Value))
	}
	if err := s.Write(t.Context(), store.Op{Key: key("p", "s"), Kind: store.Check + 1}); err == nil {
		t.Error("an op of unknown kind succeeded")
	}
	if err := s.Write(t.Context(), put(key("p", "s"), -2, "")); err == nil {
		t.Error("the condition -2 held")
	}
}

func limitsOfKeys(t *testing.T, s store.Store) {
	longest := strings.Repeat("k", store.MaxKey)
	must(t, s, put(key(longest, longest), 0, "x"))
	want(t, s, key(longest, longest), "1:x")
	for _, k := range []store.Key{key("", "s"), key("p", ""), key(longest+"k", "s"), key("p", longest+"k"), key("p", "\xff")} {
		if err := s.Write(t.Context(), put(k, 0, "")); err == nil {
			t.Errorf("Write of key %.20q %.20q succeeded", k.PK, k.SK)
		}
		if _, err := s.Get(t.Context(), k); err == nil || store.IsNotFound(err) {
			t.Errorf("Get of key %.20q %.20q: %v; want an error about the key", k.PK, k.SK, err)
		}
	}
	if _, err := s.GetMany(t.Context(), make([]store.Key, store.MaxKeys+1)); err == nil {
		t.Errorf("GetMany of %d keys succeeded", store.MaxKeys+1)
	}
}

func valuesAreCopied(t *testing.T, s store.Store) {
	k, value := key("p", "s"), []byte("abc")
	must(t, s, store.Op{Key: k, Value: value})
	value[0] = 'X'
	item, err := s.Get(t.Context(), k)
	if err != nil {
		t.Fatal(err)
	}
	item.Value[1] = 'X'
	want(t, s, k, "1:abc")
}

func anyByteInValues(t *testing.T, s store.Store) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for i, value := range [][]byte{all, {0}, {}, nil} {
		k := key("p", fmt.Sprint(i))
		must(t, s, store.Op{Key: k, Value: value})
		if item, err := s.Get(t.Context(), k); err != nil || !bytes.Equal(item.Value, value) {
			t.Errorf("value %q came back as %q, %v", value, item.Value, err)
		}
	}
	odd := key("p#\x00'\"%_é", "s\x00t")
	must(t, s, put(odd, 0, "x"))
	want(t, s, odd, "1:x")
	want(t, s, key(odd.PK, "s"), "none")
}

func expiresIsKept(t *testing.T, s store.Store) {
	k, at := key("p", "s"), time.Now().Add(time.Hour)
	must(t, s, store.Op{Key: k, Expires: at})
	item, err := s.Get(t.Context(), k)
	if err != nil || !item.Expires.Equal(at.Truncate(time.Second)) {
		t.Errorf("Expires %v, %v; want %v to the second", item.Expires, err, at)
	}
	must(t, s, put(k, 1, ""))
	if item, err = s.Get(t.Context(), k); err != nil || !item.Expires.IsZero() {
		t.Errorf("Expires %v, %v; want none after a Put without", item.Expires, err)
	}
}

func cancelledContext(t *testing.T, s store.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	k := key("p", "s")
	if err := s.Write(ctx, put(k, 0, "")); !errors.Is(err, context.Canceled) {
		t.Errorf("Write: %v; want context.Canceled", err)
	}
	if _, err := s.Get(ctx, k); !errors.Is(err, context.Canceled) {
		t.Errorf("Get: %v; want context.Canceled", err)
	}
	want(t, s, k, "none")
}
