// Package cloudtest has what tests of functions share: a [World] in memory that
// stands for an account, and [OneEffect], which every function has to pass.
package cloudtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/bus"
	"github.com/sluice-ci/sluice/internal/cloud/approvals"
	"github.com/sluice-ci/sluice/internal/cloud/catalog"
	"github.com/sluice-ci/sluice/internal/machine"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
	"github.com/sluice-ci/sluice/internal/store/memory"
)

// Account and Region are where a World is.
const (
	Account = "111122223333"
	Region  = "eu-west-1"
)

// topics are who is told things.
var topics = orchestrator.Mail{
	Alerts:    "arn:aws:sns:" + Region + ":" + Account + ":sluice-alerts",
	Approvals: "arn:aws:sns:" + Region + ":" + Account + ":sluice-approvals",
	Pages:     "https://pages.example.com",
}

// A World is an account in memory. Its machines do nothing by themselves: they
// only remember what they were told.
type World struct {
	Store   store.Store
	Records record.Reader

	mu      sync.Mutex
	runs    map[string]bool          // that were started, by name; guarded by mu
	answers map[string]string        // first answer of each task, by token; guarded by mu
	events  map[string]string        // what was published, by id; guarded by mu
	link    string                   // of the newest mail; guarded by mu
	jobs    map[string]action.Result // that were begun, by id; guarded by mu
	begun   map[string]int           // how often work was begun, by action; guarded by mu
}

// New returns an empty World.
func New() *World {
	w := &World{
		Store: new(memory.Store), runs: map[string]bool{}, answers: map[string]string{},
		events: map[string]string{}, jobs: map[string]action.Result{}, begun: map[string]int{},
	}
	w.Records = record.Reader{Store: w.Store, Account: Account}
	return w
}

// Process returns the use cases as a process of their own has them. Providers
// are of actions that are not only counted.
func (w *World) Process(t testing.TB, providers ...catalog.Providers) *orchestrator.Service {
	t.Helper()
	gate, err := approvals.New(w.Store)
	if err != nil {
		t.Fatal(err)
	}
	counting := catalog.Providers{}
	for _, d := range Pipeline("web").Stages {
		for _, a := range d.Actions {
			counting[a.TypeID] = worker{w}
		}
	}
	svc, err := orchestrator.New(
		orchestrator.Ports{Store: w.Store, Machine: w, Bus: w, Catalog: catalog.Of(append([]catalog.Providers{counting, gate}, providers...)...)},
		orchestrator.Home{Account: Account, Region: Region}, orchestrator.Options{Mail: topics})
	if err != nil {
		t.Fatal(err)
	}
	return svc
}

// Deliver delivers the outbox until it is empty.
func (w *World) Deliver(t testing.TB) {
	t.Helper()
	svc := w.Process(t)
	for {
		rows, err := svc.Outbox(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) == 0 {
			return
		}
		for _, row := range rows {
			err := errors.Join(svc.Act(t.Context(), row.Outbox), svc.Announce(t.Context(), row.Outbox), svc.Delivered(t.Context(), []store.Key{row.Key}))
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Start implements machine.Machine.
func (w *World) Start(_ context.Context, s machine.Start) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.runs[s.Name] = true
	return nil
}

// Stop implements machine.Machine.
func (w *World) Stop(_ context.Context, name, errorName, _ string) error {
	_ = w.answer("run "+name, "stopped: "+errorName) // it may have been stopped before
	return nil
}

// Describe implements machine.Machine: runs go on for ever.
func (w *World) Describe(context.Context, string) (machine.Status, error) {
	return machine.Running, nil
}

// Succeed implements machine.Machine.
func (w *World) Succeed(_ context.Context, token string, _ []byte) error {
	return w.answer(token, "succeeded")
}

// Fail implements machine.Machine.
func (w *World) Fail(_ context.Context, token, errorName, _ string) error {
	return w.answer(token, errorName)
}

func (w *World) answer(token, with string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.answers[token] != "" {
		return machine.ErrTaskGone
	}
	w.answers[token] = with
	return nil
}

// Publish implements bus.Bus.
func (w *World) Publish(_ context.Context, e bus.Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events[e.ID] = e.DetailType
	var mail struct{ Link string }
	if json.Unmarshal(e.Detail, &mail) == nil && mail.Link != "" {
		w.link = mail.Link
	}
	return nil
}

// Link returns the link in the newest mail that asks for an approval.
func (w *World) Link() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.link
}

// A worker begins the work of each job once, and counts. Builds go on until
// End; everything else ends at once.
type worker struct{ *World }

func (w worker) Start(_ context.Context, job action.Job) (action.Result, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r, ok := w.jobs[job.ID]; ok {
		return r, nil
	}
	w.begun[job.Action.Name]++
	r := done(job)
	if job.Action.TypeID.Category == pipeline.Build {
		r = action.Result{Status: pipeline.InProgress, ExternalID: BuildOf(job.ID)}
	}
	w.jobs[job.ID] = r
	return r, nil
}

// BuildOf returns what the build of a job is called.
func BuildOf(job string) string { return "project:" + job }

func done(job action.Job) action.Result {
	r := action.Result{Status: pipeline.Succeeded, Summary: "done", Outputs: job.Outputs}
	if job.Action.TypeID.Category == pipeline.Source {
		r.Revision = &action.Revision{ID: "revision"}
	}
	return r
}

func (w worker) Poll(_ context.Context, job action.Job) (action.Result, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r, ok := w.jobs[job.ID]
	if !ok {
		return action.Result{Status: action.Lost}, nil
	}
	return r, nil
}

func (w worker) Stop(_ context.Context, job action.Job) error {
	_ = w.answer("work of "+job.ID, "stopped") // it may have been stopped before
	return nil
}

// End ends the build of a job well; whoever asks hears of it.
func (w *World) End(job string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.jobs[job] = action.Result{Status: pipeline.Succeeded, Summary: "built", ExternalID: BuildOf(job)}
}

// Effect is everything that has come of what was done, in words that do not
// depend on the ids of this run. It delivers the outbox first.
func (w *World) Effect(t testing.TB) string {
	t.Helper()
	w.Deliver(t)
	var lines []string
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	pipelines, err := w.Records.Pipelines(t.Context(), "", 0)
	must(err)
	for _, p := range pipelines {
		say("pipeline %s version %d", p.Name, p.Version)
		decisions, err := w.Records.Decisions(t.Context(), p.Name, 100)
		must(err)
		for _, d := range decisions {
			say("decision about %s: started %v", d.Pipeline, d.Started)
		}
		executions, err := w.Records.Executions(t.Context(), p.Name, 0, 0)
		must(err)
		for _, e := range executions {
			say("execution %s %d: %s in stage %d, inside %v, attempt %d", p.Name, e.Seq, e.Status, e.Stage, e.Inside, e.Attempt)
			actions, err := w.Records.Actions(t.Context(), e.ID)
			must(err)
			for _, a := range actions {
				say("action %s %d %s/%s attempt %d try %d: %s by %q", p.Name, e.Seq, a.Stage, a.Name, a.Attempt, a.Try, a.Status, a.UpdatedBy)
			}
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n") + "\n" + w.Told()
}

// Told is what machines, people and programs were told so far, and what work
// was begun: the part of Effect that lies outside of the records.
func (w *World) Told() string {
	var lines []string
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	w.mu.Lock()
	defer w.mu.Unlock()
	say("%d machine runs started", len(w.runs))
	for token, with := range w.answers {
		if !strings.HasPrefix(token, "run ") && !strings.HasPrefix(token, "work of ") {
			say("task %s: %s", token, with)
		} else {
			say("%s", with)
		}
	}
	for _, kind := range w.events {
		say("told: %s", kind)
	}
	for name, times := range w.begun {
		say("work of %s begun %d times", name, times)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
