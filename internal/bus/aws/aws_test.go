package aws_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"

	"github.com/sluice-ci/sluice/internal/bus"
	"github.com/sluice-ci/sluice/internal/bus/aws"
	"github.com/sluice-ci/sluice/internal/bus/bustest"
)

func TestContract(t *testing.T) {
	bustest.Run(t, func(t *testing.T) (bus.Bus, func(int) []bus.Event) {
		f := new(fake)
		return open(t, f), func(n int) []bus.Event {
			events := f.heard(t)
			if len(events) != n {
				t.Errorf("%d events arrived; want %d", len(events), n)
			}
			return events
		}
	})
}

// An event goes out under a source that an account may use, with its id in its
// detail each time, and with nothing else changed.
func TestEntry(t *testing.T) {
	tests := []struct{ name, source, detail, wantSource, wantDetail string }{
		{"one of CodePipeline's", "aws.codepipeline", `{"state":"STARTED"}`, "sluice.codepipeline", `{"sluice-event-id":"1","state":"STARTED"}`},
		{"one of ours", "sluice", `{"n":1.0}`, "sluice", `{"sluice-event-id":"1","n":1.0}`},
		{"aws inside a name", "my.aws.thing", ` { "a" : [] } `, "my.aws.thing", `{"sluice-event-id":"1", "a" : [] } `},
		{"empty detail", "sluice", `{}`, "sluice", `{"sluice-event-id":"1"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := new(fake)
			e := bustest.Event("1")
			e.Source, e.Detail = tt.source, json.RawMessage(tt.detail)
			for range 2 {
				if err := open(t, f).Publish(t.Context(), e); err != nil {
					t.Fatal(err)
				}
			}
			if len(f.entries) != 2 {
				t.Fatalf("put %d entries; want 2", len(f.entries))
			}
			for _, entry := range f.entries {
				if *entry.Source != tt.wantSource || strings.TrimSpace(*entry.Detail) != strings.TrimSpace(tt.wantDetail) {
					t.Errorf("put %s %s; want %s %s", *entry.Source, *entry.Detail, tt.wantSource, tt.wantDetail)
				}
				if !json.Valid([]byte(*entry.Detail)) || !entry.Time.Equal(e.Time) || entry.Resources[0] != e.Resources[0] {
					t.Errorf("put %+v; want the event", entry)
				}
			}
		})
	}
}

// notification returns a notification as the use cases publish it.
func notification(id, subject, message string) bus.Event {
	e := bustest.Event(id)
	e.Source, e.DetailType = "sluice", "Notification"
	e.Resources = []string{"arn:aws:sns:eu-central-1:111122223333:approvals"}
	detail, err := json.Marshal(map[string]any{
		"id": id, "topic": e.Resources[0], "subject": subject, "message": json.RawMessage(message),
	})
	if err != nil {
		panic(err) // the message is not JSON
	}
	e.Detail = detail
	return e
}

// A notice goes to its topic and not to the event bus, with its id each time.
func TestNotice(t *testing.T) {
	f := new(fake)
	for range 2 {
		if err := open(t, f).Publish(t.Context(), notification("n-1", "APPROVAL NEEDED", `{"approval":{"token":"t"}}`)); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.messages) != 2 || len(f.entries) != 0 {
		t.Fatalf("%d messages and %d events; want 2 and 0", len(f.messages), len(f.entries))
	}
	for _, m := range f.messages {
		id := m.MessageAttributes["sluice-event-id"]
		if sdk.ToString(id.StringValue) != "n-1" || sdk.ToString(id.DataType) != "String" || len(m.MessageAttributes) != 1 {
			t.Errorf("attributes %+v; want the id", m.MessageAttributes)
		}
		if sdk.ToString(m.TopicArn) != "arn:aws:sns:eu-central-1:111122223333:approvals" || sdk.ToString(m.Subject) != "APPROVAL NEEDED" {
			t.Errorf("topic %s, subject %s", sdk.ToString(m.TopicArn), sdk.ToString(m.Subject))
		}
		if got, want := sdk.ToString(m.Message), `{"approval":{"token":"t"}}`; got != want || m.MessageStructure != nil {
			t.Errorf("message %s; want %s", got, want)
		}
	}
}

// A text for people goes out as text, and nothing else that its detail has.
func TestNoticeForPeople(t *testing.T) {
	f := new(fake)
	e := notification("n-1", "APPROVAL NEEDED", "null")
	e.Detail = json.RawMessage(`{"subject":"s","text":"app waits.\nOpen \u003chttps://x\u003e & answer","link":"https://x","asks":{"stage":"S"}}`)
	if err := open(t, f).Publish(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if got, want := sdk.ToString(f.messages[0].Message), "app waits.\nOpen <https://x> & answer"; got != want || len(f.messages[0].MessageAttributes) != 1 {
		t.Errorf("message %q; want %q", got, want)
	}
}

func TestSubject(t *testing.T) {
	tests := []struct{ name, subject, want string }{
		{"short", "APPROVAL NEEDED: AWS CodePipeline p for action a", "APPROVAL NEEDED: AWS CodePipeline p for action a"},
		{"as long as may be", strings.Repeat("s", 99), strings.Repeat("s", 99)},
		{"too long", strings.Repeat("s", 100), strings.Repeat("s", 96) + "..."},
		{"not ASCII", "Größe ✓", "Gr??e ?"},
		{"lines", "one\r\ntwo\tthree\x7f", "one  two three"},
		{"not UTF-8", "a\xffb", "a?b"},
		{"nothing", "", ""},
		{"nothing to see", " \n ", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := new(fake)
			if err := open(t, f).Publish(t.Context(), notification("n", tt.subject, `"m"`)); err != nil {
				t.Fatal(err)
			}
			got := f.messages[0].Subject
			if sdk.ToString(got) != tt.want || tt.want == "" && got != nil {
				t.Errorf("subject %q; want %q", sdk.ToString(got), tt.want)
			}
		})
	}
}

// What can never be taken is refused here, with a reason, and not sent.
func TestRefusesBeforeSending(t *testing.T) {
	with := func(e bus.Event, change func(*bus.Event)) bus.Event {
		change(&e)
		return e
	}
	large := json.RawMessage(`{"a":"` + strings.Repeat("x", 256<<10) + `"}`)
	tests := []struct {
		name  string
		event bus.Event
		want  string
	}{
		{"no id", with(bustest.Event(""), func(*bus.Event) {}), "an id and a time"},
		{"no time", bus.Event{ID: "1"}, "an id and a time"},
		{"large event", with(bustest.Event("1"), func(e *bus.Event) { e.Detail = large }), "are over the limit of 262144"},
		{"detail is no object", with(bustest.Event("1"), func(e *bus.Event) { e.Detail = json.RawMessage(`[]`) }), "not a JSON object"},
		{"detail is null", with(bustest.Event("1"), func(e *bus.Event) { e.Detail = json.RawMessage(`null`) }), "not a JSON object"},
		{"no detail", with(bustest.Event("1"), func(e *bus.Event) { e.Detail = nil }), "not a JSON object"},
		{"large notice", notification("1", "s", string(large)), "are over the limit of 262144"},
		{"notice without topic", with(notification("1", "s", "{}"), func(e *bus.Event) { e.Resources = nil }), "names its topic"},
		{"notice without message", notification("1", "s", "null"), "has a message"},
		{"notice without detail", with(notification("1", "s", "{}"), func(e *bus.Event) { e.Detail = nil }), "detail of a notification"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := new(fake)
			if err := open(t, f).Publish(t.Context(), tt.event); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Publish gave %v; want %q", err, tt.want)
			}
			if len(f.entries)+len(f.messages) != 0 {
				t.Error("it was sent all the same")
			}
		})
	}
}

// The size is that of the whole entry, to the byte.
func TestLargestEntry(t *testing.T) {
	for more, want := range []bool{true, false} {
		f, e := new(fake), bustest.Event("1")
		const stamp = len(`"sluice-event-id":"1",`)
		rest := 14 + len("sluice.codepipeline") + len(e.DetailType) + len(e.Resources[0]) + stamp + len(`{"a":""}`)
		e.Detail = json.RawMessage(`{"a":"` + strings.Repeat("x", 256<<10-rest+more) + `"}`)
		if err := open(t, f).Publish(t.Context(), e); (err == nil) != want {
			t.Errorf("%d bytes over the limit: %v", more, err)
		}
	}
}

// A call that succeeds may still have refused the event.
func TestRefusedEntry(t *testing.T) {
	for _, code := range []string{"ThrottlingException", "InternalFailure", "MalformedDetail"} {
		err := open(t, &fake{refuse: code}).Publish(t.Context(), bustest.Event("e-7"))
		if err == nil || !strings.Contains(err.Error(), code+": because") || !strings.Contains(err.Error(), "e-7") {
			t.Errorf("Publish gave %v; want an error that names the event and %s", err, code)
		}
	}
}

// Errors of both services reach the caller as they are.
func TestServiceFails(t *testing.T) {
	down := errors.New("service is down")
	for _, e := range []bus.Event{bustest.Event("1"), notification("1", "s", "{}")} {
		if err := open(t, &fake{err: down}).Publish(t.Context(), e); !errors.Is(err, down) {
			t.Errorf("Publish gave %v; want %v", err, down)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := open(t, new(fake)).Publish(ctx, e); !errors.Is(err, context.Canceled) {
			t.Errorf("Publish gave %v; want %v", err, context.Canceled)
		}
	}
}

func TestNew(t *testing.T) {
	f := new(fake)
	if _, err := aws.New(nil, f, busName); err == nil {
		t.Error("New without EventBridge succeeded")
	}
	if _, err := aws.New(f, nil, busName); err == nil {
		t.Error("New without SNS succeeded")
	}
	if _, err := aws.New(f, f, ""); err == nil {
		t.Error("New without a name succeeded")
	}
}
