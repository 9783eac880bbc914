package orchestrator_test

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// failing lets some actions fail, by name.
func failing(w *world, results map[string]action.Result) func(action.Job) action.Result {
	commit := sources(w)
	return func(j action.Job) action.Result {
		if r, ok := results[j.Action.Name]; ok {
			return r
		}
		return commit(j)
	}
}

// Each way to fail is one mail, whose text is golden.
func TestAlerts(t *testing.T) {
	broken := action.Fail(action.JobFailed, "Build terminated with state: FAILED\nsee the log")
	broken.ExternalURL, broken.Log = "https://console.example/build/1", true
	tests := []struct {
		name string
		run  func(w *world)
	}{
		{"action", func(w *world) {
			w.outcome = failing(w, map[string]action.Result{"Unit": broken})
			w.start()
		}},
		{"both", func(w *world) {
			w.outcome = failing(w, map[string]action.Result{"Unit": broken, "Lint": action.Fail(action.ConfigurationError, "no project test")})
			w.start()
		}},
		{"rejected", func(w *world) {
			w.outcome = sources(w)
			w.start()
			w.settle()
			if err := w.approve(false); err != nil {
				w.t.Fatal(err)
			}
		}},
		{"expired", func(w *world) {
			w.outcome = sources(w)
			w.start()
			w.settle()
			w.now = w.now.Add(7 * 24 * time.Hour)
			if err := w.svc.Sweep(w.t.Context()); err != nil {
				w.t.Fatal(err)
			}
		}},
		{"task", func(w *world) { // its failure and the execution's are one change
			w.outcome = sources(w)
			w.start()
			w.settle()
			if err := w.svc.Machine.Fail(w.t.Context(), w.latest("Release", "Gate").Token, "States.Timeout", ""); err != nil {
				w.t.Fatal(err)
			}
		}},
		{"run", func(w *world) {
			w.outcome = sources(w)
			id := w.start()
			w.settle()
			if err := w.svc.Ended(w.t.Context(), id+"-1", "States.Runtime"); err != nil {
				w.t.Fatal(err)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, 1)
			w.create(app(pipeline.Superseded))
			tt.run(w)
			w.settle()
			all := w.mails(alerts)
			if len(all) != 1 {
				t.Fatalf("%d alerts; want 1: %+v", len(all), all)
			}
			golden(t, "alert-"+tt.name+".txt", "Subject: "+all[0].Subject+"\n\n"+all[0].Text)
		})
	}
}

// An execution that never came to a stage has nothing to retry.
func TestAlertWithoutStart(t *testing.T) {
	w := newWorld(t, 1)
	d := app(pipeline.Superseded)
	d.Variables = []pipeline.Variable{{Name: "Where"}}
	w.create(d)
	w.start()
	w.settle()
	all := w.mails(alerts)
	if len(all) != 1 {
		t.Fatalf("%d alerts; want 1", len(all))
	}
	golden(t, "alert-start.txt", "Subject: "+all[0].Subject+"\n\n"+all[0].Text)
}

// What somebody wanted, and what Sluice repeats by itself, is no failure yet.
func TestNoAlert(t *testing.T) {
	tests := []struct {
		name string
		run  func(w *world, id string)
	}{
		{"stopped", func(w *world, id string) {
			w.must(func() error {
				return w.svc.StopExecution(w.t.Context(), orchestrator.Stop{Pipeline: "app", Execution: id, Abandon: true})
			})
		}},
		{"superseded", func(w *world, _ string) {
			for range 2 {
				w.start()
				w.settle()
			}
		}},
		{"succeeded", func(w *world, _ string) { w.must(func() error { return w.approve(true) }) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, 1)
			w.create(app(pipeline.Superseded))
			id := w.start()
			w.settle()
			tt.run(w, id)
			w.settle()
			if all := w.mails(alerts); len(all) > 0 {
				t.Errorf("alerts: %+v", all)
			}
		})
	}
}

// A stage that fails, is repeated by itself and fails again is one alert, and
// another one after somebody has retried it in vain.
func TestAlertOfRetries(t *testing.T) {
	w := newWorld(t, 1)
	w.outcome = failing(w, map[string]action.Result{"Compile": action.Fail(action.JobFailed, "no compiler")})
	d := app(pipeline.Superseded)
	d.Stages[1].OnFailure = &pipeline.OnFailure{Result: "RETRY"}
	w.create(d)
	id := w.start()
	w.settle()
	if n := len(w.mails(alerts)); n != 1 {
		t.Fatalf("%d alerts after the automatic retry; want 1", n)
	}
	w.must(func() error {
		return w.svc.RetryStage(t.Context(), orchestrator.Retry{Pipeline: "app", Stage: "Build", Execution: id, Mode: pipeline.FailedActions})
	})
	w.settle()
	all := w.mails(alerts)
	if len(all) != 2 || all[0].ID == all[1].ID || !strings.Contains(all[1].Text, "attempt 3") {
		t.Errorf("alerts after somebody's retry: %+v", all)
	}
}

// Without a topic of alerts nobody is told, and nothing is read for it.
func TestAlertsSwitchedOff(t *testing.T) {
	w := newWorld(t, 1)
	w.withMail(func(m *orchestrator.Mail) { m.Alerts = "" }, io.Discard)
	w.outcome = failing(w, map[string]action.Result{"Compile": action.Fail(action.JobFailed, "no compiler")})
	w.create(app(pipeline.Superseded))
	id := w.start()
	w.settle()
	w.want(id, pipeline.Failed)
	if all := append(w.mails(alerts), w.mails("")...); len(all) > 0 {
		t.Errorf("alerts: %+v", all)
	}
}
