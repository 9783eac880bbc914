package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sluice-ci/sluice/internal/machine"
	"github.com/sluice-ci/sluice/internal/sqlite"
)

// A Journal keeps runs. When a method that writes returns nil, what it wrote
// survives a crash; when it returns an error, it wrote everything or nothing.
type Journal interface {
	// Append adds a batch of records; names are the runs they are about.
	Append(ctx context.Context, names string, batch []byte) error

	// Checkpoint does all that c says and forgets the batches, in one step.
	Checkpoint(ctx context.Context, c Checkpoint) error

	// Load calls run for every run of the last checkpoint, then batch for every
	// batch since, in their order.
	Load(ctx context.Context, run func(name string, record []byte), batch func(names string, records []byte)) error

	// Outcome tells how a run ended that a checkpoint put away.
	Outcome(ctx context.Context, name string) (Outcome, bool, error)

	// Text and SetText keep texts of machines by their digest.
	Text(ctx context.Context, digest string) (text []byte, ok bool, err error)
	SetText(ctx context.Context, digest string, text []byte) error
}

// A Checkpoint is what has changed since the one before it.
type Checkpoint struct {
	Runs  []Row     // that changed
	Gone  []string  // runs to forget
	Ended []Outcome // to remember
}

// A Row is a run as one record.
type Row struct {
	Name   string
	Record []byte
}

// An Outcome is how a run ended.
type Outcome struct {
	Name         string
	Status       machine.Status
	Error, Cause string
}

// schema is how a Journal lies in SQLite. A commit writes one row of journal,
// whatever it is about.
var schema = []string{
	`CREATE TABLE IF NOT EXISTS engine_journal (seq INTEGER PRIMARY KEY, names TEXT NOT NULL, batch BLOB NOT NULL)`,
	`CREATE TABLE IF NOT EXISTS engine_run (name TEXT PRIMARY KEY, record BLOB NOT NULL) WITHOUT ROWID`,
	`CREATE TABLE IF NOT EXISTS engine_ended (name TEXT PRIMARY KEY, status TEXT NOT NULL, error TEXT NOT NULL, cause TEXT NOT NULL) WITHOUT ROWID`,
	`CREATE TABLE IF NOT EXISTS engine_machine (digest TEXT PRIMARY KEY, text BLOB NOT NULL)`,
}

// sqliteJournal is the Journal in a SQLite database.
type sqliteJournal struct{ db *sqlite.DB }

// NewJournal returns a Journal in tables of db whose names begin with engine_.
func NewJournal(ctx context.Context, db *sqlite.DB) (Journal, error) {
	err := db.Write(ctx, func(tx *sqlite.Tx) error {
		for _, statement := range schema {
			if err := tx.Exec(statement); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("engine journal: %w", err)
	}
	return sqliteJournal{db}, nil
}

func (j sqliteJournal) Append(ctx context.Context, names string, batch []byte) error {
	return j.db.Write(ctx, func(tx *sqlite.Tx) error {
		return tx.Exec("INSERT INTO engine_journal (names, batch) VALUES (?, ?)", names, batch)
	})
}

func (j sqliteJournal) Checkpoint(ctx context.Context, c Checkpoint) error {
	return j.db.Write(ctx, func(tx *sqlite.Tx) error {
		for _, r := range c.Runs {
			if err := tx.Exec("INSERT OR REPLACE INTO engine_run (name, record) VALUES (?, ?)", r.Name, r.Record); err != nil {
				return err
			}
		}
		for _, name := range c.Gone {
			if err := tx.Exec("DELETE FROM engine_run WHERE name = ?", name); err != nil {
				return err
			}
		}
		for _, o := range c.Ended {
			err := tx.Exec("INSERT OR REPLACE INTO engine_ended (name, status, error, cause) VALUES (?, ?, ?, ?)",
				o.Name, string(o.Status), o.Error, o.Cause)
			if err != nil {
				return err
			}
		}
		return tx.Exec("DELETE FROM engine_journal")
	})
}

func (j sqliteJournal) Load(ctx context.Context, run func(string, []byte), batch func(string, []byte)) error {
	return j.db.Read(ctx, func(tx *sqlite.Tx) error {
		return errors.Join(
			pairs(tx, "SELECT name, record FROM engine_run", run),
			pairs(tx, "SELECT names, batch FROM engine_journal ORDER BY seq", batch),
		)
	})
}

// pairs calls f for every row of query. A column of an unexpected type is no
// reason to stop: f gets nothing instead, and judges that.
func pairs(tx *sqlite.Tx, query string, f func(string, []byte)) error {
	return tx.Query(query, nil, func(scan func(...any) error) error {
		var name, blob any
		if err := scan(&name, &blob); err != nil {
			return err
		}
		text, _ := name.(string)
		b, _ := blob.([]byte)
		f(strings.Clone(text), b)
		return nil
	})
}

func (j sqliteJournal) Outcome(ctx context.Context, name string) (o Outcome, ok bool, err error) {
	err = j.db.Read(ctx, func(tx *sqlite.Tx) error {
		return tx.Query("SELECT status, error, cause FROM engine_ended WHERE name = ?", []any{name}, func(scan func(...any) error) error {
			var status string
			ok = true
			err := scan(&status, &o.Error, &o.Cause)
			o.Name, o.Status = name, machine.Status(status)
			return err
		})
	})
	return o, ok, err
}

func (j sqliteJournal) Text(ctx context.Context, digest string) (text []byte, ok bool, err error) {
	err = j.db.Read(ctx, func(tx *sqlite.Tx) error {
		return tx.Query("SELECT text FROM engine_machine WHERE digest = ?", []any{digest}, func(scan func(...any) error) error {
			ok = true
			return scan(&text)
		})
	})
	return text, ok, err
}

func (j sqliteJournal) SetText(ctx context.Context, digest string, text []byte) error {
	return j.db.Write(ctx, func(tx *sqlite.Tx) error {
		return tx.Exec("INSERT OR IGNORE INTO engine_machine (digest, text) VALUES (?, ?)", digest, text)
	})
}
