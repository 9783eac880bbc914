package engine

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/sluice-ci/sluice/internal/asl/expr"
	"github.com/sluice-ci/sluice/internal/machine"
)

// A batch is a row of records; a record is what became of one run:
//
//	kind, length, name, length, body, checksum of all that
//
// The body of a run begins with its format. Numbers are varints, states are
// names, and data that several frames share is written once. A move leaves out
// what never changes while a run is running; the last state before it has that.
const (
	recordState byte = 1 // body is the run
	recordTold  byte = 2 // no body: the run has ended and may be forgotten
	recordMove  byte = 3 // body is where a running run has come to

	runFormat byte = 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// An encoder appends records to buf.
type encoder struct {
	buf  []byte
	body []byte
	seen [][]byte // data of the run at hand, in the order of its first place
	base []byte   // what the data of a move mostly begins with: the run's input
}

func (e *encoder) told(name string) { e.record(recordTold, name, nil) }

func (e *encoder) state(m *Machine, r *Run) {
	e.body = e.run(e.body[:0], m, r)
	e.record(recordState, r.Name, e.body)
}

// move is state without what the run's last state record has said already.
func (e *encoder) move(m *Machine, r *Run) {
	e.seen, e.base = append(e.seen[:0], r.input), r.input
	e.body = e.position(append(e.body[:0], runFormat), m, r)
	e.base = nil
	e.record(recordMove, r.Name, e.body)
}

func (e *encoder) record(kind byte, name string, body []byte) {
	from := len(e.buf)
	b := append(e.buf, kind)
	b = appendString(b, name)
	b = append(binary.AppendUvarint(b, uint64(len(body))), body...)
	e.buf = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[from:], castagnoli))
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func (e *encoder) run(b []byte, m *Machine, r *Run) []byte {
	e.seen = e.seen[:0]
	b = append(b, runFormat)
	b = appendString(b, r.Pipeline)
	b = appendString(b, r.Digest)
	b = appendString(b, string(r.Status))
	b = appendString(b, r.Error)
	b = appendString(b, r.Cause)
	b = e.data(b, r.Output)
	b = e.data(b, r.input)
	b = binary.AppendVarint(b, r.started)
	b = binary.LittleEndian.AppendUint64(b, r.seed)
	return e.position(b, m, r)
}

// position appends what changes while r is running.
func (e *encoder) position(b []byte, m *Machine, r *Run) []byte {
	b = binary.AppendUvarint(b, r.serial)
	b = binary.AppendUvarint(b, uint64(r.events))
	b = binary.AppendUvarint(b, uint64(r.lastID))
	b = binary.AppendUvarint(b, r.steps)
	b = binary.AppendUvarint(b, uint64(len(r.frames)))
	for i := range r.frames {
		b = e.frame(b, m, &r.frames[i])
	}
	return b
}

func (e *encoder) frame(b []byte, m *Machine, f *frame) []byte {
	b = binary.AppendUvarint(b, uint64(f.id))
	b = binary.AppendUvarint(b, uint64(f.parent))
	b = binary.AppendUvarint(b, uint64(f.branch))
	b = appendString(b, m.states[f.state].name)
	b = append(b, byte(f.phase))
	b = binary.AppendUvarint(b, uint64(f.retries))
	b = binary.AppendUvarint(b, uint64(len(f.spent)))
	for _, n := range f.spent {
		b = binary.AppendUvarint(b, uint64(n))
	}
	b = binary.AppendUvarint(b, f.serial)
	b = binary.AppendVarint(b, f.entered)
	b = binary.AppendVarint(b, f.deadline)
	b = binary.AppendVarint(b, f.beat)
	b = e.data(b, f.input)
	b = binary.AppendUvarint(b, uint64(len(f.outputs)))
	for _, o := range f.outputs {
		b = e.data(b, o)
	}
	return b
}

// data appends v: 0 for nothing, 1 and the text the first time, and 2 more
// than its number after that. In a move the text is what differs from base: how
// much they have in common in front, and the rest.
func (e *encoder) data(b, v []byte) []byte {
	if len(v) == 0 {
		return append(b, 0)
	}
	for i, s := range e.seen {
		if &s[0] == &v[0] && len(s) == len(v) {
			return binary.AppendUvarint(b, uint64(i+2))
		}
	}
	e.seen = append(e.seen, v)
	b = append(b, 1)
	if e.base != nil {
		same := common(e.base, v)
		b = binary.AppendUvarint(b, uint64(same))
		v = v[same:]
	}
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}

// common returns how many bytes a and b have in common in front.
func common(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

var errDamaged = errors.New("the record is damaged")

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
