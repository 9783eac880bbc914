package engine

import (
	"errors"
	"math"
	"slices"
	"time"

	"github.com/sluice-ci/sluice/internal/asl/expr"
	"github.com/sluice-ci/sluice/internal/machine"
)

const (
	timedOut        = "States.Timeout"
	heartbeatMissed = "States.HeartbeatTimeout"
)

// matches reports whether a rule for the errors of equals is one for name.
func matches(equals []string, name string) bool {
	for _, e := range equals {
		switch {
		case e == "States.ALL", e == name:
			return true
		case e == "States.TaskFailed" && name != timedOut:
			return true
		case e == timedOut && name == heartbeatMissed:
			return true
		}
	}
	return false
}

// broken fails f's state with an error of an expression.
func (s *stepper) broken(f *frame, err error) {
	name, cause := expr.Runtime, err.Error()
	if e, ok := errors.AsType[*expr.Error](err); ok {
		name, cause = e.Name, e.Cause
	}
	s.failed(f, name, "An error occurred while executing the state '"+s.m.states[f.state].name+"'. "+cause)
}

// failed fails f's state: it is tried again, or caught, or fails what it is
// inside of. As in Step Functions no rule helps against States.Runtime and
// States.DataLimitExceeded: they end the run.
func (s *stepper) failed(f *frame, name, cause string) {
	for name != expr.Runtime && name != expr.DataLimitExceeded {
		st := &s.m.states[f.state]
		f.phase, f.deadline, f.beat, f.outputs, f.left = ready, 0, 0, nil, 0
		if st.kind == parallel {
			id := f.id
			s.drop(id, false) // the branches that still run, and their tokens
			f = s.frame(id)
		}
		if s.retry(f, st, name) {
			return
		}
		caught, err := s.catch(f, st, name, cause)
		if caught {
			return
		}
		if err != nil {
			name, cause = err.Name, err.Cause // which this state does not catch
		}
		if f.parent == 0 {
			break
		}
		f = s.frame(f.parent)
	}
	s.end(machine.Failed, name, cause)
}

// retry plans another attempt, if the first Retry for this error has one left.
func (s *stepper) retry(f *frame, st *state, name string) bool {
	i := slices.IndexFunc(st.retry, func(r retrier) bool { return matches(r.equals, name) })
	if i < 0 {
		return false
	}
	spent := make([]int, len(st.retry))
	copy(spent, f.spent)
	if spent[i] >= st.retry[i].maxAttempts {
		return false
	}
	delay := st.retry[i].delay(spent[i], fraction(s.run.seed, f.serial))
	spent[i]++
	f.spent = spent
	f.retries++
	f.phase, f.deadline = backoff, s.now+int64(delay)
	return true
}

// delay returns how long to wait before attempt n; random is in [0,1).
func (r *retrier) delay(n int, random float64) time.Duration {
	d := min(r.interval*math.Pow(r.rate, float64(n)), r.maxDelay, longestDelay)
	if r.jitter {
		d *= random
	}
	return time.Duration(d * float64(time.Second))
}

// catch leads on to the Next of the first Catch for this error.
func (s *stepper) catch(f *frame, st *state, name, cause string) (bool, *expr.Error) {
	i := slices.IndexFunc(st.catch, func(c catcher) bool { return matches(c.equals, name) })
	if i < 0 {
		return false, nil
	}
	result := append(make([]byte, 0, len(name)+len(cause)+32), `{"Error":`...)
	result = append(expr.AppendString(result, name), `,"Cause":`...)
	result = append(expr.AppendString(result, cause), '}')
	output, err := st.catch[i].result.apply(f.input, result)
	if err != nil {
		e, _ := errors.AsType[*expr.Error](err)
		return false, e
	}
	s.goTo(f, st.catch[i].next, output)
	return true, nil
}
