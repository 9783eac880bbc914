package prooftest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// shards is how many parts the set of known states has. Each part is one
// worker's own, so nobody waits for a lock and every search numbers the states
// alike.
const shards = 2

// batch is how many states of a part are expanded before what they lead to is
// sorted in.
const batch = 1 << 13

// A node is a state by number: the number in its part, and the part.
type node uint32

func nodeOf(local, part int) node { return node(local*shards + part) }
func (n node) local() int         { return int(n) / shards }
func (n node) part() int          { return int(n) % shards }

const noNode = ^node(0)

// A found is a state that a move leads to, before it is known whether it is new.
type found struct {
	state    state
	hash     uint64
	from     node
	by       [2]move // the second only where two changes happen at once
	progress bool
}

// A part is one part of the known states.
type part struct {
	table    []uint64 // half of the hash and the local number plus 1, by hash; 0 is free
	states   [][]state
	count    int
	from     []node
	by       [][2]move
	leads    []uint8 // how many moves of progress lead on from a state
	progress edges
}

const chunk = 1 << 12 // states of one piece of memory

func (p *part) at(local int) *state { return &p.states[local/chunk][local%chunk] }

// insert returns the number of f's state, which may be new.
func (p *part) insert(f *found) (local int, isNew bool) {
	if p.count*3 >= len(p.table)*2 {
		p.grow()
	}
	mask := uint64(len(p.table) - 1)
	tag := f.hash &^ (1<<32 - 1)
	for i := f.hash >> 8 & mask; ; i = (i + 1) & mask {
		known := p.table[i]
		if known == 0 {
			p.table[i] = tag | uint64(p.count+1)
			break
		}
		if known&^(1<<32-1) != tag {
			continue
		}
		if local := int(uint32(known)) - 1; *p.at(local) == f.state {
			return local, false
		}
	}
	if p.count%chunk == 0 {
		p.states = append(p.states, make([]state, chunk))
	}
	p.count++
	*p.at(p.count - 1) = f.state
	p.from, p.by, p.leads = append(p.from, f.from), append(p.by, f.by), append(p.leads, 0)
	return p.count - 1, true
}

func (p *part) grow() {
	p.table = make([]uint64, max(1<<12, 2*len(p.table)))
	mask := uint64(len(p.table) - 1)
	for local := range p.count {
		h := p.at(local).hash()
		i := h >> 8 & mask
		for p.table[i] != 0 {
			i = (i + 1) & mask
		}
		p.table[i] = h&^(1<<32-1) | uint64(local+1)
	}
}

// A Result is what a search found.
type Result struct {
	States, Edges int
	Depth         int    // of the state farthest from the beginning
	Broken        string // the first invariant that breaks, "" if none does
	Trace         []string
}

// A search visits every state of a model, nearest first.
type search struct {
	*model
	parts [shards]*part
	edges [shards]int
	wrong [shards]*wrong
	limit int                     // of states
	out   [shards][shards][]found // what the parts lead to, by part
}

// wrong is where an invariant breaks: by a move from a state, or by there
// being none.
type wrong struct {
	name string
	at   node
	by   [2]move
	none bool
}

// explore visits all states of m, or so many that there are more than limit,
// and looks for a broken invariant. It stops at the first.
func (m *model) explore(limit int) Result {
	s := &search{model: m, limit: limit}
	for i := range s.parts {
		s.parts[i] = &part{}
	}
	w := m.begin()
	first := found{state: m.pack(&w, &world{}, state{}), from: noNode}
	first.hash = first.state.hash()
	s.parts[first.hash%shards].insert(&first)
	r := s.visit()
	for i := range s.parts {
		r.States += s.parts[i].count
		r.Edges += s.edges[i]
	}
	if r.Broken == "" {
		if at, ok := s.endless(); ok {
			r.Broken, r.Trace = "I3", append(s.trace(at), "from here it can go on for ever")
		}
	}
	return r
}

// visit expands level after level.
func (s *search) visit() (r Result) {
	var done, level [shards]int
	for {
		grew := false
		for i, p := range s.parts {
			level[i] = p.count
			grew = grew || level[i] > done[i]
		}
		if !grew {
			return r
		}
		r.Depth++
		for done != level {
			var until [shards]int
			for i := range until {
				until[i] = min(done[i]+batch, level[i])
			}
			s.expand(done, until)
			done = until
			for _, w := range s.wrong {
				if w != nil {
					r.Broken, r.Trace = w.name, s.traceOf(w)
					return r
				}
			}
		}
		if n := s.parts[0].count + s.parts[1].count; n > s.limit {
			r.Broken = fmt.Sprintf("more than %d states", s.limit)
			return r
		}
	}
}

// expand finds what the states from done to until lead to, and sorts it in.
func (s *search) expand(done, until [shards]int) {
	var wg sync.WaitGroup
	for i := range shards {
		wg.Go(func() {
			for to := range s.out[i] {
				s.out[i][to] = s.out[i][to][:0]
			}
			for local := done[i]; local < until[i] && s.wrong[i] == nil; local++ {
				s.follow(nodeOf(local, i), &s.out[i])
			}
		})
	}
	wg.Wait()
	for i, p := range s.parts {
		wg.Go(func() {
			for from := range shards {
				for k := range s.out[from][i] {
					f := &s.out[from][i][k]
					local, _ := p.insert(f)
					if f.progress {
						p.progress.add(f.from, nodeOf(local, i))
					}
				}
			}
		})
	}
	wg.Wait()
}

// follow adds to out, by part, what the state n leads to.
func (s *search) follow(n node, out *[shards][]found) {
	of := *s.parts[n.part()].at(n.local())
	w := s.unpack(&of)
	if name := s.wrongState(&w); name != "" {
		s.wrong[n.part()] = &wrong{name: name, at: n, none: true}
		return
	}
	var room [64]move
	moves := s.moves(room[:0], &w)
	progress := 0
	add := func(c *change, by [2]move, ok bool) bool {
		if name := s.wrongChange(&w, by[0], c); name != "" {
			s.wrong[n.part()] = &wrong{name: name, at: n, by: by}
			return false
		}
		f := found{state: s.pack(&c.w, &w, of), from: n, by: by, progress: ok}
		f.hash = f.state.hash()
		s.edges[n.part()]++
		to := int(f.hash % shards)
		out[to] = append(out[to], f)
		return true
	}
	c := &change{model: s.model}
	for _, mv := range moves {
		if !c.play(&w, mv) {
			continue
		}
		if mv.progress() {
			progress++
		}
		if !add(c, [2]move{mv}, mv.progress()) {
			return
		}
	}
	s.parts[n.part()].leads[n.local()] = uint8(progress)
	if progress == 0 && !s.over(&w) {
		s.wrong[n.part()] = &wrong{name: "I3", at: n, none: true}
	}
	if s.blindWrites {
		s.overlap(&w, moves, add)
	}
}

func (s *search) traceOf(w *wrong) []string {
	lines := s.trace(w.at)
	if w.none && w.name == "I3" {
		return append(lines, "from here nothing goes on by itself")
	}
	if w.none {
		return lines
	}
	world := s.unpack(s.parts[w.at.part()].at(w.at.local()))
	return append(lines, tell(&world, w.by))
}

func tell(w *world, by [2]move) string {
	if by[1] == (move{}) {
		return by[0].describe(w)
	}
	return "at once: " + by[0].describe(w) + " / " + by[1].describe(w)
}

// trace returns the moves that lead to n.
func (s *search) trace(n node) []string {
	var lines []string
	for {
		p := s.parts[n.part()]
		from, by := p.from[n.local()], p.by[n.local()]
		if from == noNode {
			slices.Reverse(lines)
			return lines
		}
		w := s.unpack(s.parts[from.part()].at(from.local()))
		lines = append(lines, tell(&w, by))
		n = from
	}
}

// String tells a result in a few lines.
func (r Result) String() string {
	if r.Broken == "" {
		return fmt.Sprintf("%d states, %d edges, depth %d", r.States, r.Edges, r.Depth)
	}
	return fmt.Sprintf("%s broken after %d moves (%d states seen):\n\t%s", r.Broken, len(r.Trace), r.States, strings.Join(r.Trace, "\n\t"))
}
