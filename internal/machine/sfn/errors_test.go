package sfn_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/machine"
	"github.com/sluice-ci/sluice/internal/machine/sfn"
)

// What each error of the service means for each call, as the SDK reads it.
// "failed" is an error that says nothing about the run or the task.
func TestErrors(t *testing.T) {
	const fine, gone, failed = "fine", "gone", "failed"
	calls := map[string]func(context.Context, machine.Machine) error{
		"start": func(ctx context.Context, m machine.Machine) error { return start(ctx, m, nil) },
		"stop":  func(ctx context.Context, m machine.Machine) error { return m.Stop(ctx, "a", "E", "c") },
		"describe": func(ctx context.Context, m machine.Machine) error {
			status, err := m.Describe(ctx, "a")
			if status != machine.Unknown {
				t.Errorf("Describe gave %s; want %s with every error", status, machine.Unknown)
			}
			return err
		},
		"succeed": func(ctx context.Context, m machine.Machine) error { return m.Succeed(ctx, "token", []byte("{}")) },
		"fail":    func(ctx context.Context, m machine.Machine) error { return m.Fail(ctx, "token", "E", "c") },
	}
	tests := []struct{ code, start, stop, describe, succeed, fail string }{
		{"ExecutionAlreadyExists", fine, failed, failed, failed, failed},
		{"ExecutionDoesNotExist", failed, fine, fine, failed, failed},
		{"InvalidToken", failed, failed, failed, gone, gone},
		{"TaskTimedOut", failed, failed, failed, gone, gone},
		{"TaskDoesNotExist", failed, failed, failed, gone, gone},
		{"InvalidOutput", failed, failed, failed, failed, failed},
		{"InvalidName", failed, failed, failed, failed, failed},
		{"InvalidArn", failed, failed, failed, failed, failed},
		{"InvalidExecutionInput", failed, failed, failed, failed, failed},
		{"StateMachineDoesNotExist", failed, failed, failed, failed, failed},
		{"StateMachineDeleting", failed, failed, failed, failed, failed},
		{"ExecutionLimitExceeded", failed, failed, failed, failed, failed},
		{"ValidationException", failed, failed, failed, failed, failed},
		{"KmsAccessDeniedException", failed, failed, failed, failed, failed},
		{"AccessDeniedException", failed, failed, failed, failed, failed},
		{"ThrottlingException", failed, failed, failed, failed, failed},
		{"SomethingNew", failed, failed, failed, failed, failed},
	}
	for _, tt := range tests {
		t.Run(tt.code, func(t *testing.T) {
			m, err := sfn.New(failing(t, tt.code), arns, runs)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]string{"start": tt.start, "stop": tt.stop, "describe": tt.describe, "succeed": tt.succeed, "fail": tt.fail}
			for name, call := range calls {
				err := call(t.Context(), m)
				got := failed
				if err == nil {
					got = fine
				} else if errors.Is(err, machine.ErrTaskGone) {
					got = gone
				}
				if got != want[name] {
					t.Errorf("%s is %s (%v); want %s", name, got, err, want[name])
				}
				if err != nil && !strings.Contains(err.Error(), tt.code) {
					t.Errorf("%s says %q; want it to name %s", name, err, tt.code)
				}
			}
		})
	}
}

// Whoever has a token can answer the task, so no error shows one.
func TestErrorsHideTokens(t *testing.T) {
	m, f := (*sfn.Machine)(nil), newFake(t)
	for _, code := range []string{"InvalidToken", "ThrottlingException"} {
		var err error
		if m, err = sfn.New(failing(t, code), arns, runs); err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{m.Succeed(t.Context(), "t0ken", []byte("{}")), m.Fail(t.Context(), "t0ken", "E", "c")} {
			if err == nil || strings.Contains(err.Error(), "t0ken") {
				t.Errorf("error %v; want one without the token", err)
			}
		}
	}
	if err := open(t, f).Succeed(t.Context(), "t0ken", []byte("{")); err == nil || strings.Contains(err.Error(), "t0ken") {
		t.Errorf("error %v; want one without the token", err)
	}
}
