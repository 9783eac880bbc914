package engine

import (
	"fmt"
	"slices"
	"testing"

	"github.com/sluice-ci/sluice/internal/asl/expr"
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
	again, _, err := decodeRun(name, body, load(m))
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
	for reread(t, x.m, x.run); x.once(t); reread(t, x.m, x.run) {
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
			if r, m, err := decodeRun("run", bad, load(x.m)); err == nil {
				carefully(m, r, Tick{}, r.Wake())
				Resume(m, r, epoch)
			}
		}
	}
}
