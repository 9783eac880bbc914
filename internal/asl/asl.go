// Package asl is Amazon States Language as Go types: the part of it that
// package compile writes and package engine interprets.
//
// A machine is data. Nothing about a run is kept in it, so any number of runs
// may share one. JSON made from it is deterministic: the same machine always
// gives the same bytes.
package asl

import "encoding/json"

// A Machine is a whole state machine, or one branch of a Parallel.
type Machine struct {
	Comment string `json:",omitempty"`
	StartAt string
	States  map[string]State
}

// A State is one of Task, Parallel, Choice, Pass, Wait, Succeed or Fail. The
// unexported method closes the set, so that a type switch can be complete.
type State interface{ state() }

// Then says where a state leads: to Next, or to the end of its machine.
type Then struct {
	Next string `json:",omitempty"`
	End  bool   `json:",omitempty"`
}

// Path is a JSONPath that may be absent ("" keeps the default, "$"), or the
// word null, which stands for an empty input or output, or a discarded result.
type Path string

// Null is the path that is written as JSON null.
const Null Path = "null"

// MarshalJSON writes Null as null.
func (p Path) MarshalJSON() ([]byte, error) {
	if p == Null {
		return []byte("null"), nil
	}
	return json.Marshal(string(p))
}

// UnmarshalJSON reads null as Null.
func (p *Path) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*p = Null
		return nil
	}
	return json.Unmarshal(b, (*string)(p))
}

// Task does work by calling Resource. Names of AWS integrations are as Step
// Functions writes them, for one arn:aws:states:::lambda:invoke.waitForTaskToken.
type Task struct {
	Comment          string `json:",omitempty"`
	Resource         string
	InputPath        Path            `json:",omitempty"`
	Parameters       json.RawMessage `json:",omitempty"`
	ResultSelector   json.RawMessage `json:",omitempty"`
	ResultPath       Path            `json:",omitempty"`
	OutputPath       Path            `json:",omitempty"`
	TimeoutSeconds   int             `json:",omitempty"`
	HeartbeatSeconds int             `json:",omitempty"`
	Retry            []Retry         `json:",omitempty"`
	Catch            []Catch         `json:",omitempty"`
	Then
}

// Parallel runs its branches side by side and gives the list of their outputs.
type Parallel struct {
	Comment        string `json:",omitempty"`
	Branches       []Machine
	InputPath      Path            `json:",omitempty"`
	Parameters     json.RawMessage `json:",omitempty"`
	ResultSelector json.RawMessage `json:",omitempty"`
	ResultPath     Path            `json:",omitempty"`
	OutputPath     Path            `json:",omitempty"`
	Retry          []Retry         `json:",omitempty"`
	Catch          []Catch         `json:",omitempty"`
	Then
}

// Choice leads to the first rule that holds, else to Default.
type Choice struct {
	Comment    string `json:",omitempty"`
	InputPath  Path   `json:",omitempty"`
	OutputPath Path   `json:",omitempty"`
	Choices    []Rule
	Default    string `json:",omitempty"`
}

// A Rule is one test of a Choice: a comparison of Variable, or one of And, Or
// and Not. Next stands on the outermost rule only.
type Rule struct {
	Variable      string   `json:",omitempty"`
	IsPresent     *bool    `json:",omitempty"`
	IsNull        *bool    `json:",omitempty"`
	BooleanEquals *bool    `json:",omitempty"`
	StringEquals  *string  `json:",omitempty"`
	StringMatches *string  `json:",omitempty"`
	NumericEquals *float64 `json:",omitempty"`
	And           []Rule   `json:",omitempty"`
	Or            []Rule   `json:",omitempty"`
	Not           *Rule    `json:",omitempty"`
	Next          string   `json:",omitempty"`
}

// Pass hands its input, or Result, on.
type Pass struct {
	Comment    string          `json:",omitempty"`
	InputPath  Path            `json:",omitempty"`
	Parameters json.RawMessage `json:",omitempty"`
	Result     json.RawMessage `json:",omitempty"`
	ResultPath Path            `json:",omitempty"`
	OutputPath Path            `json:",omitempty"`
	Then
}

// Wait waits for Seconds, or until Timestamp (RFC 3339), or as long as the
// value at one of the two paths says.
type Wait struct {
	Comment       string `json:",omitempty"`
	Seconds       int    `json:",omitempty"`
	Timestamp     string `json:",omitempty"`
	SecondsPath   string `json:",omitempty"`
	TimestampPath string `json:",omitempty"`
	InputPath     Path   `json:",omitempty"`
	OutputPath    Path   `json:",omitempty"`
	Then
}

// Succeed ends its machine well.
type Succeed struct {
	Comment    string `json:",omitempty"`
	InputPath  Path   `json:",omitempty"`
	OutputPath Path   `json:",omitempty"`
}

// Fail ends its machine with Error.
type Fail struct {
	Comment string `json:",omitempty"`
	Error   string `json:",omitempty"`
	Cause   string `json:",omitempty"`
}

// A Retry runs a state again when it ends with one of ErrorEquals.
type Retry struct {
	ErrorEquals     []string
	IntervalSeconds int     `json:",omitempty"` // 1 when left out
	MaxAttempts     *int    `json:",omitempty"` // 3 when left out; 0 means never
	BackoffRate     float64 `json:",omitempty"` // 2 when left out
	MaxDelaySeconds int     `json:",omitempty"`
	JitterStrategy  string  `json:",omitempty"` // FULL, NONE
}

// A Catch leads to Next when a state ends with one of ErrorEquals.
type Catch struct {
	ErrorEquals []string
	Next        string
	ResultPath  Path `json:",omitempty"`
}

func (Task) state()     {}
func (Parallel) state() {}
func (Choice) state()   {}
func (Pass) state()     {}
func (Wait) state()     {}
func (Succeed) state()  {}
func (Fail) state()     {}
