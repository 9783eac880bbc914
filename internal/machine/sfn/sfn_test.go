package sfn_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/sluice-ci/sluice/internal/machine"
	"github.com/sluice-ci/sluice/internal/machine/machinetest"
	"github.com/sluice-ci/sluice/internal/machine/sfn"
)

// arns puts each version of a pipeline on the version of its state machine.
func arns(_ context.Context, pipeline string, version int) (string, error) {
	return fmt.Sprintf("%sstateMachine:%s:%d", home, pipeline, version), nil
}

// runs knows every run: all are of pipeline p, version 1.
func runs(context.Context, string) (string, int, error) { return "p", 1, nil }

// open returns the machine on f.
func open(t *testing.T, f *fake) *sfn.Machine {
	t.Helper()
	m, err := sfn.New(f, arns, runs)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestContract(t *testing.T) {
	machinetest.Run(t, func(t *testing.T) machinetest.Harness {
		f := newFake(t)
		return machinetest.Harness{Machine: open(t, f), Token: f.token, Calls: f.called}
	})
}

// TestContractOnTheWire has the SDK between the two, so that the names of
// fields and errors are those that travel.
func TestContractOnTheWire(t *testing.T) {
	machinetest.Run(t, func(t *testing.T) machinetest.Harness {
		f := newFake(t)
		m, err := sfn.New(onTheWire(f), arns, runs)
		if err != nil {
			t.Fatal(err)
		}
		return machinetest.Harness{Machine: m, Token: f.token, Calls: f.called}
	})
}

// A call that was carried out and whose answer was lost is an error. Repeating
// it does no more: a start and a stop then succeed, and an answer finds its
// token dead, which sends the caller to its own record.
func TestLostAnswer(t *testing.T) {
	tests := []struct {
		call  string
		do    func(context.Context, machine.Machine, *fake) error
		again error
		want  machine.Status
	}{
		{"StartExecution", start, nil, machine.Running},
		{"StopExecution", func(ctx context.Context, m machine.Machine, _ *fake) error { return m.Stop(ctx, "a", "E", "c") }, nil, machine.Aborted},
		{"DescribeExecution", func(ctx context.Context, m machine.Machine, _ *fake) error {
			_, err := m.Describe(ctx, "a")
			return err
		}, nil, machine.Running},
		{"SendTaskSuccess", func(ctx context.Context, m machine.Machine, f *fake) error {
			return m.Succeed(ctx, f.token("a", 1), []byte("{}"))
		}, machine.ErrTaskGone, machine.Succeeded},
		{"SendTaskFailure", func(ctx context.Context, m machine.Machine, f *fake) error {
			return m.Fail(ctx, f.token("a", 1), "Other", "c")
		}, machine.ErrTaskGone, machine.Failed},
	}
	for _, tt := range tests {
		t.Run(tt.call, func(t *testing.T) {
			f := newFake(t)
			m := open(t, f)
			if tt.call != "StartExecution" {
				if err := start(t.Context(), m, f); err != nil {
					t.Fatal(err)
				}
			}
			f.lost[tt.call] = true
			if err := tt.do(t.Context(), m, f); !errors.Is(err, errLost) || errors.Is(err, machine.ErrTaskGone) {
				t.Errorf("the first call gave %v; want %v", err, errLost)
			}
			for range 2 {
				if err := tt.do(t.Context(), m, f); !errors.Is(err, tt.again) {
					t.Errorf("a repeated call gave %v; want %v", err, tt.again)
				}
			}
			if status, err := m.Describe(t.Context(), "a"); err != nil || status != tt.want {
				t.Errorf("the run is %s, %v; want %s", status, err, tt.want)
			}
			if n := f.called("a"); n != 1 {
				t.Errorf("%d tasks were called; want 1", n)
			}
		})
	}
}

func start(ctx context.Context, m machine.Machine, _ *fake) error {
	return m.Start(ctx, machine.Start{Name: "a", Pipeline: "p", Version: 1, Input: []byte("{}")})
}

// No error is mistaken for an answer: a run is Unknown without an error only if
// Step Functions, or the record, says so.
func TestDescribe(t *testing.T) {
	tests := []struct {
		status types.ExecutionStatus
		want   machine.Status
	}{
		{types.ExecutionStatusRunning, machine.Running},
		{types.ExecutionStatusPendingRedrive, machine.Running},
		{types.ExecutionStatusSucceeded, machine.Succeeded},
		{types.ExecutionStatusFailed, machine.Failed},
		{types.ExecutionStatusTimedOut, machine.TimedOut},
		{types.ExecutionStatusAborted, machine.Aborted},
		{"PAUSED", ""},
	}
	for _, tt := range tests {
		t.Run(string(tt.status), func(t *testing.T) {
			f := newFake(t)
			m := open(t, f)
			if err := start(t.Context(), m, f); err != nil {
				t.Fatal(err)
			}
			f.named("a").run.Status = machine.Status(tt.status)
			got, err := m.Describe(t.Context(), "a")
			if tt.want == "" && err == nil || tt.want != "" && (err != nil || got != tt.want) {
				t.Errorf("Describe gave %s, %v; want %s", got, err, tt.want)
			}
		})
	}
	// The table is complete.
	for _, status := range types.ExecutionStatus("").Values() {
		if !slices.ContainsFunc(tests, func(tt struct {
			status types.ExecutionStatus
			want   machine.Status
		}) bool {
			return tt.status == status
		}) {
			t.Errorf("status %s is not tested", status)
		}
	}
}

// A run starts on the version that was asked for, and is found again under the
// ARN that follows from it.
func TestStartsTheVersion(t *testing.T) {
	f := newFake(t)
	m := open(t, f)
	for _, s := range []machine.Start{
		{Name: "a", Pipeline: "p", Version: 1, Input: []byte("{}")},
		{Name: "b", Pipeline: "p", Version: 12, Input: []byte("{}")},
		{Name: "a", Pipeline: "p", Version: 12, Input: []byte(`{"other":"input"}`)}, // was started
	} {
		if err := m.Start(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	for run, version := range map[string]string{"a": ":1", "b": ":12"} {
		x := f.runs[home+"execution:p:"+run]
		if x == nil || x.machineARN != home+"stateMachine:p"+version {
			t.Errorf("run %s: %+v; want version %s of p", run, x, version)
		}
	}
}

// Nothing is sent that is known to be refused.
func TestRefusesBeforeSending(t *testing.T) {
	large := []byte(`"` + strings.Repeat("x", 262143) + `"`) // one byte too many
	tests := []struct {
		name string
		call func(context.Context, machine.Machine) error
		want string
	}{
		{"large output", func(ctx context.Context, m machine.Machine) error { return m.Succeed(ctx, "token", large) }, "262145 bytes are over the limit of 262144"},
		{"output is no JSON", func(ctx context.Context, m machine.Machine) error { return m.Succeed(ctx, "token", []byte("{")) }, "not JSON"},
		{"no output", func(ctx context.Context, m machine.Machine) error { return m.Succeed(ctx, "token", nil) }, "not JSON"},
		{"large input", func(ctx context.Context, m machine.Machine) error {
			return m.Start(ctx, machine.Start{Name: "a", Pipeline: "p", Input: large})
		}, "over the limit"},
		{"name with a colon", func(ctx context.Context, m machine.Machine) error {
			return m.Start(ctx, machine.Start{Name: "a:b", Pipeline: "p", Input: []byte("{}")})
		}, "a name is"},
		{"no name", func(ctx context.Context, m machine.Machine) error {
			return m.Start(ctx, machine.Start{Pipeline: "p", Input: []byte("{}")})
		}, "a name is"},
		{"long name", func(ctx context.Context, m machine.Machine) error {
			return m.Start(ctx, machine.Start{Name: strings.Repeat("n", 81), Pipeline: "p", Input: []byte("{}")})
		}, "a name is"},
		{"no token", func(ctx context.Context, m machine.Machine) error { return m.Succeed(ctx, "", []byte("{}")) }, machine.ErrTaskGone.Error()},
		{"long token", func(ctx context.Context, m machine.Machine) error {
			return m.Fail(ctx, strings.Repeat("t", 2049), "E", "c")
		}, machine.ErrTaskGone.Error()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			if err := tt.call(t.Context(), open(t, f)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v; want %q", err, tt.want)
			}
			if len(f.calls) != 0 {
				t.Errorf("sent %v; want nothing", f.calls)
			}
		})
	}
	// The largest output that is allowed is sent.
	f := newFake(t)
	if err := open(t, f).Succeed(t.Context(), "token", large[1:len(large)-1]); err == nil || len(f.calls) != 0 {
		t.Errorf("output that is no JSON gave %v", err)
	}
	if err := open(t, f).Succeed(t.Context(), "token", append(large[:262143:262143], '"')); !errors.Is(err, machine.ErrTaskGone) || len(f.calls) != 1 {
		t.Errorf("output of 262144 bytes gave %v after %v; want it sent", err, f.calls)
	}
}

// Long texts are cut, visibly, inside no character.
func TestCuts(t *testing.T) {
	f := newFake(t)
	m := open(t, f)
	if err := start(t.Context(), m, f); err != nil {
		t.Fatal(err)
	}
	name, cause := strings.Repeat("N", 257), strings.Repeat("ä", 16385) // 32,770 bytes
	if err := m.Fail(t.Context(), f.token("a", 1), name, cause); err != nil {
		t.Fatal(err)
	}
	if err := m.Stop(t.Context(), "a", name, cause); err != nil {
		t.Fatal(err)
	}
	for _, got := range [][2]string{{*f.failed[0].Error, *f.failed[0].Cause}, {*f.stopped[0].Error, *f.stopped[0].Cause}} {
		for i, limit := range []int{256, 32768} {
			s := got[i]
			if len(s) > limit || len(s) < limit-1 || !utf8.ValidString(s) || strings.Contains(s, "?") || !strings.HasSuffix(s, "... [cut]") {
				t.Errorf("%d bytes ending in %q; want %d and a mark", len(s), s[len(s)-12:], limit)
			}
		}
	}
	whole := name[:256]
	if err := m.Fail(t.Context(), "dead", whole, cause[:32768]); !errors.Is(err, machine.ErrTaskGone) {
		t.Fatal(err)
	}
	if last := f.failed[1]; *last.Error != whole || *last.Cause != cause[:32768] {
		t.Error("texts within the limits were changed")
	}
}

// The lookups decide what is asked of Step Functions, and their errors are the
// caller's: a run is not Unknown because a table could not be read.
func TestLookups(t *testing.T) {
	broken := errors.New("the table is gone")
	tests := []struct {
		name string
		arns sfn.ARNs
		runs sfn.Runs
		want string // of the error of Describe and Stop
	}{
		{"nobody asked for it", arns, func(context.Context, string) (string, int, error) { return "", 0, nil }, ""},
		{"unreadable record", arns, func(context.Context, string) (string, int, error) { return "", 0, broken }, broken.Error()},
		{"no machine", func(context.Context, string, int) (string, error) { return "", broken }, runs, "machine of pipeline p version 1: " + broken.Error()},
		{"another ARN", func(context.Context, string, int) (string, error) { return "arn:aws:lambda:r:1:function:f", nil }, runs, "is not the ARN of a state machine"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			m, err := sfn.New(f, tt.arns, tt.runs)
			if err != nil {
				t.Fatal(err)
			}
			status, err := m.Describe(t.Context(), "a")
			check(t, "Describe", err, tt.want)
			if status != machine.Unknown {
				t.Errorf("Describe gave %s; want %s", status, machine.Unknown)
			}
			check(t, "Stop", m.Stop(t.Context(), "a", "E", "c"), tt.want)
			if len(f.calls) != 0 {
				t.Errorf("sent %v; want nothing", f.calls)
			}
		})
	}
}

func check(t *testing.T, what string, err error, want string) {
	t.Helper()
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Errorf("%s gave %v; want %q", what, err, want)
	}
}

// A state machine whose executions are named otherwise than expected is found
// out at its first start.
func TestStartedElsewhere(t *testing.T) {
	elsewhere := wire(func(context.Context, string, []byte) (any, error) {
		return map[string]any{"executionArn": home + "execution:p:1:a", "startDate": 0}, nil
	})
	m, err := sfn.New(elsewhere.client(), arns, runs)
	if err != nil {
		t.Fatal(err)
	}
	check(t, "Start", start(t.Context(), m, nil), "it was started as "+home+"execution:p:1:a")
}

func TestNew(t *testing.T) {
	if _, err := sfn.New(nil, arns, runs); err == nil {
		t.Error("New without a client succeeded")
	}
	if _, err := sfn.New(newFake(t), nil, runs); err == nil {
		t.Error("New without arns succeeded")
	}
	if _, err := sfn.New(newFake(t), arns, nil); err == nil {
		t.Error("New without runs succeeded")
	}
}
