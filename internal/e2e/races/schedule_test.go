package races

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/sluice-ci/sluice/internal/store"
)

// An access is what somebody is about to do to the store.
type access struct {
	keys   []store.Key // that are read, or that are written or checked
	query  *store.Query
	writes map[store.Key]bool // nil: it reads
}

// touches reports whether x reads or checks key.
func (x access) touches(key store.Key) bool {
	if x.query != nil {
		return key.PK == x.query.PK && strings.HasPrefix(key.SK, x.query.Prefix)
	}
	return slices.Contains(x.keys, key)
}

// commutes reports whether it makes no difference which of two accesses is
// first.
func (x access) commutes(y access) bool {
	for key := range x.writes {
		if y.touches(key) {
			return false
		}
	}
	for key := range y.writes {
		if x.touches(key) {
			return false
		}
	}
	return true
}

// An actor does something with the store and is parked before each access.
type actor struct {
	next access
	done bool
	many bool       // see verb
	wake chan error // what the access fails with, or nil
	do   func(context.Context)
}

type actorKey struct{}

// A stand parks the accesses of actors; others, who have none in their
// context, pass.
type stand struct {
	store.Store
	parked chan struct{}
}

// park waits until x may be done.
func (s *stand) park(ctx context.Context, x access) error {
	a, ok := ctx.Value(actorKey{}).(*actor)
	if !ok {
		return nil
	}
	a.next = x
	s.parked <- struct{}{}
	return <-a.wake
}

// Get implements store.Store.
func (s *stand) Get(ctx context.Context, key store.Key) (store.Item, error) {
	if err := s.park(ctx, access{keys: []store.Key{key}}); err != nil {
		return store.Item{}, err
	}
	return s.Store.Get(ctx, key)
}

// GetMany implements store.Store.
func (s *stand) GetMany(ctx context.Context, keys []store.Key) ([]store.Item, error) {
	if err := s.park(ctx, access{keys: keys}); err != nil {
		return nil, err
	}
	return s.Store.GetMany(ctx, keys)
}

// Query implements store.Store.
func (s *stand) Query(ctx context.Context, q store.Query) ([]store.Item, error) {
	if err := s.park(ctx, access{query: &q}); err != nil {
		return nil, err
	}
	return s.Store.Query(ctx, q)
}

// Write implements store.Store.
func (s *stand) Write(ctx context.Context, ops ...store.Op) error {
	x := access{writes: map[store.Key]bool{}}
	for _, op := range ops {
		x.keys = append(x.keys, op.Key)
		if op.Kind != store.Check {
			x.writes[op.Key] = true
		}
	}
	if err := s.park(ctx, x); err != nil {
		return err
	}
	return s.Store.Write(ctx, ops...)
}

// A chooser says which of those who are ready goes on, by their places among
// actors, and whether its access is refused instead.
type chooser interface {
	choose(actors []*actor, ready []int) (next int, refuse bool)
}

// run lets actors do what they do, one access at a time, as c chooses. It
// returns the choices.
func (s *stand) run(actors []*actor, c chooser) (trace []byte) {
	s.parked = make(chan struct{})
	for _, a := range actors { // one after the other, up to its first access
		a.wake = make(chan error)
		go func() {
			a.do(context.WithValue(context.Background(), actorKey{}, a))
			a.done = true
			s.parked <- struct{}{}
		}()
		<-s.parked
	}
	for {
		var ready []int
		for i, a := range actors {
			if !a.done {
				ready = append(ready, i)
			}
		}
		if len(ready) == 0 {
			return trace
		}
		next, refuse := c.choose(actors, ready)
		a := actors[next]
		mark, err := "ab"[next], error(nil)
		if refuse {
			mark, err = "xy"[next], &store.ConflictError{Key: a.next.keys[0], Want: 1, Got: 2}
		} else if a.next.writes != nil {
			mark = "AB"[next]
		}
		trace = append(trace, mark)
		a.wake <- err
		<-s.parked
	}
}

// random chooses by chance, and refuses some writes.
type random struct {
	*rand.Rand
	conflicts int // that it may still make
}

func (r *random) choose(actors []*actor, ready []int) (int, bool) {
	next := ready[r.IntN(len(ready))]
	refuse := r.conflicts > 0 && actors[next].next.writes != nil && r.IntN(6) == 0
	if refuse {
		r.conflicts--
	}
	return next, refuse
}

// merges chooses differently each time until it has let the actors take turns
// in every way in which a turn ends only behind a write, or behind a look at who
// is there. So no transaction overlaps another one: of two actors with one write
// each there are two ways.
type merges struct {
	path  []turn
	depth int
	last  int // who went on last
	ended bool
}

// A turn is given to one of those who are ready.
type turn struct{ chosen, ready int }

func (m *merges) choose(actors []*actor, ready []int) (int, bool) {
	if m.depth == 0 || m.ended || !slices.Contains(ready, m.last) {
		if m.depth == len(m.path) {
			m.path = append(m.path, turn{0, len(ready)})
		}
		m.last = ready[m.path[m.depth].chosen]
		m.depth++
	}
	m.ended = actors[m.last].endsTurn()
	return m.last, false
}

// endsTurn reports whether another's transaction may come behind a's access.
func (a *actor) endsTurn() bool {
	looks := a.next.query != nil && strings.HasPrefix(a.next.query.PK, "ACTIVE#")
	return a.next.writes != nil || a.many && looks
}

// another prepares the next way and reports whether there is one.
func (m *merges) another() bool {
	m.depth, m.ended = 0, false
	for len(m.path) > 0 {
		if t := &m.path[len(m.path)-1]; t.chosen+1 < t.ready {
			t.chosen++
			return true
		}
		m.path = m.path[:len(m.path)-1]
	}
	return false
}

// A search chooses differently each time until every order was chosen that can
// make a difference: of orders in which only accesses that commute are
// exchanged it plays one. Who has been tried at a point of choice sleeps below
// the others there, until something is done that does not commute with it.
type search struct {
	path  []*point
	depth int
	idle  bool // somewhere everybody slept: the order was played before
}

// A point is a choice that was made.
type point struct {
	ready  []int
	sleeps map[int]bool // who is not to be chosen
	chosen int
	did    access // what the chosen one did
}

func (s *search) choose(actors []*actor, ready []int) (int, bool) {
	if s.depth == len(s.path) {
		p := &point{ready: ready, sleeps: s.asleep(actors)}
		if !p.advance() {
			s.idle, p.chosen = true, ready[0]
		}
		s.path = append(s.path, p)
	}
	p := s.path[s.depth]
	p.did = actors[p.chosen].next
	s.depth++
	return p.chosen, false
}

// asleep returns who sleeps at the point that comes next.
func (s *search) asleep(actors []*actor) map[int]bool {
	sleeps := map[int]bool{}
	if s.depth == 0 {
		return sleeps
	}
	above := s.path[s.depth-1]
	for i := range above.sleeps {
		if i != above.chosen && !actors[i].done && actors[i].next.commutes(above.did) {
			sleeps[i] = true
		}
	}
	return sleeps
}

// advance chooses somebody who does not sleep, if there is one.
func (p *point) advance() bool {
	for _, i := range p.ready {
		if !p.sleeps[i] {
			p.chosen = i
			return true
		}
	}
	return false
}

// another prepares the next order and reports whether there is one.
func (s *search) another() bool {
	s.depth, s.idle = 0, false
	for len(s.path) > 0 {
		p := s.path[len(s.path)-1]
		p.sleeps[p.chosen] = true
		if p.advance() {
			return true
		}
		s.path = s.path[:len(s.path)-1]
	}
	return false
}
