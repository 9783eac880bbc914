package differential

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A Trace is what can be seen of a run.
type Trace struct {
	Paths   map[string][]Step   // of each branch, in order
	Calls   map[string][]string // of each task, in order
	Answers []string            // what became of them, in the order of the moves
	Status  string
	Error   string
	Cause   string
	Output  string
	Notes   []string // what cannot be told otherwise
}

// A Step is a visit of a state.
type Step struct {
	State string
	Left  bool // the state was exited
}

func newTrace() Trace { return Trace{Paths: map[string][]Step{}, Calls: map[string][]string{}} }

func (t *Trace) note(format string, args ...any) {
	t.Notes = append(t.Notes, fmt.Sprintf(format, args...))
}

// enter notes that a state was entered.
func (t *Trace) enter(c *chart, state string) {
	branch := c.branch[state]
	t.Paths[branch] = append(t.Paths[branch], Step{State: state})
}

// leave notes that the latest state of its branch was exited.
func (t *Trace) leave(c *chart, state string) {
	path := t.Paths[c.branch[state]]
	if n := len(path); n > 0 && path[n-1].State == state && !path[n-1].Left {
		path[n-1].Left = true
		return
	}
	t.note("%q was left and is not the latest of its branch", state)
}

// steps returns how many states were entered, and how many of them were left.
func (t *Trace) steps() (entered, left int) {
	for _, path := range t.Paths {
		entered += len(path)
		for _, s := range path {
			if s.Left {
				left++
			}
		}
	}
	return entered, left
}

func (t *Trace) call(c Call) {
	t.Calls[c.State] = append(t.Calls[c.State], fmt.Sprintf("visit %d, try %d: %s", c.Visit, c.Try, c.Payload))
}

// moved notes a move, and whether nobody waited for an answer.
func (t *Trace) moved(c Call, a Answer, gone bool) {
	line := a.String()
	if a.Kind != Stop {
		line = fmt.Sprintf("%s <- %s", c, a)
	}
	if gone {
		line += ": nobody waits"
	}
	t.Answers = append(t.Answers, line)
}

// Lines returns t as text, the same for equal traces.
func (t Trace) Lines() []string {
	var lines []string
	for _, branch := range slices.Sorted(maps.Keys(t.Paths)) {
		lines = append(lines, "path "+branch)
		for _, s := range t.Paths[branch] {
			line := "  " + s.State
			if !s.Left {
				line += " ..."
			}
			lines = append(lines, line)
		}
	}
	for _, state := range slices.Sorted(maps.Keys(t.Calls)) {
		lines = append(lines, "calls of "+state)
		for _, c := range t.Calls[state] {
			lines = append(lines, "  "+c)
		}
	}
	lines = append(lines, "answers")
	for _, a := range t.Answers {
		lines = append(lines, "  "+a)
	}
	lines = append(lines, "end "+t.Status, "  error  "+t.Error, "  cause  "+t.Cause, "  output "+t.Output)
	for _, n := range t.Notes {
		lines = append(lines, "note "+n)
	}
	return lines
}

// sideBySide returns both traces, what is equal once, or nothing if all is.
func sideBySide(embedded, emulated Trace) string {
	a, b := embedded.Lines(), emulated.Lines()
	if slices.Equal(a, b) {
		return ""
	}
	var out strings.Builder
	fmt.Fprintf(&out, "! %-90s | %s\n", "embedded", "emulated")
	for _, row := range align(a, b) {
		if row[0] == row[1] {
			fmt.Fprintf(&out, "  %s\n", row[0])
		} else {
			fmt.Fprintf(&out, "! %-90s | %s\n", row[0], row[1])
		}
	}
	return out.String()
}

// align puts equal lines beside each other, as many as it can.
func align(a, b []string) [][2]string {
	common := make([][]int, len(a)+1) // of a[i:] and b[j:]
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if common[i][j] = max(common[i+1][j], common[i][j+1]); a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			}
		}
	}
	var rows [][2]string
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			rows = append(rows, [2]string{a[i], b[j]})
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			rows = append(rows, [2]string{a[i], ""})
			i++
		default:
			rows = append(rows, [2]string{"", b[j]})
			j++
		}
	}
	return rows
}

// plain returns JSON in the one form in which equal values are equal texts.
// What the interpreter itself says of errors is left out.
func plain(text string) string {
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return text
	}
	leaveOutCauses(v)
	b, err := json.Marshal(v)
	if err != nil {
		return text
	}
	return string(b)
}

// leaveOutCauses empties the causes of errors whose names begin with "States.".
func leaveOutCauses(v any) {
	switch v := v.(type) {
	case []any:
		for _, inner := range v {
			leaveOutCauses(inner)
		}
	case map[string]any:
		if name, ok := v["Error"].(string); ok && v["Cause"] != nil {
			v["Cause"] = cause(name, fmt.Sprint(v["Cause"]))
		}
		for _, inner := range v {
			leaveOutCauses(inner)
		}
	}
}

// cause is what of the cause of an error is compared.
func cause(name, text string) string {
	if strings.HasPrefix(name, "States.") {
		return ""
	}
	return text
}
