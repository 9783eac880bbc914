package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sluice-ci/sluice/internal/failpoint"
)

// maxGroup is how many writes share a commit at most, so that the first of
// them does not wait for ever.
const maxGroup = 512

// A write waits for its turn in DB.queue.
type write struct {
	ctx  context.Context
	f    func(*Tx) error
	err  error
	turn chan bool // true: lead the next group; false: err is final
}

// errAbandoned is the outcome of writes whose group a panic ended.
var errAbandoned = errors.New("write was rolled back: another function of its group panicked")

// Write runs f and commits what it changed. It returns after the commit is
// durable, or with the error of f after its changes were undone. An error that
// is neither f's nor ctx's leaves the outcome unknown.
//
// Writes that arrive while a commit is under way share the next one, in the
// order of their arrival; f sees what those before it changed. f must not keep
// its Tx, call Write, or wait for another Write. When ctx ends before it is
// f's turn, f never runs.
func (db *DB) Write(ctx context.Context, f func(*Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w := &write{ctx: ctx, f: f, err: errAbandoned}
	if !db.enter(w) {
		select {
		case lead := <-w.turn:
			if !lead {
				return w.err
			}
		case <-ctx.Done():
			if db.withdraw(w) {
				return ctx.Err()
			}
			if lead := <-w.turn; !lead {
				return w.err
			}
		}
	}
	if w.err == ErrClosed {
		return w.err
	}
	db.lead(w)
	return w.err
}

// enter queues w and reports whether its caller is to act: to lead, because
// nobody does, or to return because the database is closed. There is no writer
// goroutine: a lone Write does its own work, which saves two switches.
func (db *DB) enter(w *write) bool {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed {
		w.err = ErrClosed
		return true
	}
	db.queue = append(db.queue, w)
	if db.busy {
		w.turn = make(chan bool, 1)
		return false
	}
	db.busy = true
	return true
}

// withdraw takes w out of the queue unless its turn has come.
func (db *DB) withdraw(w *write) bool {
	db.mu.Lock()
	defer db.mu.Unlock()
	i := slices.Index(db.queue, w)
	if i < 0 || len(w.turn) > 0 {
		return false
	}
	db.queue = slices.Delete(db.queue, i, i+1)
	return true
}

// lead commits everything in the queue, w among it, and hands over.
func (db *DB) lead(w *write) {
	db.mu.Lock()
	group := db.queue
	db.queue = nil
	if len(group) > maxGroup {
		group, db.queue = group[:maxGroup:maxGroup], slices.Clone(group[maxGroup:])
	}
	db.mu.Unlock()

	defer func() { // also when a function panics
		db.mu.Lock()
		if len(db.queue) > 0 {
			db.queue[0].turn <- true
		} else {
			db.busy = false
			db.idle.Broadcast()
		}
		db.mu.Unlock()
		for _, x := range group {
			if x != w {
				x.turn <- false
			}
		}
	}()
	for rest := group; len(rest) > 0; {
		rest = rest[db.commit(rest):]
	}
}

// commit runs the functions of group in one transaction and returns how many
// it dealt with: fewer than all when SQLite gave up the transaction.
func (db *DB) commit(group []*write) (done int) {
	c := db.writer
	open := false
	undo := func() { c.run(c.rollback) } // SQLite may have done it; then it complains, and all is well
	defer func() {
		if open {
			fail(group, errAbandoned) // those who have no error yet must not hear that all is well
			undo()
		}
	}()
	tx := &Tx{conn: c, ctx: context.Background(), writes: true}
	for i, w := range group {
		if w.err = w.ctx.Err(); w.err != nil {
			continue
		}
		if !open {
			if err := c.run(c.begin); err != nil {
				return fail(group, fmt.Errorf("begin: %w", err))
			}
			open = true
		}
		w.err = errAbandoned
		err := tx.attempt(w.f)
		if tx.broken != nil {
			return fail(group[:i+1], tx.broken)
		}
		w.err = err
	}
	if !tx.kept {
		if open {
			undo()
			open = false
		}
		return len(group)
	}
	if _, err := c.exec("UPDATE commits SET n = ?", []any{db.commits + 1}); err != nil {
		return fail(group, fmt.Errorf("commit: %w", err))
	}
	if err := failpoint.Step("sqlite commit", func() error { return c.run(c.commit) }); err != nil {
		return fail(group, fmt.Errorf("commit: %w", err))
	}
	open = false
	db.commits++
	if err := failpoint.Step("sqlite mark", func() error { return db.mark.raise(db.commits) }); err != nil {
		return fail(group, fmt.Errorf("commit %d is written, its high-water mark is not: %w", db.commits, err))
	}
	return len(group)
}

// fail gives err to every write that has no error of its own.
func fail(group []*write, err error) int {
	for _, w := range group {
		if w.err == nil || w.err == errAbandoned {
			w.err = err
		}
	}
	return len(group)
}

// attempt runs f and undoes its changes if it fails. The first function that
// changes something needs no savepoint, because all there is to undo is its
// own; nor does one that fails before it changed anything.
func (tx *Tx) attempt(f func(*Tx) error) error {
	tx.changed, tx.saved = false, false
	err := f(tx)
	switch {
	case tx.broken != nil:
		return tx.broken
	case err != nil && tx.saved:
		tx.give(tx.conn.run(tx.conn.undo))
		tx.give(tx.conn.run(tx.conn.release))
	case err != nil && tx.changed:
		tx.give(tx.conn.run(tx.conn.rollback))
		tx.give(tx.conn.run(tx.conn.begin))
	case tx.saved:
		tx.give(tx.conn.run(tx.conn.release))
	}
	tx.kept = tx.kept || err == nil && tx.changed
	return err
}

// beforeChange sets the savepoint of a function about to change something.
func (tx *Tx) beforeChange() error {
	if tx.kept && !tx.saved {
		if err := tx.conn.run(tx.conn.savepoint); err != nil {
			tx.give(err)
			return err
		}
		tx.saved = true
	}
	tx.changed = true
	return nil
}

// give notes an error after which the transaction cannot go on.
func (tx *Tx) give(err error) {
	if err != nil && tx.broken == nil {
		tx.broken = fmt.Errorf("write was rolled back: %w", err)
	}
}
