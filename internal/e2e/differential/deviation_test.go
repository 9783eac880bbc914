package differential

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// A deviation is something in which the emulator is known to differ from what
// AWS documents, with a machine that shows it. Random cases keep clear of it.
type deviation struct {
	Name     string
	Emulator string // what it does
	AWS      string // what is documented, and where
	States   string // of the machine, which begins with S; its input is document
	Answer   Answer // of all tasks
	Embedded string // the end of the run on the engine
	Emulated string // on the emulator
}

const (
	errorsGuide = "Developer Guide, Handling errors in workflows: "
	functions   = "Developer Guide, Intrinsic functions: "
	language    = "Amazon States Language: "
)

// caught is a Task with more fields whose errors of a name lead to an end with
// {"caught":1}.
func caught(name, fields string) string {
	return `"S":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken",
		"Parameters":{"FunctionName":"f","Payload":{"token.$":"$$.Task.Token","run.$":"$$.Execution.Name","call.$":"$$.State.RetryCount"}},
		"Catch":[{"ErrorEquals":["` + name + `"],"Next":"Caught"}],` + fields + `"End":true},
		"Caught":{"Type":"Pass","Result":{"caught":1},"End":true}`
}

// parameters is a Pass that ends with the value of an expression.
func parameters(expression string) string {
	return `"S":{"Type":"Pass","Parameters":{"v.$":"` + expression + `"},"End":true}`
}

// deviations is the whole list.
var deviations = []deviation{
	{
		Name:     "no rule of a Choice holds",
		Emulator: "fails with States.Runtime",
		AWS:      errorsGuide + "States.NoChoiceMatched",
		States:   `"S":{"Type":"Choice","Choices":[{"Variable":"$.n","NumericEquals":8,"Next":"E"}]},"E":{"Type":"Succeed"}`,
		Embedded: "FAILED States.NoChoiceMatched", Emulated: "FAILED States.Runtime",
	},
	{
		Name:     "a missed heartbeat is a timeout",
		Emulator: "compares names, so States.Timeout does not catch States.HeartbeatTimeout",
		AWS:      errorsGuide + "States.Timeout is reported when a task runs too long or fails to send a heartbeat",
		States:   caught("States.Timeout", `"HeartbeatSeconds":1,`), Answer: Answer{Kind: Silence},
		Embedded: `SUCCEEDED {"caught":1}`, Emulated: "FAILED States.HeartbeatTimeout",
	},
	{
		Name:     "States.TaskFailed against names of the machine's own",
		Emulator: "does not catch them",
		AWS:      errorsGuide + "States.TaskFailed matches any known error name except for States.Timeout",
		States:   caught("States.TaskFailed", `"HeartbeatSeconds":1,`), Answer: Answer{Kind: Silence},
		Embedded: `SUCCEEDED {"caught":1}`, Emulated: "FAILED States.HeartbeatTimeout",
	},
	{
		Name:     "States.TaskFailed against a timeout that a function tells of",
		Emulator: "catches that",
		AWS:      errorsGuide + "States.TaskFailed matches any known error name except for States.Timeout",
		States:   caught("States.TaskFailed", ""), Answer: Answer{Kind: Fail, Error: "States.Timeout"},
		Embedded: "FAILED States.Timeout", Emulated: `SUCCEEDED {"caught":1}`,
	},
	{
		Name:     "States.Runtime is final",
		Emulator: "catches it with States.ALL",
		AWS:      errorsGuide + "States.ALL can't catch States.DataLimitExceeded and runtime error types",
		States:   caught("States.ALL", `"ResultSelector":{"v.$":"$.nowhere"},`), Answer: Answer{Kind: Succeed, Output: "{}"},
		Embedded: "FAILED States.Runtime", Emulated: `SUCCEEDED {"caught":1}`,
	},
	{
		Name:     "an intrinsic function fails",
		Emulator: "fails with States.Runtime",
		AWS:      errorsGuide + "States.IntrinsicFailure",
		States:   parameters("States.StringToJson($.s)"),
		Embedded: "FAILED States.IntrinsicFailure", Emulated: "FAILED States.Runtime",
	},
	{
		Name:     "a ResultPath leads into a number",
		Emulator: "fails with States.Runtime",
		AWS:      errorsGuide + "States.ResultPathMatchFailure",
		States:   `"S":{"Type":"Pass","ResultPath":"$.n.x","End":true}`,
		Embedded: "FAILED States.ResultPathMatchFailure", Emulated: "FAILED States.Runtime",
	},
	{
		Name:     "a list becomes an element of a list",
		Emulator: "puts the first of its elements there",
		AWS:      language + "ResultPath is a reference path to one place, which the result replaces",
		States:   `"S":{"Type":"Pass","Result":[1,2],"ResultPath":"$.list[1]","OutputPath":"$.list","End":true}`,
		Embedded: "SUCCEEDED [10,[1,2],30]", Emulated: "SUCCEEDED [10,1,30]",
	},
	{
		Name:     "a path that may find several values and finds one",
		Emulator: "gives the value",
		AWS:      language + "a path can identify several values; JSONPath gives their list, however many they are",
		States:   parameters("$..k"),
		Embedded: `SUCCEEDED {"v":["v"]}`, Emulated: `SUCCEEDED {"v":"v"}`,
	},
	{
		Name:     "a path through an index",
		Emulator: "gives a list",
		AWS:      language + "a reference path identifies a single node",
		States:   parameters("$.o.list[0].x"),
		Embedded: `SUCCEEDED {"v":1}`, Emulated: `SUCCEEDED {"v":[1]}`,
	},
	{
		Name:     "StringMatches with an escaped star",
		Emulator: "takes the backslash for itself",
		AWS:      language + `the star of StringMatches can be escaped with \\`,
		States: `"S":{"Type":"Choice","Choices":[{"Variable":"$.s","StringMatches":"te\\*t","Next":"Y"}],"Default":"N"},` +
			`"Y":{"Type":"Pass","Result":1,"End":true},"N":{"Type":"Pass","Result":0,"End":true}`,
		Embedded: "SUCCEEDED 1", Emulated: "SUCCEEDED 0",
	},
	{
		Name:     "States.Format with escaped braces",
		Emulator: "counts them as places for arguments",
		AWS:      functions + `', { and } in a string are escaped with a backslash`,
		States:   parameters(`States.Format('{} \\{\\}', $.n)`),
		Embedded: `SUCCEEDED {"v":"7 {}"}`, Emulated: "FAILED States.Runtime",
	},
	{
		Name:     "States.Format of an object",
		Emulator: "writes it as Java does",
		AWS:      language + "says that the value takes the place of {}, and not how an object is written; here it is JSON",
		States:   parameters("States.Format('{}', $.o.deep)"),
		Embedded: `SUCCEEDED {"v":"{\"x\":1.5}"}`, Emulated: `SUCCEEDED {"v":"{x=1.5}"}`,
	},
	{
		Name:     "States.MathAdd of a fraction that stands in the text",
		Emulator: "refuses the machine",
		AWS:      functions + "a value that is no integer is rounded to the nearest one",
		States:   parameters("States.MathAdd(1.6, 1)"),
		Embedded: `SUCCEEDED {"v":3}`, Emulated: "refused",
	},
	{
		Name:     "null as an argument",
		Emulator: "leaves it out",
		AWS:      functions + "States.Array makes a list of all its arguments",
		States:   parameters("States.Array(1, null)"),
		Embedded: `SUCCEEDED {"v":[1,null]}`, Emulated: `SUCCEEDED {"v":[1]}`,
	},
	{
		Name:     "the output of a run is a string",
		Emulator: "describes it without its quotes",
		AWS:      "API Reference, DescribeExecution: output is the JSON output data of the execution",
		States:   `"S":{"Type":"Pass","OutputPath":"$.s","End":true}`,
		Embedded: `SUCCEEDED "te*t"`, Emulated: "SUCCEEDED te*t",
	},
}

// machine is the machine of d.
func (d deviation) machine() Case {
	return Case{
		Name: "d", Origin: d.Name, Text: []byte(`{"StartAt":"S","States":{` + d.States + `}}`), Input: document,
		Answer: func(Call) Answer { return d.Answer },
	}
}

// end is how a run ended, in one line.
func end(t Trace) string {
	if t.Status == "SUCCEEDED" {
		return t.Status + " " + t.Output
	}
	return t.Status + " " + t.Error
}

// testDeviations: the list is what the emulator does, and nothing that it has
// ceased to do.
func testDeviations(t *testing.T, e *emulator) {
	for _, d := range deviations {
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			c := d.machine()
			trace, moves, err := c.Embedded()
			if err != nil {
				t.Fatal(err)
			}
			if got := end(trace); got != d.Embedded {
				t.Errorf("the engine: %s; want %s", got, d.Embedded)
			}
			got := "refused"
			if trace, err := e.play(t.Context(), c, moves, patience); err == nil {
				got = end(trace)
			} else if _, refused := errors.AsType[*types.InvalidDefinition](err); !refused {
				t.Fatal(err)
			}
			switch got {
			case d.Emulated:
			case d.Embedded:
				t.Errorf("the emulator does what is documented (%s): take this off the list", got)
			default:
				t.Errorf("the emulator: %s; want %s: it %s", got, d.Emulated, d.Emulator)
			}
		})
	}
}
