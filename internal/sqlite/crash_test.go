package sqlite_test

import (
	"bufio"
	"bytes"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/bartest"
	"github.com/sluice-ci/sluice/internal/sqlite"
)

// image copies the files of a database as they are, as if its machine had
// lost power. The lock names a process, so the stop counts as unclean.
func image(t *testing.T, from string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{"lock": []byte("1\n")}
	for _, name := range []string{"sluice.db", "sluice.db-wal", "highwater"} {
		b, err := os.ReadFile(filepath.Join(from, name))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		if err == nil {
			files[name] = b
		}
	}
	return files
}

func restore(t *testing.T, files map[string][]byte) string {
	t.Helper()
	folder := t.TempDir()
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(folder, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// crashed returns the image of a database with n commits: put(0) to put(n-1)
// after the one that created the table.
func crashed(t *testing.T, n int) map[string][]byte {
	t.Helper()
	folder := t.TempDir()
	db := open(t, folder)
	for k := range n {
		if err := db.Write(t.Context(), put(k)); err != nil {
			t.Fatal(err)
		}
	}
	return image(t, folder)
}

// count opens folder and returns how many puts it has. They must be a prefix.
func count(t *testing.T, folder string, acceptLoss bool) (int, error) {
	t.Helper()
	db, err := sqlite.Open(folder, sqlite.Options{AcceptLoss: acceptLoss})
	if err != nil {
		return 0, err
	}
	defer db.Close()
	if err := db.Write(t.Context(), func(tx *sqlite.Tx) error { return tx.Exec(createT) }); err != nil {
		t.Fatal(err)
	}
	got := keys(t, db)
	for i, k := range got {
		if i != k {
			t.Fatalf("keys %v are no prefix", got)
		}
	}
	return len(got), nil
}

// TestPrefixOrRefused damages the log of a database in many ways: it is cut at
// random bytes, as by a loss of power, and at the borders of pages, where
// nothing is torn, and bits are flipped. Opening it must either give every
// commit or be refused; going on regardless must give a prefix.
func TestPrefixOrRefused(t *testing.T) {
	const commits, frame = 60, 24 + 4096
	began, seed := time.Now(), uint64(1)
	whole := crashed(t, commits)
	wal := whole["sluice.db-wal"]
	if len(wal) < 32+commits*frame {
		t.Fatalf("the log has %d bytes, so it cannot hold %d commits", len(wal), commits)
	}
	cuts, flips, every := 30, 30, 5
	switch {
	case bartest.Proving():
		cuts, flips, every, seed = 1000, 300, 1, uint64(began.UnixNano())
	case testing.Short():
		cuts, flips, every = 7, 7, 20
	}
	rng := rand.New(rand.NewPCG(seed, 49))
	d := damages{T: t, whole: whole, commits: commits}
	for range cuts {
		at := rng.IntN(len(wal))
		d.open(fmt.Sprintf("seed %d: cut at byte %d", seed, at), wal[:at])
	}
	borders := 0
	for at := 32; at <= len(wal); at += frame {
		if borders++; borders%every == 0 {
			d.open(fmt.Sprintf("cut behind page %d", at/frame), wal[:at])
		}
	}
	for range flips {
		at, bit := rng.IntN(len(wal)), rng.IntN(8)
		damaged := slices.Clone(wal)
		damaged[at] ^= 1 << bit
		d.open(fmt.Sprintf("seed %d: bit %d flipped in byte %d", seed, bit, at), damaged)
	}
	if d.refused == 0 {
		t.Error("no damage was noticed")
	}
	t.Logf("%d refused, %d without effect", d.refused, d.intact)
	bartest.Report(t, "B3", "cuts=%d borders=%d flips=%d commits=%d refused=%d without_effect=%d seconds=%.0f seed=%d",
		cuts, borders/every, flips, commits, d.refused, d.intact, time.Since(began).Seconds(), seed)
}

// damages counts what became of damaged copies of a database.
type damages struct {
	*testing.T
	whole           map[string][]byte
	commits         int
	refused, intact int
}

// open opens a copy whose log is damaged.
func (d *damages) open(what string, wal []byte) {
	d.Helper()
	files := maps.Clone(d.whole)
	files["sluice.db-wal"] = wal
	folder := restore(d.T, files)
	n, err := count(d.T, folder, false)
	if err == nil {
		d.intact++
		if n != d.commits {
			d.Errorf("%s: opened with %d of %d commits and no error", what, n, d.commits)
		}
		return
	}
	d.refused++
	after := image(d.T, folder)
	for name := range files {
		if name != "lock" && !bytes.Equal(files[name], after[name]) {
			d.Errorf("%s: the refusal changed %s", what, name)
		}
	}
	loss, ok := errors.AsType[*sqlite.LossError](err)
	if !ok {
		d.Errorf("%s: %v; want a LossError", what, err)
		return
	}
	n, err = count(d.T, folder, true)
	if want := max(0, d.commits-int(loss.Mark-loss.Have)); err != nil || n != want {
		d.Errorf("%s: accepting %v gave %d commits, %v; want %d", what, loss, n, err, want)
	}
	if again, err := count(d.T, folder, false); err != nil || again != n {
		d.Errorf("%s: the start after accepting gave %d commits, %v; want %d", what, again, err, n)
	}
}

func TestLossErrorSaysAll(t *testing.T) {
	files := crashed(t, 20)
	delete(files, "sluice.db-wal")
	_, err := sqlite.Open(restore(t, files), sqlite.Options{})
	if err == nil {
		t.Fatal("a database without its log was opened")
	}
	for _, want := range []string{"commit 0", "commit 21", "21 commits are lost", "--accept-loss"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
	delete(files, "sluice.db")
	if _, err := sqlite.Open(restore(t, files), sqlite.Options{}); err == nil {
		t.Error("a lost database was replaced by a new one")
	}
}

func TestDamagedHighwater(t *testing.T) {
	files := crashed(t, 20)
	mark := files["highwater"]
	flipped := bytes.Clone(mark)
	flipped[3] ^= 1
	flipped[512+3] ^= 1
	torn := bytes.Clone(mark)
	for i := range 6 { // the slot that the next commit would have written
		torn[512+i] = 0xff
	}
	tests := []struct {
		name string
		mark []byte
		ok   bool
	}{
		{"intact", mark, true},
		{"one slot torn", torn, true},
		{"both flipped", flipped, false},
		{"empty", []byte{}, false},
		{"short", mark[:5], false},
		{"zeros", make([]byte, 1024), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files["highwater"] = tt.mark
			folder := restore(t, files)
			if _, err := count(t, folder, false); (err == nil) != tt.ok {
				t.Errorf("Open: %v; want success %v", err, tt.ok)
			}
			if n, err := count(t, folder, true); err != nil || n != 20 {
				t.Errorf("Open with AcceptLoss: %d commits, %v; want 20", n, err)
			}
			if n, err := count(t, folder, false); err != nil || n != 20 {
				t.Errorf("the start after: %d commits, %v; want 20", n, err)
			}
		})
	}
}

// A page of the file itself is damaged: the check after an unclean stop says so.
func TestDamagedPage(t *testing.T) {
	folder := t.TempDir()
	db := open(t, folder)
	for k := range 60 {
		if err := db.Write(t.Context(), put(k)); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	files := image(t, folder)
	for i := 3 * 4096; i < 3*4096+16; i++ {
		files["sluice.db"][i] ^= 0xff
	}
	if _, err := sqlite.Open(restore(t, files), sqlite.Options{}); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("Open: %v; want an error that says damaged", err)
	}
}

// TestKill kills a process that writes, many times over, and looks for every
// write that was acknowledged.
func TestKill(t *testing.T) {
	if folder := os.Getenv("SQLITE_KILL"); folder != "" {
		db := open(t, folder)
		for k := len(keys(t, db)); ; k++ {
			if err := db.Write(t.Context(), put(k)); err != nil {
				t.Fatal(err)
			}
			fmt.Println("ack", k)
		}
	}
	folder, last := t.TempDir(), -1
	rounds := 20
	if testing.Short() {
		rounds = 4
	}
	rng := rand.New(rand.NewPCG(2, 49))
	for round := range rounds {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKill$", "-test.v")
		cmd.Env = append(os.Environ(), "SQLITE_KILL="+folder)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines, stop := bufio.NewScanner(out), rng.IntN(100)
		for n := 0; lines.Scan(); n++ {
			if k, ok := strings.CutPrefix(lines.Text(), "ack "); ok {
				last, _ = strconv.Atoi(k)
			}
			if n == stop {
				cmd.Process.Kill()
			}
		}
		cmd.Wait()
		n, err := count(t, restore(t, image(t, folder)), false)
		if err != nil || n <= last {
			t.Fatalf("round %d: %d writes found, %v; %d was acknowledged", round, n, err, last)
		}
	}
	if last < 0 {
		t.Error("no child wrote anything")
	}
}

// TestMarkComesFirst: a process that dies while it makes the database leaves one
// that the next process opens. So there is a mark before there is a database.
func TestMarkComesFirst(t *testing.T) {
	folder := t.TempDir()
	inTheWay := filepath.Join(folder, "sluice.db-wal")
	if err := os.Mkdir(inTheWay, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(folder, sqlite.Options{}); err == nil {
		t.Fatal("a database without its log was made")
	}
	if err := os.Remove(inTheWay); err != nil {
		t.Fatal(err)
	}
	other := t.TempDir()
	if err := open(t, other).Close(); err != nil {
		t.Fatal(err)
	}
	fresh := image(t, other)
	if err := os.WriteFile(filepath.Join(folder, "sluice.db"), fresh["sluice.db"], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "lock"), fresh["lock"], 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := sqlite.Open(folder, sqlite.Options{})
	if err != nil {
		t.Fatalf("the start after: %v", err)
	}
	db.Close()
}

// TestMadeHalf: SQLite makes the file under a journal of another kind before it
// keeps a log. A process that dies meanwhile leaves that journal, which whoever
// only looks cannot play back.
func TestMadeHalf(t *testing.T) {
	other := filepath.Join(t.TempDir(), "other.db")
	db, err := sql.Open("sqlite", other)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, statement := range []string{
		"PRAGMA journal_mode = DELETE", "PRAGMA cache_size = 2", "CREATE TABLE half (x)",
		"INSERT INTO half WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) SELECT randomblob(500) FROM n",
		"BEGIN", "UPDATE half SET x = randomblob(500)",
	} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	folder := t.TempDir()
	if err := open(t, folder).Close(); err != nil { // for its mark
		t.Fatal(err)
	}
	files := map[string]string{"sluice.db": other, "sluice.db-journal": other + "-journal"}
	for name, from := range files {
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mark := make([]byte, 512+12)
	for slot := range 2 { // number 0, as before the first commit
		binary.BigEndian.PutUint32(mark[slot*512+8:], crc32.Checksum(mark[:8], crc32.MakeTable(crc32.Castagnoli))^^uint32(0))
	}
	for lost, want := range map[bool]bool{false: true, true: false} {
		again := restore(t, image(t, folder))
		b, err := os.ReadFile(filepath.Join(folder, "sluice.db-journal"))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(again, "sluice.db-journal"), b, 0o600); err != nil {
			t.Fatal(err)
		}
		if !lost {
			if err := os.WriteFile(filepath.Join(again, "highwater"), mark, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		db, err := sqlite.Open(again, sqlite.Options{})
		if (err == nil) != want {
			t.Errorf("commits were acknowledged: %v; Open: %v; want success %v", lost, err, want)
		}
		if err == nil {
			db.Close()
		}
	}
}
