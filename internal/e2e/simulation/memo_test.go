package simulation

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/sluice-ci/sluice/internal/engine"
)

// A memo is the engine's journal in maps.
type memo struct {
	mu      sync.Mutex
	runs    map[string][]byte         // guarded by mu
	batches [][2]string               // names and records; guarded by mu
	ended   map[string]engine.Outcome // guarded by mu
	texts   map[string][]byte         // guarded by mu
}

var _ engine.Journal = (*memo)(nil)

func newMemo() *memo {
	return &memo{runs: map[string][]byte{}, ended: map[string]engine.Outcome{}, texts: map[string][]byte{}}
}

// Append implements engine.Journal.
func (m *memo) Append(_ context.Context, about string, batch []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.batches = append(m.batches, [2]string{about, string(batch)})
	return nil
}

// Checkpoint implements engine.Journal.
func (m *memo) Checkpoint(_ context.Context, c engine.Checkpoint) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range c.Runs {
		m.runs[r.Name] = bytes.Clone(r.Record)
	}
	for _, run := range c.Gone {
		delete(m.runs, run)
	}
	for _, o := range c.Ended {
		m.ended[o.Name] = o
	}
	m.batches = nil
	return nil
}

// Load implements engine.Journal.
func (m *memo) Load(_ context.Context, run func(string, []byte), batch func(string, []byte)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range slices.Sorted(maps.Keys(m.runs)) {
		run(r, bytes.Clone(m.runs[r]))
	}
	for _, b := range m.batches {
		batch(b[0], []byte(b[1]))
	}
	return nil
}

// Outcome implements engine.Journal.
func (m *memo) Outcome(_ context.Context, run string) (engine.Outcome, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.ended[run]
	return o, ok, nil
}

// Text implements engine.Journal.
func (m *memo) Text(_ context.Context, digest string) ([]byte, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	text, ok := m.texts[digest]
	return text, ok, nil
}

// SetText implements engine.Journal.
func (m *memo) SetText(_ context.Context, digest string, text []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.texts[digest] = bytes.Clone(text)
	return nil
}
