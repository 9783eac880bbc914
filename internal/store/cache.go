package store

import (
	"context"
	"slices"
	"sync"
)

// cacheBytes is how much a cache holds before it starts again empty. What
// executions under way read is written shortly before, so it is back at once.
const cacheBytes = 32 << 20

// Cache returns s with its latest writes kept in memory. It is for a store
// that only this process writes: SQLite's readers lose their pages with every
// commit, so reading what was just written is what costs most.
//
// An item is kept only when the write that made it met no other write of its
// key while it was under way, and is dropped before the next one begins. So
// what is kept is what s holds, and reads stay linearizable.
func Cache(s Store) Store {
	return &cache{Store: s, items: map[Key]Item{}, writers: map[Key]*writers{}}
}

type cache struct {
	Store

	mu      sync.Mutex
	items   map[Key]Item     // guarded by mu
	size    int              // of items in bytes; guarded by mu
	writers map[Key]*writers // of keys that are being written; guarded by mu
}

// writers counts the writes of a key that are under way.
type writers struct {
	now int
	met bool // there were two at once
}

// Get implements Store.
func (c *cache) Get(ctx context.Context, key Key) (Item, error) {
	c.mu.Lock()
	item, ok := c.items[key]
	c.mu.Unlock()
	if ok {
		item.Value = slices.Clone(item.Value)
		return item, nil
	}
	return c.Store.Get(ctx, key)
}

// Write implements Store.
func (c *cache) Write(ctx context.Context, ops ...Op) error {
	c.begin(ops)
	err := c.Store.Write(ctx, ops...)
	c.end(ops, err == nil)
	return err
}

func (c *cache) begin(ops []Op) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, op := range ops {
		if op.Kind == Check {
			continue
		}
		c.drop(op.Key)
		w := c.writers[op.Key]
		if w == nil {
			w = &writers{}
			c.writers[op.Key] = w
		}
		w.now++
		w.met = w.met || w.now > 1
	}
}

func (c *cache) end(ops []Op, written bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, op := range ops {
		if op.Kind == Check {
			continue
		}
		w := c.writers[op.Key]
		if w.now--; w.now > 0 {
			continue
		}
		delete(c.writers, op.Key)
		if written && !w.met && op.Kind == Put && op.If != Any {
			c.keep(Item{Key: op.Key, Version: op.If + 1, Value: slices.Clone(op.Value), Expires: Seconds(op.Expires)})
		}
	}
}

func (c *cache) keep(item Item) {
	if c.size > cacheBytes {
		clear(c.items)
		c.size = 0
	}
	c.items[item.Key] = item
	c.size += cost(item)
}

func (c *cache) drop(key Key) {
	if item, ok := c.items[key]; ok {
		delete(c.items, key)
		c.size -= cost(item)
	}
}

func cost(item Item) int { return len(item.PK) + len(item.SK) + len(item.Value) + 100 }
