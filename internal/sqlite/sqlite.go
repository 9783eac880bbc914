// Package sqlite keeps data in one SQLite file that one process uses. A write
// is durable when it returns, and writes that arrive together share a commit.
//
// A folder holds three files: sluice.db with its -wal and -shm, highwater and
// lock. SQLite takes a damaged end of its log for the end of the log, so on
// its own it would open with fewer commits and no error. Hence every commit
// carries a number, and highwater remembers the last one acknowledged: a
// database that lacks commits is not opened silently.
//
// The package knows no table but its own. Those who use it create theirs with
// CREATE TABLE IF NOT EXISTS.
//
// # Invariants
//
// Each is held by the test of the same name.
//
//	PrefixOrRefused  An opened database is a prefix of the commits, and one
//	                 that lacks an acknowledged commit is refused.
//	OnlyItsOwn       A function that fails undoes its own changes, no others.
//	OneProcess       A second process does not get in.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/sluice-ci/sluice/internal/failpoint"
)

// format is the version of the file's own tables (PRAGMA user_version).
const format = 1

// readers is how many connections read.
const readers = 4

// ErrClosed says that the database was closed.
var ErrClosed = errors.New("database is closed")

// A LossError says that the database lacks commits that were acknowledged.
type LossError struct {
	Folder     string
	Have, Mark int64 // number of the last commit: in the database, acknowledged
}

func (e *LossError) Error() string {
	return fmt.Sprintf("database in %s ends at commit %d, but commit %d was acknowledged: %d commits are lost "+
		"(a damaged disk, or an old copy of the file); restore a backup, or start once with --accept-loss "+
		"to go on without them", e.Folder, e.Have, e.Mark, e.Mark-e.Have)
}

// Options holds what has a sensible default. The zero value is valid.
type Options struct {
	Log        *slog.Logger // default slog.DiscardHandler
	AcceptLoss bool         // open a database that lacks commits, and forget them
}

// A DB is an open database. It is safe for concurrent use.
type DB struct {
	folder string
	log    *slog.Logger
	lock   *os.File
	pool   chan *conn // readers; nil stands for one that is not open yet

	mu     sync.Mutex
	idle   sync.Cond // busy became false
	queue  []*write  // guarded by mu
	busy   bool      // somebody leads; guarded by mu
	closed bool      // guarded by mu

	// Whoever leads owns these.
	writer  *conn
	commits int64 // number of the last commit
	mark    *highwater
}

// Open opens the database in folder and creates both if they do not exist.
func Open(folder string, opts Options) (*DB, error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	folder, err := filepath.Abs(folder)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	lock, unclean, err := lockFolder(folder)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	db := &DB{folder: folder, log: opts.Log, lock: lock, pool: make(chan *conn, readers)}
	db.idle.L = &db.mu
	for range readers {
		db.pool <- nil
	}
	if err := db.open(unclean, opts.AcceptLoss); err != nil {
		if db.mark != nil {
			db.mark.close()
		}
		if db.writer != nil {
			db.writer.close()
		}
		lock.Close() // with its pid: the next start looks as closely as this one
		return nil, fmt.Errorf("open database: %w", err)
	}
	return db, nil
}

// open looks at the files through a connection that cannot write before it
// lets SQLite recover them, so a refusal leaves the evidence as it was.
func (db *DB) open(unclean, acceptLoss bool) error {
	have, exists, err := inspect(db.path(), unclean)
	if err != nil {
		return err
	}
	db.mark, err = openHighwater(filepath.Join(db.folder, "highwater"), exists)
	if db.mark == nil {
		return err
	}
	if err != nil && !acceptLoss {
		return fmt.Errorf("%w; start once with --accept-loss to go on with the database as it is", err)
	} else if err != nil {
		db.log.Warn("high-water mark is unreadable, accepted", "folder", db.folder, "commits", have, "err", err)
	}
	if loss := (&LossError{db.folder, have, db.mark.value}); have < db.mark.value {
		if !acceptLoss {
			return loss
		}
		db.log.Warn("loss accepted", "folder", db.folder, "commits", have, "mark", db.mark.value, "err", loss)
	}
	if !exists { // whoever dies from here on leaves a mark with the database
		if err := failpoint.Step("sqlite mark reset", func() error { return db.mark.reset(have) }); err != nil {
			return err
		}
	}
	// SQLite would let others read the file; its log takes after the file.
	file, err := os.OpenFile(db.path(), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	file.Close()
	if db.writer, err = connect(db.path(), false); err != nil {
		return err
	}
	if err := db.writer.prepareFile(); err != nil {
		return err
	}
	db.commits = have
	return failpoint.Step("sqlite mark reset", func() error { return db.mark.reset(have) })
}

func (db *DB) path() string { return filepath.Join(db.folder, "sluice.db") }

// inspect returns the number of the last commit in the file at path. After an
// unclean stop it checks the file too.
func inspect(path string, unclean bool) (commits int64, exists bool, err error) {
	if info, err := os.Stat(path); errors.Is(err, os.ErrNotExist) || err == nil && info.Size() == 0 {
		return 0, false, nil
	} else if err != nil {
		return 0, false, err
	}
	// Such a journal is there only until the file keeps a log, and so before its
	// first commit. Who only looks cannot play it back.
	if _, err := os.Stat(path + "-journal"); err == nil {
		return 0, true, nil
	}
	c, err := connect(path, true)
	if err != nil {
		return 0, true, fmt.Errorf("%s: %w", path, err)
	}
	defer c.close()
	tx := &Tx{conn: c, ctx: context.Background()}
	if unclean {
		if err := tx.quickCheck(); err != nil {
			return 0, true, fmt.Errorf("%s is damaged: %w; restore a backup", path, err)
		}
	}
	var version, tables int64
	if err := tx.one("PRAGMA user_version", &version); err != nil {
		return 0, true, fmt.Errorf("%s: %w", path, err)
	}
	if version > format {
		return 0, true, fmt.Errorf("%s has format %d, this program knows up to %d: use a newer program", path, version, format)
	}
	if err := tx.one("SELECT count(*) FROM sqlite_schema WHERE name = 'commits'", &tables); err != nil || tables == 0 {
		return 0, true, err
	}
	return commits, true, tx.one("SELECT n FROM commits", &commits)
}

// Close waits for what is under way, refuses what comes after and closes the
// files. A second Close does nothing.
func (db *DB) Close() error {
	db.mu.Lock()
	if db.closed {
		db.mu.Unlock()
		return nil
	}
	db.closed = true
	for db.busy {
		db.idle.Wait()
	}
	db.mu.Unlock()

	var errs []error
	for range readers {
		if c := <-db.pool; c != nil {
			errs = append(errs, c.close())
		}
	}
	close(db.pool)
	errs = append(errs, db.writer.close(), db.mark.close())
	if err := errors.Join(errs...); err != nil {
		db.lock.Close()
		return fmt.Errorf("close database: %w", err)
	}
	return unlockFolder(db.lock)
}
