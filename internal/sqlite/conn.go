package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// A conn is a connection and the statements compiled for it. It talks to the
// driver directly: database/sql would lock, look up and convert on every
// statement.
type conn struct {
	driver driver.Conn
	stmts  map[string]*stmt
	args   []driver.NamedValue // the driver reads them before it returns

	begin, commit, rollback  *stmt
	savepoint, undo, release *stmt
}

// A stmt is a compiled statement.
type stmt struct {
	text  string
	exec  driver.StmtExecContext
	query driver.StmtQueryContext
	close func() error
	busy  bool
}

// connect opens a connection to the file at path.
func connect(path string, readOnly bool) (*conn, error) {
	q := url.Values{"_pragma": {"busy_timeout(10000)", "temp_store(MEMORY)"}}
	if readOnly {
		q.Set("mode", "ro")
	} else {
		// fullfsync matters on macOS only, where fsync does not reach the disk.
		q["_pragma"] = append(q["_pragma"], "journal_mode(WAL)", "synchronous(FULL)", "fullfsync(1)")
	}
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}
	connector, err := sqlite.NewConnector(dsn.String())
	if err != nil {
		return nil, err
	}
	d, err := connector.Connect(context.Background())
	if err != nil {
		return nil, err
	}
	c := &conn{driver: d, stmts: map[string]*stmt{}}
	for _, x := range []struct {
		s    **stmt
		text string
	}{
		{&c.begin, "BEGIN IMMEDIATE"}, {&c.commit, "COMMIT"}, {&c.rollback, "ROLLBACK"},
		{&c.savepoint, "SAVEPOINT f"}, {&c.undo, "ROLLBACK TO f"}, {&c.release, "RELEASE f"},
	} {
		if readOnly && x.s == &c.begin {
			x.text = "BEGIN"
		}
		if *x.s, err = c.take(x.text); err != nil {
			c.close()
			return nil, err
		}
	}
	return c, nil
}

// prepareFile creates what this package keeps in the file.
func (c *conn) prepareFile() error {
	_, err := c.exec(fmt.Sprintf(`
		BEGIN IMMEDIATE;
		CREATE TABLE IF NOT EXISTS commits (one INTEGER PRIMARY KEY CHECK (one = 1), n INTEGER NOT NULL);
		INSERT OR IGNORE INTO commits VALUES (1, 0);
		PRAGMA user_version = %d;
		COMMIT`, format), nil)
	return err
}

func (c *conn) close() error {
	for _, s := range c.stmts {
		s.close()
	}
	return c.driver.Close()
}

// take returns the compiled query for use until put. A query that is being
// used already, by a caller further up, is compiled again.
func (c *conn) take(query string) (*stmt, error) {
	kept, ok := c.stmts[query]
	if ok && !kept.busy {
		kept.busy = true
		return kept, nil
	}
	d, err := c.driver.Prepare(query)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", query, err)
	}
	s := &stmt{text: query, exec: d.(driver.StmtExecContext), query: d.(driver.StmtQueryContext), close: d.Close, busy: true}
	if !ok {
		c.stmts[query] = s
	}
	return s, nil
}

func (c *conn) put(s *stmt) {
	s.busy = false
	if c.stmts[s.text] != s {
		s.close()
	}
}

// run executes a statement without parameters.
func (c *conn) run(s *stmt) error {
	_, err := s.exec.ExecContext(context.Background(), nil)
	return err
}

func (c *conn) exec(query string, args []any) (int64, error) {
	s, err := c.take(query)
	if err != nil {
		return 0, err
	}
	defer c.put(s)
	values, err := c.values(args)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", query, err)
	}
	r, err := s.exec.ExecContext(context.Background(), values)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", query, err)
	}
	if r == nil {
		return 0, nil
	}
	return r.RowsAffected()
}

// values converts args to what the driver takes.
func (c *conn) values(args []any) ([]driver.NamedValue, error) {
	c.args = c.args[:0]
	for i, a := range args {
		switch x := a.(type) {
		case nil, int64, string, []byte, bool, float64:
		case int:
			a = int64(x)
		default:
			var err error
			if a, err = driver.DefaultParameterConverter.ConvertValue(a); err != nil {
				return nil, fmt.Errorf("argument %d: %w", i+1, err)
			}
		}
		c.args = append(c.args, driver.NamedValue{Ordinal: i + 1, Value: a})
	}
	return c.args, nil
}

// gone reports whether SQLite may have rolled back the whole transaction along
// with the statement that failed (https://www.sqlite.org/lang_transaction.html).
func gone(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return false
	}
	switch e.Code() & 0xff {
	case lib.SQLITE_FULL, lib.SQLITE_IOERR, lib.SQLITE_NOMEM, lib.SQLITE_BUSY, lib.SQLITE_INTERRUPT,
		lib.SQLITE_CORRUPT, lib.SQLITE_READONLY, lib.SQLITE_CANTOPEN, lib.SQLITE_ABORT:
		return true
	}
	return false
}
