package variablecheck_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/variablecheck"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

func TestCompare(t *testing.T) {
	for _, tt := range []struct {
		variable, operator, value string
		want                      pipeline.Status
		says                      string // code of the failure
	}{
		{"main", "EQ", "main", pipeline.Succeeded, ""},
		{"main", "EQ", "Main", pipeline.Failed, action.JobFailed},
		{"main", "NE", "Main", pipeline.Succeeded, ""},
		{"main", "NE", "main", pipeline.Failed, action.JobFailed},
		{"feature/x", "CONTAINS", "ture/", pipeline.Succeeded, ""},
		{"feature/x", "CONTAINS", "main", pipeline.Failed, action.JobFailed},
		{"v1.2.3", "MATCHES", `v\d+\.\d+\.\d+`, pipeline.Succeeded, ""},
		{"v1.2.3-rc1", "MATCHES", `v\d+\.\d+\.\d+`, pipeline.Failed, action.JobFailed},
		{"ab", "MATCHES", "a|b", pipeline.Failed, action.JobFailed}, // the whole, not an end of it
		{"a\nb", "MATCHES", "a.b", pipeline.Succeeded, ""},
		{"x", "MATCHES", "(", pipeline.Failed, action.ConfigurationError},
		{"x", "GT", "1", pipeline.Failed, action.ConfigurationError},
	} {
		job := action.Job{Action: pipeline.Action{Name: "Check", Configuration: map[string]string{"Variable": tt.variable, "Operator": tt.operator, "Value": tt.value}}}
		for name, ask := range map[string]func() (action.Result, error){
			"Start": func() (action.Result, error) { return variablecheck.New().Start(t.Context(), job) },
			"Poll":  func() (action.Result, error) { return variablecheck.New().Poll(t.Context(), job) },
		} {
			r, err := ask()
			if err != nil || r.Status != tt.want {
				t.Errorf("%s of %q %s %q: %s, %v; want %s", name, tt.variable, tt.operator, tt.value, r.Status, err, tt.want)
			}
			if tt.says != "" && (r.Error == nil || r.Error.Code != tt.says || !strings.Contains(r.Error.Message, "Check") && !strings.Contains(r.Error.Message, strconv.Quote(tt.variable))) {
				t.Errorf("%s of %q %s %q fails with %+v; want %s that names the rule or the variable", name, tt.variable, tt.operator, tt.value, r.Error, tt.says)
			}
		}
	}
}
