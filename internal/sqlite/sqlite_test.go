package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/sluice-ci/sluice/internal/sqlite"
)

func put(k int) func(*sqlite.Tx) error {
	return func(tx *sqlite.Tx) error { return tx.Exec(upsertT, k, value(k)) }
}

func keys(t testing.TB, db *sqlite.DB) (got []int) {
	t.Helper()
	err := db.Read(t.Context(), func(tx *sqlite.Tx) error {
		return tx.Query("SELECT k FROM t ORDER BY k", nil, func(scan func(...any) error) error {
			var k int
			err := scan(&k)
			got = append(got, k)
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// group runs the functions in one commit, in order, and returns their errors. A
// panic is one too.
func group(t *testing.T, db *sqlite.DB, fs ...func(*sqlite.Tx) error) []error {
	t.Helper()
	gate, errs := make(chan struct{}), make([]error, len(fs))
	var wg sync.WaitGroup
	entered := make(chan struct{})
	wg.Go(func() {
		db.Write(context.Background(), func(*sqlite.Tx) error { close(entered); <-gate; return nil })
	})
	<-entered
	for i, f := range fs {
		wg.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					errs[i] = fmt.Errorf("panic: %v", p)
				}
			}()
			errs[i] = db.Write(context.Background(), f)
		})
		for db.Queued() != i+1 {
			runtime.Gosched()
		}
	}
	close(gate)
	wg.Wait()
	return errs
}

func TestOnlyItsOwn(t *testing.T) {
	boom := errors.New("boom")
	fail := func(k int) func(*sqlite.Tx) error {
		return func(tx *sqlite.Tx) error { return errors.Join(put(k)(tx), boom) }
	}
	early := func(*sqlite.Tx) error { return boom }
	tests := []struct {
		name string
		fs   []func(*sqlite.Tx) error
		want []int
	}{
		{"all succeed", []func(*sqlite.Tx) error{put(1), put(2), put(3)}, []int{1, 2, 3}},
		{"only one fails", []func(*sqlite.Tx) error{fail(1)}, nil},
		{"first fails", []func(*sqlite.Tx) error{fail(1), put(2), put(3)}, []int{2, 3}},
		{"middle fails", []func(*sqlite.Tx) error{put(1), fail(2), put(3)}, []int{1, 3}},
		{"last fails", []func(*sqlite.Tx) error{put(1), put(2), fail(3)}, []int{1, 2}},
		{"all fail", []func(*sqlite.Tx) error{fail(1), early, fail(3)}, nil},
		{"fails before it changed", []func(*sqlite.Tx) error{early, put(2), early, fail(3), put(4)}, []int{2, 4}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			db := open(t, t.TempDir())
			errs := group(t, db, tt.fs...)
			if got := keys(t, db); !slices.Equal(got, tt.want) {
				t.Errorf("keys %v; want %v", got, tt.want)
			}
			failed := 0
			for _, err := range errs {
				if err != nil {
					failed++
				}
			}
			if want := len(tt.fs) - len(tt.want); failed != want {
				t.Errorf("errors %v; want %d", errs, want)
			}
		})
	}
}

// A function sees what those before it in its group changed.
func TestGroupIsOneAfterAnother(t *testing.T) {
	db := open(t, t.TempDir())
	var seen []int
	count := func(tx *sqlite.Tx) error {
		err := tx.Query("SELECT count(*) FROM t", nil, func(scan func(...any) error) error {
			var n int
			err := scan(&n)
			seen = append(seen, n)
			return err
		})
		return errors.Join(err, put(len(seen))(tx))
	}
	group(t, db, count, count, count)
	if want := []int{0, 1, 2}; !slices.Equal(seen, want) {
		t.Errorf("functions saw %v rows; want %v", seen, want)
	}
}

func TestManyWriters(t *testing.T) {
	db := open(t, t.TempDir())
	var wg sync.WaitGroup
	for g := range 32 {
		wg.Go(func() {
			for i := range 50 {
				err := db.Write(context.Background(), func(tx *sqlite.Tx) error {
					err := put(g*50 + i)(tx)
					if i%5 == 0 {
						err = errors.New("no")
					}
					return err
				})
				if (err != nil) != (i%5 == 0) {
					t.Errorf("writer %d, write %d: %v", g, i, err)
				}
			}
		})
	}
	wg.Wait()
	if got := len(keys(t, db)); got != 32*40 {
		t.Errorf("%d keys; want %d", got, 32*40)
	}
}

func TestWithdraw(t *testing.T) {
	db := open(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := db.Write(ctx, put(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("Write: %v; want context.Canceled", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	gate, entered, left := make(chan struct{}), make(chan struct{}), make(chan error)
	go db.Write(context.Background(), func(*sqlite.Tx) error { close(entered); <-gate; return nil })
	<-entered
	go func() { left <- db.Write(ctx, put(2)) }()
	for db.Queued() != 1 {
		runtime.Gosched()
	}
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("Write in the queue: %v; want context.Canceled", err)
	}
	close(gate)
	if err := db.Write(t.Context(), put(3)); err != nil {
		t.Error(err)
	}
	if got, want := keys(t, db), []int{3}; !slices.Equal(got, want) {
		t.Errorf("keys %v; want %v", got, want)
	}
}

// A panic in one function neither locks the database nor leaves changes.
func TestPanic(t *testing.T) {
	db := open(t, t.TempDir())
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		db.Write(t.Context(), func(tx *sqlite.Tx) error { put(1)(tx); panic("boom") })
	}()
	if err := db.Write(t.Context(), put(2)); err != nil {
		t.Error(err)
	}
	if got, want := keys(t, db), []int{2}; !slices.Equal(got, want) {
		t.Errorf("keys %v; want %v", got, want)
	}
	if err := db.Write(t.Context(), func(*sqlite.Tx) error { return nil }); err != nil {
		t.Errorf("a write that changes nothing: %v", err)
	}
}

// A panic ends the whole group, and nobody of it is told that all is well.
func TestPanicInGroup(t *testing.T) {
	db := open(t, t.TempDir())
	for i, err := range group(t, db, put(1), put(2), func(tx *sqlite.Tx) error { put(3)(tx); panic("boom") }, put(4)) {
		if err == nil {
			t.Errorf("write %d was acknowledged; its group was rolled back", i+1)
		}
	}
	if got := keys(t, db); len(got) > 0 {
		t.Errorf("keys %v; want none", got)
	}
}

// When the disk is full SQLite rolls back the whole transaction. All of the
// group must hear of it, even from a function that ignores errors, and the
// next group must go through.
func TestFull(t *testing.T) {
	db := open(t, t.TempDir())
	limit := func(n int) {
		t.Helper()
		err := db.Write(t.Context(), func(tx *sqlite.Tx) error { return tx.Exec("PRAGMA max_page_count = " + strconv.Itoa(n)) })
		if err != nil {
			t.Fatal(err)
		}
	}
	limit(10)
	deaf := func(tx *sqlite.Tx) error {
		for k := range 1000 {
			tx.Exec(upsertT, 1000+k, value(k))
		}
		return nil
	}
	errs := group(t, db, put(1), deaf, put(2))
	if errs[0] == nil || errs[1] == nil || errs[2] != nil {
		t.Errorf("errors %v; want some for the first two only", errs)
	}
	if got, want := keys(t, db), []int{2}; !slices.Equal(got, want) {
		t.Errorf("keys %v; want %v", got, want)
	}
	limit(1 << 20)
	if err := db.Write(t.Context(), put(3)); err != nil {
		t.Error(err)
	}
}

// TestDiskFull makes writes to the files themselves fail, in a child process
// because the limit holds for all of a process.
func TestDiskFull(t *testing.T) {
	if folder := os.Getenv("SQLITE_FULL"); folder != "" {
		db := open(t, folder)
		if runtime.GOOS != "linux" {
			t.Skip("the limit on file sizes is set for Linux only")
		}
		var old syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
			t.Fatal(err)
		}
		small := syscall.Rlimit{Cur: 300 << 10, Max: old.Max}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &small); err != nil {
			t.Fatal(err)
		}
		var acked []int
		var failed error
		for k := 0; failed == nil && k < 1000; k++ {
			if failed = db.Write(t.Context(), put(k)); failed == nil {
				acked = append(acked, k)
			}
		}
		if failed == nil || len(acked) == 0 {
			t.Fatalf("%d writes went through, then %v", len(acked), failed)
		}
		if got := keys(t, db); !slices.Equal(got, acked) {
			t.Errorf("after %v: %d keys; want %d", failed, len(got), len(acked))
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
			t.Fatal(err)
		}
		if err := db.Write(t.Context(), put(5000)); err != nil {
			t.Errorf("after space came back: %v", err)
		}
		return
	}
	folder := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestDiskFull$", "-test.v")
	cmd.Env = append(os.Environ(), "SQLITE_FULL="+folder)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	open(t, folder)
}

func TestOneProcess(t *testing.T) {
	folder := t.TempDir()
	open(t, folder)
	_, err := sqlite.Open(folder, sqlite.Options{})
	locked, ok := errors.AsType[*sqlite.LockedError](err)
	if !ok || locked.PID != os.Getpid() || !strings.Contains(err.Error(), folder) {
		t.Errorf("second Open: %v; want an error that names process %d and %s", err, os.Getpid(), folder)
	}
}

func TestClose(t *testing.T) {
	folder := t.TempDir()
	db := open(t, folder)
	if err := db.Write(t.Context(), put(1)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Close(), db.Close()); err != nil {
		t.Fatal(err)
	}
	if err := db.Write(t.Context(), put(2)); err != sqlite.ErrClosed {
		t.Errorf("Write: %v; want ErrClosed", err)
	}
	if err := db.Read(t.Context(), func(*sqlite.Tx) error { return nil }); err != sqlite.ErrClosed {
		t.Errorf("Read: %v; want ErrClosed", err)
	}
	if got, want := keys(t, open(t, folder)), []int{1}; !slices.Equal(got, want) {
		t.Errorf("keys %v; want %v", got, want)
	}
}

func TestRead(t *testing.T) {
	db := open(t, t.TempDir())
	if err := db.Write(t.Context(), put(1)); err != nil {
		t.Fatal(err)
	}
	err := db.Read(t.Context(), func(tx *sqlite.Tx) error {
		if err := tx.Exec("DELETE FROM t"); err == nil {
			t.Error("Exec changed something in Read")
		}
		if err := tx.Query("DELETE FROM t RETURNING k", nil, func(func(...any) error) error { return nil }); err == nil {
			t.Error("Query changed something in Read")
		}
		// One query inside itself, and a write that must not show.
		const all = "SELECT k FROM t ORDER BY k"
		rows := 0
		return tx.Query(all, nil, func(func(...any) error) error {
			if err := db.Write(t.Context(), put(2)); err != nil {
				return err
			}
			return tx.Query(all, nil, func(func(...any) error) error {
				if rows++; rows > 1 {
					t.Error("a later commit showed in the snapshot")
				}
				return nil
			})
		})
	})
	if err != nil {
		t.Error(err)
	}
	if got, want := keys(t, db), []int{1, 2}; !slices.Equal(got, want) {
		t.Errorf("keys %v; want %v", got, want)
	}
}

func TestScan(t *testing.T) {
	db := open(t, t.TempDir())
	err := db.Read(t.Context(), func(tx *sqlite.Tx) error {
		args := []any{7, "text", []byte{1, 2}, 1.5, true, nil}
		return tx.Query("SELECT ?, ?, ?, ?, ?, ?", args, func(scan func(...any) error) error {
			var n int64
			var s, null string
			var b []byte
			var f float64
			var yes bool
			if err := scan(&n, &s, &b, &f, &yes, &null); err != nil {
				return err
			}
			if n != 7 || s != "text" || string(b) != "\x01\x02" || f != 1.5 || !yes || null != "" {
				t.Errorf("scanned %v %q %v %v %v %q", n, s, b, f, yes, null)
			}
			if err := scan(&s, &s, &b, &f, &yes, &null); err == nil {
				t.Error("an integer fitted into a string")
			}
			if err := scan(&n); err == nil {
				t.Error("six columns fitted into one destination")
			}
			return nil
		})
	})
	if err != nil {
		t.Error(err)
	}
}

func TestNewerFormat(t *testing.T) {
	folder := t.TempDir()
	db := open(t, folder)
	if err := db.Write(t.Context(), func(tx *sqlite.Tx) error { return tx.Exec("PRAGMA user_version = 99") }); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(folder, sqlite.Options{}); err == nil || !strings.Contains(err.Error(), "newer program") {
		t.Errorf("Open: %v; want a refusal", err)
	}
}

func TestNotADatabase(t *testing.T) {
	folder := t.TempDir()
	text := []byte(strings.Repeat("This is no database. ", 500))
	if err := os.WriteFile(filepath.Join(folder, "sluice.db"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(folder, sqlite.Options{AcceptLoss: true}); err == nil {
		t.Error("opened a text file")
	}
	if got, err := os.ReadFile(filepath.Join(folder, "sluice.db")); err != nil || string(got) != string(text) {
		t.Errorf("the refused file was changed (%v)", err)
	}
}
