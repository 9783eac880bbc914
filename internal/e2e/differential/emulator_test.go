package differential

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/sluice-ci/sluice/internal/e2e/standin"
)

// listener is the name of the function that hears of ends of runs.
const listener = "listener"

// An emulator is a moto whose functions are this process. Any number of cases
// may be played at once.
type emulator struct {
	client *sfn.Client
	made   atomic.Int64 // machines

	mu   sync.Mutex
	runs map[string]*replay // by name of the run; guarded by mu
}

// patience is a bound for what never comes, not a measure.
const patience = 2 * time.Minute

// startEmulator starts one, which ends with the test.
func startEmulator(t testing.TB) *emulator {
	t.Helper()
	s := standin.Start(t)
	e := &emulator{
		client: sfn.NewFromConfig(s.Config(), func(o *sfn.Options) { o.RetryMaxAttempts = 1 }),
		runs:   map[string]*replay{},
	}
	s.Handle("lambda:Invoke", http.HandlerFunc(e.invoke))
	events := eventbridge.NewFromConfig(s.Config())
	if _, err := events.PutRule(t.Context(), &eventbridge.PutRuleInput{
		Name:         aws.String("ends"),
		EventPattern: aws.String(`{"source":["aws.states"],"detail":{"status":["SUCCEEDED","FAILED","ABORTED","TIMED_OUT"]}}`),
	}); err != nil {
		t.Fatal(err)
	}
	arn := fmt.Sprintf("arn:aws:lambda:%s:%s:function:%s", standin.Region, standin.Account, listener)
	if _, err := events.PutTargets(t.Context(), &eventbridge.PutTargetsInput{
		Rule: aws.String("ends"), Targets: []types.Target{{Id: aws.String("listener"), Arn: &arn}},
	}); err != nil {
		t.Fatal(err)
	}
	return e
}

// invoke is every function: those of the machines, and the listener.
func (e *emulator) invoke(w http.ResponseWriter, r *http.Request) {
	payload, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	function, run := functionOf(r.URL), ""
	if function == listener {
		var event struct{ Detail struct{ Name string } }
		err = json.Unmarshal(payload, &event)
		run = event.Detail.Name
	} else {
		var p struct{ Run string }
		err = json.Unmarshal(payload, &p)
		run = p.Run
	}
	e.mu.Lock()
	at := e.runs[run]
	e.mu.Unlock()
	switch {
	case err != nil || at == nil:
		http.Error(w, fmt.Sprintf("run %q: %v", run, err), http.StatusNotFound)
	case function == listener:
		at.end.Do(func() { close(at.ended) }) // a run that ends at once may be told of twice
		w.WriteHeader(http.StatusAccepted)
	default:
		at.serve(w, r.Context(), function, payload)
	}
}

// functionOf returns the name of the function in a path of Lambda's.
func functionOf(u *url.URL) string {
	_, rest, _ := strings.Cut(u.EscapedPath(), "/functions/")
	name, _, _ := strings.Cut(rest, "/")
	name, err := url.PathUnescape(name)
	if err != nil {
		return ""
	}
	return name[strings.LastIndexByte(name, ':')+1:]
}

// play plays c as the engine played it and returns what happened.
func (e *emulator) play(ctx context.Context, c Case, moves []Move, patience time.Duration) (Trace, error) {
	chart, err := readChart(c.Text)
	if err != nil {
		return Trace{}, err
	}
	r := &replay{
		c: c, chart: chart, client: e.client, calendar: newCalendar(chart), trace: newTrace(),
		patience: patience, calls: map[place]Call{}, came: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	number := e.made.Add(1)
	r.run = fmt.Sprintf("%s-%d", c.Name, number)
	e.mu.Lock()
	e.runs[r.run] = r
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		delete(e.runs, r.run)
		e.mu.Unlock()
	}()
	created, err := e.client.CreateStateMachine(ctx, &sfn.CreateStateMachineInput{
		Name: aws.String(fmt.Sprint("m", number)), RoleArn: aws.String("arn:aws:iam::" + standin.Account + ":role/r"), Definition: aws.String(string(c.Text)),
	})
	if err != nil {
		return Trace{}, fmt.Errorf("create the machine: %w", err)
	}
	started, err := e.client.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: created.StateMachineArn, Name: &r.run, Input: &c.Input})
	if err != nil {
		return Trace{}, fmt.Errorf("start the run: %w", err)
	}
	r.arn = *started.ExecutionArn
	err = r.play(ctx, moves)
	return r.trace, err // the machine stays: while one is deleted, moto passes others over
}
