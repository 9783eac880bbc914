package engine

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/sluice-ci/sluice/internal/asl"
	"github.com/sluice-ci/sluice/internal/asl/expr"
)

func (l *loader) task(s asl.Task) (state, error) {
	out := state{kind: task}
	if s.Resource != resource {
		return out, fault("Resource", "%q is not supported; use %s", s.Resource, resource)
	}
	err := cmp.Or(
		seconds("TimeoutSeconds", s.TimeoutSeconds, &out.timeout),
		seconds("HeartbeatSeconds", s.HeartbeatSeconds, &out.heartbeat),
		l.invocation(&out, s.Parameters),
		l.filters(&out, s.InputPath, s.OutputPath),
		l.results(&out, s.ResultSelector, s.ResultPath),
		l.errors(&out, s.Retry, s.Catch),
		l.then(&out, s.Then),
	)
	if err == nil && out.timeout > 0 && out.heartbeat >= out.timeout {
		err = fault("HeartbeatSeconds", "not less than TimeoutSeconds")
	}
	return out, err
}

// invocation reads the Parameters of a Task.
func (l *loader) invocation(out *state, text json.RawMessage) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); len(text) == 0 || err != nil {
		return fault("Parameters", "not an object with FunctionName and Payload")
	}
	for field, v := range fields {
		var err error
		switch field {
		case "FunctionName":
			err = json.Unmarshal(v, &out.function)
		case "Payload":
			out.parameters, err = template(v)
		case "Payload.$":
			var p string
			if err = json.Unmarshal(v, &p); err == nil {
				out.payload = new(expr.Path)
				*out.payload, err = expr.ParsePath(p)
			}
		default:
			err = errors.New("not supported; use FunctionName and Payload")
		}
		if err != nil {
			return in("Parameters", in(field, err))
		}
	}
	if out.function == "" {
		return in("Parameters", fault("FunctionName", "missing"))
	}
	if (out.parameters == nil) == (out.payload == nil) {
		return in("Parameters", fault("Payload", "must be there once"))
	}
	return nil
}

func (l *loader) parallel(s asl.Parallel) (state, error) {
	out := state{kind: parallel}
	if len(s.Branches) == 0 {
		return out, fault("Branches", "missing")
	}
	var err error
	if out.parameters, err = template(s.Parameters); err != nil {
		return out, in("Parameters", err)
	}
	err = cmp.Or(
		l.filters(&out, s.InputPath, s.OutputPath),
		l.results(&out, s.ResultSelector, s.ResultPath),
		l.errors(&out, s.Retry, s.Catch),
		l.then(&out, s.Then),
	)
	for i := 0; err == nil && i < len(s.Branches); i++ {
		var start int
		if start, err = l.machine(s.Branches[i]); err != nil {
			err = in(at("Branches", i), err)
		}
		out.branches = append(out.branches, start)
	}
	return out, err
}

func (l *loader) choice(s asl.Choice) (state, error) {
	out := state{kind: choice, next: end}
	if len(s.Choices) == 0 {
		return out, fault("Choices", "missing")
	}
	if s.Default != "" {
		if err := l.target("Default", s.Default, &out.next); err != nil {
			return out, err
		}
	}
	for i, r := range s.Choices {
		read, err := parseRule(r, true)
		if err == nil {
			err = l.target("Next", r.Next, &read.next)
		}
		if err != nil {
			return out, in(at("Choices", i), err)
		}
		out.rules = append(out.rules, read)
	}
	return out, l.filters(&out, s.InputPath, s.OutputPath)
}

func (l *loader) pass(s asl.Pass) (state, error) {
	out := state{kind: pass}
	var err error
	if out.parameters, err = template(s.Parameters); err != nil {
		return out, in("Parameters", err)
	}
	if len(s.Result) > 0 {
		if out.fixed, err = expr.Compact(s.Result); err != nil {
			return out, in("Result", err)
		}
	}
	return out, cmp.Or(
		l.filters(&out, s.InputPath, s.OutputPath),
		l.results(&out, nil, s.ResultPath),
		l.then(&out, s.Then),
	)
}

// A delay is how long a Wait waits: fixed, until a time, or as the value at
// one of the two paths says.
type delay struct {
	seconds                time.Duration
	until                  int64
	secondsPath, untilPath *expr.Path
}

func (l *loader) wait(s asl.Wait) (state, error) {
	out := state{kind: wait}
	d, ways := &out.delay, 0
	if s.Seconds != 0 {
		ways++
		if err := seconds("Seconds", s.Seconds, &d.seconds); err != nil {
			return out, err
		}
	}
	if s.Timestamp != "" {
		ways++
		t, err := time.Parse(time.RFC3339, s.Timestamp)
		if err != nil {
			return out, in("Timestamp", err)
		}
		d.until = t.UnixNano()
	}
	for _, f := range []struct {
		field, text string
		to          **expr.Path
	}{{"SecondsPath", s.SecondsPath, &d.secondsPath}, {"TimestampPath", s.TimestampPath, &d.untilPath}} {
		if f.text == "" {
			continue
		}
		ways++
		p, err := expr.ParsePath(f.text)
		if err != nil {
			return out, fmt.Errorf("%s: %w", f.field, err)
		}
		*f.to = &p
	}
	if ways != 1 {
		return out, fault("Seconds", "exactly one of Seconds, Timestamp, SecondsPath and TimestampPath must be there")
	}
	return out, cmp.Or(l.filters(&out, s.InputPath, s.OutputPath), l.then(&out, s.Then))
}

func seconds(field string, n int, to *time.Duration) error {
	if n < 0 || n > maxSeconds {
		return fmt.Errorf("%s: %d is outside 1 to %d", field, n, maxSeconds)
	}
	*to = time.Duration(n) * time.Second
	return nil
}

func template(text json.RawMessage) (*expr.Template, error) {
	if len(text) == 0 {
		return nil, nil
	}
	if !bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		return nil, errors.New("not an object")
	}
	t, err := expr.ParseTemplate(text)
	return &t, err
}

func (l *loader) filters(out *state, input, output asl.Path) error {
	return cmp.Or(parseFilter("InputPath", input, &out.input), parseFilter("OutputPath", output, &out.output))
}

func parseFilter(field string, p asl.Path, to *filter) error {
	if to.null = p == asl.Null; to.null || p == "" {
		return nil
	}
	var err error
	if to.path, err = expr.ParsePath(string(p)); err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	return nil
}

func (l *loader) results(out *state, selector json.RawMessage, p asl.Path) error {
	var err error
	if out.selector, err = template(selector); err != nil {
		return in("ResultSelector", err)
	}
	return parsePlacement(p, &out.result)
}

func parsePlacement(p asl.Path, to *placement) error {
	if to.discard = p == asl.Null; to.discard || p == "" {
		return nil
	}
	var err error
	if to.path, err = expr.ParseReference(string(p)); err != nil {
		return in("ResultPath", err)
	}
	return nil
}

func (l *loader) then(out *state, t asl.Then) error {
	switch {
	case t.End && t.Next != "":
		return fault("Next", "there beside End")
	case t.End:
		out.next = end
		return nil
	}
	return l.target("Next", t.Next, &out.next)
}

func (l *loader) target(field, name string, to *int) error {
	at, ok := l.targets[name]
	if !ok {
		return fmt.Errorf("%s: there is no state %q here", field, name)
	}
	*to = at
	return nil
}

// A retrier is a Retry with its defaults filled in.
type retrier struct {
	equals      []string
	interval    float64 // seconds
	rate        float64
	maxDelay    float64 // seconds
	maxAttempts int
	jitter      bool
}

// A catcher is a Catch.
type catcher struct {
	equals []string
	next   int
	result placement
}

// longestDelay is the longest MaxDelaySeconds of Step Functions, in seconds.
const longestDelay = 31622400

func (l *loader) errors(out *state, retry []asl.Retry, catch []asl.Catch) error {
	for i, r := range retry {
		read, err := parseRetry(r, i == len(retry)-1)
		if err != nil {
			return in(at("Retry", i), err)
		}
		out.retry = append(out.retry, read)
	}
	for i, c := range catch {
		read := catcher{equals: c.ErrorEquals}
		err := cmp.Or(
			checkNames(c.ErrorEquals, i == len(catch)-1),
			l.target("Next", c.Next, &read.next),
			parsePlacement(c.ResultPath, &read.result),
		)
		if err != nil {
			return in(at("Catch", i), err)
		}
		out.catch = append(out.catch, read)
	}
	return nil
}

func parseRetry(r asl.Retry, last bool) (retrier, error) {
	read := retrier{
		equals:      r.ErrorEquals,
		interval:    float64(cmp.Or(r.IntervalSeconds, 1)),
		rate:        cmp.Or(r.BackoffRate, 2),
		maxDelay:    float64(cmp.Or(r.MaxDelaySeconds, longestDelay)),
		maxAttempts: 3,
		jitter:      r.JitterStrategy == "FULL",
	}
	if r.MaxAttempts != nil {
		read.maxAttempts = *r.MaxAttempts
	}
	switch {
	case r.IntervalSeconds < 0 || r.IntervalSeconds > maxSeconds:
		return read, fault("IntervalSeconds", "%d is outside 1 to %d", r.IntervalSeconds, maxSeconds)
	case read.maxAttempts < 0 || read.maxAttempts > maxSeconds:
		return read, fault("MaxAttempts", "%d is outside 0 to %d", read.maxAttempts, maxSeconds)
	case !(read.rate >= 1) || math.IsInf(read.rate, 0):
		return read, fault("BackoffRate", "%v is less than 1", r.BackoffRate)
	case r.MaxDelaySeconds < 0 || r.MaxDelaySeconds > longestDelay:
		return read, fault("MaxDelaySeconds", "%d is outside 1 to %d", r.MaxDelaySeconds, longestDelay)
	case !slices.Contains([]string{"", "FULL", "NONE"}, r.JitterStrategy):
		return read, fault("JitterStrategy", "%q is neither FULL nor NONE", r.JitterStrategy)
	}
	return read, checkNames(r.ErrorEquals, last)
}

// reserved are the names of errors that begin with "States." and may stand in
// ErrorEquals.
var reserved = []string{
	"States.ALL", "States.TaskFailed", "States.Timeout", "States.HeartbeatTimeout", "States.Permissions",
	"States.ResultPathMatchFailure", "States.ParameterPathFailure", "States.BranchFailed", "States.NoChoiceMatched",
	"States.IntrinsicFailure", "States.Runtime", "States.DataLimitExceeded",
}

func checkNames(names []string, last bool) error {
	if len(names) == 0 {
		return fault("ErrorEquals", "missing")
	}
	for _, n := range names {
		if strings.HasPrefix(n, "States.") && !slices.Contains(reserved, n) {
			return fault("ErrorEquals", "%q is not an error of this engine", n)
		}
	}
	if slices.Contains(names, "States.ALL") && (len(names) > 1 || !last) {
		return fault("ErrorEquals", "States.ALL must be alone and last")
	}
	return nil
}
