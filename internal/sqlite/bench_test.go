package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/sluice-ci/sluice/internal/sqlite"
)

// value returns a value of about the size of an engine record. It differs from
// call to call, since SQLite does not write a page that stays the same.
func value(i int) []byte { return append(make([]byte, 700), strconv.Itoa(i)...) }

const (
	createT = "CREATE TABLE IF NOT EXISTS t (k INTEGER PRIMARY KEY, v BLOB) WITHOUT ROWID"
	upsertT = "INSERT INTO t VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v"
)

// BenchmarkCommit compares one Write at a time with the commit of a bare
// SQLite connection that does the same, in turns, so both see the same disk.
// -benchtime is a multiple of 200x.
//
//	go test -run '^$' -bench Commit -benchtime 10000x ./internal/sqlite
func BenchmarkCommit(b *testing.B) {
	ctx, bare, db := context.Background(), openBare(b), open(b, b.TempDir())
	var spent [2]time.Duration
	for i := 0; b.Loop(); i++ {
		// Turns of 100, because the high-water mark of a Write is synced
		// while the next commit is on its way, whoever's that is.
		turn, start := i/100%2, time.Now()
		var err error
		if turn == 0 {
			_, err = bare.ExecContext(ctx, upsertT, i%1000, value(i))
		} else {
			err = db.Write(ctx, func(tx *sqlite.Tx) error { return tx.Exec(upsertT, i%1000, value(i)) })
		}
		if err != nil {
			b.Fatal(err)
		}
		spent[turn] += time.Since(start)
	}
	b.ReportMetric(float64(spent[0].Microseconds())/float64(b.N)*2, "µs/bare")
	b.ReportMetric(float64(spent[1].Microseconds())/float64(b.N)*2, "µs/Write")
	b.ReportMetric(float64(spent[1])/float64(spent[0]), "ratio")
}

// BenchmarkGroup writes from many goroutines at once.
func BenchmarkGroup(b *testing.B) {
	for _, n := range []int{2, 8, 64} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			db := open(b, b.TempDir())
			b.SetParallelism(n / 2) // times GOMAXPROCS, which is 2 where we measure
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					err := db.Write(context.Background(), func(tx *sqlite.Tx) error { return tx.Exec(upsertT, i%1000, value(i)) })
					if err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

func BenchmarkRead(b *testing.B) {
	db := open(b, b.TempDir())
	err := db.Write(b.Context(), func(tx *sqlite.Tx) error { return tx.Exec(upsertT, 1, value(1)) })
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		err := db.Read(context.Background(), func(tx *sqlite.Tx) error {
			return tx.Query("SELECT v FROM t WHERE k = ?", []any{1}, func(scan func(...any) error) error {
				var v []byte
				return scan(&v)
			})
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func openBare(b *testing.B) *sql.Conn {
	b.Helper()
	path := filepath.Join(b.TempDir(), "bare.db")
	pool, err := sql.Open("sqlite", path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { pool.Close() })
	c, err := pool.Conn(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	if _, err := c.ExecContext(b.Context(), createT); err != nil {
		b.Fatal(err)
	}
	return c
}

func open(t testing.TB, folder string) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(folder, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := db.Write(t.Context(), func(tx *sqlite.Tx) error { return tx.Exec(createT) }); err != nil {
		t.Fatal(err)
	}
	return db
}
