package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/sluice-ci/sluice/internal/cloud/cloudtest"
	"github.com/sluice-ci/sluice/internal/machine"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
)

// A run leads to its execution, its version and the machine of that. Runs and
// machines that nobody made lead nowhere, each in its own way.
func TestLookups(t *testing.T) {
	w := cloudtest.New()
	e := w.Begin(t)
	name, version, err := Runs(w.Records)(t.Context(), e.Run)
	if err != nil || name != "web" || version != e.Version || e.Run == e.ID {
		t.Errorf("run %s: %s %d, %v", e.Run, name, version, err)
	}
	for _, run := range []string{"11111111-2222-4333-8444-555555555555-1", "somebody's", ""} {
		if name, _, err := Runs(w.Records)(t.Context(), run); name != "" || err != nil {
			t.Errorf("run %q: %q, %v; want nobody's", run, name, err)
		}
	}
	if arn, err := ARNs(w.Records)(t.Context(), "web", version); arn != cloudtest.Machine || err != nil {
		t.Errorf("machine %s, %v", arn, err)
	}
	if _, err := ARNs(w.Records)(t.Context(), "web", 9); err == nil || errors.Is(err, machine.ErrNoMachine) {
		t.Errorf("a version that is not there: %v", err)
	}
	v := record.Version{Declaration: cloudtest.Pipeline("web")}
	if err := w.Store.Write(t.Context(), store.Op{Key: record.VersionKey("web", 9), Value: record.Encode(v)}); err != nil {
		t.Fatal(err)
	}
	if _, err := ARNs(w.Records)(t.Context(), "web", 9); !errors.Is(err, machine.ErrNoMachine) {
		t.Errorf("a version without a machine: %v; want ErrNoMachine", err)
	}
	e.ID, e.Version = "22222222-2222-4333-8444-555555555555", 9
	if err := w.Store.Write(t.Context(), store.Op{Key: record.ExecutionKey(e.ID), Value: record.Encode(e)}); err != nil {
		t.Fatal(err)
	}
	if name, _, err := Runs(w.Records)(t.Context(), e.ID+"-1"); name != "" || err != nil {
		t.Errorf("a run without a machine: %q, %v; want nobody's", name, err)
	}
}

// A box is a queue that keeps what it is sent.
type box struct{ got []*sqs.SendMessageInput }

func (b *box) SendMessage(_ context.Context, in *sqs.SendMessageInput, _ ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	b.got = append(b.got, in)
	return nil, nil
}

// An errand arrives as it was sent, when it is due.
func TestErrands(t *testing.T) {
	b := new(box)
	send, err := sender(b, "https://queue")
	if err != nil {
		t.Fatal(err)
	}
	errands := []orchestrator.Errand{{Job: "a"}, {Job: "b", Stop: true, Due: time.Now().Add(time.Minute)}}
	for i, errand := range errands {
		if err := send(t.Context(), errand); err != nil {
			t.Fatal(err)
		}
		var got orchestrator.Errand
		if err := json.Unmarshal([]byte(*b.got[i].MessageBody), &got); err != nil || got.Job != errand.Job || got.Stop != errand.Stop || *b.got[i].QueueUrl != "https://queue" {
			t.Errorf("sent %+v, %v; want %+v", got, err, errand)
		}
	}
	if now, later := b.got[0].DelaySeconds, b.got[1].DelaySeconds; now != 0 || later < 50 || later > 60 {
		t.Errorf("delays %d and %d; want 0 and about 60", now, later)
	}
	for wait, want := range map[time.Duration]int32{-time.Hour: 0, time.Millisecond: 1, 90 * time.Second: 90, time.Hour: 900} {
		if got := delay(wait); got != want {
			t.Errorf("delay(%s) = %d; want %d", wait, got, want)
		}
	}
}
