package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/sluice-ci/sluice/internal/asl"
	"github.com/sluice-ci/sluice/internal/asl/expr"
)

// Limits of Step Functions.
const (
	maxText      = 1 << 20 // bytes of a machine
	maxStateName = 80
	maxSeconds   = 99999999
)

// resource is the only one a Task may have.
const resource = "arn:aws:states:::lambda:invoke.waitForTaskToken"

// A Machine is a state machine ready to run. It never changes, so any number
// of runs share one.
type Machine struct {
	start  int
	states []state // of all branches, however deep
	names  map[string]int
}

type kind uint8

const (
	task kind = iota
	parallel
	choice
	pass
	wait
	succeed
	failure
)

// end stands for the end of a machine or branch where a state is expected.
const end = -1

// A state is an asl.State with its paths parsed and its names resolved.
type state struct {
	name string
	kind kind
	next int // state, or end

	input      filter
	parameters *expr.Template // of a Task: of its Payload
	payload    *expr.Path     // of a Task with Payload.$
	selector   *expr.Template
	result     placement
	output     filter

	function           string
	timeout, heartbeat time.Duration
	retry              []retrier
	catch              []catcher
	branches           []int // where each branch starts
	rules              []rule
	fixed              []byte // Pass: Result
	delay              delay
	err, cause         string
}

// A filter is an InputPath or an OutputPath. The zero value is "$".
type filter struct {
	path expr.Path
	null bool
}

func (f filter) apply(env *expr.Env, field string) ([]byte, error) {
	if f.null {
		return []byte("{}"), nil
	}
	v, err := f.path.Must(env, field)
	if f.path.OfContext() {
		v = bytes.Clone(v) // what the scope tells holds for a moment only
	}
	return v, err
}

// A placement is a ResultPath. The zero value is "$".
type placement struct {
	path    expr.Path
	discard bool
}

func (p placement) apply(input, result []byte) ([]byte, error) {
	if p.discard {
		return input, nil
	}
	return p.path.Set(input, result)
}

// Load reads a state machine. What Step Functions would refuse, and what this
// package does not know, is an error that names the state and the field.
func Load(text []byte) (*Machine, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("machine: %d bytes are over the limit of %d", len(text), maxText)
	}
	var m asl.Machine
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, fmt.Errorf("machine: %w", err)
	}
	l := loader{m: &Machine{names: map[string]int{}}}
	start, err := l.machine(m)
	if err != nil {
		return nil, fmt.Errorf("machine: %w", err)
	}
	l.m.start = start
	return l.m, nil
}

// A loader fills m. Targets is where states of the machine or branch at hand
// may lead.
type loader struct {
	m       *Machine
	targets map[string]int
}

// machine adds the states of a machine or branch and returns the first.
func (l *loader) machine(m asl.Machine) (int, error) {
	names := slices.Sorted(maps.Keys(m.States))
	targets := make(map[string]int, len(names))
	for _, name := range names {
		if n := utf8.RuneCountInString(name); n == 0 || n > maxStateName {
			return 0, fmt.Errorf("state %q: a name has 1 to %d characters, not %d", name, maxStateName, n)
		}
		if _, twice := l.m.names[name]; twice {
			return 0, fmt.Errorf("state %q: the name is there twice in the machine", name)
		}
		at := len(l.m.states)
		targets[name], l.m.names[name] = at, at
		l.m.states = append(l.m.states, state{name: name})
	}
	start, ok := targets[m.StartAt]
	if !ok {
		return 0, fault("StartAt", "there is no state %q", m.StartAt)
	}
	for _, name := range names {
		l.targets = targets // a Parallel before it had its own
		s, err := l.state(m.States[name])
		if err != nil {
			return 0, fmt.Errorf("state %q: %w", name, err)
		}
		s.name = name
		l.m.states[targets[name]] = s
	}
	reached := map[int]bool{}
	l.reach(start, reached)
	for _, name := range names {
		if !reached[targets[name]] {
			return 0, fmt.Errorf("state %q: no state leads to it", name)
		}
	}
	return start, nil
}

func (l *loader) reach(at int, reached map[int]bool) {
	open := []int{at}
	for len(open) > 0 {
		at, open = open[len(open)-1], open[:len(open)-1]
		if at == end || reached[at] {
			continue
		}
		reached[at] = true
		s := &l.m.states[at]
		if s.kind != succeed && s.kind != failure {
			open = append(open, s.next)
		}
		for _, c := range s.catch {
			open = append(open, c.next)
		}
		for _, r := range s.rules {
			open = append(open, r.next)
		}
	}
}

func (l *loader) state(s asl.State) (state, error) {
	switch s := s.(type) {
	case asl.Task:
		return l.task(s)
	case asl.Parallel:
		return l.parallel(s)
	case asl.Choice:
		return l.choice(s)
	case asl.Pass:
		return l.pass(s)
	case asl.Wait:
		return l.wait(s)
	case asl.Succeed:
		out := state{kind: succeed, next: end}
		return out, l.filters(&out, s.InputPath, s.OutputPath)
	case asl.Fail:
		return state{kind: failure, next: end, err: s.Error, cause: s.Cause}, nil
	}
	return state{}, fault("Type", "%T is not supported", s)
}

// in says that err is about a field.
func in(field string, err error) error { return fmt.Errorf("%s: %w", field, err) }

// at names an element of a field.
func at(field string, i int) string { return fmt.Sprintf("%s[%d]", field, i) }

// fault is an error about a field.
func fault(field, format string, args ...any) error { return in(field, fmt.Errorf(format, args...)) }
