package differential

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-ci/sluice/internal/asl"
)

// A chart tells of each state of a machine where it stands.
type chart struct {
	states map[string]asl.State
	branch map[string]string // of a state; "" is the machine itself
	starts map[string]string // of a branch: its first state
	tasks  map[string]string // a call's function and fixed fields: its state
}

// readChart reads the text of a machine, in which the names of states are
// unique, and so are the functions of tasks together with the fixed fields of
// their payloads.
func readChart(text []byte) (*chart, error) {
	var m asl.Machine
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, err
	}
	c := &chart{states: map[string]asl.State{}, branch: map[string]string{}, starts: map[string]string{}, tasks: map[string]string{}}
	return c, c.add("", m)
}

func (c *chart) add(branch string, m asl.Machine) error {
	c.starts[branch] = m.StartAt
	for _, name := range slices.Sorted(maps.Keys(m.States)) {
		c.states[name], c.branch[name] = m.States[name], branch
		switch s := m.States[name].(type) {
		case asl.Task:
			key, err := taskKey(s)
			if err != nil {
				return fmt.Errorf("state %q: %w", name, err)
			}
			if other, twice := c.tasks[key]; twice {
				return fmt.Errorf("states %q and %q are called alike", name, other)
			}
			c.tasks[key] = name
		case asl.Parallel:
			for i, b := range s.Branches {
				if err := c.add(fmt.Sprintf("%s[%d]", name, i), b); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// taskKey returns function and fixed fields of a task's calls.
func taskKey(t asl.Task) (string, error) {
	var p struct {
		FunctionName string
		Payload      map[string]any
	}
	if err := json.Unmarshal(t.Parameters, &p); err != nil {
		return "", err
	}
	maps.DeleteFunc(p.Payload, func(k string, _ any) bool { return strings.HasSuffix(k, ".$") })
	return callKey(p.FunctionName, p.Payload), nil
}

// told are the fields of a payload that a run fills in; all others are fixed.
var told = []string{"token", "run", "execution", "call", "visit", "input"}

func callKey(function string, payload map[string]any) string {
	fixed := maps.Clone(payload)
	for _, k := range told {
		delete(fixed, k)
	}
	b, err := json.Marshal(fixed)
	if err != nil {
		panic(err) // it was JSON before
	}
	return function + string(b)
}

// A Call is one call of a function.
type Call struct {
	State      string
	Visit, Try int    // of the state, from 1; of the visit, from 0
	Payload    string // without the token; the time of the visit is its number
	token      string
}

func (c Call) String() string { return fmt.Sprintf("%s, visit %d, try %d", c.State, c.Visit, c.Try) }

// A calendar numbers the visits of the states of one run.
type calendar struct {
	chart  *chart
	visits map[string]int
	times  map[string][]string // at which visits began, as functions were told
}

func newCalendar(c *chart) calendar {
	return calendar{chart: c, visits: map[string]int{}, times: map[string][]string{}}
}

// read returns what a function was called with.
func (c calendar) read(function string, payload []byte) (Call, error) {
	var p map[string]any
	if err := json.Unmarshal(payload, &p); err != nil {
		return Call{}, err
	}
	state, ok := c.chart.tasks[callKey(function, p)]
	if !ok {
		return Call{}, fmt.Errorf("no task calls %s with %s", function, payload)
	}
	try, ok := p["call"].(float64)
	if !ok {
		return Call{}, fmt.Errorf("task %q: no number of the call in %s", state, payload)
	}
	if try == 0 {
		c.visits[state]++
	}
	call := Call{State: state, Visit: c.visits[state], Try: int(try)}
	if call.token, ok = p["token"].(string); !ok {
		return call, fmt.Errorf("task %q: no token in %s", state, payload)
	}
	delete(p, "token")
	if at, ok := p["visit"].(string); ok {
		times := c.times[state]
		if !slices.Contains(times, at) {
			times = append(times, at)
		}
		c.times[state] = times
		p["visit"] = slices.Index(times, at) + 1
	}
	leaveOutCauses(p)
	text, err := json.Marshal(p)
	call.Payload = string(text)
	return call, err
}
