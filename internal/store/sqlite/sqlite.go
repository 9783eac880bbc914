// Package sqlite is the store in one SQLite file: table item, ordered by
// partition and sort key. A write survives the crash of the machine.
//
// Expired items are removed when the store is made, which on a laptop is
// often enough.
package sqlite

import (
	"context"
	"errors"
	"time"

	"github.com/sluice-ci/sluice/internal/sqlite"
	"github.com/sluice-ci/sluice/internal/store"
)

// Text is compared bytewise, as the port asks, and is readable in a debugger.
const schema = `CREATE TABLE IF NOT EXISTS item (
	pk      TEXT NOT NULL,
	sk      TEXT NOT NULL,
	version INTEGER NOT NULL,
	value   BLOB,
	expires INTEGER NOT NULL, -- seconds since 1970; 0: never
	PRIMARY KEY (pk, sk)
) WITHOUT ROWID`

const (
	selectVersion = "SELECT version FROM item WHERE pk = ? AND sk = ?"
	selectItem    = "SELECT pk, sk, version, value, expires FROM item WHERE pk = ? AND sk = ?"
	selectUp      = "SELECT pk, sk, version, value, expires FROM item WHERE pk = ? AND sk >= ? AND sk < ? ORDER BY sk LIMIT ?"
	selectDown    = "SELECT pk, sk, version, value, expires FROM item WHERE pk = ? AND sk >= ? AND sk < ? ORDER BY sk DESC LIMIT ?"

	putAny     = "INSERT INTO item VALUES (?1, ?2, 1, ?3, ?4) ON CONFLICT DO UPDATE SET version = version + 1, value = ?3, expires = ?4"
	putNew     = "INSERT INTO item VALUES (?1, ?2, 1, ?3, ?4) ON CONFLICT DO NOTHING"
	putVersion = "UPDATE item SET version = version + 1, value = ?3, expires = ?4 WHERE pk = ?1 AND sk = ?2 AND version = ?5"

	deleteAny     = "DELETE FROM item WHERE pk = ? AND sk = ?"
	deleteVersion = "DELETE FROM item WHERE pk = ? AND sk = ? AND version = ?"
	deleteExpired = "DELETE FROM item WHERE expires <> 0 AND expires < ?"
)

// Store keeps items in a database it shares with others.
type Store struct{ db *sqlite.DB }

var _ store.Store = (*Store)(nil)

// New returns the store in db, and creates its table if there is none.
func New(db *sqlite.DB) (*Store, error) {
	if db == nil {
		return nil, errors.New("store/sqlite.New: db is required")
	}
	err := db.Write(context.Background(), func(tx *sqlite.Tx) error {
		if err := tx.Exec(schema); err != nil {
			return err
		}
		return tx.Exec(deleteExpired, time.Now().Unix())
	})
	if err != nil {
		return nil, err
	}
	return &Store{db}, nil
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, key store.Key) (item store.Item, err error) {
	items, err := s.GetMany(ctx, []store.Key{key})
	if err != nil {
		return store.Item{}, err
	}
	if len(items) == 0 {
		return store.Item{}, &store.NotFoundError{Key: key}
	}
	return items[0], nil
}

// GetMany implements store.Store.
func (s *Store) GetMany(ctx context.Context, keys []store.Key) (items []store.Item, err error) {
	if err := store.CheckKeys(keys); err != nil {
		return nil, err
	}
	err = s.db.Read(ctx, func(tx *sqlite.Tx) error {
		for _, key := range keys {
			if err := collect(tx, &items, selectItem, key.PK, key.SK); err != nil {
				return err
			}
		}
		return nil
	})
	return items, err
}

// Query implements store.Store.
func (s *Store) Query(ctx context.Context, q store.Query) (items []store.Item, err error) {
	from, to := span(q)
	query := selectUp
	if q.Reverse {
		query = selectDown
	}
	limit := q.Limit
	if limit <= 0 {
		limit = -1 // none, to SQLite
	}
	err = s.db.Read(ctx, func(tx *sqlite.Tx) error {
		return collect(tx, &items, query, q.PK, from, to, limit)
	})
	return items, err
}

// Write implements store.Store.
func (s *Store) Write(ctx context.Context, ops ...store.Op) error {
	if err := store.CheckOps(ops); err != nil {
		return err
	}
	return s.db.Write(ctx, func(tx *sqlite.Tx) error { return Apply(tx, ops) })
}

// Apply writes ops, which store.CheckOps approved of, as part of tx. When it
// fails the function that called it must fail too, so that tx undoes what was
// written before the conflict showed. Conditions that come with no change are
// looked at first, since then there is nothing to undo.
func Apply(tx *sqlite.Tx, ops []store.Op) error {
	for _, op := range ops {
		if op.Kind == store.Check || op.Kind == store.Delete && op.If == 0 {
			if err := check(tx, op); err != nil {
				return err
			}
		}
	}
	for _, op := range ops {
		if err := change(tx, op); err != nil {
			return err
		}
	}
	return nil
}

// check fails if the condition of op does not hold.
func check(tx *sqlite.Tx, op store.Op) error {
	if op.If == store.Any {
		return nil
	}
	got, err := version(tx, op.Key)
	if err == nil && got != op.If {
		err = &store.ConflictError{Key: op.Key, Want: op.If, Got: got}
	}
	return err
}

// change puts or deletes. Condition and change are one statement; one that
// touched no row found another version.
func change(tx *sqlite.Tx, op store.Op) error {
	var n int64
	var err error
	switch {
	case op.Kind == store.Put && op.If == store.Any:
		return tx.Exec(putAny, op.PK, op.SK, op.Value, seconds(op.Expires))
	case op.Kind == store.Put && op.If == 0:
		n, err = tx.Change(putNew, op.PK, op.SK, op.Value, seconds(op.Expires))
	case op.Kind == store.Put:
		n, err = tx.Change(putVersion, op.PK, op.SK, op.Value, seconds(op.Expires), op.If)
	case op.Kind == store.Delete && op.If == store.Any:
		return tx.Exec(deleteAny, op.PK, op.SK)
	case op.Kind == store.Delete && op.If > 0:
		n, err = tx.Change(deleteVersion, op.PK, op.SK, op.If)
	default:
		return nil
	}
	if err != nil || n > 0 {
		return err
	}
	got, err := version(tx, op.Key)
	if err != nil {
		return err
	}
	return &store.ConflictError{Key: op.Key, Want: op.If, Got: got}
}

// version returns the version of an item, 0 if there is none.
func version(tx *sqlite.Tx, key store.Key) (got int64, err error) {
	err = tx.Query(selectVersion, []any{key.PK, key.SK}, func(scan func(...any) error) error { return scan(&got) })
	return got, err
}

// collect appends the rows of query to items.
func collect(tx *sqlite.Tx, items *[]store.Item, query string, args ...any) error {
	return tx.Query(query, args, func(scan func(...any) error) error {
		var item store.Item
		var expires int64
		if err := scan(&item.PK, &item.SK, &item.Version, &item.Value, &expires); err != nil {
			return err
		}
		if expires != 0 {
			item.Expires = time.Unix(expires, 0).UTC()
		}
		*items = append(*items, item)
		return nil
	})
}

// span returns the sort keys between which the items of q lie: from the first
// on, up to but without the second.
func span(q store.Query) (from, to string) {
	from, to = q.Prefix, q.Prefix+"\xff" // a byte no key has, keys being UTF-8
	switch {
	case q.After == "":
	case q.Reverse:
		to = min(to, q.After)
	default:
		from = max(from, q.After+"\x00") // the least key behind After
	}
	return from, to
}

// seconds returns t as it is stored.
func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}
