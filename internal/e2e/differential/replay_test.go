package differential

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// A place names a call without what it carries.
type place struct {
	state      string
	visit, try int
}

func (c Call) place() place { return place{c.State, c.Visit, c.Try} }

// A replay is one case on the emulator.
type replay struct {
	c        Case
	run, arn string
	chart    *chart
	client   *sfn.Client
	patience time.Duration // how long the emulator may take to do what the engine has done
	came     chan struct{} // a call has come
	ended    chan struct{} // closed when the run has ended
	end      sync.Once     // closes it

	mu       sync.Mutex
	calendar calendar       // guarded by mu
	calls    map[place]Call // guarded by mu
	trace    Trace          // guarded by mu while the run goes on
}

// serve is a call of a function.
func (r *replay) serve(w http.ResponseWriter, ctx context.Context, function string, payload []byte) {
	r.mu.Lock()
	call, err := r.calendar.read(function, []byte(strings.ReplaceAll(string(payload), `"`+r.run+`"`, `"`+r.c.Name+`"`)))
	if err != nil {
		r.trace.note("%v", err)
	} else {
		r.calls[call.place()] = call
		r.trace.call(call)
	}
	r.mu.Unlock()
	a := Answer{}
	if err == nil {
		a = r.c.Answer(call)
	}
	if a.Early && a.Kind != Refuse {
		if _, err := r.answer(ctx, call, a); err != nil {
			r.mu.Lock()
			r.trace.note("%s: early answer: %v", call, err)
			r.mu.Unlock()
		}
	}
	if a.Kind == Refuse {
		w.Header().Set("X-Amzn-Errortype", a.Error)
		w.Header().Set("X-Amzn-Requestid", "r")
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprint(w, `{"message":"refused"}`)
	} else {
		fmt.Fprint(w, "{}")
	}
	select {
	case r.came <- struct{}{}:
	default:
	}
}

// answer answers a token and reports whether nobody waited for it.
func (r *replay) answer(ctx context.Context, c Call, a Answer) (gone bool, err error) {
	if a.Kind == Succeed {
		_, err = r.client.SendTaskSuccess(ctx, &sfn.SendTaskSuccessInput{TaskToken: &c.token, Output: &a.Output})
	} else {
		_, err = r.client.SendTaskFailure(ctx, &sfn.SendTaskFailureInput{TaskToken: &c.token, Error: &a.Error, Cause: &a.Cause})
	}
	if _, late := errors.AsType[*types.TaskTimedOut](err); late {
		return true, nil
	}
	return false, err
}

// play does the moves and then reads what the emulator remembers.
func (r *replay) play(ctx context.Context, moves []Move) error {
	missing := r.follow(ctx, moves)
	select {
	case <-r.ended:
	default:
		r.client.StopExecution(ctx, &sfn.StopExecutionInput{ExecutionArn: &r.arn})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if missing != nil {
		r.trace.note("%v", missing)
	}
	return r.read(ctx)
}

func (r *replay) follow(ctx context.Context, moves []Move) error {
	for _, m := range moves {
		if err := r.reach(ctx, m); err != nil {
			return err
		}
		if err := r.do(ctx, m); err != nil {
			return err
		}
	}
	return r.over(ctx)
}

// reach waits until the emulator is where the engine was before m.
func (r *replay) reach(ctx context.Context, m Move) error {
	ctx, cancel := context.WithTimeout(ctx, r.patience)
	defer cancel()
	for r.called() < m.Calls {
		select {
		case <-r.came:
		case <-r.ended:
			if n := r.called(); n < m.Calls {
				return fmt.Errorf("the run ended after %d calls; want %d", n, m.Calls)
			}
		case <-ctx.Done():
			return fmt.Errorf("%d calls came; want %d", r.called(), m.Calls)
		}
	}
	if m.Ended {
		return r.over(ctx)
	}
	if r.c.Careful || m.Answer.Kind == Stop {
		return r.rest(ctx, m.Entered, m.Left)
	}
	return nil
}

// rest waits until so many states were entered and left.
func (r *replay) rest(ctx context.Context, entered, left int) error {
	for {
		history, err := r.client.GetExecutionHistory(ctx, &sfn.GetExecutionHistoryInput{ExecutionArn: &r.arn})
		if err != nil {
			return err
		}
		in, out := 0, 0
		for _, e := range history.Events {
			if e.StateEnteredEventDetails != nil {
				in++
			}
			if e.StateExitedEventDetails != nil {
				out++
			}
		}
		if in >= entered && out >= left {
			return nil
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%d states were entered and %d left; want %d and %d", in, out, entered, left)
		}
	}
}

func (r *replay) called() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.calls)
}

// over waits until the run has ended.
func (r *replay) over(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.patience)
	defer cancel()
	select {
	case <-r.ended:
		return nil
	case <-ctx.Done():
		return errors.New("the run does not end")
	}
}

// do does what m says.
func (r *replay) do(ctx context.Context, m Move) error {
	if m.Answer.Kind == Stop {
		r.moved(Call{}, m.Answer, false)
		_, err := r.client.StopExecution(ctx, &sfn.StopExecutionInput{ExecutionArn: &r.arn, Error: &m.Answer.Error, Cause: &m.Answer.Cause})
		return err
	}
	r.mu.Lock()
	call, ok := r.calls[m.Call.place()]
	r.mu.Unlock()
	if !ok {
		return fmt.Errorf("%s: the call never came", m.Call)
	}
	gone, err := r.answer(ctx, call, m.Answer)
	r.moved(call, m.Answer, gone)
	return err
}

func (r *replay) moved(c Call, a Answer, gone bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trace.moved(c, a, gone)
}

// read takes paths and end from the emulator.
func (r *replay) read(ctx context.Context) error {
	history, err := r.client.GetExecutionHistory(ctx, &sfn.GetExecutionHistoryInput{ExecutionArn: &r.arn})
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	for _, e := range history.Events {
		if d := e.StateEnteredEventDetails; d != nil {
			r.trace.enter(r.chart, *d.Name)
		}
		if d := e.StateExitedEventDetails; d != nil {
			r.trace.leave(r.chart, *d.Name)
		}
	}
	d, err := r.client.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &r.arn})
	if err != nil {
		return fmt.Errorf("describe: %w", err)
	}
	t := &r.trace
	t.Status, t.Error, t.Cause, t.Output = string(d.Status), aws.ToString(d.Error), cause(aws.ToString(d.Error), aws.ToString(d.Cause)), plain(aws.ToString(d.Output))
	return nil
}
