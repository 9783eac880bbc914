package orchestrator

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// TestAsks sweeps each minute for two hours and notes when it asks.
func TestAsks(t *testing.T) {
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	of := func(c pipeline.Category, token, external string) record.Action {
		a := record.Action{Started: began, Result: action.Result{Token: token, ExternalID: external}}
		a.Job.Action.TypeID.Category = c
		return a
	}
	tests := []struct {
		name   string
		action record.Action
		want   string // minutes
	}{
		{"a build that has a name", of(pipeline.Build, "", "app:1"), "0 1 2 3 4 5 10 15 20 25 30 35 40 45 50 55 60 75 90 105"},
		{"a build of which nothing was heard", of(pipeline.Build, "", ""), "1 2 3 4 5 10 15 20 25 30 35 40 45 50 55 60 75 90 105"},
		{"an approval that asks", of(pipeline.Approval, "token", ""), ""},
		{"an approval that could not ask yet", of(pipeline.Approval, "", ""), "1 2 3 4 5 10 15 20 25 30 35 40 45 50 55 60 75 90 105"},
	}
	for _, tt := range tests {
		var minutes []string
		for m := range 120 {
			if asks(tt.action, began.Add(time.Duration(m)*time.Minute+30*time.Second)) {
				minutes = append(minutes, fmt.Sprint(m))
			}
		}
		if got := strings.Join(minutes, " "); got != tt.want {
			t.Errorf("%s: asked at %s; want %s", tt.name, got, tt.want)
		}
	}
}
