package storetest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/store"
)

func getManyInOrder(t *testing.T, s store.Store) {
	must(t, s, put(key("p", "a"), 0, "1"), put(key("q", "b"), 0, "2"), put(key("p", "c"), 0, "3"))
	items, err := s.GetMany(t.Context(), []store.Key{key("p", "c"), key("p", "none"), key("q", "b"), key("p", "a"), key("p", "c")})
	if err != nil {
		t.Fatal(err)
	}
	if got := values(items); got != "3 2 1 3" {
		t.Errorf("GetMany gave %s; want 3 2 1 3", got)
	}
	if items, err = s.GetMany(t.Context(), nil); err != nil || len(items) != 0 {
		t.Errorf("GetMany of nothing gave %v, %v", items, err)
	}
}

func values(items []store.Item) string {
	var got []string
	for _, item := range items {
		got = append(got, string(item.Value))
	}
	return strings.Join(got, " ")
}

func querySelects(t *testing.T, s store.Store) {
	for _, sk := range []string{"b#2", "a", "b#10", "b", "c", "b#", "B", "b$", "ä", "b#1"} {
		must(t, s, put(key("p", sk), 0, sk))
	}
	must(t, s, put(key("p2", "b#0"), 0, "elsewhere"), put(key("o", "b#0"), 0, "elsewhere"))
	tests := []struct {
		name string
		q    store.Query
		want string
	}{
		{"all, bytewise", store.Query{}, "B a b b# b#1 b#10 b#2 b$ c ä"},
		{"reverse", store.Query{Reverse: true}, "ä c b$ b#2 b#10 b#1 b# b a B"},
		{"prefix", store.Query{Prefix: "b#"}, "b# b#1 b#10 b#2"},
		{"prefix reverse", store.Query{Prefix: "b#", Reverse: true}, "b#2 b#10 b#1 b#"},
		{"prefix of nothing", store.Query{Prefix: "x"}, ""},
		{"prefix beyond ASCII", store.Query{Prefix: "ä"}, "ä"},
		{"after", store.Query{After: "b#10"}, "b#2 b$ c ä"},
		{"after a key that is not there", store.Query{After: "b#11"}, "b#2 b$ c ä"},
		{"after reverse", store.Query{After: "b#10", Reverse: true}, "b#1 b# b a B"},
		{"after within prefix", store.Query{Prefix: "b#", After: "b#1"}, "b#10 b#2"},
		{"after within prefix reverse", store.Query{Prefix: "b#", After: "b#10", Reverse: true}, "b#1 b#"},
		{"after in front of prefix", store.Query{Prefix: "b#", After: "a"}, "b# b#1 b#10 b#2"},
		{"after behind prefix", store.Query{Prefix: "b#", After: "c"}, ""},
		{"after behind prefix reverse", store.Query{Prefix: "b#", After: "c", Reverse: true}, "b#2 b#10 b#1 b#"},
		{"after in front of prefix reverse", store.Query{Prefix: "b#", After: "a", Reverse: true}, ""},
		{"limit", store.Query{Limit: 3}, "B a b"},
		{"limit reverse", store.Query{Limit: 2, Reverse: true}, "ä c"},
		{"limit larger than all", store.Query{Limit: 50, Prefix: "b#"}, "b# b#1 b#10 b#2"},
	}
	for _, tt := range tests {
		tt.q.PK = "p"
		items, err := s.Query(t.Context(), tt.q)
		if got := values(items); err != nil || got != tt.want {
			t.Errorf("%s: %s, %v; want %s", tt.name, got, err, tt.want)
		}
	}
}

func queryPages(t *testing.T, s store.Store) {
	const n = 230
	for i := 0; i < n; i += 100 {
		var ops []store.Op
		for j := i; j < min(n, i+100); j++ {
			ops = append(ops, put(key("p", fmt.Sprintf("%04d", j)), 0, fmt.Sprint(j)))
		}
		must(t, s, ops...)
	}
	for _, reverse := range []bool{false, true} {
		seen, after := 0, ""
		for {
			items, err := s.Query(t.Context(), store.Query{PK: "p", After: after, Reverse: reverse, Limit: 25})
			if err != nil {
				t.Fatal(err)
			}
			for _, item := range items {
				i := seen
				if reverse {
					i = n - 1 - seen
				}
				if item.SK != fmt.Sprintf("%04d", i) {
					t.Fatalf("item %d in reverse %v is %s", seen, reverse, item.SK)
				}
				seen++
			}
			if len(items) < 25 {
				break
			}
			after = items[len(items)-1].SK
		}
		if seen != n {
			t.Errorf("paging in reverse %v saw %d items; want %d", reverse, seen, n)
		}
	}
}

// Keys that would be equal if their parts were joined are not.
func partitionsAreApart(t *testing.T, s store.Store) {
	must(t, s, put(key("a", "b#c"), 0, "1"), put(key("a#b", "c"), 0, "2"), put(key("a#", "b#c"), 0, "3"))
	want(t, s, key("a", "b#c"), "1:1")
	want(t, s, key("a#b", "c"), "1:2")
	items, err := s.Query(t.Context(), store.Query{PK: "a"})
	if got := values(items); err != nil || got != "1" {
		t.Errorf("Query of a gave %s, %v; want 1", got, err)
	}
}
