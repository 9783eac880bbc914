package sqlite

import (
	"context"
	"fmt"
)

// Read runs f on a snapshot that holds at least everything committed before
// the call. It waits for no writer, and no writer waits for it.
func (db *DB) Read(ctx context.Context, f func(*Tx) error) error {
	var c *conn
	var open bool
	select {
	case c, open = <-db.pool:
	case <-ctx.Done():
		return ctx.Err()
	}
	if !open {
		return ErrClosed
	}
	defer func() { db.pool <- c }()
	if c == nil {
		fresh, err := connect(db.path(), true)
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		c = fresh
	}
	if err := c.run(c.begin); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	defer c.run(c.rollback)
	return f(&Tx{conn: c, ctx: ctx})
}
