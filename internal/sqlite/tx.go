package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
)

// A Tx is the view of one function on the database. It is for one goroutine.
type Tx struct {
	conn   *conn
	ctx    context.Context
	writes bool

	// State of a writing transaction.
	broken  error // SQLite gave up the transaction
	kept    bool  // an earlier function changed something that stays
	changed bool  // this function changed something
	saved   bool  // this function has a savepoint
}

var errReadOnly = errors.New("a reading transaction cannot change anything")

// Exec runs a statement that returns nothing. A query is compiled once for a
// connection and kept, so it should be one of few constants; values are args.
func (tx *Tx) Exec(query string, args ...any) error {
	_, err := tx.Change(query, args...)
	return err
}

// Change is Exec, and returns how many rows the statement changed.
func (tx *Tx) Change(query string, args ...any) (int64, error) {
	if !tx.writes {
		return 0, errReadOnly
	}
	if tx.broken != nil {
		return 0, tx.broken
	}
	if err := tx.beforeChange(); err != nil {
		return 0, err
	}
	n, err := tx.conn.exec(query, args)
	if gone(err) {
		tx.give(err)
	}
	return n, err
}

// Query calls row for every row of the result; scan copies its columns to
// *string, *[]byte, *int64, *int, *float64, *bool or *any. NULL becomes the
// zero value. An error of row ends the query and is returned.
func (tx *Tx) Query(query string, args []any, row func(scan func(dest ...any) error) error) error {
	if tx.broken != nil {
		return tx.broken
	}
	err := tx.query(query, args, row)
	if tx.writes && gone(err) {
		tx.give(err)
	}
	return err
}

func (tx *Tx) query(query string, args []any, row func(scan func(dest ...any) error) error) error {
	s, err := tx.conn.take(query)
	if err != nil {
		return err
	}
	defer tx.conn.put(s)
	values, err := tx.conn.values(args)
	if err != nil {
		return fmt.Errorf("%s: %w", query, err)
	}
	rows, err := s.query.QueryContext(context.Background(), values)
	if err != nil {
		return fmt.Errorf("%s: %w", query, err)
	}
	defer rows.Close()
	columns := make([]driver.Value, len(rows.Columns()))
	scan := func(dest ...any) error { return scan(columns, dest) }
	for {
		if err := tx.ctx.Err(); err != nil {
			return err
		}
		if err := rows.Next(columns); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("%s: %w", query, err)
		}
		if err := row(scan); err != nil {
			return err
		}
	}
}

// one reads the only row of query.
func (tx *Tx) one(query string, dest ...any) error {
	return tx.Query(query, nil, func(scan func(...any) error) error { return scan(dest...) })
}

func (tx *Tx) quickCheck() error {
	return tx.Query("PRAGMA quick_check(1)", nil, func(scan func(...any) error) error {
		var said string
		if err := scan(&said); err != nil || said == "ok" {
			return err
		}
		return errors.New(said)
	})
}

func scan(columns []driver.Value, dest []any) error {
	if len(dest) != len(columns) {
		return fmt.Errorf("scan: %d destinations for %d columns", len(dest), len(columns))
	}
	for i, d := range dest {
		if err := assign(d, columns[i]); err != nil {
			return fmt.Errorf("scan column %d: %w", i+1, err)
		}
	}
	return nil
}

func assign(dest any, v driver.Value) error {
	ok := true
	switch d := dest.(type) {
	case *any:
		*d = v
	case *int64:
		*d, ok = value[int64](v)
	case *int:
		var n int64
		n, ok = value[int64](v)
		*d = int(n)
	case *bool:
		var n int64
		n, ok = value[int64](v)
		*d = n != 0
	case *float64:
		*d, ok = value[float64](v)
	case *string:
		if b, isBytes := v.([]byte); isBytes {
			v = string(b)
		}
		*d, ok = value[string](v)
	case *[]byte:
		if s, isString := v.(string); isString {
			v = []byte(s)
		}
		*d, ok = value[[]byte](v)
	default:
		return fmt.Errorf("no conversion to %T", dest)
	}
	if !ok {
		return fmt.Errorf("%T does not fit into %T", v, dest)
	}
	return nil
}

func value[T any](v driver.Value) (T, bool) {
	t, ok := v.(T)
	return t, ok || v == nil
}
