package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/cloud/cloudtest"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

var quiet = slog.New(slog.DiscardHandler)

// queue returns bodies as the queue delivers them.
func queue(bodies ...string) string {
	var records []string
	for i, body := range bodies {
		records = append(records, fmt.Sprintf(`{"messageId":"m%d","receiptHandle":"r","body":%q,"attributes":{},"eventSource":"aws:sqs"}`, i, body))
	}
	return `{"Records":[` + strings.Join(records, ",") + `]}`
}

// ended is the event that a build sends.
func ended(build, status, initiator string) string {
	return fmt.Sprintf(`{"version":"0","id":"1","detail-type":"CodeBuild Build State Change","source":"aws.codebuild","account":"111122223333","time":"2026-03-12T19:03:58Z","region":"eu-west-1","resources":[],"detail":{"build-status":%q,"project-name":"project","build-id":"arn:aws:codebuild:eu-west-1:111122223333:build/%s","current-phase":"COMPLETED","additional-information":{"build-complete":true,"initiator":%q,"phases":[]},"version":"1"}}`,
		status, build, initiator)
}

const initiator = "sluice-pipeline-web/sluice-11111111-2222-4333-8444-555555555555"

func TestOneEffect(t *testing.T) {
	for name, event := range map[string]func(job string) string{
		"errand":             func(job string) string { return queue(`{"job":"` + job + `"}`) },
		"stop":               func(job string) string { return queue(`{"job":"` + job + `","stop":true}`) },
		"event":              func(job string) string { return ended(cloudtest.BuildOf(job), "SUCCEEDED", initiator) },
		"event in the queue": func(job string) string { return queue(ended(cloudtest.BuildOf(job), "SUCCEEDED", "")) },
	} {
		t.Run(name, func(t *testing.T) {
			cloudtest.OneEffect(t, func(t *testing.T) cloudtest.Trial {
				w := cloudtest.New()
				job := w.Act(t, w.InWork(t), "Work", "Build").ID
				w.End(job)
				payload := []byte(event(job))
				call := func(ctx context.Context) error {
					out, err := resumer{w.Process(t), w.Records.External, quiet}.handle(ctx, payload)
					if f, ok := out.(failures); ok && len(f.Items) > 0 {
						return fmt.Errorf("failed: %v", f.Items)
					}
					return err
				}
				return cloudtest.Trial{Call: call, Effect: w.Effect}
			})
		})
	}
}

// service is a runner that remembers, and fails for the job "fails".
type service struct{ told []string }

func (s *service) Run(_ context.Context, in orchestrator.Errand) error {
	if in.Job == "fails" {
		return errors.New("throttled")
	}
	s.told = append(s.told, fmt.Sprintf("%s stop %v", in.Job, in.Stop))
	return nil
}

// known is a look-up of builds: one is known.
func known(_ context.Context, id string) (record.Action, error) {
	if id != "project:1" {
		return record.Action{}, pipeline.Errorf(pipeline.ActionExecutionNotFound, "nothing is called %s", id)
	}
	return record.Action{ID: "job-1"}, nil
}

func TestPayloads(t *testing.T) {
	const early = "build project:2 has ended and no action is known to have started it yet: nothing is called project:2"
	tests := []struct{ name, payload, told, refused, again string }{
		{"errands", queue(`{"job":"a"}`, `{"job":"b","stop":true}`), "a stop false, b stop true", "", ""},
		{"one fails", queue(`{"job":"a"}`, `{"job":"fails"}`, `{"job":"b"}`), "a stop false, b stop false", "", "m1"},
		{"one is malformed", queue(`{"jb":"a"}`, `{"job":"b"}`), "b stop false", "", "m0"},
		{"build ended", ended("project:1", "FAILED", initiator), "job-1 stop false", "", ""},
		{"build goes on", ended("project:1", "IN_PROGRESS", initiator), "", "", ""},
		{"build came before its link", ended("project:2", "SUCCEEDED", initiator), "", early, ""},
		{"the same in the queue", queue(ended("project:2", "SUCCEEDED", initiator)), "", "", "m0"},
		{"somebody else's build", ended("project:2", "SUCCEEDED", "ada"), "", "", ""},
		{"another event", `{"id":"1","detail-type":"Object Created","source":"aws.s3","detail":{}}`, "", `event "1" of "aws.s3", "Object Created": resume hears only of builds of CodeBuild`, ""},
		{"malformed detail", `{"id":"1","detail-type":"CodeBuild Build State Change","source":"aws.codebuild","detail":{"build-id":7}}`, "", `event 1: its detail is not that of a "CodeBuild Build State Change"`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := new(service)
			out, err := resumer{s, known, quiet}.handle(t.Context(), []byte(tt.payload))
			refused := ""
			if err != nil {
				refused = err.Error()
			}
			var again []string
			if f, ok := out.(failures); ok {
				for _, item := range f.Items {
					again = append(again, item.ID)
				}
			}
			if got := strings.Join(s.told, ", "); got != tt.told || refused != tt.refused || strings.Join(again, " ") != tt.again {
				t.Errorf("told %q, refused %q, again %q; want %q, %q, %q", got, refused, again, tt.told, tt.refused, tt.again)
			}
		})
	}
}

// Lambda reads a list even when nothing failed.
func TestNothingFailed(t *testing.T) {
	out, err := resumer{new(service), known, quiet}.handle(t.Context(), []byte(queue(`{"job":"a"}`)))
	text, _ := json.Marshal(out)
	if err != nil || !slices.Equal(text, []byte(`{"batchItemFailures":[]}`)) {
		t.Errorf("answer %s, %v", text, err)
	}
}
