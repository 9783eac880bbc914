package differential

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/sluice-ci/sluice/internal/asl"
	"github.com/sluice-ci/sluice/internal/engine"
	"github.com/sluice-ci/sluice/internal/machine"
)

const (
	pipelineName = "differential"
	mostCalls    = 60 // after which a run is stopped
)

// A Move is something that is done to a run, and when: after so many states
// were entered and left, and so many calls were made.
type Move struct {
	Entered, Left, Calls int
	Ended                bool // and after the end
	Call                 Call // that is answered; none stops the run
	Answer               Answer
}

// Embedded plays c on the engine and returns what happened and what was done.
func (c Case) Embedded() (Trace, []Move, error) {
	chart, err := readChart(c.Text)
	if err != nil {
		return Trace{}, nil, err
	}
	m, err := engine.Load(c.Text)
	if err != nil {
		return Trace{}, nil, err
	}
	p := &player{
		c: c, chart: chart, machine: m, calendar: newCalendar(chart), order: chance(c.Seed, "order"),
		trace: newTrace(), now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	err = p.play()
	return p.trace, p.moves, err
}

// A player plays one case on the engine.
type player struct {
	c        Case
	chart    *chart
	machine  *engine.Machine
	calendar calendar
	order    *rand.Rand
	run      engine.Run
	now      time.Time
	waiting  []Call // for an answer, unless their branch was cut short
	lapsed   []Call // that timed out
	answered []Call // by a move
	calls    int    // made
	trace    Trace
	moves    []Move
}

func (p *player) play() error {
	run, effects := engine.Start(p.machine, engine.Begin{Name: p.c.Name, Pipeline: pipelineName, Input: []byte(p.c.Input)}, p.now)
	p.run = run
	if err := p.follow(effects); err != nil {
		return err
	}
	for p.run.Status == machine.Running {
		if err := p.next(); err != nil {
			return err
		}
	}
	p.end()
	return p.afterwards()
}

// next lets one thing happen: a retry that is due soon, an answer, or a
// timeout when nothing else is left. A run is not stopped while a task is to
// time out: the emulator's clock is not ours, and it may have done so before.
func (p *player) next() error {
	var talk, stop []Call
	silence := false
	for _, c := range p.waiting {
		switch p.c.Answer(c).Kind {
		case Silence:
			silence = true
		case Stop:
			stop = append(stop, c)
		default:
			talk = append(talk, c)
		}
	}
	if !silence {
		talk = append(talk, stop...)
	}
	wake := p.run.Wake()
	switch {
	case !wake.IsZero() && (len(talk) == 0 || wake.Sub(p.now) <= time.Second):
		return p.tick(wake)
	case len(talk) == 0:
		return errors.New("the run waits for nothing")
	case p.calls >= mostCalls && !silence:
		return p.move(Call{}, Answer{Kind: Stop, Error: "Test.Enough", Cause: "so many calls are enough"})
	case len(p.answered) > 0 && p.order.IntN(5) == 0:
		n := len(p.answered)
		late := p.answered[max(p.order.IntN(n), p.order.IntN(n))] // rather one of the last
		return p.move(late, p.another())
	}
	c := oneOf(p.order, talk...)
	return p.move(c, p.c.Answer(c))
}

// tick lets time pass, and looks which tasks have timed out by then.
func (p *player) tick(now time.Time) error {
	p.now = now
	if _, err := p.step(engine.Tick{}); err != nil {
		return err
	}
	p.waiting = slices.DeleteFunc(p.waiting, func(c Call) bool {
		_, _, err := engine.Step(p.machine, p.run, engine.Heartbeat{Token: c.token}, p.now)
		gone := err != nil && p.c.Answer(c).Kind == Silence
		if gone {
			p.lapsed = append(p.lapsed, c)
		}
		return gone
	})
	return nil
}

// another is an answer to a call that has one.
func (p *player) another() Answer {
	return oneOf(p.order, Answer{Kind: Succeed, Output: `{"late":true}`}, Answer{Kind: Fail, Error: "Test.Late", Cause: "late"})
}

// afterwards answers calls of a run that has ended.
func (p *player) afterwards() error {
	calls := slices.Concat(p.waiting, p.lapsed, p.answered)
	p.order.Shuffle(len(calls), func(i, j int) { calls[i], calls[j] = calls[j], calls[i] })
	for _, c := range calls[:min(2, len(calls))] {
		if err := p.move(c, p.another()); err != nil {
			return err
		}
	}
	return nil
}

// move does something to the run and notes it.
func (p *player) move(c Call, a Answer) error {
	entered, left := p.trace.steps()
	p.moves = append(p.moves, Move{Entered: entered, Left: left, Calls: p.calls, Ended: p.run.Status != machine.Running, Call: c, Answer: a})
	var gone bool
	var err error
	if a.Kind == Stop {
		_, err = p.step(engine.Stopped{Error: a.Error, Cause: a.Cause})
	} else if gone, err = p.answer(c, a); !gone {
		p.answered = append(p.answered, c)
	}
	p.trace.moved(c, a, gone)
	return err
}

// answer answers a call and reports whether nobody waited for that.
func (p *player) answer(c Call, a Answer) (gone bool, err error) {
	p.waiting = slices.DeleteFunc(p.waiting, func(w Call) bool { return w.token == c.token })
	switch a.Kind {
	case Succeed:
		branch := p.chart.branch[c.State]
		latest := len(p.trace.Paths[branch]) - 1
		gone, err = p.step(engine.TaskSucceeded{Token: c.token, Output: []byte(a.Output)})
		if !gone && !strings.HasPrefix(p.run.Error, "States.") { // or it failed with what it was given
			p.trace.Paths[branch][latest].Left = true
		}
	case Fail:
		gone, err = p.step(engine.TaskFailed{Token: c.token, Error: a.Error, Cause: a.Cause})
	case Refuse:
		gone, err = p.step(engine.TaskFailed{Token: c.token, Error: "Lambda." + a.Error, Cause: refusal(a.Error)})
	}
	return gone, err
}

// step lets ev happen and follows what comes of it.
func (p *player) step(ev engine.Event) (gone bool, err error) {
	p.now = p.now.Add(time.Millisecond) // so that no two visits begin at one time
	run, effects, err := engine.Step(p.machine, p.run, ev, p.now)
	if errors.Is(err, machine.ErrTaskGone) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	p.run = run
	return false, p.follow(effects)
}

func (p *player) follow(effects []engine.Effect) error {
	var early []Call
	for _, e := range effects {
		switch e := e.(type) {
		case engine.Entered:
			p.enter(e.State)
		case engine.Invoke:
			c, err := p.calendar.read(e.Function, e.Payload)
			if err != nil {
				return err
			}
			p.calls++
			p.trace.call(c)
			if p.c.Answer(c).Early {
				early = append(early, c)
			}
			p.waiting = append(p.waiting, c)
		}
	}
	for _, c := range early {
		gone, err := p.answer(c, p.c.Answer(c))
		if err != nil {
			return err
		}
		if gone {
			return fmt.Errorf("%s: nobody waits for an early answer", c)
		}
	}
	return nil
}

// enter notes that a state is entered, and that the one before it in its
// branch was left. A branch that begins anew says nothing of how it ended.
func (p *player) enter(state string) {
	branch := p.chart.branch[state]
	if path := p.trace.Paths[branch]; len(path) > 0 && (branch == "" || p.chart.starts[branch] != state) {
		path[len(path)-1].Left = true
	}
	p.trace.enter(p.chart, state)
	switch p.chart.states[state].(type) {
	case asl.Pass, asl.Succeed: // they do not wait; end looks whether they failed
		path := p.trace.Paths[branch]
		path[len(path)-1].Left = true
	}
}

// end notes how the run ended.
func (p *player) end() {
	t := &p.trace
	t.Status, t.Error, t.Cause, t.Output = string(p.run.Status), p.run.Error, cause(p.run.Error, p.run.Cause), plain(string(p.run.Output))
	path := t.Paths[""]
	path[len(path)-1].Left = p.run.Status == machine.Succeeded
}
