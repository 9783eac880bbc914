package standin

import (
	"context"
	"encoding/json"
	"fmt"
)

// A FunctionError is the error that a function ended with.
type FunctionError struct {
	Function string
	Type     string // as the function named it
	Message  string
}

func (e *FunctionError) Error() string {
	return fmt.Sprintf("function %s: %s: %s", e.Function, e.Type, e.Message)
}

// Invoke calls a function, by name or ARN, with a payload that is marshalled as
// JSON, and returns its answer. An error of the function is a *FunctionError.
func (s *Standin) Invoke(ctx context.Context, function string, payload any) ([]byte, error) {
	event, err := json.Marshal(payload)
	if err != nil {
		return nil, err
	}
	f, err := s.host.lookup(ctx, lastPart(function))
	if err != nil {
		return nil, err
	}
	o := s.host.run(f, event, "")
	if !o.failed {
		return o.body, nil
	}
	var e struct{ ErrorType, ErrorMessage string }
	if err := json.Unmarshal(o.body, &e); err != nil {
		return nil, fmt.Errorf("function %s failed and says %q", f.name, o.body)
	}
	return nil, &FunctionError{f.name, e.ErrorType, e.ErrorMessage}
}
