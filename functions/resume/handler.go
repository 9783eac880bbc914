package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"

	"github.com/sluice-ci/sluice/events"
	"github.com/sluice-ci/sluice/internal/entry"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// runner is what this function needs of *orchestrator.Service.
type runner interface {
	Run(ctx context.Context, in orchestrator.Errand) error
}

type resumer struct {
	svc      runner
	external func(ctx context.Context, id string) (record.Action, error) // by what a service calls its work
	log      *slog.Logger
}

// failures tell Lambda which messages of a queue are to come again.
type failures struct {
	Items []failure `json:"batchItemFailures"`
}

type failure struct {
	ID string `json:"itemIdentifier"`
}

// A message is what is read of a message of a queue.
type message struct {
	ID   string `json:"messageId"`
	Body string `json:"body"`
}

// handle tells messages of the queue from an event that comes by itself.
func (r resumer) handle(ctx context.Context, payload []byte) (any, error) {
	in, err := entry.DecodeOpen[struct {
		Records []json.RawMessage `json:"Records"`
	}]("payload of resume", payload)
	if err != nil {
		return nil, err
	}
	if in.Records == nil {
		return nil, r.event(ctx, payload)
	}
	out := failures{Items: []failure{}}
	for _, raw := range in.Records {
		m, err := entry.DecodeOpen[message]("message of the queue", raw)
		if err == nil {
			err = r.message(ctx, m)
		}
		if err != nil {
			r.log.WarnContext(ctx, "an errand failed; it is tried again", "message", m.ID, "err", err)
			out.Items = append(out.Items, failure{m.ID})
		}
	}
	return out, nil
}

// message runs the errand in a message, or hears the event in it.
func (r resumer) message(ctx context.Context, m message) error {
	in, err := entry.DecodeOpen[struct {
		DetailType string `json:"detail-type"`
	}]("message of the queue", []byte(m.Body))
	if err != nil {
		return err
	}
	if in.DetailType != "" {
		return r.event(ctx, []byte(m.Body))
	}
	errand, err := entry.Decode[orchestrator.Errand]("errand", []byte(m.Body))
	if err != nil {
		return err
	}
	return r.svc.Run(ctx, errand)
}

// event hears that a build has ended. What the event says is not trusted: the
// provider asks the service. An event may come before it is recorded what the
// build is called; that is an error, so that it comes again.
func (r resumer) event(ctx context.Context, payload []byte) error {
	in, detail, err := entry.Event(payload)
	if err != nil {
		return err
	}
	build, ok := detail.(events.BuildStateChange)
	if !ok {
		return entry.Refusef("event %q of %q, %q: resume hears only of builds of CodeBuild", in.ID, in.Source, in.DetailType)
	}
	if build.BuildStatus == "IN_PROGRESS" || !ours(build) {
		return nil
	}
	id := build.BuildID[strings.LastIndexByte(build.BuildID, '/')+1:] // arn:aws:codebuild:eu-west-1:111122223333:build/project:uuid
	a, err := r.external(ctx, id)
	if pipeline.CodeOf(err) == pipeline.ActionExecutionNotFound {
		return fmt.Errorf("build %s has ended and no action is known to have started it yet: %w", id, err)
	}
	if err != nil {
		return err
	}
	return r.svc.Run(ctx, orchestrator.Errand{Job: a.ID})
}

// ours reports whether an action may have started the build. An account has
// others too, and nobody must wait for what they are recorded as. Actions work
// in sessions that package credentials names after their executions.
func ours(b events.BuildStateChange) bool {
	by := b.Information.Initiator
	return by == "" || strings.Contains(by, "/sluice-")
}
