package engine

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/machine"
	"github.com/sluice-ci/sluice/internal/sqlite"
)

func onDisk(t testing.TB, folder string) (Journal, *sqlite.DB) {
	t.Helper()
	db, err := sqlite.Open(folder, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	j, err := NewJournal(context.Background(), db)
	if err != nil {
		t.Fatal(err)
	}
	return j, db
}

// TestJournals: both journals do what the interface promises.
func TestJournals(t *testing.T) {
	disk, _ := onDisk(t, t.TempDir())
	for name, j := range map[string]Journal{"memory": newMemory(), "sqlite": disk} {
		t.Run(name, func(t *testing.T) {
			ctx := context.Background()
			read := func() []string {
				var all []string
				err := j.Load(ctx, func(name string, record []byte) {
					all = append(all, fmt.Sprintf("run %s %s", name, record))
				}, func(names string, batch []byte) {
					all = append(all, fmt.Sprintf("batch %s %s", names, batch))
				})
				if err != nil {
					t.Error(err)
				}
				return all
			}
			want := func(all ...string) {
				t.Helper()
				if got := read(); !slices.Equal(got, all) {
					t.Errorf("got %q; want %q", got, all)
				}
			}
			check := func(err error) {
				t.Helper()
				if err != nil {
					t.Error(err)
				}
			}
			want()
			check(j.Append(ctx, "a b ", []byte("1")))
			check(j.Append(ctx, "b ", []byte("2")))
			want("batch a b  1", "batch b  2")
			check(j.Checkpoint(ctx, Checkpoint{Runs: []Row{{"b", []byte("2")}}, Ended: []Outcome{{"a", machine.Failed, "E", "c"}}}))
			want("run b 2")
			check(j.Append(ctx, "b ", []byte("3")))
			want("run b 2", "batch b  3")
			check(j.Checkpoint(ctx, Checkpoint{Gone: []string{"b"}, Ended: []Outcome{{"b", machine.Succeeded, "", ""}}}))
			want()
			for name, want := range map[string]Outcome{"a": {"a", machine.Failed, "E", "c"}, "b": {"b", machine.Succeeded, "", ""}, "c": {}} {
				if got, ok, err := j.Outcome(ctx, name); got != want || ok != (want.Name != "") || err != nil {
					t.Errorf("outcome %+v, %v, %v", got, ok, err)
				}
			}
			check(j.SetText(ctx, "d", []byte("text")))
			check(j.SetText(ctx, "d", []byte("text")))
			if text, ok, err := j.Text(ctx, "d"); string(text) != "text" || !ok || err != nil {
				t.Errorf("text %q, %v, %v", text, ok, err)
			}
			if _, ok, err := j.Text(ctx, "x"); ok || err != nil {
				t.Errorf("a text nobody wrote: %v, %v", ok, err)
			}
		})
	}
}

// TestOnDisk runs an engine on SQLite, twice on the same folder, and corrupts
// each column in between.
func TestOnDisk(t *testing.T) {
	const text = `{"StartAt":"A","States":{"A":{` + lambda + `,"Parameters":{"FunctionName":"a","Payload.$":"$$.Task.Token"},"End":true}}}`
	for _, damage := range []string{
		"", `UPDATE engine_run SET record = 'x' WHERE name = 'bad'`, `UPDATE engine_run SET record = X'00' WHERE name = 'bad'`,
		`UPDATE engine_run SET record = 7 WHERE name = 'bad'`, `UPDATE engine_ended SET status = 'x', error = X'00', cause = 1.5`,
	} {
		folder := t.TempDir()
		j, db := onDisk(t, folder)
		l := open(t, j, text, func(l *lab, _ *Options) { l.outcome = silent }).serve(t)
		l.start(t, "bad")
		l.start(t, "good")
		l.start(t, "over")
		l.check(t, l.Succeed(context.Background(), "over.1", []byte("1")))
		l.stop()
		if damage != "" {
			l.check(t, db.Write(context.Background(), func(tx *sqlite.Tx) error { return tx.Exec(damage) }))
		}
		l.check(t, db.Close())

		j, _ = onDisk(t, folder)
		l = open(t, j, text, nil).serve(t)
		want := map[bool]string{true: "bad SUCCEEDED", false: "bad FAILED States.Runtime"}[damage == "" || damage[7:17] != "engine_run"]
		for range 200 {
			l.mu.Lock()
			n := len(l.ended)
			l.mu.Unlock()
			if n == 2 {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		l.stop()
		slices.Sort(l.ended)
		if !slices.Equal(l.ended, []string{want, "good SUCCEEDED"}) {
			t.Errorf("%s: ended %q", damage, l.ended)
		}
	}
}
