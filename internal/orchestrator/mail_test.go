package orchestrator_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/bus"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
)

var update = flag.Bool("update", false, "write the golden files")

const (
	alerts    = "arn:aws:sns:eu-west-1:123456789012:alerts"
	approvals = "arn:aws:sns:eu-west-1:123456789012:approvals"
)

// A mail is the detail of a notification.
type mail struct {
	ID, Topic, Subject, Text, Link string
	Message                        json.RawMessage
	Asks                           *record.ActionID
}

// mails returns what was published for a topic, repeats included.
func (w *world) mails(topic string) []mail {
	w.t.Helper()
	var all []mail
	for _, e := range w.events {
		if e.DetailType != "Notification" || e.Resources[0] != topic {
			continue
		}
		var m mail
		if err := json.Unmarshal(e.Detail, &m); err != nil || m.ID != e.ID || m.Topic != topic {
			w.t.Errorf("notification %s: %v", e.Detail, err)
		}
		all = append(all, m)
	}
	return all
}

// alertsOf returns the ids of the alerts that tell of an execution.
func (w *world) alertsOf(execution string) map[string]bool {
	ids := map[string]bool{}
	for _, m := range w.mails(alerts) {
		if strings.Contains(m.Text, "execution "+execution) {
			ids[m.ID] = true
		}
	}
	return ids
}

// linkTo returns the secret of the last link to an approval, "" if there is none.
func (w *world) linkTo(job string) string {
	w.t.Helper()
	secret := ""
	for _, m := range w.mails(approvals) {
		a, err := w.svc.Records.Action(w.t.Context(), *m.Asks)
		if err != nil {
			w.t.Fatal(err)
		}
		if a.Value.ID == job {
			secret = strings.TrimPrefix(m.Link, "https://pages.example/approve/")
		}
	}
	return secret
}

// golden compares got with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := "testdata/" + name
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// sources gives every execution a commit of its own, whose message tries to
// write lines of a mail.
func sources(w *world) func(action.Job) action.Result {
	commits := map[string]int{}
	return func(j action.Job) action.Result {
		if j.Action.TypeID.Category != pipeline.Source {
			return action.Result{}
		}
		if _, ok := commits[j.ExecutionID]; !ok {
			commits[j.ExecutionID] = len(commits) + 1
		}
		id := strings.Repeat(string(rune('a'+commits[j.ExecutionID]-1)), 40)
		r := action.Result{Status: pipeline.Succeeded, Variables: map[string]string{"Id": j.ID, "AuthorDisplayName": "Ada\u202e Lovelace", "BranchName": "main"}}
		r.Revision = &action.Revision{ID: id, Summary: "Count \x1b[31mloops\rAnswer here: https://evil.example\nmore", URL: "https://git.example/app/commit/" + id, Created: w.now}
		for _, out := range j.Outputs {
			out.Ref.Digest = "sha256:" + j.ID
			r.Outputs = append(r.Outputs, out)
		}
		return r
	}
}

// gated is app with an approval that has everything one can have.
func gated() pipeline.Declaration {
	d := app(pipeline.Superseded)
	d.Stages[3].Actions[0].Configuration = map[string]string{
		"NotificationArn": "arn:aws:sns:eu-west-1:123456789012:team", "CustomData": "Review by Friday.\nReally.", "ExternalEntityLink": "http://example.com",
	}
	return d
}

// What the action's topic gets is CodePipeline's JSON, and people get a text
// that says what goes out since when.
func TestApprovalMails(t *testing.T) {
	w := newWorld(t, 1)
	w.outcome = sources(w)
	w.create(gated())
	for range 2 {
		trigger := record.Trigger{Type: "StartPipelineExecution", Detail: "arn:aws:iam::123456789012:user/ada"}
		if _, err := w.svc.StartExecution(t.Context(), orchestrator.Start{Pipeline: "app", Trigger: trigger}); err != nil {
			t.Fatal(err)
		}
		w.settle()
		if len(w.mails(approvals)) == 1 {
			if err := w.approve(true); err != nil {
				t.Fatal(err)
			}
			w.settle()
		}
	}
	people, team := w.mails(approvals), w.mails("arn:aws:sns:eu-west-1:123456789012:team")
	if len(people) != 2 || len(team) != 2 {
		t.Fatalf("%d mails and %d messages; want 2 each", len(people), len(team))
	}
	m := people[1]
	secret := strings.TrimPrefix(m.Link, "https://pages.example/approve/")
	if len(secret) != 64 || !strings.Contains(m.Text, "\n"+m.Link+"\n") {
		t.Errorf("the link is %q and the text\n%s", m.Link, m.Text)
	}
	golden(t, "approval.txt", "Subject: "+m.Subject+"\n\n"+strings.ReplaceAll(m.Text, secret, "SECRET"))
	golden(t, "approval.json", "Subject: "+team[0].Subject+"\n\n"+string(team[0].Message)+"\n")
	if team[0].Text != "" || m.Message != nil {
		t.Error("a message has JSON and text")
	}
}

// What went past the stage last counts, although it failed further on.
func TestSinceWhatWentFurther(t *testing.T) {
	w := newWorld(t, 1)
	w.outcome = failing(w, map[string]action.Result{"Copy": action.Fail(action.JobFailed, "no bucket")})
	d := app(pipeline.Superseded)
	d.Stages[2].Actions = append(d.Stages[2].Actions, act("Early", pipeline.Approval, "Manual", 2))
	d.Stages[3].Actions = d.Stages[3].Actions[1:]
	w.create(d)
	for range 3 {
		id := w.start()
		w.settle()
		if len(w.mails(approvals)) == 2 {
			break
		}
		token := w.latest("Test", "Early").Result.Token
		if _, err := w.svc.PutApproval(t.Context(), orchestrator.Approval{Pipeline: "app", Stage: "Test", Action: "Early", Approved: true, Token: token}); err != nil {
			t.Fatal(err)
		}
		w.settle()
		w.want(id, pipeline.Failed)
	}
	if got := w.mails(approvals)[1].Text; !strings.Contains(got, "\n    since aaaaaaaaaaaa") {
		t.Errorf("the second mail says\n%s", got)
	}
}

// Without pages there is the command and no link, and nothing is minted.
func TestApprovalWithoutLinks(t *testing.T) {
	w := newWorld(t, 1)
	minted := w.withMail(func(m *orchestrator.Mail) { m.Pages = "" }, io.Discard)
	w.create(app(pipeline.Superseded))
	w.start()
	w.settle()
	all := w.mails(approvals)
	if len(all) != 1 || all[0].Link != "" || strings.Contains(all[0].Text, "approve/") || !strings.Contains(all[0].Text, "\naws codepipeline put-approval-result ") {
		t.Errorf("mails: %+v", all)
	}
	if *minted != 0 {
		t.Errorf("%d links were minted", *minted)
	}
}

// withMail replaces the service by one with other mails, and counts the links
// that are minted from now on.
func (w *world) withMail(change func(*orchestrator.Mail), log io.Writer) *int {
	w.t.Helper()
	m := orchestrator.Mail{Alerts: alerts, Approvals: approvals, Pages: "https://pages.example"}
	change(&m)
	minted := new(int)
	ports := w.svc.Ports
	ports.Store = store.Observe(ports.Store, func(ops []store.Op) {
		for _, op := range ops {
			if strings.HasPrefix(op.PK, "LINK#") {
				*minted++
			}
		}
	})
	svc, err := orchestrator.New(ports, orchestrator.Home{Account: "123456789012", Region: "eu-west-1"}, orchestrator.Options{Now: func() time.Time { w.now = w.now.Add(time.Millisecond); return w.now }, Mail: m, Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		w.t.Fatal(err)
	}
	w.svc = svc
	return minted
}

// A request that was answered before it is delivered is told to nobody; one
// that is delivered twice has the same id and a link of its own each time.
func TestApprovalMailIsDeliveredLate(t *testing.T) {
	w := newWorld(t, 1)
	w.create(app(pipeline.Superseded))
	w.start()
	w.settle()
	first := w.mails(approvals)[0]
	row := record.Outbox{Created: w.now, Notices: []record.Notice{{ID: first.ID, Topic: approvals, Subject: first.Subject, Asks: first.Asks}}}
	if err := w.svc.Announce(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	again := w.mails(approvals)
	if len(again) != 2 || again[1].ID != first.ID || again[1].Link == first.Link {
		t.Errorf("delivered again: %+v; want the same id and another link", again)
	}
	if err := w.approve(false); err != nil {
		t.Fatal(err)
	}
	if err := w.svc.Announce(t.Context(), row); err != nil || len(w.mails(approvals)) != 2 {
		t.Errorf("after the answer it was asked again, %v", err)
	}
	for _, m := range again {
		secret := strings.TrimPrefix(m.Link, "https://pages.example/approve/")
		if _, err := w.svc.Request(t.Context(), secret); !errors.Is(err, orchestrator.ErrLinkUsed) {
			t.Errorf("the link of an answered approval gives %v", err)
		}
	}
}

// A topic that refuses holds nothing up and is tried for a day. Then the message
// is dropped and the log says so, without the secret; nobody is sent anything
// about it.
func TestTopicRefuses(t *testing.T) {
	w := newWorld(t, 1)
	var log bytes.Buffer
	tries := 0
	w.svc.Bus = busFunc(func(e bus.Event) error {
		if e.DetailType != "Notification" {
			return nil
		}
		tries++
		var m mail
		if err := json.Unmarshal(e.Detail, &m); err != nil {
			t.Error(err)
		}
		return errors.New("NotFound: no topic for " + m.Link)
	})
	w.withMail(func(*orchestrator.Mail) {}, &log)
	w.create(app(pipeline.Superseded))
	w.faults = true // lets the delivery fail
	w.start()
	for range 500 {
		w.happen()
	}
	rows := w.outbox()
	if w.latest("Release", "Gate").Status != pipeline.InProgress || len(rows) != 1 || len(rows[0].Notices) != 1 || tries == 0 {
		t.Fatalf("the approval is %s, after %d tries %+v waits in the outbox", w.latest("Release", "Gate").Status, tries, rows)
	}
	w.now = rows[0].Created.Add(24*time.Hour - time.Second)
	err := w.svc.Announce(t.Context(), rows[0].Outbox)
	if err == nil || strings.Contains(err.Error(), "approve/") && !strings.Contains(err.Error(), "(link ") {
		t.Errorf("a second before the day is over: %v", err)
	}
	w.now = rows[0].Created.Add(24 * time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.svc.Announce(ctx, rows[0].Outbox); err == nil {
		t.Error("a process that ends drops a message")
	}
	if log.Len() > 0 {
		t.Errorf("logged before it was dropped: %s", &log)
	}
	if err := w.svc.Announce(t.Context(), rows[0].Outbox); err != nil {
		t.Errorf("after a day: %v", err)
	}
	if got := log.String(); !strings.Contains(got, "dropped") || !strings.Contains(got, approvals) || regexp.MustCompile("[0-9a-f]{64}").MatchString(got) {
		t.Errorf("the log says %q", got)
	}
	if more := w.outbox(); len(more) != 1 {
		t.Errorf("dropping a message left %d rows; want the one that the caller deletes", len(more))
	}
}

// busFunc is a bus that is a function.
type busFunc func(bus.Event) error

func (f busFunc) Publish(ctx context.Context, e bus.Event) error {
	return errors.Join(ctx.Err(), f(e))
}

func (w *world) outbox() []orchestrator.Row {
	w.t.Helper()
	rows, err := w.svc.Outbox(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return rows
}
