package infra_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A context that says nothing sensible is refused, with key, value and fix.
func TestContextRefused(t *testing.T) {
	t.Setenv("CDK_DEFAULT_ACCOUNT", "")
	dir, definitions := root(t), definitions(t)
	for _, tt := range []struct {
		key   string
		value any
		want  string
	}{
		{"sluice:name", "My-Tools", `context sluice:name is "My-Tools"; write lower-case letters and digits`},
		{"sluice:account", "", `context sluice:account is not set; write 12 digits, such as "111122223333" (in cdk.json, or with -c sluice:account=...), or log in`},
		{"sluice:region", "Ireland", `context sluice:region is "Ireland"`},
		{"sluice:links", "no", `context sluice:links is "no"; write true or false`},
		{"sluice:retention", 0, `context sluice:retention is "0"; write a number of days`},
		{"sluice:log", "loud", "write debug, info, warn or error"},
		{"sluice:arch", "x86_64", "write arm64 or amd64"},
		{"sluice:alerts", []any{"ops"}, `context sluice:alerts is "ops"; write e-mail addresses`},
		{"sluice:schedules", object{"hello": "daily"}, `context sluice:schedules is "hello: daily"`},
		{"sluice:schedules", object{"helo": "rate(1 day)"}, "context sluice:schedules names a pipeline that is not there"},
		{"sluice:allow", "arn:aws:iam::111122223333:role/*", `context sluice:allow is "arn:aws:iam::111122223333:role/*"`},
		{"sluice:alert", "ops@example.com", "context sluice:alert is unknown; did you mean sluice:alerts?"},
		{"sluice:pipelines", "nowhere", "nowhere: cannot be read"},
	} {
		_, err := build(t, dir, context(definitions, object{tt.key: tt.value}))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s = %v: error is %v; want %q", tt.key, tt.value, err, tt.want)
		}
	}
}

// A function that was not built, or does not say what it needs, is refused.
func TestFunctionsRefused(t *testing.T) {
	definitions := definitions(t)
	for _, tt := range []struct{ name, file, text, want string }{
		{"not built", "build/arm64/stage/bootstrap", "", "build/arm64/stage/bootstrap: there is no such file; type make functions"},
		{"no policy", "functions/stage/policy.json", "", "functions/stage/policy.json: there is no such file"},
		{"a pattern", "functions/stage/policy.json", `{"statements": [{"actions": ["dynamodb:*"], "on": ["table"]}]}`, `action "dynamodb:*" is not one action`},
		{"a wrong symbol", "functions/stage/policy.json", `{"statements": [{"actions": ["sqs:SendMessage"], "on": ["que"]}]}`, `on "que" is none of`},
		{"no reason", "functions/stage/policy.json", `{"statements": [{"actions": ["ecs:ListClusters"], "on": ["any"]}]}`, `on "any" needs a why`},
		{"a wrong variable", "functions/stage/policy.json", `{"environment": ["SLUICE_TABEL"]}`, "SLUICE_TABEL is none of"},
		{"a wrong member", "functions/stage/policy.json", `{"statement": []}`, `unknown field "statement"`},
		{"too long", "functions/stage/policy.json", `{"timeout": 901}`, "timeout is 901; write 1 to 900 (seconds)"},
	} {
		dir := root(t)
		file := filepath.Join(dir, tt.file)
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if tt.text != "" {
			write(t, file, tt.text)
		}
		_, err := build(t, dir, context(definitions, nil))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error is %v; want %q", tt.name, err, tt.want)
		}
	}
}
