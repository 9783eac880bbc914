package sfn_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/sluice-ci/sluice/internal/engine"
	"github.com/sluice-ci/sluice/internal/machine"
	"github.com/sluice-ci/sluice/internal/machine/machinetest"
)

// home is where the state machines of the tests are.
const home = "arn:aws:states:eu-central-1:111122223333:"

// errLost is what a caller hears whose call was carried out and whose answer
// was lost.
var errLost = errors.New("connection reset by peer")

// fake is Step Functions as far as this package calls it, in this process. Each
// of its state machines is machinetest.Text, run by the pure half of package
// engine, and its functions do nothing but remember their tokens.
type fake struct {
	machine *engine.Machine

	mu    sync.Mutex
	came  *sync.Cond
	runs  map[string]*execution // by ARN; guarded by mu
	lost  map[string]bool       // calls whose next answer is lost; guarded by mu
	fails map[string]error      // calls that fail before anything happens; guarded by mu
	calls []string              // in order; guarded by mu
	ended int                   // answers to dead tokens so far; guarded by mu

	stopped []*sfn.StopExecutionInput   // guarded by mu
	failed  []*sfn.SendTaskFailureInput // guarded by mu
}

type execution struct {
	arn, machineARN string
	input           []byte
	run             engine.Run
	tokens          []string
}

func newFake(t *testing.T) *fake {
	t.Helper()
	m, err := engine.Load([]byte(machinetest.Text))
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{machine: m, runs: map[string]*execution{}, lost: map[string]bool{}, fails: map[string]error{}}
	f.came = sync.NewCond(&f.mu)
	return f
}

// enter begins a call, with the lock held until the returned function is
// called on its error. A call whose answer is to be lost is carried out.
func (f *fake) enter(ctx context.Context, call string) (leave func(*error), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f.mu.Lock()
	f.calls = append(f.calls, call)
	if err := f.fails[call]; err != nil {
		f.mu.Unlock()
		return nil, err
	}
	return func(err *error) {
		if f.lost[call] {
			f.lost[call] = false
			*err = errLost
		}
		f.mu.Unlock()
	}, nil
}

// StartExecution is idempotent for a run that goes on and has the same input.
func (f *fake) StartExecution(ctx context.Context, in *sfn.StartExecutionInput, _ ...func(*sfn.Options)) (_ *sfn.StartExecutionOutput, err error) {
	leave, err := f.enter(ctx, "StartExecution")
	if err != nil {
		return nil, err
	}
	defer leave(&err)
	name, ok := strings.CutPrefix(*in.StateMachineArn, home+"stateMachine:")
	if !ok {
		return nil, &types.StateMachineDoesNotExist{Message: in.StateMachineArn}
	}
	name, _, _ = strings.Cut(name, ":") // all versions share the names of their executions
	arn := home + "execution:" + name + ":" + *in.Name
	out := &sfn.StartExecutionOutput{ExecutionArn: &arn, StartDate: aws.Time(time.Unix(0, 0))}
	if x := f.runs[arn]; x != nil {
		if x.run.Status == machine.Running && bytes.Equal(x.input, []byte(*in.Input)) {
			return out, nil
		}
		return nil, &types.ExecutionAlreadyExists{Message: &arn}
	}
	x := &execution{arn: arn, machineARN: *in.StateMachineArn, input: []byte(*in.Input)}
	f.runs[arn] = x
	run, effects := engine.Start(f.machine, engine.Begin{Name: *in.Name, Pipeline: name, Input: x.input}, time.Unix(0, 0))
	return out, f.act(x, run, effects)
}

// act keeps what a run has become and calls its functions.
func (f *fake) act(x *execution, run engine.Run, effects []engine.Effect) error {
	x.run = run
	for _, e := range effects {
		call, ok := e.(engine.Invoke)
		if !ok {
			continue
		}
		var in struct{ Token, Run string }
		if err := json.Unmarshal(call.Payload, &in); err != nil || in.Run != run.Name || in.Token == "" {
			return fmt.Errorf("payload %s, %v", call.Payload, err)
		}
		x.tokens = append(x.tokens, in.Token)
	}
	f.came.Broadcast()
	return nil
}

func (f *fake) StopExecution(ctx context.Context, in *sfn.StopExecutionInput, _ ...func(*sfn.Options)) (_ *sfn.StopExecutionOutput, err error) {
	leave, err := f.enter(ctx, "StopExecution")
	if err != nil {
		return nil, err
	}
	defer leave(&err)
	f.stopped = append(f.stopped, in)
	x := f.runs[*in.ExecutionArn]
	if x == nil {
		return nil, &types.ExecutionDoesNotExist{Message: in.ExecutionArn}
	}
	run, effects, err := engine.Step(f.machine, x.run, engine.Stopped{Error: *in.Error, Cause: *in.Cause}, time.Unix(0, 0))
	if err != nil {
		return nil, err
	}
	return &sfn.StopExecutionOutput{StopDate: aws.Time(time.Unix(0, 0))}, f.act(x, run, effects)
}

func (f *fake) DescribeExecution(ctx context.Context, in *sfn.DescribeExecutionInput, _ ...func(*sfn.Options)) (_ *sfn.DescribeExecutionOutput, err error) {
	leave, err := f.enter(ctx, "DescribeExecution")
	if err != nil {
		return nil, err
	}
	defer leave(&err)
	x := f.runs[*in.ExecutionArn]
	if x == nil {
		return nil, &types.ExecutionDoesNotExist{Message: in.ExecutionArn}
	}
	return &sfn.DescribeExecutionOutput{
		ExecutionArn: &x.arn, StateMachineArn: &x.machineARN, StartDate: aws.Time(time.Unix(0, 0)),
		Status: types.ExecutionStatus(x.run.Status),
	}, nil
}

func (f *fake) SendTaskSuccess(ctx context.Context, in *sfn.SendTaskSuccessInput, _ ...func(*sfn.Options)) (_ *sfn.SendTaskSuccessOutput, err error) {
	leave, err := f.enter(ctx, "SendTaskSuccess")
	if err != nil {
		return nil, err
	}
	defer leave(&err)
	return &sfn.SendTaskSuccessOutput{}, f.answer(*in.TaskToken, engine.TaskSucceeded{Token: *in.TaskToken, Output: []byte(*in.Output)})
}

func (f *fake) SendTaskFailure(ctx context.Context, in *sfn.SendTaskFailureInput, _ ...func(*sfn.Options)) (_ *sfn.SendTaskFailureOutput, err error) {
	leave, err := f.enter(ctx, "SendTaskFailure")
	if err != nil {
		return nil, err
	}
	defer leave(&err)
	f.failed = append(f.failed, in)
	return &sfn.SendTaskFailureOutput{}, f.answer(*in.TaskToken, engine.TaskFailed{Token: *in.TaskToken, Error: *in.Error, Cause: *in.Cause})
}

// answer lets an answer happen to whoever waits for token. A dead token gets
// one of the three errors in turn: which one Step Functions takes is not to
// matter.
func (f *fake) answer(token string, ev engine.Event) error {
	for _, x := range f.runs {
		if !slices.Contains(x.tokens, token) {
			continue
		}
		run, effects, err := engine.Step(f.machine, x.run, ev, time.Unix(0, 0))
		if err == nil {
			return f.act(x, run, effects)
		}
	}
	f.ended++
	switch f.ended % 3 {
	case 0:
		return &types.TaskTimedOut{Message: aws.String("the task timed out")}
	case 1:
		return &types.InvalidToken{Message: aws.String("invalid token")}
	default:
		return &types.TaskDoesNotExist{Message: aws.String("no such task")}
	}
}

// token waits until run has called n functions and returns the n-th token.
func (f *fake) token(run string, n int) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		if x := f.named(run); x != nil && len(x.tokens) >= n {
			return x.tokens[n-1]
		}
		f.came.Wait()
	}
}

// called returns how many functions run has called.
func (f *fake) called(run string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if x := f.named(run); x != nil {
		return len(x.tokens)
	}
	return 0
}

// named returns the only execution of that name, or nil.
func (f *fake) named(run string) *execution {
	for arn, x := range f.runs {
		if strings.HasSuffix(arn, ":"+run) {
			return x
		}
	}
	return nil
}
