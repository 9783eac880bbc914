package main

import (
	"context"
	"log/slog"
	"strings"

	"github.com/sluice-ci/sluice/events"
	"github.com/sluice-ci/sluice/internal/entry"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/trigger"
)

// starter is what this function needs of *orchestrator.Service.
type starter interface {
	Notice(ctx context.Context, id string, ev trigger.Event) ([]record.Decision, error)
	StartExecution(ctx context.Context, in orchestrator.Start) (string, error)
}

type triggers struct {
	svc starter
	log *slog.Logger
}

// handle tells a schedule from an event of a source.
func (t triggers) handle(ctx context.Context, payload []byte) (any, error) {
	in, err := entry.DecodeOpen[struct {
		Schedule *struct{} `json:"schedule"`
	}]("payload of trigger", payload)
	if err != nil {
		return nil, err
	}
	if in.Schedule != nil {
		return nil, t.schedule(ctx, payload)
	}
	return nil, t.event(ctx, payload)
}

// schedule starts what is due. The id of the event is the request's token, so
// it starts once.
func (t triggers) schedule(ctx context.Context, payload []byte) error {
	in, err := entry.Decode[events.ScheduledStart]("schedule", payload)
	if err != nil {
		return err
	}
	due := in.Schedule
	id, err := t.svc.StartExecution(ctx, orchestrator.Start{
		Pipeline: due.Pipeline, ClientToken: due.ID,
		Trigger: record.Trigger{Type: "CloudWatchEvent", Detail: due.Rule},
	})
	if err == nil {
		t.log.InfoContext(ctx, "a schedule started an execution", "pipeline", due.Pipeline, "execution", id)
	}
	return err
}

// event hands on what happened at a source. One event may come through the
// rules of several pipelines; its id is the same then, so each is decided once.
func (t triggers) event(ctx context.Context, payload []byte) error {
	in, detail, err := entry.Event(payload)
	if err != nil {
		return err
	}
	if in.ID == "" {
		return entry.Refusef("payload of trigger: neither a schedule nor an event with an id")
	}
	happened, reason := translate(detail)
	if happened == nil {
		if detail == nil {
			return entry.Refusef("event %s of %s, %q: no source of a pipeline sends such", in.ID, in.Source, in.DetailType)
		}
		t.log.DebugContext(ctx, "the event starts nothing", "event", in.ID, "why", reason)
		return nil
	}
	decisions, err := t.svc.Notice(ctx, in.ID, happened)
	for _, d := range decisions {
		t.log.InfoContext(ctx, "decided", "event", in.ID, "pipeline", d.Pipeline, "started", d.Started, "execution", d.Execution, "why", d.Reason)
	}
	return err
}

// translate returns what an event means to pipelines; nil, and why, if nothing.
func translate(detail events.Detail) (happened trigger.Event, reason string) {
	switch d := detail.(type) {
	case events.RepositoryStateChange:
		return push(d), ""
	case events.ObjectCreated:
		return trigger.ObjectCreated{Bucket: d.Bucket.Name, Key: d.Object.Key, VersionID: d.Object.VersionID}, ""
	case events.ImageAction:
		if d.ActionType != "PUSH" || d.Result != "SUCCESS" {
			return nil, "no image was pushed"
		}
		return trigger.ImagePushed{Repository: d.RepositoryName, Tag: d.ImageTag, Digest: d.ImageDigest}, ""
	}
	return nil, "it is not of a source"
}

// push returns the push that CodeCommit tells of. A commit of zeros is how a
// push says that its branch is gone.
func push(d events.RepositoryStateChange) trigger.Push {
	p := trigger.Push{
		Repository: d.RepositoryName, RefType: trigger.RefType(d.ReferenceType), Ref: d.ReferenceName,
		Commit: d.CommitID, OldCommit: d.OldCommitID,
	}
	if d.Event == "referenceDeleted" {
		p.Commit = strings.Repeat("0", 40)
	}
	return p
}
