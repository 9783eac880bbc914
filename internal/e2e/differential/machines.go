package differential

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/sluice-ci/sluice/internal/asl"
)

// document is the input of random machines. Their states add to it and take
// nothing away, so that what stands here can be found in every state.
const document = `{"execution":"e1","n":7,"s":"te*t","b":true,"z":null,"list":[10,20,30],"o":{"k":"v","deep":{"x":1.5},"list":[{"x":1},{"x":2}]}}`

// A builder makes one machine.
type builder struct {
	machineSpecimen
	blocks []string // made so far
}

func (s machineSpecimen) build() (asl.Machine, []string) {
	b := builder{machineSpecimen: s}
	return b.machine("", 2+chance(s.seed, "size").IntN(5)), b.blocks
}

// Case implements Specimen.
func (s machineSpecimen) Case() (Case, error) {
	m, _ := s.build()
	text, err := json.Marshal(m)
	if err != nil {
		return Case{}, err
	}
	origin, err := json.MarshalIndent(m, "", " ")
	return Case{
		Name: fmt.Sprintf("m%d", s.seed), Origin: string(origin), Text: text, Seed: s.seed,
		Input: document, Answer: s.answer, Careful: true,
	}, err
}

// machine makes a machine, or the branch that within names.
func (b *builder) machine(within string, size int) asl.Machine {
	var ids []string
	for i := range size {
		if id := fmt.Sprintf("%s%c", within, 'A'+i); !b.without[id] {
			ids = append(ids, id)
		}
	}
	last := within + "Z"
	m := asl.Machine{States: map[string]asl.State{}}
	for i, id := range ids {
		b.blocks = append(b.blocks, id)
		m.States[id] = b.block(id, append(ids[i+1:len(ids):len(ids)], last), within != "" && i == 0)
	}
	m.States[last] = b.last(last)
	if m.StartAt = last; len(ids) > 0 {
		m.StartAt = ids[0]
	}
	if within != "" && len(ids) == 0 { // branches begin with a task, so that all begin before one fails
		m.States[last] = b.task(last, nil)
	}
	return m
}

// last is how a machine or branch ends.
func (b *builder) last(id string) asl.State {
	r := chance(b.seed, "last", id)
	branch := len(id) > 1
	switch n := r.IntN(6); {
	case n == 0 || n == 1 && branch:
		return oneOf(r, asl.Fail{Error: "A", Cause: "the end"}, asl.Fail{Error: "Test.Fail"}, asl.Fail{})
	case n < 4:
		return asl.Succeed{OutputPath: oneOf(r, asl.Path(""), "$.o", asl.Null)}
	}
	return asl.Pass{Result: json.RawMessage(`{"at":"end"}`), ResultPath: oneOf(r, asl.Path(""), "$.end"), Then: asl.Then{End: true}}
}

// block makes the state id, which leads to one of later.
func (b *builder) block(id string, later []string, first bool) asl.State {
	r := chance(b.seed, "block", id)
	switch n := r.IntN(12); {
	case first || n < 4:
		return b.task(id, later)
	case n < 6:
		return b.pass(id, later)
	case n < 9:
		return b.choice(id, later)
	case n == 9 && len(id) == 1:
		return asl.Wait{Seconds: 1, OutputPath: oneOf(r, asl.Path(""), "$"), Then: asl.Then{Next: later[0]}}
	case len(id) < 5:
		return b.parallel(id, later)
	}
	return b.pass(id, later)
}

func (b *builder) task(id string, later []string) asl.State {
	r := chance(b.seed, "task", id)
	t := asl.Task{
		Resource:  "arn:aws:states:::lambda:invoke.waitForTaskToken",
		InputPath: oneOf(r, asl.Path(""), "", "$.o", "$$.Execution.Input", asl.Null),
		Then:      asl.Then{End: true},
	}
	payload := map[string]any{"state": id, "token.$": "$$.Task.Token", "run.$": "$$.Execution.Name", "call.$": "$$.State.RetryCount", "input.$": "$"}
	t.Parameters = text(map[string]any{"FunctionName": "f", "Payload": payload})
	t.ResultPath = oneOf(r, asl.Path("$.r"), "$.new.r", "$.o.k", asl.Null)
	if r.IntN(3) == 0 {
		t.ResultSelector = text(map[string]any{"all.$": "$", "fixed": true, "name.$": "$$.State.Name"})
	}
	names := errorNames
	if b.silent(id) {
		t.TimeoutSeconds = 2
		if r.IntN(2) == 0 {
			t.TimeoutSeconds, t.HeartbeatSeconds = 100, 1
			names = heartbeatNames
		}
	}
	t.Retry = retries(r, names)
	if len(later) > 0 {
		t.Then = asl.Then{Next: later[0]}
		t.Catch = catches(r, names, later)
	}
	return t
}

// errorNames are what rules are about. Against a missed heartbeat the emulator
// knows its own name only; see Deviations.
var (
	errorNames     = [][]string{{"A"}, {"B", "A"}, {"C"}, {"B", "C"}, {"States.TaskFailed"}, {"States.Timeout"}}
	heartbeatNames = [][]string{{"A"}, {"B", "States.HeartbeatTimeout"}}
)

// retries returns some rules. A rule that nothing matches costs nothing; one
// that does costs the emulator up to a second for each try.
func retries(r *rand.Rand, names [][]string) []asl.Retry {
	var all []asl.Retry
	for range r.IntN(4) {
		n := r.IntN(3)
		all = append(all, asl.Retry{
			ErrorEquals: oneOf(r, names...), MaxAttempts: &n, MaxDelaySeconds: 1,
			BackoffRate: oneOf(r, 0, 1, 1.5), JitterStrategy: oneOf(r, "FULL", "NONE"),
		})
	}
	if r.IntN(6) == 0 {
		n := r.IntN(2)
		all = append(all, asl.Retry{ErrorEquals: []string{"States.ALL"}, MaxAttempts: &n, MaxDelaySeconds: 1, JitterStrategy: "FULL"})
	}
	return all
}

func catches(r *rand.Rand, names [][]string, later []string) []asl.Catch {
	var all []asl.Catch
	for range r.IntN(3) {
		all = append(all, asl.Catch{ErrorEquals: oneOf(r, names...), Next: oneOf(r, later...), ResultPath: oneOf(r, asl.Path("$.err"), "$.o.err", asl.Null)})
	}
	if r.IntN(2) == 0 {
		all = append(all, asl.Catch{ErrorEquals: []string{"States.ALL"}, Next: oneOf(r, later...), ResultPath: oneOf(r, asl.Path("$.err"), asl.Null)})
	}
	return all
}

// expressions can be evaluated on the document, whatever was added to it.
var expressions = []string{
	"$", "$.n", "$.s", "$.z", "$.o.deep", "$['o']['k']", "$.list[0]", "$.list[*]", "$.list[0:2]", "$..x", "$.o.list[*].x", "$.nothing[*]",
	"$$.State.Name", "$$.Execution.Name", "$$.Execution.Input.n",
	"States.Array($.n, 'a', true, $.z)", "States.Array()", "States.Format('{} is {}, {}', $.n, $.s, $.b)",
	"States.MathAdd($.n, -3)", "States.StringToJson('[1,{\"a\":null}]')", "States.StringToJson(States.JsonToString($.o.deep))",
	"States.Format('{}', States.MathAdd(1, $.list[0]))",
	"$.list[-1]", "$.list[1:]", "$.list[:2]", "$.list[-2:]", "$.o.*", "$.o.list[*]", "$.list[5:]",
	"States.JsonToString($.o.deep)", "States.JsonToString($.list)", "States.JsonToString($.s)", "States.Format('{}', $.z)", "States.Format('plain')",
	"States.Array($.list, States.Array())", "States.MathAdd($.o.deep.x, 0)",
}

func (b *builder) pass(id string, later []string) asl.State {
	r := chance(b.seed, "pass", id)
	p := asl.Pass{InputPath: oneOf(r, asl.Path(""), "", "", asl.Null), ResultPath: oneOf(r, asl.Path("$.p"), "$.o.p.q", asl.Null), Then: asl.Then{Next: later[0]}}
	switch r.IntN(3) {
	case 0:
		p.Result = json.RawMessage(randomJSON(r, 2))
	case 1:
		p.InputPath = ""
		template := map[string]any{"plain": []any{1, "$.n"}}
		for i := range 1 + r.IntN(3) {
			template[fmt.Sprintf("e%d.$", i)] = oneOf(r, expressions...)
			if len(id) == 1 && r.IntN(30) == 0 { // which ends the run
				template["no.$"] = "$.nowhere"
			}
		}
		p.Parameters = text(map[string]any{"in": template})
	}
	return p
}

func (b *builder) choice(id string, later []string) asl.State {
	r := chance(b.seed, "choice", id)
	c := asl.Choice{Default: later[0], InputPath: oneOf(r, asl.Path(""), "", "$$.Execution.Input")}
	for range 1 + r.IntN(3) {
		rule := randomRule(r, 2)
		rule.Next = oneOf(r, later...)
		c.Choices = append(c.Choices, rule)
	}
	if r.IntN(6) == 0 {
		present := true
		c.Default, c.Choices = "", append(c.Choices, asl.Rule{Variable: "$.n", IsPresent: &present, Next: later[0]})
	}
	return c
}

// randomRule returns a rule nested at most so deep.
func randomRule(r *rand.Rand, deep int) asl.Rule {
	truth := r.IntN(2) == 0
	there := oneOf(r, "$.n", "$.s", "$.b", "$.z", "$.o", "$.o.k", "$.o.deep.x", "$.list[2]", "$$.Execution.Name")
	number := oneOf(r, 7, 1.5, 30)
	word := oneOf(r, "te*t", "v", "")
	pattern := oneOf(r, "*", "t*t", "*e*", "", "v", "**", "t*e")
	n := 6
	if deep > 0 {
		n = 9
	}
	switch r.IntN(n) {
	case 0:
		return asl.Rule{Variable: oneOf(r, there, "$.nowhere", "$.o.nowhere.x", "$.err.Error"), IsPresent: &truth}
	case 1:
		return asl.Rule{Variable: there, IsNull: &truth}
	case 2:
		return asl.Rule{Variable: there, BooleanEquals: &truth}
	case 3:
		return asl.Rule{Variable: there, StringEquals: &word}
	case 4:
		return asl.Rule{Variable: there, StringMatches: &pattern}
	case 5:
		return asl.Rule{Variable: there, NumericEquals: &number}
	case 6:
		inner := randomRule(r, deep-1)
		return asl.Rule{Not: &inner}
	}
	rules := []asl.Rule{randomRule(r, deep-1), randomRule(r, deep-1)}
	if r.IntN(2) == 0 { // the usual guard: what follows is looked at only if it is there
		present := true
		rules = []asl.Rule{{Variable: "$.nowhere", IsPresent: &present}, {Variable: "$.nowhere", StringEquals: &word}}
		return asl.Rule{And: rules}
	}
	if r.IntN(2) == 0 {
		return asl.Rule{And: rules}
	}
	return asl.Rule{Or: rules}
}

func (b *builder) parallel(id string, later []string) asl.State {
	r := chance(b.seed, "parallel", id)
	p := asl.Parallel{
		InputPath: oneOf(r, asl.Path(""), "$"), ResultPath: oneOf(r, asl.Path("$.r"), "$.o.r", asl.Null),
		Catch: catches(r, errorNames, later), Then: asl.Then{Next: later[0]},
	}
	if r.IntN(3) == 0 {
		p.Retry = retries(r, errorNames)
	}
	if r.IntN(3) == 0 {
		p.ResultSelector = text(map[string]any{"first.$": "$[0]"})
	}
	if r.IntN(4) == 0 {
		p.Parameters = text(map[string]any{"list.$": "$.list", "o.$": "$.o", "n.$": "$.n", "s": "te*t", "b": true, "z": nil, "execution": "e1"})
	}
	for i := range 1 + r.IntN(3) {
		p.Branches = append(p.Branches, b.machine(fmt.Sprintf("%s%d", id, i), 1+r.IntN(2)))
	}
	return p
}

// silent reports whether a task never gets an answer. Those of branches do: a
// timeout that cuts others short comes at no certain moment.
func (s machineSpecimen) silent(id string) bool {
	return len(id) == 1 && chance(s.seed, "silent", id).IntN(15) == 0
}

func (s machineSpecimen) answer(c Call) Answer {
	r := chance(s.seed, "answer", c.State, c.Visit, c.Try)
	trouble := oneOf(chance(s.seed, "trouble"), 0, 3, 6, 8)
	branch := len(c.State) > 1
	switch {
	case s.silent(c.State):
		return Answer{Kind: Silence}
	case r.IntN(10) >= trouble:
		return Answer{Kind: Succeed, Output: randomJSON(r, 2)}
	case r.IntN(30) == 0:
		return Answer{Kind: Stop, Error: "Test.Stopped", Cause: "stopped"}
	case r.IntN(8) == 0 && !branch:
		return Answer{Kind: Refuse, Early: true, Error: oneOf(r, "ServiceException", "Unknown")}
	case r.IntN(8) == 0 && !strings.HasSuffix(c.State, "Z"):
		return Answer{Kind: Fail, Error: oneOf(r, "States.Permissions", "States.TaskFailed"), Cause: "named as if by the machine"}
	}
	return Answer{Kind: Fail, Error: oneOf(r, "A", "B", "C", "Lambda.Unknown"), Cause: "of the function"}
}
