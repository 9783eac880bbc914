package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/machine"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

const lambda = `"Type":"Task","Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken"`

// call is the head of a Task that calls function with the whole input.
func call(function string) string {
	return lambda + `,"Parameters":{"FunctionName":"` + function + `","Payload.$":"$"}`
}

func mustLoad(t testing.TB, text string) *Machine {
	t.Helper()
	m, err := Load([]byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return m
}

// errSilence is the answer of a task that never answers.
var errSilence = errors.New("errSilence")

// failed is the answer of a task that fails with a name and a cause.
type failed [2]string

func (f failed) Error() string { return f[0] }

// A trial drives a run without an engine: tasks answer at once, in the order
// in which they are invoked, and time jumps to the next timer.
type trial struct {
	m      *Machine
	run    Run
	now    time.Time
	path   []string
	calls  []Invoke
	answer func(call Invoke) (string, error)
	todo   []Invoke
}

func (x *trial) follow(effects []Effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case Invoke:
			x.calls = append(x.calls, e)
			x.todo = append(x.todo, e)
		case Entered:
			x.path = append(x.path, e.State)
		}
	}
}

func (x *trial) step(t testing.TB, ev Event) {
	t.Helper()
	next, effects, err := Step(x.m, x.run, ev, x.now)
	if err != nil && !errors.Is(err, machine.ErrTaskGone) {
		t.Fatal(err)
	}
	x.run = next
	x.follow(effects)
}

// once does the next thing that happens, and reports whether there was any.
func (x *trial) once(t testing.TB) bool {
	t.Helper()
	if x.run.Status != machine.Running {
		return false
	}
	if len(x.todo) > 0 {
		c := x.todo[0]
		x.todo = x.todo[1:]
		output, err := x.answer(c)
		var f failed
		switch {
		case errors.As(err, &f):
			x.step(t, TaskFailed{c.Token, f[0], f[1]})
		case err == nil:
			x.step(t, TaskSucceeded{c.Token, []byte(output)})
		}
		return true
	}
	if x.run.Wake().IsZero() {
		return false
	}
	x.now = x.run.Wake()
	x.step(t, Tick{})
	return true
}

func begin(t testing.TB, text, input string, answer func(Invoke) (string, error)) *trial {
	t.Helper()
	x := &trial{m: mustLoad(t, text), now: epoch, answer: answer}
	if answer == nil {
		x.answer = func(c Invoke) (string, error) { return string(c.Payload), nil }
	}
	run, effects := Start(x.m, Begin{Name: "run", Pipeline: "web", Input: []byte(input), Seed: 1}, epoch)
	x.run = run
	x.follow(effects)
	return x
}

func drive(t testing.TB, text, input string, answer func(Invoke) (string, error)) *trial {
	t.Helper()
	x := begin(t, text, input, answer)
	for x.once(t) {
	}
	return x
}

// end is how a run ended, for comparing.
func (x *trial) end() string {
	if x.run.Status == machine.Succeeded {
		return string(x.run.Output)
	}
	return fmt.Sprintf("%s %s: %s", x.run.Status, x.run.Error, x.run.Cause)
}

func one(state string) string { return `{"StartAt":"S","States":{"S":{` + state + `,"End":true}}}` }

// TestFields pins what each field does to the data, and in which order: Input
// Path, Parameters, the work, ResultSelector, ResultPath, OutputPath.
func TestFields(t *testing.T) {
	const input = `{"a":{"b":1,"c":"x"},"list":[1,2,3]}`
	work := func(out string) func(Invoke) (string, error) {
		return func(c Invoke) (string, error) { return strings.ReplaceAll(out, "PAYLOAD", string(c.Payload)), nil }
	}
	params := func(p string) string { return lambda + `,"Parameters":{"FunctionName":"f",` + p + `}` }
	tests := []struct {
		name, state string
		answer      func(Invoke) (string, error)
		want        string
	}{
		{"pass", `"Type":"Pass"`, nil, input},
		{"pass Result", `"Type":"Pass","Result":{"r": 1}`, nil, `{"r":1}`},
		{"pass Result beats Parameters", `"Type":"Pass","Parameters":{"p":2},"Result":[1]`, nil, `[1]`},
		{"pass Parameters after InputPath", `"Type":"Pass","InputPath":"$.a","Parameters":{"x.$":"$.b","k":[{"y.$":"$.c"}]}`, nil, `{"x":1,"k":[{"y":"x"}]}`},
		{"InputPath null", `"Type":"Pass","InputPath":null`, nil, `{}`},
		{"OutputPath null", `"Type":"Pass","OutputPath":null`, nil, `{}`},
		{"ResultPath null keeps the input", `"Type":"Pass","Result":1,"ResultPath":null`, nil, input},
		{"ResultPath goes into the raw input", `"Type":"Pass","InputPath":"$.a","ResultPath":"$.r"`, nil, `{"a":{"b":1,"c":"x"},"list":[1,2,3],"r":{"b":1,"c":"x"}}`},
		{"ResultPath makes objects", `"Type":"Pass","Result":1,"ResultPath":"$.n.m","OutputPath":"$.n"`, nil, `{"m":1}`},
		{"ResultPath replaces", `"Type":"Pass","Result":9,"ResultPath":"$.list[1]","OutputPath":"$.list"`, nil, `[1,9,3]`},
		{"task", params(`"Payload.$":"$"`), work(`{"got":PAYLOAD}`), `{"got":` + input + `}`},
		{"task all fields", params(`"Payload":{"p.$":"$.b"}`) + `,"InputPath":"$.a","ResultSelector":{"s.$":"$.got.p","in.$":"$$.Execution.Input.a.c"},"ResultPath":"$.a.r","OutputPath":"$.a"`,
			work(`{"got":PAYLOAD}`), `{"b":1,"c":"x","r":{"s":1,"in":"x"}}`},
		{"task constant payload", params(`"Payload":{"x":"$.a"}`), work(`PAYLOAD`), `{"x":"$.a"}`},
		{"parallel", `"Type":"Parallel","InputPath":"$.a","Parameters":{"x.$":"$.b"},"ResultSelector":{"first.$":"$[0].x"},"ResultPath":"$.r","OutputPath":"$.r",
			"Branches":[{"StartAt":"A","States":{"A":{"Type":"Pass","End":true}}},{"StartAt":"B","States":{"B":{"Type":"Succeed"}}}]`, nil, `{"first":1}`},
		{"parallel outputs in order", `"Type":"Parallel","Branches":[{"StartAt":"A","States":{"A":{` + call("slow") + `,"Next":"A2"},"A2":{` + call("x") + `,"End":true}}},
			{"StartAt":"B","States":{"B":{"Type":"Pass","Result":2,"End":true}}}]`, work(`1`), `[1,2]`},
		{"wait", `"Type":"Wait","Seconds":5,"InputPath":"$.a","OutputPath":"$.c"`, nil, `"x"`},
		{"InputPath misses", `"Type":"Pass","InputPath":"$.no"`, nil,
			`FAILED States.Runtime: An error occurred while executing the state 'S'. The JSONPath '$.no' specified for the field 'InputPath' could not be found in the input`},
		{"Parameters miss", params(`"Payload":{"x.$":"$.no"}`), nil,
			`FAILED States.Runtime: An error occurred while executing the state 'S'. The JSONPath '$.no' specified for the field 'x.$' could not be found in the input`},
		{"ResultPath into a string", `"Type":"Pass","ResultPath":"$.a.c.d"`, nil,
			`FAILED States.ResultPathMatchFailure: An error occurred while executing the state 'S'. unable to apply ResultPath '$.a.c.d': "d" would be a member of something that is no object`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := drive(t, one(tt.state), input, tt.answer).end(); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestPaths pins which states a run goes through.
func TestPaths(t *testing.T) {
	choice := func(rules string) string {
		return `{"StartAt":"C","States":{"C":{"Type":"Choice","Choices":[` + rules + `],"Default":"No"},"Yes":{"Type":"Succeed"},"No":{"Type":"Fail","Error":"E","Cause":"why"}}}`
	}
	rule := func(r string) string { return choice(`{` + r + `,"Next":"Yes"}`) }
	tests := []struct{ name, text, input, want, end string }{
		{"present", rule(`"Variable":"$.a","IsPresent":true`), `{"a":null}`, "C Yes", `{"a":null}`},
		{"absent", rule(`"Variable":"$.a.b","IsPresent":false`), `{"a":null}`, "C Yes", `{"a":null}`},
		{"null", rule(`"Variable":"$.a","IsNull":true`), `{"a":null}`, "C Yes", `{"a":null}`},
		{"not null", rule(`"Variable":"$.a","IsNull":false`), `{"a":0}`, "C Yes", `{"a":0}`},
		{"boolean", rule(`"Variable":"$.a","BooleanEquals":true`), `{"a":true}`, "C Yes", `{"a":true}`},
		{"boolean of another type", rule(`"Variable":"$.a","BooleanEquals":true`), `{"a":"true"}`, "C No", `FAILED E: why`},
		{"string", rule(`"Variable":"$.a","StringEquals":"ü\""`), `{"a":"\u00fc\""}`, "C Yes", `{"a":"\u00fc\""}`},
		{"glob", rule(`"Variable":"$.a","StringMatches":"log-*.t\\**"`), `{"a":"log-x.t*y"}`, "C Yes", `{"a":"log-x.t*y"}`},
		{"glob misses", rule(`"Variable":"$.a","StringMatches":"a*ba"`), `{"a":"aba"}`, "C Yes", `{"a":"aba"}`},
		{"glob overlaps", rule(`"Variable":"$.a","StringMatches":"ab*ba"`), `{"a":"aba"}`, "C No", `FAILED E: why`},
		{"number", rule(`"Variable":"$.a","NumericEquals":1`), `{"a":1.0}`, "C Yes", `{"a":1.0}`},
		{"number as string", rule(`"Variable":"$.a","NumericEquals":1`), `{"a":"1"}`, "C No", `FAILED E: why`},
		{"and", rule(`"And":[{"Variable":"$.a","IsPresent":true},{"Variable":"$.a","NumericEquals":2}]`), `{}`, "C No", `FAILED E: why`},
		{"or", rule(`"Or":[{"Variable":"$.a","IsPresent":true},{"Variable":"$.b","NumericEquals":2}]`), `{"b":2}`, "C Yes", `{"b":2}`},
		{"not", rule(`"Not":{"Variable":"$.a","IsPresent":true}`), `{}`, "C Yes", `{}`},
		{"context", rule(`"Variable":"$$.Execution.Name","StringEquals":"run"`), `{}`, "C Yes", `{}`},
		{"variable misses", rule(`"Variable":"$.a","IsNull":true`), `{}`, "C",
			`FAILED States.Runtime: An error occurred while executing the state 'C'. Invalid path '$.a': the choice state's condition path references an invalid value`},
		{"first rule that holds", choice(`{"Variable":"$.a","IsPresent":true,"Next":"No"},{"Variable":"$.a","IsPresent":true,"Next":"Yes"}`), `{"a":1}`, "C No", `FAILED E: why`},
		{"succeed with both filters", `{"StartAt":"A","States":{"A":{"Type":"Succeed","InputPath":"$.a","OutputPath":"$.b"}}}`, `{"a":{"b":1}}`, "A", `1`},
		{"no default", `{"StartAt":"C","States":{"C":{"Type":"Choice","Choices":[{"Variable":"$.a","IsPresent":true,"Next":"Yes"}]},"Yes":{"Type":"Succeed"}}}`, `{}`, "C",
			`FAILED States.NoChoiceMatched: An error occurred while executing the state 'C'. no rule of the Choice holds, and it has no Default`},
		{"a loop without end", `{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Pass","Next":"A"}}}`, `{}`, "",
			`FAILED States.Runtime: The execution reached the maximum number of history events (25000).`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := drive(t, tt.text, tt.input, nil)
			if got := strings.Join(x.path, " "); got != tt.want && tt.want != "" {
				t.Errorf("path %q; want %q", got, tt.want)
			}
			if got := x.end(); got != tt.end {
				t.Errorf("end %s\nwant %s", got, tt.end)
			}
		})
	}
}

// TestErrors pins what Retry and Catch do about errors.
func TestErrors(t *testing.T) {
	task := func(more string) string {
		return `{"StartAt":"S","States":{"S":{` + call("f") + `,` + more + `,"End":true},"Caught":{"Type":"Pass","End":true}}}`
	}
	catch := func(names, more string) string {
		return task(`"Catch":[{"ErrorEquals":[` + names + `],"Next":"Caught"` + more + `}]`)
	}
	boom := failed{"Boom", "it broke"}
	tests := []struct {
		name, text string
		answers    []error // nil succeeds with 1; the last one repeats
		calls      int
		want       string
		seconds    float64
	}{
		{"caught by name", catch(`"Other","Boom"`, ""), []error{boom}, 1, `{"Error":"Boom","Cause":"it broke"}`, 0},
		{"caught into a path", catch(`"States.ALL"`, `,"ResultPath":"$.err"`), []error{boom}, 1, `{"in":1,"err":{"Error":"Boom","Cause":"it broke"}}`, 0},
		{"caught and dropped", catch(`"States.ALL"`, `,"ResultPath":null`), []error{boom}, 1, `{"in":1}`, 0},
		{"caught as a failed task", catch(`"States.TaskFailed"`, ""), []error{boom}, 1, `{"Error":"Boom","Cause":"it broke"}`, 0},
		{"not caught", catch(`"Other"`, ""), []error{boom}, 1, `FAILED Boom: it broke`, 0},
		{"timeout is no failed task", task(`"TimeoutSeconds":7,"Catch":[{"ErrorEquals":["States.TaskFailed"],"Next":"Caught"}]`), []error{errSilence}, 1,
			`FAILED States.Timeout: the task did not end within TimeoutSeconds`, 7},
		{"timeout", task(`"TimeoutSeconds":7,"Catch":[{"ErrorEquals":["States.Timeout"],"Next":"Caught"}]`), []error{errSilence}, 1,
			`{"Error":"States.Timeout","Cause":"the task did not end within TimeoutSeconds"}`, 7},
		{"heartbeat as timeout", task(`"TimeoutSeconds":70,"HeartbeatSeconds":5,"Catch":[{"ErrorEquals":["States.Timeout"],"Next":"Caught"}]`), []error{errSilence}, 1,
			`{"Error":"States.HeartbeatTimeout","Cause":"the task gave no sign of life within HeartbeatSeconds"}`, 5},
		{"heartbeat by name", task(`"HeartbeatSeconds":5,"Catch":[{"ErrorEquals":["States.HeartbeatTimeout"],"ResultPath":null,"Next":"Caught"}]`), []error{errSilence}, 1, `{"in":1}`, 5},
		{"all catches a timeout", task(`"TimeoutSeconds":1,"Catch":[{"ErrorEquals":["States.ALL"],"ResultPath":null,"Next":"Caught"}]`), []error{errSilence}, 1, `{"in":1}`, 1},
		{"retry by default", task(`"Retry":[{"ErrorEquals":["States.ALL"]}],"Catch":[{"ErrorEquals":["States.ALL"],"ResultPath":null,"Next":"Caught"}]`), []error{boom}, 4, `{"in":1}`, 1 + 2 + 4},
		{"retry helps", task(`"Retry":[{"ErrorEquals":["Boom"],"IntervalSeconds":3,"BackoffRate":1}],"Catch":[{"ErrorEquals":["States.ALL"],"Next":"Caught"}]`), []error{boom, boom, nil}, 3, `1`, 6},
		{"retry is capped", task(`"Retry":[{"ErrorEquals":["Boom"],"IntervalSeconds":10,"MaxAttempts":4,"BackoffRate":3,"MaxDelaySeconds":40}],"Catch":[{"ErrorEquals":["States.ALL"],"ResultPath":null,"Next":"Caught"}]`), []error{boom}, 5, `{"in":1}`, 10 + 30 + 40 + 40},
		{"never retried", task(`"Retry":[{"ErrorEquals":["Boom"],"MaxAttempts":0},{"ErrorEquals":["States.ALL"]}],"Catch":[{"ErrorEquals":["States.ALL"],"ResultPath":null,"Next":"Caught"}]`), []error{boom}, 1, `{"in":1}`, 0},
		{"retries are counted by rule", task(`"Retry":[{"ErrorEquals":["Boom"],"MaxAttempts":1},{"ErrorEquals":["States.ALL"],"MaxAttempts":2}],"Catch":[{"ErrorEquals":["States.ALL"],"ResultPath":null,"Next":"Caught"}]`),
			[]error{boom, failed{"Other", ""}, failed{"Other", ""}, boom}, 4, `{"in":1}`, 1 + 1 + 2},
		{"the catching fails", catch(`"States.ALL"`, `,"ResultPath":"$.in.x"`), []error{boom}, 1,
			`FAILED States.ResultPathMatchFailure: unable to apply ResultPath '$.in.x': "x" would be a member of something that is no object`, 0},
		{"nothing helps against Runtime", task(`"OutputPath":"$.no","Catch":[{"ErrorEquals":["States.ALL"],"Next":"Caught"}]`), []error{nil}, 1,
			`FAILED States.Runtime: An error occurred while executing the state 'S'. The JSONPath '$.no' specified for the field 'OutputPath' could not be found in the input`, 0},
		{"an intrinsic function fails", task(`"ResultSelector":{"x.$":"States.MathAdd('a', 1)"},"Catch":[{"ErrorEquals":["States.IntrinsicFailure"],"ResultPath":null,"Next":"Caught"}]`), []error{nil}, 1, `{"in":1}`, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := drive(t, tt.text, `{"in":1}`, func(Invoke) (string, error) {
				err := tt.answers[0]
				if len(tt.answers) > 1 {
					tt.answers = tt.answers[1:]
				}
				return "1", err
			})
			if got := x.end(); got != tt.want {
				t.Errorf("end %s\nwant %s", got, tt.want)
			}
			if got := x.now.Sub(epoch).Seconds(); len(x.calls) != tt.calls || got != tt.seconds {
				t.Errorf("%d calls in %vs; want %d in %vs", len(x.calls), got, tt.calls, tt.seconds)
			}
		})
	}
}

// TestJitter: delays lie under the full ones, differ between runs and are the
// same whenever one run is looked at again.
func TestJitter(t *testing.T) {
	m := mustLoad(t, `{"StartAt":"S","States":{"S":{`+call("f")+`,"Retry":[{"ErrorEquals":["States.ALL"],"IntervalSeconds":100,"MaxAttempts":9,"JitterStrategy":"FULL"}],"End":true}}}`)
	seen := map[time.Duration]bool{}
	for seed := range uint64(50) {
		r, effects := Start(m, Begin{Name: "run", Input: []byte("{}"), Seed: seed + 1}, epoch)
		a, _, _ := Step(m, r, TaskFailed{Token: effects[1].(Invoke).Token}, epoch)
		b, _, _ := Step(m, r, TaskFailed{Token: effects[1].(Invoke).Token}, epoch)
		d := a.Wake().Sub(epoch)
		if a.Wake() != b.Wake() || d < 0 || d >= 100*time.Second {
			t.Errorf("seed %d: %v and %v", seed, d, b.Wake().Sub(epoch))
		}
		seen[d] = true
	}
	if len(seen) < 45 {
		t.Errorf("%d different delays of 50", len(seen))
	}
}

func TestContext(t *testing.T) {
	text := `{"StartAt":"S","States":{"S":{` + lambda + `,"Parameters":{"FunctionName":"f","Payload":{"all.$":"$$","t.$":"$$.Task.Token","u.$":"States.UUID()","v.$":"States.UUID()"}},"Retry":[{"ErrorEquals":["States.ALL"]}],"End":true}}}`
	n := 0
	x := drive(t, text, `{"i":1}`, func(Invoke) (string, error) {
		if n++; n == 1 {
			return "", failed{"Boom", ""}
		}
		return "1", nil
	})
	const want = `{"all":{"Execution":{"Id":"arn:aws:states:local:000000000000:execution:web:run","Input":{"i":1},"Name":"run","StartTime":"2026-01-02T03:04:05.000Z"},` +
		`"State":{"EnteredTime":"2026-01-02T03:04:05.000Z","Name":"S","RetryCount":1},"StateMachine":{"Id":"arn:aws:states:local:000000000000:stateMachine:web","Name":"web"},` +
		`"Task":{"Token":"run.2"}},"t":"run.2","u":"`
	got := string(x.calls[1].Payload)
	if !strings.HasPrefix(got, want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if u, v := got[len(want):len(want)+36], got[len(got)-38:len(got)-2]; u == v || u[14] != '4' {
		t.Errorf("UUIDs %s and %s", u, v)
	}
}

const branches = `{"StartAt":"P","States":{"P":{"Type":"Parallel",%s"Branches":[
	{"StartAt":"A","States":{"A":{%s,"Next":"A2"},"A2":{"Type":"Succeed"}}},
	{"StartAt":"B","States":{"B":{%s,"Retry":[{"ErrorEquals":["Again"]}],"End":true}}},
	{"StartAt":"Q","States":{"Q":{"Type":"Parallel","Branches":[{"StartAt":"C","States":{"C":{%s,"TimeoutSeconds":9,"End":true}}},{"StartAt":"D","States":{"D":{"Type":"Wait","Seconds":60,"End":true}}}],"End":true}}}
	],"Next":"End"},"End":{"Type":"Pass","End":true}}}`

func parallelText(more string) string {
	return fmt.Sprintf(branches, more, call("a"), call("b"), call("c"))
}

// TestDeadTokens: what was answered, timed out or cancelled is answered no more.
func TestDeadTokens(t *testing.T) {
	hush := func(Invoke) (string, error) { return "", errSilence }
	gone := func(t *testing.T, x *trial, tokens ...string) {
		t.Helper()
		for _, token := range tokens {
			before := fmt.Sprintf("%+v", x.run)
			for _, ev := range []Event{TaskSucceeded{token, []byte("1")}, TaskFailed{token, "E", ""}, Heartbeat{token}} {
				r, effects, err := Step(x.m, x.run, ev, x.now)
				if !errors.Is(err, machine.ErrTaskGone) || len(effects) > 0 || fmt.Sprintf("%+v", r) != before {
					t.Errorf("%s: %T gives %v", token, ev, err)
				}
			}
		}
	}
	x := begin(t, parallelText(""), `{}`, hush)
	a, b, c := x.calls[0].Token, x.calls[1].Token, x.calls[2].Token
	gone(t, x, "", "run", "run.", "run.0", "run.99", "run.02", "run.+2", "ruN.2", "run.-1", "other.2", "run.2x")
	x.step(t, TaskSucceeded{a, []byte("1")})
	gone(t, x, a)
	x.step(t, TaskFailed{b, "Again", ""})
	gone(t, x, b) // and another attempt is due
	x.now = x.run.Wake()
	x.step(t, Tick{})
	if len(x.calls) != 4 || x.calls[3].Token == b {
		t.Fatalf("calls %v", x.calls)
	}
	x.step(t, TaskFailed{x.calls[3].Token, "Boom", "over"})
	if got := x.end(); got != "FAILED Boom: over" {
		t.Errorf("end %s", got)
	}
	gone(t, x, a, b, c, x.calls[3].Token)

	x = begin(t, parallelText(`"Catch":[{"ErrorEquals":["States.ALL"],"Next":"End"}],`), `{}`, hush)
	x.step(t, TaskFailed{x.calls[0].Token, "Boom", ""})
	gone(t, x, x.calls[1].Token, x.calls[2].Token)
	if got := x.end(); got != `{"Error":"Boom","Cause":""}` {
		t.Errorf("end %s", got)
	}

	x = drive(t, parallelText(""), `{}`, hush)
	if got := x.end(); got != "FAILED States.Timeout: the task did not end within TimeoutSeconds" || x.now.Sub(epoch) != 9*time.Second {
		t.Errorf("end %s after %v", got, x.now.Sub(epoch))
	}
	x = begin(t, parallelText(""), `{}`, hush)
	x.step(t, Stopped{"Stop", "by hand"})
	gone(t, x, x.calls[0].Token)
	if got := x.end(); got != "ABORTED Stop: by hand" || !x.run.Wake().IsZero() {
		t.Errorf("end %s", got)
	}
}

func TestParallelRetry(t *testing.T) {
	n := 0
	x := drive(t, parallelText(`"Retry":[{"ErrorEquals":["Boom"],"MaxAttempts":2}],`), `{}`, func(c Invoke) (string, error) {
		if n++; c.Function == "b" && n < 6 {
			return "", failed{"Boom", ""}
		}
		return `"` + c.Function + `"`, nil
	})
	if got, want := x.end(), `["a","b",["c",{}]]`; got != want {
		t.Errorf("end %s; want %s", got, want)
	}
	if want := []string{"P", "A", "B", "Q", "C", "D", "A2", "A", "B", "Q", "C", "D", "A2", "A", "B", "Q", "C", "D", "A2", "End"}; !slices.Equal(x.path, want) {
		t.Errorf("path %v\nwant %v", x.path, want)
	}
}

// TestBranchErrors: States.Runtime in a branch ends the run, a Fail in a branch
// can be caught by the Parallel.
func TestBranchErrors(t *testing.T) {
	text := func(state string) string {
		return `{"StartAt":"P","States":{"P":{"Type":"Parallel","Branches":[{"StartAt":"A","States":{"A":{` + state + `}}},{"StartAt":"B","States":{"B":{` + call("b") + `,"End":true}}}],
			"Catch":[{"ErrorEquals":["States.ALL"],"Next":"End"}],"End":true},"End":{"Type":"Pass","End":true}}}`
	}
	for state, want := range map[string]string{
		`"Type":"Fail","Error":"E","Cause":"c"`:                                      `{"Error":"E","Cause":"c"}`,
		`"Type":"Pass","InputPath":"$.no","End":true`:                                `FAILED States.Runtime: An error occurred while executing the state 'A'. The JSONPath '$.no' specified for the field 'InputPath' could not be found in the input`,
		`"Type":"Choice","Choices":[{"Variable":"$.x","IsPresent":true,"Next":"A"}]`: `{"Error":"States.NoChoiceMatched","Cause":"An error occurred while executing the state 'A'. no rule of the Choice holds, and it has no Default"}`,
	} {
		if got := drive(t, text(state), `{}`, nil).end(); got != want {
			t.Errorf("%s: end %s\nwant %s", state, got, want)
		}
	}
}

func TestWait(t *testing.T) {
	for state, want := range map[string]float64{
		`"Seconds":5`: 5, `"SecondsPath":"$.n"`: 7, `"Timestamp":"2026-01-02T03:04:15Z"`: 10,
		`"TimestampPath":"$.t"`: 20, `"Timestamp":"2001-01-01T00:00:00Z"`: 0,
	} {
		x := drive(t, one(`"Type":"Wait",`+state), `{"n":7,"t":"2026-01-02T04:04:25+01:00"}`, nil)
		got := x.now.Sub(epoch).Seconds()
		if x.run.Status != machine.Succeeded || max(got, 0) != want {
			t.Errorf("%s: %v, %vs; want %vs", state, x.end(), got, want)
		}
	}
	for _, state := range []string{`"SecondsPath":"$.t"`, `"TimestampPath":"$.n"`, `"TimestampPath":"$.no"`, `"SecondsPath":"$.minus"`} {
		if x := drive(t, one(`"Type":"Wait",`+state), `{"n":7,"t":"x","minus":-1}`, nil); x.run.Error != "States.Runtime" {
			t.Errorf("%s: %s", state, x.end())
		}
	}
}

func TestHeartbeat(t *testing.T) {
	x := begin(t, one(call("f")+`,"HeartbeatSeconds":10`), `{}`, nil)
	token := x.calls[0].Token
	x.now = epoch.Add(9 * time.Second)
	x.step(t, Heartbeat{token})
	x.now = epoch.Add(11 * time.Second)
	x.step(t, Tick{}) // too early: a late timer of the first deadline
	if x.run.Status != machine.Running || x.run.Wake() != epoch.Add(19*time.Second).Local() {
		t.Fatalf("%s, next %v", x.end(), x.run.Wake())
	}
	x.now = x.run.Wake()
	x.step(t, Tick{})
	if x.run.Error != "States.HeartbeatTimeout" {
		t.Errorf("end %s", x.end())
	}
}

// TestDataLimit: data over the limit of Step Functions ends a run, also data
// that a machine makes by itself.
func TestDataLimit(t *testing.T) {
	text := `{"StartAt":"A","States":{"A":{"Type":"Pass","Parameters":{"x.$":"$","y.$":"$"},"Next":"B"},"B":{"Type":"Pass","Next":"A"}}}`
	if x := drive(t, text, `"0123456789"`, nil); x.run.Error != "States.DataLimitExceeded" {
		t.Errorf("end %s", x.end())
	}
}

// TestStepIsPure: the run that Step is given stays as it was.
func TestStepIsPure(t *testing.T) {
	x := begin(t, parallelText(`"Retry":[{"ErrorEquals":["Boom"]}],`), `{"i":1}`, func(c Invoke) (string, error) {
		if c.Function == "b" {
			return "", failed{"Again", ""}
		}
		return `{"o":1}`, nil
	})
	for more := true; more; {
		before, image := x.run, fmt.Sprintf("%+v", x.run)
		more = x.once(t)
		if now := fmt.Sprintf("%+v", before); now != image {
			t.Fatalf("was %s\nis  %s", image, now)
		}
	}
}
