package deploymentwindow_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/deploymentwindow"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// TestWindow waits on a Sunday for Monday morning.
func TestWindow(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	p, err := deploymentwindow.New(func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	job := action.Job{Action: pipeline.Action{Name: "Hours", Configuration: map[string]string{"Cron": "0 * 9-17 ? * MON-FRI *", "TimeZone": "Europe/Berlin"}}}
	r, err := p.Start(t.Context(), job)
	if err != nil || r.Status != pipeline.InProgress || !strings.Contains(r.Summary, "2026-11-23T08:00:00Z") {
		t.Errorf("on Sunday: %+v, %v; want InProgress until 2026-11-23T08:00:00Z", r, err)
	}
	now = time.Date(2026, 11, 23, 8, 0, 30, 0, time.UTC)
	if r, err = p.Poll(t.Context(), job); err != nil || r.Status != pipeline.Succeeded {
		t.Errorf("on Monday: %+v, %v; want Succeeded", r, err)
	}
	for _, cron := range []string{"nonsense", "0 0 9 * * ? 2020"} {
		job.Action.Configuration["Cron"] = cron
		if r, err = p.Start(t.Context(), job); err != nil || r.Error == nil || r.Error.Code != action.ConfigurationError || !strings.Contains(r.Error.Message, "Hours") {
			t.Errorf("%q: %+v, %v; want a ConfigurationError that names the rule", cron, r, err)
		}
	}
	if _, err := deploymentwindow.New(nil); err == nil {
		t.Error("New without a clock succeeded")
	}
}
