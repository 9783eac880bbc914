// Package memory is the reference store: the shortest code that passes
// storetest. Tests of other packages use it instead of mocks.
package memory

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/sluice-ci/sluice/internal/store"
)

// Store keeps everything in a map. The zero value is ready to use. Expired
// items stay.
type Store struct {
	mu    sync.Mutex
	items map[string]map[string]store.Item // by partition and sort key; guarded by mu
}

var _ store.Store = (*Store)(nil)

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, key store.Key) (store.Item, error) {
	if err := cmp.Or(ctx.Err(), store.CheckKey(key)); err != nil {
		return store.Item{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	item, ok := s.items[key.PK][key.SK]
	if !ok {
		return store.Item{}, &store.NotFoundError{Key: key}
	}
	return clone(item), nil
}

// GetMany implements store.Store.
func (s *Store) GetMany(ctx context.Context, keys []store.Key) ([]store.Item, error) {
	if err := cmp.Or(ctx.Err(), store.CheckKeys(keys)); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var items []store.Item
	for _, key := range keys {
		if item, ok := s.items[key.PK][key.SK]; ok {
			items = append(items, clone(item))
		}
	}
	return items, nil
}

// Query implements store.Store.
func (s *Store) Query(ctx context.Context, q store.Query) ([]store.Item, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var items []store.Item
	for sk, item := range s.items[q.PK] {
		after := q.After == "" || !q.Reverse && sk > q.After || q.Reverse && sk < q.After
		if after && strings.HasPrefix(sk, q.Prefix) {
			items = append(items, item)
		}
	}
	slices.SortFunc(items, func(a, b store.Item) int { return strings.Compare(a.SK, b.SK) })
	if q.Reverse {
		slices.Reverse(items)
	}
	if q.Limit > 0 && len(items) > q.Limit {
		items = items[:q.Limit]
	}
	for i := range items {
		items[i] = clone(items[i])
	}
	return items, nil
}

// Write implements store.Store.
func (s *Store) Write(ctx context.Context, ops ...store.Op) error {
	if err := cmp.Or(ctx.Err(), store.CheckOps(ops)); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, op := range ops {
		if got := s.items[op.PK][op.SK].Version; op.If != store.Any && op.If != got {
			return &store.ConflictError{Key: op.Key, Want: op.If, Got: got}
		}
	}
	for _, op := range ops {
		switch op.Kind {
		case store.Put:
			s.put(clone(store.Item{
				Key: op.Key, Version: s.items[op.PK][op.SK].Version + 1, Value: op.Value, Expires: op.Expires,
			}))
		case store.Delete:
			delete(s.items[op.PK], op.SK)
		}
	}
	return nil
}

// Clone returns a store that holds the same items now and shares nothing that
// changes, so that a test can try several futures of one past.
func (s *Store) Clone() *Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &Store{items: make(map[string]map[string]store.Item, len(s.items))}
	for pk, items := range s.items {
		c.items[pk] = maps.Clone(items) // a value, once put, is never written to
	}
	return c
}

// Items returns every item, in the order of keys.
func (s *Store) Items() []store.Item {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []store.Item
	for _, items := range s.items {
		for _, item := range items {
			all = append(all, clone(item))
		}
	}
	slices.SortFunc(all, func(a, b store.Item) int { return a.Compare(b.Key) })
	return all
}

// put writes item. s.mu is held.
func (s *Store) put(item store.Item) {
	if s.items == nil {
		s.items = map[string]map[string]store.Item{}
	}
	if s.items[item.PK] == nil {
		s.items[item.PK] = map[string]store.Item{}
	}
	s.items[item.PK][item.SK] = item
}

// clone returns a copy that shares nothing, with the time as a database would
// give it back.
func clone(item store.Item) store.Item {
	item.Value = slices.Clone(item.Value)
	item.Expires = store.Seconds(item.Expires)
	return item
}
