package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/cloud/cloudtest"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/trigger"
)

var quiet = slog.New(slog.DiscardHandler)

const schedule = `{"schedule":{"pipeline":"web","rule":"arn:aws:events:eu-west-1:111122223333:rule/nightly","id":"7"}}`

// event is what EventBridge delivers, with more members than are read.
func event(source, detailType, detail string) string {
	return fmt.Sprintf(`{"version":"0","id":"event-1","detail-type":%q,"source":%q,"account":"111122223333","time":"2026-03-12T19:03:58Z","region":"eu-west-1","resources":[],"replay-name":"x","detail":%s}`,
		detailType, source, detail)
}

var object = event("aws.s3", "Object Created", `{"version":"0","bucket":{"name":"incoming"},"object":{"key":"app.zip","size":5,"etag":"e","version-id":"v1","sequencer":"00"},"request-id":"r","requester":"111122223333","reason":"PutObject"}`)

func TestOneEffect(t *testing.T) {
	for name, payload := range map[string]string{"object": object, "schedule": schedule} {
		t.Run(name, func(t *testing.T) {
			cloudtest.OneEffect(t, func(t *testing.T) cloudtest.Trial {
				w := cloudtest.New()
				w.Deploy(t, "web")
				w.Deploy(t, "web-2") // a second one that listens, or does not
				call := func(ctx context.Context) error {
					_, err := triggers{w.Process(t), quiet}.handle(ctx, []byte(payload))
					return err
				}
				return cloudtest.Trial{Call: call, Effect: w.Effect}
			})
		})
	}
}

// heard is a starter that remembers what it was told.
type heard struct{ lines []string }

func (h *heard) Notice(_ context.Context, id string, ev trigger.Event) ([]record.Decision, error) {
	h.lines = append(h.lines, fmt.Sprintf("%s: %+v", id, ev))
	return nil, nil
}

func (h *heard) StartExecution(_ context.Context, in orchestrator.Start) (string, error) {
	h.lines = append(h.lines, fmt.Sprintf("%+v", in))
	return "", nil
}

// What arrives, and what is made of it.
func TestTranslation(t *testing.T) {
	repository := func(what, kind string) string {
		return event("aws.codecommit", "CodeCommit Repository State Change",
			`{"event":"`+what+`","repositoryName":"app","repositoryId":"i","referenceType":"`+kind+`","referenceName":"main","referenceFullName":"refs/heads/main","commitId":"c2","oldCommitId":"c1","callerUserArn":"arn"}`)
	}
	image := func(action, result string) string {
		return event("aws.ecr", "ECR Image Action", `{"action-type":"`+action+`","result":"`+result+`","repository-name":"app","image-digest":"sha256:1","image-tag":"latest"}`)
	}
	tests := []struct{ name, payload, want, refused string }{
		{"push", repository("referenceUpdated", "branch"), "event-1: push of branch main in app at c2", ""},
		{"tag", repository("referenceCreated", "tag"), "event-1: push of tag main in app at c2", ""},
		{"deleted branch", repository("referenceDeleted", "branch"), "event-1: push of branch main in app at " + strings.Repeat("0", 40), ""},
		{"object", object, "event-1: object incoming/app.zip version v1", ""},
		{"image", image("PUSH", "SUCCESS"), "event-1: image app:latest sha256:1", ""},
		{"failed push", image("PUSH", "FAILURE"), "", ""},
		{"deleted image", image("DELETE", "SUCCESS"), "", ""},
		{"schedule", schedule, "{Pipeline:web Variables:[] Overrides:map[] ClientToken:7 Trigger:{Type:CloudWatchEvent Detail:arn:aws:events:eu-west-1:111122223333:rule/nightly}}", ""},

		{"schedule without an id", `{"schedule":{"pipeline":"web","rule":"r"}}`, "", "schedule: missing or empty: schedule.id"},
		{"schedule with more", `{"schedule":{"pipeline":"web","rule":"r","id":"1","cron":"x"}}`, "", `schedule: unknown member "cron"`},
		{"forged source", event("custom.s3", "Object Created", `{}`), "", `event event-1 of custom.s3, "Object Created": no source of a pipeline sends such`},
		{"malformed detail", event("aws.s3", "Object Created", `{"bucket":"incoming"}`), "", `event event-1: its detail is not that of a "Object Created"`},
		{"no event", `{"a":1}`, "", "payload of trigger: neither a schedule nor an event with an id"},
		{"not JSON", `{`, "", "payload of trigger: not JSON, at byte 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := new(heard)
			_, err := triggers{h, quiet}.handle(t.Context(), []byte(tt.payload))
			refused := ""
			if err != nil {
				refused = err.Error()
			}
			if got := strings.Join(h.lines, "\n"); got != tt.want || refused != tt.refused {
				t.Errorf("told %q, refused %q; want %q, %q", got, refused, tt.want, tt.refused)
			}
		})
	}
}
