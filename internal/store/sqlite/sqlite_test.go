package sqlite_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	db "github.com/sluice-ci/sluice/internal/sqlite"
	"github.com/sluice-ci/sluice/internal/store"
	"github.com/sluice-ci/sluice/internal/store/memory"
	"github.com/sluice-ci/sluice/internal/store/sqlite"
	"github.com/sluice-ci/sluice/internal/store/storetest"
)

func open(t testing.TB, folder string) (*sqlite.Store, *db.DB) {
	t.Helper()
	d, err := db.Open(folder, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	s, err := sqlite.New(d)
	if err != nil {
		t.Fatal(err)
	}
	return s, d
}

func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		s, _ := open(t, t.TempDir())
		return s
	})
}

func TestReopen(t *testing.T) {
	folder := t.TempDir()
	s, d := open(t, folder)
	a, b, c := store.Key{PK: "p", SK: "a"}, store.Key{PK: "p", SK: "b"}, store.Key{PK: "p", SK: "c"}
	err := errors.Join(
		s.Write(t.Context(), store.Op{Key: a, Value: []byte("1")}, store.Op{Key: b, Value: []byte("2"), Expires: time.Now().Add(-time.Hour)}),
		s.Write(t.Context(), store.Op{Key: a, If: 1, Value: []byte("3")}, store.Op{Key: c, Expires: time.Now().Add(time.Hour)}),
		d.Close(),
	)
	if err != nil {
		t.Fatal(err)
	}
	s, _ = open(t, folder)
	if item, err := s.Get(t.Context(), a); err != nil || item.Version != 2 || string(item.Value) != "3" {
		t.Errorf("item is %+v, %v; want version 2 with value 3", item, err)
	}
	if _, err := s.Get(t.Context(), b); !store.IsNotFound(err) {
		t.Errorf("Get of an expired item: %v; want not found", err)
	}
	if _, err := s.Get(t.Context(), c); err != nil {
		t.Error(err)
	}
}

// TestLikeMemory applies random operations to both stores and compares every
// answer, errors included.
func TestLikeMemory(t *testing.T) {
	s, _ := open(t, t.TempDir())
	part := rapid.SampledFrom([]string{"a", "b", "a#", "ab", "a\x00", "é", "~"})
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		model := new(memory.Store)
		pk := rapid.Custom(func(t *rapid.T) string {
			return fmt.Sprintf("%d/%s", run, rapid.SampledFrom([]string{"p", "q"}).Draw(t, "pk"))
		})
		key := rapid.Custom(func(t *rapid.T) store.Key {
			return store.Key{PK: pk.Draw(t, "pk"), SK: part.Draw(t, "sk") + part.Draw(t, "sk")}
		})
		op := rapid.Custom(func(t *rapid.T) store.Op {
			return store.Op{
				Key:   key.Draw(t, "key"),
				Kind:  store.Kind(rapid.IntRange(0, 2).Draw(t, "kind")),
				If:    rapid.Int64Range(-1, 3).Draw(t, "if"),
				Value: rapid.SliceOfN(rapid.Byte(), 0, 5).Draw(t, "value"),
			}
		})
		compare := func(what string, got, want any, gotErr, wantErr error) {
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("%s (-memory +sqlite):\n%s", what, diff)
			}
			if fmt.Sprint(gotErr) != fmt.Sprint(wantErr) {
				t.Fatalf("%s: %v; memory says %v", what, gotErr, wantErr)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"Write": func(t *rapid.T) {
				ops := rapid.SliceOfNDistinct(op, 1, 4, func(o store.Op) store.Key { return o.Key }).Draw(t, "ops")
				want, got := model.Write(t.Context(), ops...), s.Write(t.Context(), ops...)
				if store.IsConflict(want) && store.IsConflict(got) {
					return // either may name any condition that does not hold
				}
				compare("Write", nil, nil, got, want)
			},
			"Get": func(t *rapid.T) {
				k := key.Draw(t, "key")
				got, gotErr := s.Get(t.Context(), k)
				want, wantErr := model.Get(t.Context(), k)
				compare("Get", got, want, gotErr, wantErr)
			},
			"GetMany": func(t *rapid.T) {
				ks := rapid.SliceOfN(key, 0, 6).Draw(t, "keys")
				got, gotErr := s.GetMany(t.Context(), ks)
				want, wantErr := model.GetMany(t.Context(), ks)
				compare("GetMany", got, want, gotErr, wantErr)
			},
			"Query": func(t *rapid.T) {
				q := store.Query{PK: pk.Draw(t, "pk"), Reverse: rapid.Bool().Draw(t, "reverse"), Limit: rapid.IntRange(0, 4).Draw(t, "limit")}
				if rapid.Bool().Draw(t, "prefixed") {
					q.Prefix = part.Draw(t, "prefix")
				}
				if rapid.Bool().Draw(t, "paged") {
					q.After = q.Prefix + part.Draw(t, "after")
				}
				got, gotErr := s.Query(t.Context(), q)
				want, wantErr := model.Query(t.Context(), q)
				compare(fmt.Sprintf("Query %+v", q), got, want, gotErr, wantErr)
			},
			"": func(*rapid.T) {},
		})
	})
}

func BenchmarkWrite(b *testing.B) {
	s, _ := open(b, b.TempDir())
	k, value := store.Key{PK: "EXEC#1", SK: "META"}, make([]byte, 700)
	for v := int64(0); b.Loop(); v++ {
		if err := s.Write(b.Context(), store.Op{Key: k, If: v, Value: value}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	s, _ := open(b, b.TempDir())
	k := store.Key{PK: "EXEC#1", SK: "META"}
	if err := s.Write(b.Context(), store.Op{Key: k, Value: make([]byte, 700)}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := s.Get(b.Context(), k); err != nil {
			b.Fatal(err)
		}
	}
}
