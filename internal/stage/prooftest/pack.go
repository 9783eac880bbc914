package prooftest

import "math/bits"

// A state is a world in as few bits as it needs: a word for each execution, one
// for each stage, and two for the rest. Equal worlds have equal states, and a
// state has all of its world, so no two are ever taken for one.
type state [8]uint64

// hash spreads states evenly.
func (s *state) hash() uint64 {
	h := uint64(0x9E3779B97F4A7C15)
	for _, v := range s {
		hi, lo := bits.Mul64(h^v, 0xD6E8FEB86659FD93)
		h = hi ^ lo
	}
	return h ^ h>>29
}

// A codec writes fields into a word, or reads them out of it.
type codec struct {
	word uint64
	at   uint
	read bool
}

// field moves one field of that many bits.
func field[T ~uint8](c *codec, v *T, width uint) {
	if c.read {
		*v = T(c.word>>c.at) & (1<<width - 1)
	} else {
		if *v>>width != 0 {
			panic("a world is too large for its state")
		}
		c.word |= uint64(*v) << c.at
	}
	c.at += width // at most 64
}

func bit(c *codec, v *bool) {
	if c.read {
		*v = c.word>>c.at&1 == 1
	} else if *v {
		c.word |= 1 << c.at
	}
	c.at++
}

// pack returns w as a state. What is as in base is taken from the state of base.
func (m *model) pack(w, base *world, of state) state {
	for i := range w.executions[:m.Executions] {
		if e := &w.executions[i]; *e != base.executions[i] {
			var c codec
			e.fields(&c)
			of[i] = c.word
		}
	}
	at := m.Executions
	for i := range w.locks[:m.Stages] {
		if l := &w.locks[i]; *l != base.locks[i] {
			var c codec
			l.fields(&c)
			of[at+i] = c.word
		}
	}
	at += m.Stages
	if w.admits != base.admits || w.pipeline != base.pipeline {
		var c codec
		w.outbox(&c)
		of[at] = c.word
	}
	if w.zombie != base.zombie || w.lingers != base.lingers || w.left != base.left {
		var c codec
		w.adversary(&c)
		of[at+1] = c.word
	}
	return of
}

// unpack is the inverse of pack.
func (m *model) unpack(s *state) (w world) {
	for i := range w.executions[:m.Executions] {
		w.executions[i].fields(&codec{word: s[i], read: true})
	}
	at := m.Executions
	for i := range w.locks[:m.Stages] {
		w.locks[i].fields(&codec{word: s[at+i], read: true})
	}
	w.outbox(&codec{word: s[at+m.Stages], read: true})
	w.adversary(&codec{word: s[at+m.Stages+1], read: true})
	return w
}

func (w *world) outbox(c *codec) {
	field(c, &w.admitted, 3)
	for i := range w.admits {
		a := &w.admits[i]
		field(c, &a.execution, 2)
		field(c, &a.stage, 2)
		field(c, &a.entry, 3)
		field(c, &a.fence, 4)
		bit(c, &a.frozen)
	}
	field(c, &w.pipeline.version, 2)
	field(c, &w.pipeline.settled, 4)
	bit(c, &w.pipeline.cut)
	field(c, &w.pipeline.former, 4)
}

func (w *world) adversary(c *codec) {
	bit(c, &w.lingers)
	field(c, &w.zombie.execution, 2)
	field(c, &w.zombie.run, 1)
	field(c, &w.zombie.task, 4)
	bit(c, &w.zombie.live)
	field(c, &w.zombie.visit, 3)
	field(c, &w.left.Total, 4)
	for _, n := range w.left.each() {
		field(c, n, 4)
	}
}

func (e *execution) fields(c *codec) {
	field(c, &e.status, 3)
	field(c, &e.stage, 2)
	bit(c, &e.inside)
	field(c, &e.fence, 4)
	field(c, &e.entry, 3)
	field(c, &e.run, 1)
	field(c, &e.work, 3)
	bit(c, &e.told)
	bit(c, &e.waits)
	bit(c, &e.abandon)
	bit(c, &e.outside)
	bit(c, &e.again)
	bit(c, &e.retried)
	field(c, &e.repeats, 3)
	field(c, &e.version, 2)
	bit(c, &e.cancel)
	bit(c, &e.beside)
	field(c, &e.gate.verdict, 3)
	bit(c, &e.gate.told)
	bit(c, &e.skipped)
	for i := range e.runs {
		r := &e.runs[i]
		field(c, &r.at, 4)
		bit(c, &r.called)
		field(c, &r.answers, 5)
		bit(c, &r.stop)
		field(c, &r.visit, 3)
	}
}

func (l *lock) fields(c *codec) {
	field(c, &l.mode, 2)
	bit(c, &l.disabled)
	field(c, &l.owner, 3)
	field(c, &l.ownerSeq, 3)
	field(c, &l.fence, 4)
	field(c, &l.lastSeq, 3)
	field(c, &l.lastExec, 3)
	field(c, &l.lastEntry, 3)
	field(c, &l.queued, 3)
	for i := range l.waiting {
		field(c, &l.waiting[i].execution, 2)
		field(c, &l.waiting[i].entry, 3)
	}
	field(c, &l.latest, 3)
	field(c, &l.latestStatus, 4)
	field(c, &l.auto, 2)
	field(c, &l.top, 3)
}
