package orchestratortest

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"github.com/sluice-ci/sluice/internal/compile"
	"github.com/sluice-ci/sluice/internal/engine"
	"github.com/sluice-ci/sluice/internal/machine"
	"github.com/sluice-ci/sluice/internal/record"
)

// A Run is a run of a machine.
type Run struct {
	Machine *engine.Machine
	State   engine.Run
}

// Machines is the machine port over the pure interpreter. It does nothing but
// step: what follows from a step is for Follow to see to.
type Machines struct {
	Runs   map[string]*Run // by name
	Text   func(ctx context.Context, name string, version int) (record.Version, error)
	Now    func() time.Time // which reads the clock and does not move it
	Follow func(run string, effect engine.Effect)
}

var _ machine.Machine = (*Machines)(nil)

// loaded keeps the machines by their text: worlds have few, and are many.
var loaded sync.Map

func load(text []byte) (*engine.Machine, error) {
	if m, ok := loaded.Load(string(text)); ok {
		return m.(*engine.Machine), nil
	}
	m, err := engine.Load(text)
	if err == nil {
		loaded.Store(string(text), m)
	}
	return m, err
}

// Start implements machine.Machine.
func (m *Machines) Start(ctx context.Context, s machine.Start) error {
	if m.Runs[s.Name] != nil {
		return nil
	}
	v, err := m.Text(ctx, s.Pipeline, s.Version)
	if err != nil {
		return err
	}
	text, err := json.Marshal(compile.Machine(v.Declaration, compile.Local))
	if err != nil {
		return err
	}
	l, err := load(text)
	if err != nil {
		return err
	}
	state, effects := engine.Start(l, engine.Begin{Name: s.Name, Pipeline: s.Pipeline, Input: s.Input}, m.Now())
	m.Runs[s.Name] = &Run{l, state}
	m.follow(s.Name, effects)
	return nil
}

func (m *Machines) follow(name string, effects []engine.Effect) {
	for _, effect := range effects {
		m.Follow(name, effect)
	}
}

// Step lets ev happen to a run.
func (m *Machines) Step(name string, ev engine.Event) error {
	r := m.Runs[name]
	if r == nil {
		return machine.ErrTaskGone
	}
	state, effects, err := engine.Step(r.Machine, r.State, ev, m.Now())
	if err != nil {
		return err
	}
	r.State = state
	m.follow(name, effects)
	return nil
}

// Succeed implements machine.Machine.
func (m *Machines) Succeed(_ context.Context, token string, output []byte) error {
	return m.Step(RunOf(token), engine.TaskSucceeded{Token: token, Output: output})
}

// Fail implements machine.Machine.
func (m *Machines) Fail(_ context.Context, token, errorName, cause string) error {
	return m.Step(RunOf(token), engine.TaskFailed{Token: token, Error: errorName, Cause: cause})
}

// RunOf returns the run whose task a token is of.
func RunOf(token string) string { return token[:max(strings.LastIndexByte(token, '.'), 0)] }

// Stop implements machine.Machine.
func (m *Machines) Stop(_ context.Context, name, errorName, cause string) error {
	if m.Runs[name] == nil {
		return nil
	}
	return m.Step(name, engine.Stopped{Error: errorName, Cause: cause})
}

// Describe implements machine.Machine.
func (m *Machines) Describe(_ context.Context, name string) (machine.Status, error) {
	if r := m.Runs[name]; r != nil {
		return r.State.Status, nil
	}
	return machine.Unknown, nil
}
