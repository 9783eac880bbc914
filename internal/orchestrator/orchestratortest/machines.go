package orchestratortest

import (
	"context"
	"encoding/json"
	"strings"
	"sync"

	"github.com/sluice-ci/sluice/internal/compile"
	"github.com/sluice-ci/sluice/internal/engine"
	"github.com/sluice-ci/sluice/internal/machine"
)

// A Run is a run of a machine.
type Run struct {
	Machine *engine.Machine
	State   engine.Run
}

// machines is the machine port over the pure interpreter.
type machines struct{ w *World }

var _ machine.Machine = machines{}

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
func (m machines) Start(ctx context.Context, s machine.Start) error {
	if m.w.Runs[s.Name] != nil {
		return nil
	}
	v, err := m.w.Records.Version(ctx, s.Pipeline, s.Version)
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
	state, effects := engine.Start(l, engine.Begin{Name: s.Name, Pipeline: s.Pipeline, Input: s.Input}, m.w.Clock)
	m.w.Runs[s.Name] = &Run{l, state}
	m.w.follow(s.Name, effects)
	return nil
}

func (w *World) follow(name string, effects []engine.Effect) {
	for _, effect := range effects {
		switch f := effect.(type) {
		case engine.Invoke:
			w.Todo = append(w.Todo, Thing{Call: &f})
		case engine.Ended:
			w.Todo = append(w.Todo, Thing{Ended: name})
		}
	}
}

// Step lets ev happen to a run.
func (w *World) Step(name string, ev engine.Event) error {
	r := w.Runs[name]
	if r == nil {
		return machine.ErrTaskGone
	}
	state, effects, err := engine.Step(r.Machine, r.State, ev, w.Clock)
	if err != nil {
		return err
	}
	r.State = state
	w.follow(name, effects)
	return nil
}

// Succeed implements machine.Machine.
func (m machines) Succeed(_ context.Context, token string, output []byte) error {
	return m.w.Step(runOf(token), engine.TaskSucceeded{Token: token, Output: output})
}

// Fail implements machine.Machine.
func (m machines) Fail(_ context.Context, token, errorName, cause string) error {
	return m.w.Step(runOf(token), engine.TaskFailed{Token: token, Error: errorName, Cause: cause})
}

// runOf returns the run whose task a token is of.
func runOf(token string) string { return token[:max(strings.LastIndexByte(token, '.'), 0)] }

// Stop implements machine.Machine.
func (m machines) Stop(_ context.Context, name, errorName, cause string) error {
	if m.w.Runs[name] == nil {
		return nil
	}
	return m.w.Step(name, engine.Stopped{Error: errorName, Cause: cause})
}

// Describe implements machine.Machine.
func (m machines) Describe(_ context.Context, name string) (machine.Status, error) {
	if r := m.w.Runs[name]; r != nil {
		return r.State.Status, nil
	}
	return machine.Unknown, nil
}
