// Package machinetest is the contract of machine.Machine in executable form.
package machinetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/sluice-ci/sluice/internal/machine"
)

// Text is the machine that a harness runs for every pipeline: a task that
// waits for its token, whose failure with Caught leads to a second one.
const Text = `{"StartAt":"First","States":{
	"First":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken",
		"Parameters":{"FunctionName":"work","Payload":{"token.$":"$$.Task.Token","run.$":"$$.Execution.Name"}},
		"Catch":[{"ErrorEquals":["Caught"],"Next":"Second"}],"End":true},
	"Second":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken",
		"Parameters":{"FunctionName":"work","Payload":{"token.$":"$$.Task.Token","run.$":"$$.Execution.Name"}},"End":true}}}`

// A Harness is a machine under test and a view on the tasks it calls.
type Harness struct {
	Machine machine.Machine

	// Token waits until a run has called n tasks and returns the token of the
	// n-th, counted from 1.
	Token func(run string, n int) string

	// Calls returns how many tasks a run has called so far.
	Calls func(run string) int
}

// Run runs every test of the contract. It calls open once per test.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	tests := []struct {
		name string
		run  func(*testing.T, Harness)
	}{
		{"UnknownRun", unknownRun},
		{"StartedOnce", startedOnce},
		{"EndedNameStartsNothing", endedNameStartsNothing},
		{"AnsweredOnce", answeredOnce},
		{"FailureLeadsOn", failureLeadsOn},
		{"UncaughtFailureEnds", uncaughtFailureEnds},
		{"StopKillsTokens", stopKillsTokens},
		{"OneAnswerWins", oneAnswerWins},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, open(t)) })
	}
}

func start(t *testing.T, h Harness, name string) {
	t.Helper()
	if err := h.Machine.Start(t.Context(), machine.Start{Name: name, Pipeline: "p", Version: 1, Input: []byte(`{}`)}); err != nil {
		t.Fatal(err)
	}
}

// want waits for nothing: the calls before it have returned, so the status is
// what they made it.
func want(t *testing.T, h Harness, name string, status machine.Status) {
	t.Helper()
	got, err := h.Machine.Describe(t.Context(), name)
	if err != nil || got != status {
		t.Errorf("run %s is %s, %v; want %s", name, got, err, status)
	}
}

func gone(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, machine.ErrTaskGone) {
		t.Errorf("answering a dead token gave %v; want ErrTaskGone", err)
	}
}

func unknownRun(t *testing.T, h Harness) {
	want(t, h, "nobody", machine.Unknown)
	if err := h.Machine.Stop(t.Context(), "nobody", "E", "c"); err != nil {
		t.Errorf("stopping an unknown run gave %v; want nil", err)
	}
	gone(t, h.Machine.Succeed(t.Context(), "nobody.1", []byte("{}")))
}

func startedOnce(t *testing.T, h Harness) {
	start(t, h, "a")
	h.Token("a", 1)
	start(t, h, "a")
	want(t, h, "a", machine.Running)
	start(t, h, "b") // whatever the second start of a did, it was done before b's task was called
	h.Token("b", 1)
	if n := h.Calls("a"); n != 1 {
		t.Errorf("run a called %d tasks; want 1", n)
	}
}

func endedNameStartsNothing(t *testing.T, h Harness) {
	start(t, h, "a")
	if err := h.Machine.Succeed(t.Context(), h.Token("a", 1), []byte("{}")); err != nil {
		t.Fatal(err)
	}
	want(t, h, "a", machine.Succeeded)
	start(t, h, "a")
	want(t, h, "a", machine.Succeeded)
}

func answeredOnce(t *testing.T, h Harness) {
	start(t, h, "a")
	token := h.Token("a", 1)
	if err := h.Machine.Succeed(t.Context(), token, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	gone(t, h.Machine.Succeed(t.Context(), token, []byte("{}")))
	gone(t, h.Machine.Fail(t.Context(), token, "E", "c"))
	want(t, h, "a", machine.Succeeded)
}

func failureLeadsOn(t *testing.T, h Harness) {
	start(t, h, "a")
	first := h.Token("a", 1)
	if err := h.Machine.Fail(t.Context(), first, "Caught", "c"); err != nil {
		t.Fatal(err)
	}
	second := h.Token("a", 2)
	gone(t, h.Machine.Succeed(t.Context(), first, []byte("{}")))
	want(t, h, "a", machine.Running)
	if err := h.Machine.Succeed(t.Context(), second, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	want(t, h, "a", machine.Succeeded)
}

func uncaughtFailureEnds(t *testing.T, h Harness) {
	start(t, h, "a")
	if err := h.Machine.Fail(t.Context(), h.Token("a", 1), "Other", "c"); err != nil {
		t.Fatal(err)
	}
	want(t, h, "a", machine.Failed)
}

func stopKillsTokens(t *testing.T, h Harness) {
	start(t, h, "a")
	token := h.Token("a", 1)
	for range 2 {
		if err := h.Machine.Stop(t.Context(), "a", "E", "c"); err != nil {
			t.Fatal(err)
		}
		want(t, h, "a", machine.Aborted)
	}
	gone(t, h.Machine.Succeed(t.Context(), token, []byte("{}")))
	want(t, h, "a", machine.Aborted)
}

func oneAnswerWins(t *testing.T, h Harness) {
	for i := range 20 {
		name := fmt.Sprintf("a%d", i)
		start(t, h, name)
		token := h.Token(name, 1)
		var wg sync.WaitGroup
		errs := make([]error, 4)
		for k := range errs {
			wg.Go(func() {
				if k%2 == 0 {
					errs[k] = h.Machine.Succeed(t.Context(), token, []byte("{}"))
				} else {
					errs[k] = h.Machine.Fail(t.Context(), token, "Other", "c")
				}
			})
		}
		wg.Wait()
		won := 0
		for k, err := range errs {
			if err == nil {
				won++
				want(t, h, name, map[bool]machine.Status{true: machine.Succeeded, false: machine.Failed}[k%2 == 0])
			} else {
				gone(t, err)
			}
		}
		if won != 1 {
			t.Errorf("%d answers to one task were accepted; want 1", won)
		}
	}
}
