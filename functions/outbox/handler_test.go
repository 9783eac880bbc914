package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/cloud/cloudtest"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
)

var quiet = slog.New(slog.DiscardHandler)

// stream returns rows as the table's stream delivers them, with what else it
// may deliver.
func stream(t *testing.T, rows []orchestrator.Row) []byte {
	t.Helper()
	records := []string{
		`{"eventName":"INSERT","dynamodb":{"SequenceNumber":"s-other","NewImage":{"pk":{"S":"EXEC#e"},"sk":{"S":"META"},"val":{"B":"e30="}}}}`,
		`{"eventName":"REMOVE","dynamodb":{"SequenceNumber":"s-gone","Keys":{"pk":{"S":"OUT#00"},"sk":{"S":"x"}}}}`,
		`{"eventName":"MODIFY","dynamodb":{"SequenceNumber":"s-changed","NewImage":{"pk":{"S":"OUT#00"},"sk":{"S":"changed"},"val":{"B":"e30="}}}}`,
		`{"eventName":"INSERT","dynamodb":{"SequenceNumber":"s-bad","NewImage":{"pk":{"S":"OUT#00"},"sk":{"S":"bad"},"val":{"B":"Cg=="}}}}`,
	}
	for i, row := range rows {
		value := base64.StdEncoding.EncodeToString(record.Encode(row.Outbox))
		records = append(records, fmt.Sprintf(
			`{"eventID":"1","eventName":"INSERT","eventSource":"aws:dynamodb","dynamodb":{"ApproximateCreationDateTime":1.7e9,"SequenceNumber":"s%d","StreamViewType":"NEW_IMAGE","Keys":{"pk":{"S":%q},"sk":{"S":%q}},"NewImage":{"pk":{"S":%q},"sk":{"S":%q},"ver":{"N":"1"},"tx":{"S":"t"},"val":{"B":%q}}}}`,
			i, row.Key.PK, row.Key.SK, row.Key.PK, row.Key.SK, value))
	}
	return []byte(`{"Records":[` + strings.Join(records, ",") + `]}`)
}

// started is a world in which an execution was just started, and nothing of it
// is delivered.
func started(t *testing.T) (*cloudtest.World, record.Execution, []orchestrator.Row) {
	t.Helper()
	w := cloudtest.New()
	w.Deploy(t, "web")
	svc := w.Process(t)
	id, err := svc.StartExecution(t.Context(), orchestrator.Start{Pipeline: "web"})
	if err != nil {
		t.Fatal(err)
	}
	e, err := w.Records.Execution(t.Context(), "web", id)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := svc.Outbox(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return w, e.Value, rows
}

func TestOneEffect(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) (*cloudtest.World, []byte){
		"stream": func(t *testing.T) (*cloudtest.World, []byte) {
			w, _, rows := started(t)
			return w, stream(t, rows)
		},
		"end of a run": func(t *testing.T) (*cloudtest.World, []byte) {
			w, e, _ := started(t)
			w.Deliver(t)
			return w, ended(e.Run, "ABORTED")
		},
	} {
		t.Run(name, func(t *testing.T) {
			cloudtest.OneEffect(t, func(t *testing.T) cloudtest.Trial {
				w, payload := open(t)
				call := func(ctx context.Context) error {
					_, err := outbox{w.Process(t), quiet}.handle(ctx, payload)
					return err
				}
				return cloudtest.Trial{Call: call, Effect: func(t testing.TB) string { return left(t, w) + w.Told() }}
			})
		})
	}
}

// left says how many rows wait in the outbox, before anybody delivers them.
func left(t testing.TB, w *cloudtest.World) string {
	t.Helper()
	rows, err := w.Process(t).Outbox(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d rows\n", len(rows))
}

func ended(run, status string) []byte {
	return fmt.Appendf(nil, `{"version":"0","id":"1","detail-type":"Step Functions Execution Status Change","source":"aws.states","account":"111122223333","time":"2026-03-12T19:03:58Z","region":"eu-west-1","resources":[],"detail":{"executionArn":"a","stateMachineArn":"m","name":%q,"status":%q,"startDate":1,"stopDate":2,"error":"E","cause":"C","input":null}}`, run, status)
}

// service is a deliverer whose rows fail when their id says so.
type service struct {
	rows []orchestrator.Row

	mu   sync.Mutex
	told []string // guarded by mu
}

func (s *service) tell(format string, args ...any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = append(s.told, fmt.Sprintf(format, args...))
	return nil
}

func (s *service) Act(_ context.Context, row record.Outbox) error {
	if strings.HasPrefix(row.ID, "act-fails") {
		return errors.New("throttled")
	}
	return s.tell("act %s", row.ID)
}

func (s *service) Announce(_ context.Context, row record.Outbox) error {
	if strings.HasPrefix(row.ID, "announce-fails") {
		return errors.New("throttled")
	}
	return s.tell("announce %s", row.ID)
}

func (s *service) Delivered(_ context.Context, keys []store.Key) error {
	return s.tell("deleted %v", keys)
}

func (s *service) Outbox(context.Context) ([]orchestrator.Row, error) {
	return slices.Clone(s.rows), nil
}
func (s *service) Sweep(context.Context) error                  { return s.tell("sweep") }
func (s *service) Ended(_ context.Context, run, _ string) error { return s.tell("ended %s", run) }

func row(id string, age time.Duration) orchestrator.Row {
	return orchestrator.Row{Key: record.OutboxKey(1, id), Outbox: record.Outbox{ID: id, Created: time.Now().Add(-age)}}
}

// One row that fails comes again; the others are done. One that only could not
// be announced stays for the sweep: it must not hold up those behind it.
func TestPartOfABatch(t *testing.T) {
	s := new(service)
	rows := []orchestrator.Row{row("a", 0), row("act-fails", 0), row("b", 0), row("announce-fails", 0)}
	out, err := outbox{s, quiet}.handle(t.Context(), stream(t, rows))
	if err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(out)
	if want := `{"batchItemFailures":[{"itemIdentifier":"s1"}]}`; string(text) != want {
		t.Errorf("answer %s; want %s", text, want)
	}
	slices.Sort(s.told)
	want := []string{"act a", "act announce-fails", "act b", "announce a", "announce b", "deleted [{OUT#01 a} {OUT#01 b}]"}
	if !slices.Equal(s.told, want) {
		t.Errorf("done: %q; want %q", s.told, want)
	}
}

// The sweep leaves young rows to the stream, delivers old ones, and looks at
// what is under way even when a row cannot be delivered.
func TestSweep(t *testing.T) {
	s := &service{rows: []orchestrator.Row{row("young", time.Second), row("old", time.Minute), row("act-fails-again", time.Hour)}}
	_, err := outbox{s, quiet}.handle(t.Context(), []byte(`{"sweep":true}`))
	if err == nil {
		t.Error("a row that cannot be delivered is no error")
	}
	want := []string{"act old", "announce old", "deleted [{OUT#01 old}]", "sweep"}
	if !slices.Equal(s.told, want) {
		t.Errorf("done: %q; want %q", s.told, want)
	}
}

func TestPayloads(t *testing.T) {
	tests := []struct{ name, payload, told, refused string }{
		{"failed run", string(ended("e-1", "FAILED")), "ended e-1", ""},
		{"run that goes on", string(ended("e-1", "RUNNING")), "", ""},
		{"run that ended well", string(ended("e-1", "SUCCEEDED")), "", ""},
		{"no sweep", `{"sweep":false}`, "", "payload of outbox, which has no Records and no detail-type: missing or empty: sweep"},
		{"something else", `{"swep":true}`, "", `payload of outbox, which has no Records and no detail-type: unknown member "swep"`},
		{"another event", `{"detail-type":"Object Created","source":"aws.s3","id":"1","detail":{}}`, "", `event 1 of aws.s3, "Object Created": outbox hears only of runs of Step Functions`},
		{"not JSON", `]`, "", "payload of outbox: not JSON, at byte 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := new(service)
			_, err := outbox{s, quiet}.handle(t.Context(), []byte(tt.payload))
			refused := ""
			if err != nil {
				refused = err.Error()
			}
			if got := strings.Join(s.told, "\n"); got != tt.told || refused != tt.refused {
				t.Errorf("told %q, refused %q; want %q, %q", got, refused, tt.told, tt.refused)
			}
		})
	}
}
