package asl

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// typed writes v with its Type in front.
func typed(name string, v any) ([]byte, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	head := []byte(`{"Type":"` + name + `"`)
	if !bytes.Equal(body, []byte("{}")) {
		head = append(head, ',')
	}
	return append(head, body[1:]...), nil
}

// MarshalJSON writes s as a state of Type Task.
func (s Task) MarshalJSON() ([]byte, error) { type plain Task; return typed("Task", plain(s)) }

// MarshalJSON writes s as a state of Type Parallel.
func (s Parallel) MarshalJSON() ([]byte, error) {
	type plain Parallel
	return typed("Parallel", plain(s))
}

// MarshalJSON writes s as a state of Type Choice.
func (s Choice) MarshalJSON() ([]byte, error) { type plain Choice; return typed("Choice", plain(s)) }

// MarshalJSON writes s as a state of Type Pass.
func (s Pass) MarshalJSON() ([]byte, error) { type plain Pass; return typed("Pass", plain(s)) }

// MarshalJSON writes s as a state of Type Wait.
func (s Wait) MarshalJSON() ([]byte, error) { type plain Wait; return typed("Wait", plain(s)) }

// MarshalJSON writes s as a state of Type Succeed.
func (s Succeed) MarshalJSON() ([]byte, error) { type plain Succeed; return typed("Succeed", plain(s)) }

// MarshalJSON writes s as a state of Type Fail.
func (s Fail) MarshalJSON() ([]byte, error) { type plain Fail; return typed("Fail", plain(s)) }

// UnmarshalJSON reads a machine and refuses, by name, every state type and
// every field that this package does not know: a state that is not understood
// must not be passed over.
func (m *Machine) UnmarshalJSON(b []byte) error {
	var raw struct {
		Comment string
		StartAt string
		States  map[string]json.RawMessage
	}
	if err := strict(b, &raw); err != nil {
		return err
	}
	*m = Machine{Comment: raw.Comment, StartAt: raw.StartAt, States: make(map[string]State, len(raw.States))}
	for name, text := range raw.States {
		s, err := decodeState(text)
		if err != nil {
			return fmt.Errorf("state %q: %w", name, err)
		}
		m.States[name] = s
	}
	return nil
}

func decodeState(text json.RawMessage) (State, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, err
	}
	var kind string
	if err := json.Unmarshal(fields["Type"], &kind); err != nil {
		return nil, fmt.Errorf("field Type: %w", err)
	}
	delete(fields, "Type")
	body, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	switch kind {
	case "Task":
		return decode[Task](body)
	case "Parallel":
		return decode[Parallel](body)
	case "Choice":
		return decode[Choice](body)
	case "Pass":
		return decode[Pass](body)
	case "Wait":
		return decode[Wait](body)
	case "Succeed":
		return decode[Succeed](body)
	case "Fail":
		return decode[Fail](body)
	}
	return nil, fmt.Errorf("state type %q is not supported; use Task, Parallel, Choice, Pass, Wait, Succeed or Fail", kind)
}

func decode[S State](body []byte) (State, error) {
	var s S
	err := strict(body, &s)
	return s, err
}

func strict(b []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	return dec.Decode(v)
}
