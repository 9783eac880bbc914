package races

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-ci/sluice/internal/bartest"
	"github.com/sluice-ci/sluice/internal/orchestrator/orchestratortest"
	"github.com/sluice-ci/sluice/internal/store"
)

// A meeting is two verbs in a place.
type meeting struct {
	*place
	verbs   [2]verb
	forgets bool    // its store looks at no version
	granted [2]bool // what each asks for, when it is first in a serial order
}

// An outcome is all that came of a meeting.
type outcome struct {
	results [2]string
	at      string // what was remembered when both had their answers
	rest    string // and when all had happened that followed
	trace   []byte
	broken  []string
}

// An expected outcome is one that some serial order has.
type expected map[[4]string]outcome

func (o outcome) key() [4]string { return [4]string{o.results[0], o.results[1], o.at, o.rest} }

// play lets the two verbs meet in a copy of the place, in the order that c
// chooses, and returns what came of it and the copy.
func (m *meeting) play(c chooser) (outcome, *orchestratortest.World) {
	var o outcome
	var s *stand
	w := m.world.Clone(orchestratortest.Options{Wrap: func(inner store.Store) store.Store {
		if m.forgets {
			inner = forgetful{inner}
		}
		s = &stand{Store: inner}
		return s
	}})
	var actors []*actor
	for i, who := range []string{"first", "second"} {
		actors = append(actors, &actor{many: m.verbs[i].many, do: func(ctx context.Context) { o.results[i] = m.verbs[i].ask(ctx, w, m.place, who) }})
	}
	o.trace = s.run(actors, c)
	o.at = w.State()
	if err := w.Settle(context.Background()); err != nil {
		o.broken = append(o.broken, err.Error())
	}
	o.rest = w.State()
	o.broken = append(o.broken, w.Broken...)
	return o, w
}

// serial plays the meeting in every way in which no transactions overlap. Of
// two verbs of one transaction each these are the two orders. Who looks for
// executions and then does a transaction for each, as an update does and a sweep,
// lets others come in between.
func (m *meeting) serial() (all expected, problems []string) {
	all = expected{}
	for c := (&merges{}); ; {
		o, w := m.play(c)
		for i, first := range []string{"a", "b"} {
			m.granted[i] = m.granted[i] || o.results[i] == ok && strings.HasPrefix(strings.ToLower(string(o.trace)), first)
		}
		if _, known := all[o.key()]; !known {
			all[o.key()] = o
			problems = append(problems, m.wrong(o, w)...)
		}
		if !c.another() {
			return all, problems
		}
	}
}

// wrong returns what is wrong with an outcome whatever the order. w is brought
// to its end.
func (m *meeting) wrong(o outcome, w *orchestratortest.World) []string {
	problems := o.broken
	for i, v := range m.verbs {
		if !v.lists(o.results[i]) {
			problems = append(problems, fmt.Sprintf("%q was answered %s", v.name, o.results[i]))
		}
	}
	if err := w.Finish(context.Background()); err != nil {
		problems = append(problems, fmt.Sprintf("it does not come to an end: %v", err))
	}
	for i := range problems {
		problems[i] = fmt.Sprintf("%s: %s", o, problems[i])
	}
	return problems
}

// judge plays the meeting as c chooses and returns what is wrong with what came
// of it, given what may come of it.
func (m *meeting) judge(c chooser, serial expected) []string {
	o, w := m.play(c)
	if _, allowed := serial[o.key()]; allowed {
		return nil // and so is what follows
	}
	problems := m.wrong(o, w)
	if m.verbs[0].ends || m.verbs[1].ends {
		return problems
	}
	text := fmt.Sprintf("%s: no serial order allows it", o)
	for _, s := range serial {
		text += fmt.Sprintf("\n  differs from %s by%s", s, differences(s.at+"\nAT REST\n"+s.rest, o.at+"\nAT REST\n"+o.rest))
	}
	return append(problems, text)
}

func (o outcome) String() string {
	return fmt.Sprintf("order %s, answers %q", o.trace, o.results)
}

// differences returns the lines that only one of two texts has.
func differences(a, b string) string {
	count := map[string]int{}
	for _, line := range strings.Split(a, "\n") {
		count[line]--
	}
	for _, line := range strings.Split(b, "\n") {
		count[line]++
	}
	out := ""
	for _, text := range []string{a, b} {
		for _, line := range strings.Split(text, "\n") {
			if n := count[line]; n != 0 {
				out += fmt.Sprintf("\n    %+d %s", n, line)
				count[line] = 0
			}
		}
	}
	return out
}

// A tally is what was played.
type tally struct {
	meetings int
	serial   int // outcomes of serial orders
	searched int // orders that can make a difference
	whole    int // meetings of which all of those were played
	random   int
	both     map[string]bool // pairs both of which could have had their way, somewhere
}

// effort is how much is played of each meeting.
type effort struct{ orders, seeds int }

// hold plays a meeting and returns what is wrong. Each order that can make a
// difference is played, or the first ones of many, and others by chance.
func (m *meeting) hold(e effort, seed uint64, y *tally) []string {
	serial, problems := m.serial()
	y.meetings++
	if y.serial += len(serial); m.granted[0] && m.granted[1] {
		y.both[m.String()] = true
	}
	s := &search{}
	for n := 0; n < e.orders && len(problems) == 0; n++ {
		if problems = m.judge(s, serial); !s.idle {
			y.searched++
		}
		if !s.another() {
			y.whole++
			break
		}
	}
	for i := 0; i < e.seeds && len(problems) == 0; i++ {
		y.random++
		problems = m.judge(&random{rand.New(rand.NewPCG(seed, uint64(i))), 3}, serial)
	}
	return problems
}

func (m *meeting) String() string { return m.verbs[0].name + " and " + m.verbs[1].name }

// TestRaces plays every pair of verbs, and each with itself: in the short form
// in some situations, in the long one in all.
func TestRaces(t *testing.T) {
	e, every := effort{orders: 4, seeds: 1}, 4
	if bartest.Proving() {
		e, every = effort{orders: 300, seeds: 14}, 1
	}
	began, pairs, y := time.Now(), 0, tally{both: map[string]bool{}}
	places := make([]*place, len(situations))
	for i, s := range situations {
		places[i] = s.prepare(t)
	}
	for i, a := range verbs {
		for j, b := range verbs[i:] {
			t.Run(a.name+" and "+b.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { // where nobody really pauses
					for k, s := range situations {
						if (i+j+k)%every > 0 {
							continue
						}
						m, h := &meeting{place: places[k], verbs: [2]verb{a, b}}, fnv.New64a()
						fmt.Fprint(h, m, s.name)
						for _, problem := range m.hold(e, h.Sum64(), &y) {
							t.Errorf("%s: %s", s.name, problem)
						}
					}
					if pair := a.name + " and " + b.name; bartest.Proving() && i+j < controls && !y.both[pair] {
						t.Error("in no situation could each have had its way")
					}
				})
			})
			pairs++
		}
	}
	t.Logf("%d meetings, %d serial outcomes, %d orders, %d by chance", y.meetings, y.serial, y.searched, y.random)
	bartest.Report(t, "B12", "pairs=%d both=%d situations=%d meetings=%d serial=%d orders=%d whole=%d random=%d seconds=%.0f seed=by-name",
		pairs, len(y.both), len(situations), y.meetings, y.serial, y.searched, y.whole, y.random, time.Since(began).Seconds())
}

// TestBites plays on a store that does not look at versions. Each of these
// meetings is found to go wrong.
func TestBites(t *testing.T) {
	for _, pair := range [][3]string{
		{"an approval is pending and another execution waits", "approve", "reject"},
		{"an approval is pending and another execution waits", "stop and abandon", "approve"},
		{"an approval is pending and another execution waits", "start", "start"},
		{"the stage has failed", "retry all", "roll back"},
		{"the stage has failed, and executions wait at a closed transition", "retry what failed", "enable"},
		{"the entry condition is being evaluated, and another execution waits", "override", "stop and wait"},
	} {
		t.Run(strings.Join(pair[1:], " and "), func(t *testing.T) {
			m := &meeting{place: at(t, pair[0]), verbs: [2]verb{named(pair[1]), named(pair[2])}, forgets: true}
			synctest.Test(t, func(t *testing.T) {
				problems := m.hold(effort{orders: 100}, 0, &tally{both: map[string]bool{}})
				if len(problems) == 0 {
					t.Errorf("%s: nothing was found wrong with a store that looks at no version", pair[0])
				} else {
					t.Log(problems[0])
				}
			})
		})
	}
}

func at(t *testing.T, name string) *place {
	i := slices.IndexFunc(situations, func(s situation) bool { return s.name == name })
	return situations[i].prepare(t)
}

func named(name string) verb {
	return verbs[slices.IndexFunc(verbs, func(v verb) bool { return v.name == name })]
}
