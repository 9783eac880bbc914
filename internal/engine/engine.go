package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/sluice-ci/sluice/internal/asl/expr"
	"github.com/sluice-ci/sluice/internal/failpoint"
	"github.com/sluice-ci/sluice/internal/machine"
)

// ErrClosed says that Serve has returned.
var ErrClosed = errors.New("engine is closed")

// An Invoker calls the functions that do the work of tasks. A nil error means
// that the work has begun: its answer comes through Succeed or Fail, perhaps
// before Invoke returns. An error fails the task; its name is the one it tells
// with ErrorName() string, else Lambda.Unknown.
//
// The same payload, token included, may come twice: after a restart.
type Invoker interface {
	Invoke(ctx context.Context, function string, payload []byte) error
}

// A Definition returns the text of a pipeline's machine.
type Definition func(ctx context.Context, pipeline string, version int) ([]byte, error)

// Options holds what has a sensible default. The zero value is valid.
type Options struct {
	// Ended is called after a run has ended, once or, if the process dies at
	// that moment, once more by the next one. It may call the engine.
	Ended func(name string, status machine.Status, errorName, cause string)

	// Entered is called, in order, for every state that a run has entered. It
	// must not call the engine.
	Entered func(run, state string)

	Workers         int          // how many Invokes may be under way, default 64
	CheckpointBytes int          // how long the journal grows at least before it is folded, default 1 MiB
	Log             *slog.Logger // default slog.DiscardHandler
}

// An Engine runs machines. It implements machine.Machine. All that changes
// runs happens on the goroutine of [Engine.Serve]; the other methods ask it.
type Engine struct {
	journal    Journal
	invoker    Invoker
	definition Definition
	opts       Options
	log        *slog.Logger

	mu     sync.Mutex
	queue  []*request   // guarded by mu
	asked  atomic.Int32 // the length of queue
	closed bool         // guarded by mu
	told   []*live      // whose Ended hook has returned; guarded by mu
	wake   chan struct{}

	shelf shelf // what Describe and Start look at
	loop  loop  // what belongs to Serve
	jobs  jobs
}

// A shelf holds the runs as they are committed. Serve changes it; everybody
// reads it.
type shelf struct {
	sync.RWMutex
	runs     map[string]*live
	recent   map[string]Outcome  // of runs that ended since the last checkpoint and left runs
	machines map[string]*Machine // by digest
	epoch    int                 // checkpoints so far
}

// A live run is one in memory. While a group is under way, next is what it
// will be and run what it is.
type live struct {
	run     Run
	next    Run
	machine *Machine
	changed bool // by the group under way; next holds
	fresh   bool // the group under way starts it
	dirty   bool // changed since the last checkpoint
	stored  bool // the last checkpoint knows it
	alarm   int64
	place   int // in the timers; -1 is none
}

// current is what the group under way has made of the run so far.
func (l *live) current() *Run {
	if l.changed {
		return &l.next
	}
	return &l.run
}

var _ machine.Machine = (*Engine)(nil)

// Open returns an engine with the runs of journal. They go on, and the methods
// of the engine are answered, once [Engine.Serve] runs.
func Open(ctx context.Context, journal Journal, invoker Invoker, definition Definition, opts Options) (*Engine, error) {
	if opts.Workers == 0 {
		opts.Workers = 64
	}
	if opts.CheckpointBytes == 0 {
		opts.CheckpointBytes = 1 << 20
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	e := &Engine{
		journal: journal, invoker: invoker, definition: definition, opts: opts, log: opts.Log,
		wake: make(chan struct{}, 1),
		shelf: shelf{
			runs: map[string]*live{}, recent: map[string]Outcome{}, machines: map[string]*Machine{},
		},
	}
	e.jobs.limit = opts.Workers
	if err := e.load(ctx); err != nil {
		return nil, fmt.Errorf("open engine: %w", err)
	}
	return e, nil
}

// Start begins a run on the text that the definition gives now.
func (e *Engine) Start(ctx context.Context, s machine.Start) error {
	if err := e.start(ctx, s); err != nil {
		return fmt.Errorf("start run %s: %w", s.Name, err)
	}
	return nil
}

func (e *Engine) start(ctx context.Context, s machine.Start) error {
	if !plain(s.Name, "-_", 80) {
		return errors.New("a name is 1 to 80 of A-Z a-z 0-9 - _")
	}
	if !plain(s.Pipeline, "-_.@", 100) {
		return fmt.Errorf("pipeline %q: a name is 1 to 100 of A-Z a-z 0-9 - _ . @", s.Pipeline)
	}
	input, err := expr.Compact(s.Input)
	if err != nil {
		return fmt.Errorf("input: %w", err)
	}
	for {
		epoch := e.shelf.currentEpoch()
		if status, err := e.status(ctx, s.Name); err != nil || status != machine.Unknown {
			return err
		}
		m, digest, err := e.machineOf(ctx, s.Pipeline, s.Version)
		if err != nil {
			return fmt.Errorf("machine of pipeline %s version %d: %w", s.Pipeline, s.Version, err)
		}
		r := &request{machine: m, epoch: epoch, begin: Begin{Name: s.Name, Pipeline: s.Pipeline, Digest: digest, Input: input}}
		if err := e.ask(ctx, r); !errors.Is(err, errEpoch) {
			return err
		}
	}
}

// plain reports whether s is 1 to limit letters, digits and characters of more.
func plain(s, more string, limit int) bool {
	for i := range len(s) {
		c := s[i]
		ok := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		for j := 0; !ok && j < len(more); j++ {
			ok = c == more[j]
		}
		if !ok {
			return false
		}
	}
	return len(s) > 0 && len(s) <= limit
}

// machineOf returns the machine a run that starts now gets, and makes sure that
// its text is kept for as long as the run may need it.
func (e *Engine) machineOf(ctx context.Context, pipeline string, version int) (*Machine, string, error) {
	text, err := e.definition(ctx, pipeline, version)
	if err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(text)
	digest := hex.EncodeToString(sum[:16])
	if m := e.shelf.machine(digest); m != nil {
		return m, digest, nil
	}
	m, err := Load(text)
	if err != nil {
		return nil, "", err
	}
	if err := failpoint.Step("engine text", func() error { return e.journal.SetText(ctx, digest, text) }); err != nil {
		return nil, "", notWritten(err)
	}
	return e.shelf.setMachine(digest, m), digest, nil
}

// Stop aborts a run.
func (e *Engine) Stop(ctx context.Context, name, errorName, cause string) error {
	err := e.ask(ctx, &request{name: name, event: Stopped{cut(errorName, maxError), cut(cause, maxCause)}})
	if err != nil && !errors.Is(err, machine.ErrTaskGone) {
		return fmt.Errorf("stop run %s: %w", name, err)
	}
	return nil
}

// Describe tells how a run stands.
func (e *Engine) Describe(ctx context.Context, name string) (machine.Status, error) {
	status, err := e.status(ctx, name)
	if err != nil {
		return machine.Unknown, fmt.Errorf("describe run %s: %w", name, err)
	}
	return status, nil
}

func (e *Engine) status(ctx context.Context, name string) (machine.Status, error) {
	if status, ok := e.shelf.status(name); ok {
		return status, nil
	}
	o, ok, err := e.journal.Outcome(ctx, name)
	if err != nil || ok {
		return known(o.Status), err
	}
	if status, ok := e.shelf.status(name); ok { // it started meanwhile
		return status, nil
	}
	return machine.Unknown, nil
}

// known returns the status of a run that has ended; one that cannot be read is
// Failed.
func known(s machine.Status) machine.Status {
	switch s {
	case machine.Succeeded, machine.Aborted, machine.TimedOut:
		return s
	}
	return machine.Failed
}

// Succeed answers the task that waits for token. Output that is not JSON, or
// over 262,144 bytes, is refused and changes nothing.
func (e *Engine) Succeed(ctx context.Context, token string, output []byte) error {
	output, err := expr.Compact(output)
	if err != nil {
		return fmt.Errorf("output of task %s: %w", token, err)
	}
	return e.answer(ctx, token, TaskSucceeded{token, output})
}

// Limits of Step Functions; longer texts are cut.
const (
	maxError = 256
	maxCause = 32768
)

// Fail answers the task that waits for token with an error.
func (e *Engine) Fail(ctx context.Context, token, errorName, cause string) error {
	return e.answer(ctx, token, TaskFailed{token, cut(errorName, maxError), cut(cause, maxCause)})
}

// Heartbeat tells that the task that waits for token is alive.
func (e *Engine) Heartbeat(ctx context.Context, token string) error {
	return e.answer(ctx, token, Heartbeat{token})
}

func (e *Engine) answer(ctx context.Context, token string, ev Event) error {
	err := e.ask(ctx, &request{name: runOf(token), event: ev})
	if err != nil {
		return fmt.Errorf("answer task %s: %w", token, err)
	}
	return nil
}

// runOf returns the name of the run that token belongs to. Names have no dot.
func runOf(token string) string {
	for i := len(token) - 1; i >= 0; i-- {
		if token[i] == '.' {
			return token[:i]
		}
	}
	return ""
}

// cut returns at most n bytes of s, in whole characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

func (s *shelf) currentEpoch() int {
	s.RLock()
	defer s.RUnlock()
	return s.epoch
}

// status tells how a run in memory stands, if the group that starts it is
// committed.
func (s *shelf) status(name string) (machine.Status, bool) {
	s.RLock()
	defer s.RUnlock()
	if l := s.runs[name]; l != nil {
		return l.run.Status, l.run.Status != ""
	}
	o, ok := s.recent[name]
	return o.Status, ok
}

func (s *shelf) machine(digest string) *Machine {
	s.RLock()
	defer s.RUnlock()
	return s.machines[digest]
}

// setMachine keeps m unless another was faster, and returns the one kept.
func (s *shelf) setMachine(digest string, m *Machine) *Machine {
	s.Lock()
	defer s.Unlock()
	if old := s.machines[digest]; old != nil {
		return old
	}
	s.machines[digest] = m
	return m
}
