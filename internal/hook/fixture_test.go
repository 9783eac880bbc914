package hook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/bus"
	"github.com/sluice-ci/sluice/internal/hook"
	"github.com/sluice-ci/sluice/internal/machine"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
	"github.com/sluice-ci/sluice/internal/store/memory"
)

const site = "https://pages.example"

// A world is the real use cases over a store in memory, with the pages in
// front of them. It keeps everything that is written and logged.
type world struct {
	t     *testing.T
	svc   *orchestrator.Service
	pages http.Handler
	clock atomic.Int64 // nanoseconds since 1970

	mu      sync.Mutex
	written strings.Builder     // guarded by mu; all keys and values, ever
	rows    []orchestrator.Row  // guarded by mu
	mails   []map[string]string // guarded by mu; subject, text and link
	log     bytes.Buffer        // guarded by mu
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t}
	w.clock.Store(time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC).UnixNano())
	log := slog.New(slog.NewTextHandler(logOf{w}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	ids := atomic.Int64{}
	svc, err := orchestrator.New(
		orchestrator.Ports{Store: store.Observe(new(memory.Store), w.observe), Machine: machines{}, Catalog: catalog{}, Bus: w},
		orchestrator.Home{Account: "123456789012", Region: "eu-west-1"},
		orchestrator.Options{
			Now: w.now, Log: log, Mail: orchestrator.Mail{Approvals: "arn:aws:sns:eu-west-1:123456789012:approvals", Pages: site},
			NewID: func() string { return fmt.Sprintf("5f0c2a4e-1b7d-4c3e-9a61-%012d", ids.Add(1)) },
		})
	if err != nil {
		t.Fatal(err)
	}
	w.svc = svc
	if w.pages, err = hook.New(svc, log); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) now() time.Time { return time.Unix(0, w.clock.Load()).UTC() }

// logOf writes the log.
type logOf struct{ w *world }

func (l logOf) Write(b []byte) (int, error) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	return l.w.log.Write(b)
}

func (w *world) observe(ops []store.Op) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, op := range ops {
		fmt.Fprintf(&w.written, "%s %s %s\n", op.PK, op.SK, op.Value)
	}
	w.rows = append(w.rows, orchestrator.RowsOf(ops)...)
}

// Publish implements bus.Bus: mails are kept.
func (w *world) Publish(_ context.Context, e bus.Event) error {
	var m map[string]any
	if err := json.Unmarshal(e.Detail, &m); err != nil {
		return err
	}
	if text, ok := m["text"].(string); ok {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.mails = append(w.mails, map[string]string{"subject": m["subject"].(string), "text": text, "link": m["link"].(string)})
	}
	return nil
}

// machines never runs anything: the test calls what a machine would call.
type machines struct{ machine.Machine }

func (machines) Start(context.Context, machine.Start) error    { return nil }
func (machines) Succeed(context.Context, string, []byte) error { return nil }
func (machines) Fail(_ context.Context, _, _, _ string) error  { return nil }
func (machines) Stop(_ context.Context, _, _, _ string) error  { return nil }
func (machines) Describe(context.Context, string) (machine.Status, error) {
	return machine.Running, nil
}

// catalog has a source, and approvals.
type catalog struct{}

func (catalog) Provider(pipeline.ActionTypeID) action.Provider { return catalog{} }

func (catalog) Start(_ context.Context, in action.Job) (action.Result, error) {
	if in.Action.TypeID.Category == pipeline.Approval {
		return action.Result{Status: pipeline.InProgress, Token: in.ID}, nil
	}
	r := action.Result{
		Status: pipeline.Succeeded, Variables: map[string]string{"AuthorDisplayName": "Ada Lovelace", "BranchName": "main"},
		Revision: &action.Revision{ID: "9f3c2d7be01a44c8b1d90e6a7f5c3b2d1e0f9a8b", Summary: "Count the loops before they run, so that <b>nobody</b> waits", URL: "https://git.example/shop/commit/9f3c2d7be01a"},
	}
	for _, out := range in.Outputs {
		r.Outputs = append(r.Outputs, action.Artifact{Name: out.Name, Ref: blob.Ref{Bucket: "b", Key: "k"}})
	}
	return r, nil
}

func (c catalog) Poll(ctx context.Context, in action.Job) (action.Result, error) {
	return c.Start(ctx, in)
}
func (catalog) Stop(context.Context, action.Job) error { return nil }

// shop is a pipeline with an approval behind a source.
func shop() pipeline.Declaration {
	source := pipeline.Action{Name: "Checkout", RunOrder: 1, TypeID: pipeline.ActionTypeID{Category: pipeline.Source, Owner: pipeline.AWS, Provider: "CodeCommit", Version: "1"},
		Configuration: map[string]string{"RepositoryName": "shop", "BranchName": "main"}, OutputArtifacts: []pipeline.OutputArtifact{{Name: "Code"}}}
	gate := pipeline.Action{Name: "Go-live", RunOrder: 1, TypeID: pipeline.ActionTypeID{Category: pipeline.Approval, Owner: pipeline.AWS, Provider: "Manual", Version: "1"},
		Configuration: map[string]string{"CustomData": "Look at the basket on a small screen.", "ExternalEntityLink": "https://staging.shop.example/"}}
	return pipeline.Declaration{
		Name: "shop-web", RoleARN: "arn:aws:iam::123456789012:role/pipe", Type: pipeline.V2, ExecutionMode: pipeline.Superseded,
		ArtifactStore: &pipeline.ArtifactStore{Type: "S3", Location: "artifacts"},
		Stages:        []pipeline.Stage{{Name: "Source", Actions: []pipeline.Action{source}}, {Name: "Production", Actions: []pipeline.Action{gate}}},
	}
}

// A request is an approval that waits, and the secret of a link to it.
type request struct{ secret, execution string }

func (q request) path() string { return "/approve/" + q.secret }

// ask runs a pipeline up to its approval and takes the link from the mail.
func (w *world) ask() request {
	w.t.Helper()
	ctx := w.t.Context()
	d := shop()
	if _, err := w.svc.CreatePipeline(ctx, orchestrator.Create{Declaration: d}); err != nil {
		w.t.Fatal(err)
	}
	id, err := w.svc.StartExecution(ctx, orchestrator.Start{Pipeline: d.Name, Trigger: record.Trigger{Type: "StartPipelineExecution", Detail: "arn:aws:iam::123456789012:user/grace"}})
	if err != nil {
		w.t.Fatal(err)
	}
	run := id + "-1"
	for _, err := range []error{
		w.svc.Enter(ctx, orchestrator.EnterRequest{Token: "1", Run: run, Execution: id, Enter: "Source"}),
		w.svc.RunAction(ctx, orchestrator.RunRequest{Token: "2", Run: run, Execution: id, Stage: "Source", Action: "Checkout"}),
		w.svc.Enter(ctx, orchestrator.EnterRequest{Token: "3", Run: run, Execution: id, Leave: "Source", Enter: "Production"}),
		w.svc.RunAction(ctx, orchestrator.RunRequest{Token: "4", Run: run, Execution: id, Stage: "Production", Action: "Go-live"}),
	} {
		if err != nil {
			w.t.Fatal(err)
		}
	}
	return request{w.deliver(), id}
}

// deliver delivers what asks for approvals, again if it was delivered before,
// and returns the secret of the last link.
func (w *world) deliver() string {
	w.t.Helper()
	w.mu.Lock()
	rows := w.rows
	w.mu.Unlock()
	for _, row := range rows {
		if len(row.Notices) == 0 {
			continue
		}
		if err := w.svc.Announce(w.t.Context(), row.Outbox); err != nil {
			w.t.Fatal(err)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.mails) == 0 {
		w.t.Fatal("nobody was sent a mail")
	}
	return strings.TrimPrefix(w.mails[len(w.mails)-1]["link"], site+"/approve/")
}

// gate returns the approval of an execution as it is recorded.
func (w *world) gate(execution string) record.Action {
	w.t.Helper()
	a, err := w.svc.Records.Action(w.t.Context(), record.ActionID{Execution: execution, Attempt: 1, Stage: "Production", Name: "Go-live", Try: 1})
	if err != nil {
		w.t.Fatal(err)
	}
	return a.Value
}

// undecided fails the test if the approval was answered.
func (w *world) undecided(q request, after string) {
	w.t.Helper()
	if a := w.gate(q.execution); a.Status != pipeline.InProgress {
		w.t.Fatalf("after %s the approval is %s by %q", after, a.Status, a.UpdatedBy)
	}
}

// send sends a request to the pages as a browser would.
func (w *world) send(method, path string, fields url.Values, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/", strings.NewReader(fields.Encode()))
	r.URL.Path, r.Host = path, "pages.example"
	if fields != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, f := range change {
		f(r)
	}
	got := httptest.NewRecorder()
	w.pages.ServeHTTP(got, r)
	return got
}

// right are the fields of an answer as a person gives it.
func right() url.Values {
	return url.Values{"pipeline": {"shop-web"}, "comment": {"Grace: the basket looks right"}, "decision": {"approve"}}
}
