package engine

import (
	"fmt"
	"slices"
	"testing"

	"github.com/sluice-ci/sluice/internal/asl/expr"
	"github.com/sluice-ci/sluice/internal/machine"
)

func compact(b []byte) ([]byte, error) { return expr.Compact(b) }

func written(m *Machine, r Run) []byte {
	var e encoder
	e.state(m, &r)
	return e.buf
}

func load(m *Machine) func(string) (*Machine, error) {
	return func(string) (*Machine, error) { return m, nil }
}

// reread fails if r is another run after it was written and read.
func reread(t testing.TB, m *Machine, r Run) {
	t.Helper()
	d := decoder{buf: written(m, r)}
	_, name, body, err := d.record()
	if err != nil {
		t.Fatal(err)
	}
	again, _, err := decodeRun(name, body, nil, load(m))
	if got, want := fmt.Sprintf("%+v", again), fmt.Sprintf("%+v", r); got != want || err != nil {
		t.Fatalf("read %s, %v\nwrote %s", got, err, want)
	}
}

// moved fails if r is another run after it was read from the state first and a
// move.
func moved(t testing.TB, m *Machine, first []byte, r Run) {
	t.Helper()
	var e encoder
	e.move(m, &r)
	_, _, state, err := (&decoder{buf: first}).record()
	if err != nil {
		t.Fatal(err)
	}
	kind, name, move, err := (&decoder{buf: e.buf}).record()
	if kind != recordMove || err != nil {
		t.Fatalf("record of kind %d, %v", kind, err)
	}
	again, _, err := decodeRun(name, state, move, load(m))
	if got, want := fmt.Sprintf("%+v", again), fmt.Sprintf("%+v", r); got != want || err != nil {
		t.Fatalf("read %s, %v\nwrote %s", got, err, want)
	}
}

func TestCodec(t *testing.T) {
	x := begin(t, parallelText(`"Retry":[{"ErrorEquals":["Boom"]}],`), `{"i":1}`, func(c Invoke) (string, error) {
		if c.Function == "b" {
			return "", failed{"Again", ""}
		}
		return `{"o":1}`, nil
	})
	first := written(x.m, x.run)
	for reread(t, x.m, x.run); x.once(t); reread(t, x.m, x.run) {
		if x.run.Status == machine.Running {
			moved(t, x.m, first, x.run)
		}
	}
}

// TestDamagedRecord: a record with any byte changed, or cut anywhere, is
// noticed; even with a checksum that fits, nothing panics.
func TestDamagedRecord(t *testing.T) {
	x := begin(t, parallelText(""), `{"i":1}`, nil)
	good := written(x.m, x.run)
	for i := range good {
		for _, bad := range [][]byte{good[:i], slices.Concat(good[:i], []byte{good[i] ^ 0x55}, good[i+1:])} {
			d := decoder{buf: bad}
			if _, _, _, err := d.record(); err == nil {
				t.Errorf("damage at byte %d was not noticed", i)
			}
		}
	}
	d := decoder{buf: good}
	_, _, body, _ := d.record()
	for i := range body {
		for bit := range 8 {
			bad := slices.Clone(body)
			bad[i] ^= 1 << bit
			if r, m, err := decodeRun("run", bad, nil, load(x.m)); err == nil {
				carefully(m, r, Tick{}, r.Wake())
				Resume(m, r, epoch)
			}
		}
	}
}

// TestDamagedMove: a move with any bit changed is refused or can be gone on
// from, but nothing panics.
func TestDamagedMove(t *testing.T) {
	x := begin(t, parallelText(""), `{"i":1}`, nil)
	_, _, state, _ := (&decoder{buf: written(x.m, x.run)}).record()
	var e encoder
	e.move(x.m, &x.run)
	_, _, move, _ := (&decoder{buf: e.buf}).record()
	for i := range move {
		for bit := range 8 {
			bad := slices.Clone(move)
			bad[i] ^= 1 << bit
			if r, m, err := decodeRun("run", state, bad, load(x.m)); err == nil {
				carefully(m, r, Tick{}, r.Wake())
				Resume(m, r, epoch)
			}
		}
		if _, _, err := decodeRun("run", state, move[:i], load(x.m)); err == nil {
			t.Errorf("a move cut at byte %d was read", i)
		}
	}
}
