package engine

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
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
