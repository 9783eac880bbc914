// Package store is where records live: versioned items under a partition key
// and a sort key, changed in transactions of conditional writes.
//
// [Store] is the port. Package storetest is its contract in executable form;
// memory, sqlite and (in the cloud) dynamo implement it. No rule of the domain
// belongs here: whoever composes a transaction knows what it means.
package store

import (
	"cmp"
	"context"
	"time"
)

// A Key names an item. Both parts are non-empty and at most 1,024 bytes.
type Key struct{ PK, SK string }

// Compare orders keys by partition, then within it.
func (k Key) Compare(o Key) int { return cmp.Or(cmp.Compare(k.PK, o.PK), cmp.Compare(k.SK, o.SK)) }

// An Item is a stored value. Version is 1 when the item is made and grows by
// one with every write to it.
type Item struct {
	Key
	Version int64
	Value   []byte    // at most 400,000 bytes, as in DynamoDB
	Expires time.Time // zero: never. An expired item may still be read for a while
}

// An Op is one part of a transaction.
type Op struct {
	Key
	Kind    Kind
	If      int64 // the version the stored item must have; 0: none may exist; Any: no condition
	Value   []byte
	Expires time.Time
}

// Kind says what an Op does.
type Kind uint8

const (
	Put    Kind = iota // write Value
	Delete             // remove the item; with If == Any a missing item is fine
	Check              // change nothing, but fail the transaction if If does not hold
)

// Any as Op.If lifts the condition.
const Any int64 = -1

// MaxOps is how many ops one transaction may have (DynamoDB's limit). A
// transaction names each key at most once.
const MaxOps = 100

// A Query selects a run of items of one partition in the order of their sort
// keys (bytewise).
type Query struct {
	PK      string
	Prefix  string // of the sort key
	After   string // start behind this sort key, in the direction of reading
	Reverse bool
	Limit   int // 0: no limit
}

// A Store keeps items. It is safe for concurrent use and linearizable: a read
// that begins after a write returned sees that write.
type Store interface {
	// Get returns the item, or an error for which IsNotFound holds.
	Get(ctx context.Context, key Key) (Item, error)

	// GetMany returns the items that exist among keys, in the order of keys.
	// At most 100 keys.
	GetMany(ctx context.Context, keys []Key) ([]Item, error)

	// Query returns the selected items. More may follow when their number
	// equals q.Limit.
	Query(ctx context.Context, q Query) ([]Item, error)

	// Write applies all ops or none. It fails with a *ConflictError, and
	// writes nothing, when a condition does not hold. After any other error
	// the outcome is unknown: read back before trying again. Of several
	// concurrent writes with the same condition on one key exactly one
	// succeeds. When Write returns nil the ops survive a crash of the process
	// and, where the adapter says so, of the machine.
	Write(ctx context.Context, ops ...Op) error
}
