package engine

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/sluice-ci/sluice/internal/asl/expr"
	"github.com/sluice-ci/sluice/internal/machine"
)

// A decoder reads from buf. After an error it reads zeros.
type decoder struct {
	buf  []byte
	err  error
	seen [][]byte
	base []byte
}

func (d *decoder) fail() {
	d.buf, d.err = nil, errDamaged
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.buf)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.buf = d.buf[n:]
	return v
}

// count reads a number that is no larger than the rest of the text.
func (d *decoder) count() int {
	v := d.uint()
	if v > uint64(len(d.buf)) {
		d.fail()
		return 0
	}
	return int(v)
}

// small reads a number that counts something.
func (d *decoder) small() int {
	v := d.uint()
	if v > 1<<31 {
		d.fail()
		return 0
	}
	return int(v)
}

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.buf)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.buf = d.buf[n:]
	return v
}

func (d *decoder) bytes(n int) []byte {
	if n > len(d.buf) {
		d.fail()
		return nil
	}
	v := d.buf[:n]
	d.buf = d.buf[n:]
	return v
}

func (d *decoder) byte() byte {
	if v := d.bytes(1); len(v) == 1 {
		return v[0]
	}
	return 0
}

func (d *decoder) string() string { return string(d.bytes(d.count())) }

func (d *decoder) data() []byte {
	switch n := d.uint(); {
	case n == 0:
		return nil
	case n == 1:
		same := 0
		if d.base != nil {
			same = d.small()
		}
		if same > len(d.base) {
			d.fail()
			return nil
		}
		v := slices.Concat(d.base[:same], d.bytes(d.count()))
		if len(v) > expr.Limit || !json.Valid(v) {
			d.fail()
			return nil
		}
		d.seen = append(d.seen, v)
		return v
	case n-2 < uint64(len(d.seen)):
		return d.seen[n-2]
	}
	d.fail()
	return nil
}

// record reads the next record. If only its checksum is wrong, it returns the
// name with errDamaged and the records behind it can be read.
func (d *decoder) record() (kind byte, name string, body []byte, err error) {
	whole := d.buf
	kind, name = d.byte(), d.string()
	body = d.bytes(d.count())
	sum := d.bytes(4)
	if d.err != nil {
		return 0, "", nil, d.err
	}
	if crc32.Checksum(whole[:len(whole)-len(d.buf)-4], castagnoli) != binary.LittleEndian.Uint32(sum) {
		return kind, name, nil, errDamaged
	}
	return kind, name, body, nil
}

// decodeRun reads the run name of a machine that load finds by its digest. If
// move is not nil, it is where the run of body has come to since.
func decodeRun(name string, body, move []byte, load func(digest string) (*Machine, error)) (Run, *Machine, error) {
	d := decoder{buf: body}
	if f := d.byte(); f != runFormat {
		return Run{}, nil, fmt.Errorf("format %d is not known", f)
	}
	r := Run{Name: name, Pipeline: d.string(), Digest: d.string(), Status: machine.Status(d.string()), Error: d.string(), Cause: d.string()}
	r.Output, r.input = d.data(), d.data()
	r.started = d.int()
	if seed := d.bytes(8); seed != nil {
		r.seed = binary.LittleEndian.Uint64(seed)
	}
	if move != nil {
		if d.err != nil || r.Status != machine.Running || len(r.input) == 0 {
			return r, nil, errDamaged
		}
		if d = (decoder{buf: move, seen: [][]byte{r.input}, base: r.input}); d.byte() != runFormat {
			return r, nil, errDamaged
		}
	}
	r.serial, r.events, r.lastID, r.steps = d.uint(), d.small(), uint32(d.small()), d.uint()
	if d.err != nil {
		return r, nil, d.err
	}
	m, err := load(r.Digest)
	if err != nil {
		if r.Status != machine.Running {
			return r, nil, nil // it has ended and needs no machine
		}
		return r, nil, err
	}
	for range d.count() {
		r.frames = append(r.frames, d.frame(m))
	}
	if d.err == nil && (len(d.buf) > 0 || (r.Status == machine.Running) != (len(r.frames) > 0)) {
		d.fail()
	}
	if d.err == nil {
		d.err = r.check(m)
	}
	for i := range r.frames {
		if due := r.frames[i].due(); due != 0 && (r.wake == 0 || due < r.wake) {
			r.wake = due
		}
	}
	return r, m, d.err
}

func (d *decoder) frame(m *Machine) frame {
	f := frame{id: uint32(d.small()), parent: uint32(d.small()), branch: d.small()}
	at, ok := m.names[d.string()]
	if !ok {
		d.fail()
	}
	f.state, f.phase, f.retries = at, phase(d.byte()), d.small()
	if n := d.count(); n > 0 {
		f.spent = make([]int, n)
		for i := range f.spent {
			f.spent[i] = d.small()
		}
	}
	f.serial, f.entered, f.deadline, f.beat = d.uint(), d.int(), d.int(), d.int()
	f.input = d.data()
	if n := d.count(); n > 0 {
		f.outputs = make([][]byte, n)
		for i := range f.outputs {
			if f.outputs[i] = d.data(); f.outputs[i] == nil {
				f.left++
			}
		}
	}
	return f
}

// check reports whether the frames of r are positions in m that can be gone on
// from.
func (r *Run) check(m *Machine) error {
	for i := range r.frames {
		f := &r.frames[i]
		st := &m.states[f.state]
		ok := f.input != nil && f.id <= r.lastID && (len(f.spent) == 0 || len(f.spent) == len(st.retry))
		switch f.phase {
		case working:
			ok = ok && st.kind == task
		case waiting:
			ok = ok && st.kind == wait && f.deadline != 0
		case backoff:
			ok = ok && f.deadline != 0
		case joining:
			ok = ok && st.kind == parallel && len(f.outputs) == len(st.branches) && f.left > 0
		default:
			ok = false
		}
		if i == 0 {
			ok = ok && f.parent == 0
		} else {
			above := slices.IndexFunc(r.frames[:i], func(g frame) bool { return g.id == f.parent })
			ok = ok && above >= 0 && f.branch < len(r.frames[above].outputs)
		}
		if !ok {
			return fmt.Errorf("the position in state %q cannot be read", st.name)
		}
	}
	return nil
}
