package pipeline_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

func TestResolveAction(t *testing.T) {
	values := table(map[string]string{"s.Message": `say "hi"}, {`, "s.Id": "c0ffee", "s.N": "3", "s.JSON": `[{"name":"A","value":"1"}]`})
	config := func(key, value string) pipeline.Action {
		return pipeline.Action{Name: "a", Configuration: map[string]string{key: value}}
	}
	tests := []struct {
		name string
		in   pipeline.Action
		want pipeline.Action
		err  string
	}{
		{"plain key", config("CustomData", "#{s.Message}"), config("CustomData", `say "hi"}, {`), ""},
		{"user parameters are text", config("UserParameters", `{"m":"#{s.Message}"}`), config("UserParameters", `{"m":"say "hi"}, {"}`), ""},
		{"JSON string", config("EnvironmentVariables", `[{"name":"M","value":"#{s.Message}"}]`), config("EnvironmentVariables", `[{"name":"M","value":"say \"hi\"}, {"}]`), ""},
		{"JSON after an escape", config("ParameterOverrides", `{"\"": "\\#{s.Message}"}`), config("ParameterOverrides", `{"\"": "\\say \"hi\"}, {"}`), ""},
		{"JSON number", config("ParameterOverrides", `{"N": #{s.N}}`), config("ParameterOverrides", `{"N": 3}`), ""},
		{"JSON break out", config("ParameterOverrides", `{"N": #{s.Message}}`), pipeline.Action{}, "outside of quotation marks"},
		{"JSON list inside", config("EnvironmentVariables", `[#{s.JSON}]`), pipeline.Action{}, "outside of quotation marks"},
		{"all of the JSON", config("EnvironmentVariables", " #{s.JSON} "), config("EnvironmentVariables", ` [{"name":"A","value":"1"}] `), ""},
		{"input of a state machine",
			pipeline.Action{Configuration: map[string]string{"StateMachineArn": "m", "Input": `{"m":"#{s.Message}"}`}},
			pipeline.Action{Configuration: map[string]string{"StateMachineArn": "m", "Input": `{"m":"say \"hi\"}, {"}`}}, ""},
		{"path of an input",
			pipeline.Action{Configuration: map[string]string{"StateMachineArn": "m", "InputType": "FilePath", "Input": "#{s.Id}.json"}},
			pipeline.Action{Configuration: map[string]string{"StateMachineArn": "m", "InputType": "FilePath", "Input": "c0ffee.json"}}, ""},
		{"commands and environment",
			pipeline.Action{Name: "#{s.Id}", Commands: []string{"echo #{s.Id}"}, EnvironmentVariables: []pipeline.EnvironmentVariable{{Name: "ID", Value: "#{s.Id}"}}},
			pipeline.Action{Name: "#{s.Id}", Commands: []string{"echo c0ffee"}, EnvironmentVariables: []pipeline.EnvironmentVariable{{Name: "ID", Value: "c0ffee"}}}, ""},
		{"unresolved", pipeline.Action{Name: "a", Commands: []string{"#{s.X}"}, Configuration: map[string]string{"K": "#{t.Y}"}}, pipeline.Action{}, "resolve action a: unresolved variables: #{t.Y}, #{s.X}"},
		{"too large", config("K", strings.Repeat("x", 100<<10)), pipeline.Action{}, "configuration has 102401 bytes, the limit is 102400"},
		{"as large as may be", config("K", strings.Repeat("x", 100<<10-1)), config("K", strings.Repeat("x", 100<<10-1)), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := cmp.Diff(tt.in, pipeline.Action{})
			got, err := pipeline.ResolveAction(tt.in, values)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) || pipeline.CodeOf(err) != pipeline.InvalidActionDeclaration {
					t.Errorf("error %v; want %q", err, tt.err)
				}
				return
			}
			if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
				t.Errorf("error %v, action (-want +got):\n%s", err, diff)
			}
			if cmp.Diff(tt.in, pipeline.Action{}) != before {
				t.Error("ResolveAction changed its argument")
			}
		})
	}
}

// TestResolveJSON pins that no value, whatever it holds, changes anything but
// the string it is used in.
func TestResolveJSON(t *testing.T) {
	type variable struct{ Name, Value string }
	rapid.Check(t, func(t *rapid.T) {
		value, around := rapid.String().Draw(t, "value"), rapid.StringMatching(`[^#]*`).Draw(t, "around")
		raw, _ := json.Marshal([]variable{{"A", around + "#{n.k}" + around}, {"B", "b"}})
		a := pipeline.Action{Configuration: map[string]string{"EnvironmentVariables": string(raw)}}

		a, err := pipeline.ResolveAction(a, table(map[string]string{"n.k": value}))

		var got []variable
		if err != nil || json.Unmarshal([]byte(a.Configuration["EnvironmentVariables"]), &got) != nil {
			t.Fatalf("%v, %s", err, a.Configuration)
		}
		if diff := cmp.Diff([]variable{{"A", around + value + around}, {"B", "b"}}, got); diff != "" {
			t.Fatalf("variables (-want +got):\n%s", diff)
		}
	})
}

func TestResolveRule(t *testing.T) {
	r := rule("VariableCheck", map[string]string{"Variable": "#{s.Id}", "Value": "x", "Operator": "EQ"})
	got, err := pipeline.ResolveRule(r, table(map[string]string{"s.Id": "7"}))
	if err != nil || got.Configuration["Variable"] != "7" || r.Configuration["Variable"] != "#{s.Id}" {
		t.Errorf("ResolveRule = %v, %v; argument %v", got.Configuration, err, r.Configuration)
	}
	if _, err := pipeline.ResolveRule(r, table(nil)); err == nil {
		t.Error("an unresolved reference of a rule went unnoticed")
	}
}
