package engine

import (
	"bytes"
	"context"
	"slices"
	"sync"
)

// memory is the Journal without a disk. Its rows are shared by the journals
// that copy gives, as a disk is by the processes that open it in turn.
type memory struct {
	mu      sync.Mutex
	runs    map[string][]byte
	batches []Row // Name is the names
	ended   map[string]Outcome
	texts   map[string][]byte
	failing error     // what every write returns, if set
	before  func()    // called before every write
	after   func()    // called after every batch
	history []*memory // after every write, if keep is set
	keep    bool
}

func newMemory() *memory {
	return &memory{runs: map[string][]byte{}, ended: map[string]Outcome{}, texts: map[string][]byte{}}
}

// copy returns what a process would find that opened the journal now.
func (j *memory) copy() *memory {
	c := newMemory()
	c.batches = slices.Clone(j.batches)
	for k, v := range j.runs {
		c.runs[k] = v
	}
	for k, v := range j.ended {
		c.ended[k] = v
	}
	for k, v := range j.texts {
		c.texts[k] = v
	}
	return c
}

func (j *memory) fail(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.failing = err
}

func (j *memory) write(f func()) error {
	if j.before != nil {
		j.before()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.failing != nil {
		return j.failing
	}
	f()
	if j.keep {
		j.history = append(j.history, j.copy())
	}
	return nil
}

func (j *memory) Append(_ context.Context, names string, batch []byte) error {
	err := j.write(func() { j.batches = append(j.batches, Row{names, bytes.Clone(batch)}) })
	if err == nil && j.after != nil {
		j.after()
	}
	return err
}

func (j *memory) Checkpoint(_ context.Context, c Checkpoint) error {
	return j.write(func() {
		for _, r := range c.Runs {
			j.runs[r.Name] = r.Record
		}
		for _, name := range c.Gone {
			delete(j.runs, name)
		}
		for _, o := range c.Ended {
			j.ended[o.Name] = o
		}
		j.batches = nil
	})
}

func (j *memory) Load(_ context.Context, run func(string, []byte), batch func(string, []byte)) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for name, record := range j.runs {
		run(name, record)
	}
	for _, b := range j.batches {
		batch(b.Name, b.Record)
	}
	return nil
}

func (j *memory) Outcome(_ context.Context, name string) (Outcome, bool, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	o, ok := j.ended[name]
	return o, ok, nil
}

func (j *memory) Text(_ context.Context, digest string) ([]byte, bool, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	text, ok := j.texts[digest]
	return text, ok, nil
}

func (j *memory) SetText(_ context.Context, digest string, text []byte) error {
	return j.write(func() { j.texts[digest] = bytes.Clone(text) })
}
