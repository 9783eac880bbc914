package engine

import (
	"strings"
	"testing"
)

// TestRefusedTexts: what cannot be run as Step Functions would run it is refused
// when it is loaded, by state and field.
func TestRefusedTexts(t *testing.T) {
	state := func(s string) string { return `{"StartAt":"S","States":{"S":{` + s + `}}}` }
	task := func(more string) string { return state(call("f") + `,"End":true,` + more) }
	long := strings.Repeat("x", 81)
	tests := []struct{ text, want string }{
		{`{`, "unexpected end"},
		{`{"StartAt":"S","States":{}}`, `StartAt: there is no state "S"`},
		{`{"StartAt":"S","QueryLanguage":"JSONata","States":{}}`, `"QueryLanguage"`},
		{`{"StartAt":"S","TimeoutSeconds":1,"States":{}}`, `"TimeoutSeconds"`},
		{state(`"Type":"Map"`), `state "S": state type "Map" is not supported`},
		{state(`"Type":"Pass","QueryLanguage":"JSONata","End":true`), `state "S": json: unknown field "QueryLanguage"`},
		{state(`"Type":"Pass"`), `state "S": Next: there is no state ""`},
		{state(`"Type":"Pass","Next":"T"`), `state "S": Next: there is no state "T"`},
		{state(`"Type":"Pass","Next":"S","End":true`), `state "S": Next: there beside End`},
		{state(`"Type":"Pass","End":true},"T":{"Type":"Succeed"`), `state "T": no state leads to it`},
		{`{"StartAt":"` + long + `","States":{"` + long + `":{"Type":"Succeed"}}}`, `a name has 1 to 80 characters, not 81`},
		{state(`"Type":"Parallel","End":true,"Branches":[{"StartAt":"S","States":{"S":{"Type":"Succeed"}}}]`), `state "S": the name is there twice`},
		{state(`"Type":"Parallel","End":true,"Branches":[{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"S"}}}]`), `state "S": Branches[0]: state "A": Next: there is no state "S"`},
		{state(`"Type":"Parallel","End":true`), `state "S": Branches: missing`},
		{state(`"Type":"Task","End":true,"Resource":"arn:aws:states:::lambda:invoke"`), `state "S": Resource: "arn:aws:states:::lambda:invoke" is not supported`},
		{state(lambda + `,"End":true`), `state "S": Parameters: not an object`},
		{state(lambda + `,"End":true,"Parameters":{"Payload":{}}`), `Parameters: FunctionName: missing`},
		{state(lambda + `,"End":true,"Parameters":{"FunctionName":"f"}`), `Parameters: Payload: must be there once`},
		{state(lambda + `,"End":true,"Parameters":{"FunctionName":"f","Payload":{},"Qualifier":"1"}`), `Parameters: Qualifier: not supported`},
		{state(lambda + `,"End":true,"Parameters":{"FunctionName":"f","Payload":{"a.$":"x"}}`), `Parameters: Payload: a.$: "x" is neither a path nor`},
		{state(lambda + `,"End":true,"Parameters":{"FunctionName":"f","Payload":{"a.$":"$[?(@.x)]"}}`), `[?(@.x)] is not supported`},
		{state(lambda + `,"End":true,"Parameters":{"FunctionName":"f","Payload":{"a.$":"States.Base64Encode('x')"}}`), `intrinsic function "States.Base64Encode" is not supported`},
		{task(`"TimeoutSeconds":-1`), `state "S": TimeoutSeconds: -1 is outside`},
		{task(`"TimeoutSeconds":5,"HeartbeatSeconds":5`), `state "S": HeartbeatSeconds: not less than`},
		{task(`"ResultPath":"$.a[*]"`), `state "S": ResultPath: path "$.a[*]" must name one place`},
		{task(`"ResultPath":"$$.a"`), `state "S": ResultPath: path "$$.a" must not begin with $$`},
		{task(`"InputPath":"a"`), `state "S": InputPath: path "a" does not begin with $`},
		{task(`"ResultSelector":[]`), `state "S": ResultSelector: not an object`},
		{task(`"Retry":[{"ErrorEquals":[]}]`), `state "S": Retry[0]: ErrorEquals: missing`},
		{task(`"Retry":[{"ErrorEquals":["States.ALL"]},{"ErrorEquals":["E"]}]`), `state "S": Retry[0]: ErrorEquals: States.ALL must be alone and last`},
		{task(`"Retry":[{"ErrorEquals":["E"],"BackoffRate":0.5}]`), `state "S": Retry[0]: BackoffRate`},
		{task(`"Retry":[{"ErrorEquals":["E"],"JitterStrategy":"HALF"}]`), `state "S": Retry[0]: JitterStrategy`},
		{task(`"Retry":[{"ErrorEquals":["E"],"MaxAttempts":-1}]`), `state "S": Retry[0]: MaxAttempts`},
		{task(`"Catch":[{"ErrorEquals":["States.ALL","E"],"Next":"S"}]`), `state "S": Catch[0]: ErrorEquals: States.ALL must be alone and last`},
		{task(`"Catch":[{"ErrorEquals":["States.Nothing"],"Next":"S"}]`), `state "S": Catch[0]: ErrorEquals: "States.Nothing"`},
		{task(`"Catch":[{"ErrorEquals":["E"],"Next":"T"}]`), `state "S": Catch[0]: Next: there is no state "T"`},
		{state(`"Type":"Choice","Choices":[]`), `state "S": Choices: missing`},
		{state(`"Type":"Choice","Choices":[{"Next":"S"}]`), `state "S": Choices[0]: exactly one comparison`},
		{state(`"Type":"Choice","Choices":[{"Variable":"$.a","IsNull":true,"IsPresent":true,"Next":"S"}]`), `state "S": Choices[0]: exactly one comparison`},
		{state(`"Type":"Choice","Choices":[{"Variable":"$.a","NumericLessThan":1,"Next":"S"}]`), `unknown field "NumericLessThan"`},
		{state(`"Type":"Choice","Choices":[{"Variable":"$.a","IsNull":true}]`), `state "S": Choices[0]: Next: there is no state ""`},
		{state(`"Type":"Choice","Choices":[{"Not":{"Variable":"$.a","IsNull":true,"Next":"S"},"Next":"S"}]`), `state "S": Choices[0]: Not: Next: only the outermost`},
		{state(`"Type":"Wait","End":true`), `state "S": Seconds: exactly one of`},
		{state(`"Type":"Wait","Seconds":1,"SecondsPath":"$.a","End":true`), `state "S": Seconds: exactly one of`},
		{state(`"Type":"Wait","Timestamp":"tomorrow","End":true`), `state "S": Timestamp: `},
	}
	for _, tt := range tests {
		_, err := Load([]byte(tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s\ngives %v\nwant  %s", tt.text, err, tt.want)
		}
	}
}

// FuzzLoad: no text makes Load, or a run of what it loads, panic or hang, and a
// run written and read again is the same.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(parallelText("")), []byte(`{"a":[1,{"b":null}]}`))
	f.Add([]byte(chain), []byte(`"x"`))
	f.Add([]byte(one(`"Type":"Pass","Parameters":{"x.$":"States.Format('{} {}', $..a[1:], $$.State)"},"ResultPath":"$.a[0]"`)), []byte(`{"a":[{"a":1}]}`))
	f.Add([]byte(one(`"Type":"Wait","TimestampPath":"$.a[-1]","OutputPath":"$$.Execution"`)), []byte(`{"a":["2026-01-01T00:00:00Z"]}`))
	f.Fuzz(func(t *testing.T, text, input []byte) {
		m, err := Load(text)
		if err != nil {
			return
		}
		if input, err = compact(input); err != nil {
			return
		}
		x := &trial{m: m, now: epoch, answer: func(c Invoke) (string, error) {
			if len(c.Payload)%3 == 0 {
				return "", failed{"E", "c"}
			}
			return string(c.Payload), nil
		}}
		run, effects := Start(m, Begin{Name: "run", Pipeline: "web", Input: input}, epoch)
		x.run = run
		x.follow(effects)
		for range 50 {
			reread(t, m, x.run)
			if !x.once(t) {
				break
			}
		}
	})
}
