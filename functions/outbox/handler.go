package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/sluice-ci/sluice/events"
	"github.com/sluice-ci/sluice/internal/cloud/delivery"
	"github.com/sluice-ci/sluice/internal/entry"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
)

// deliverer is what this function needs of *orchestrator.Service.
type deliverer interface {
	Act(ctx context.Context, row record.Outbox) error
	Announce(ctx context.Context, row record.Outbox) error
	Delivered(ctx context.Context, keys []store.Key) error
	Outbox(ctx context.Context) ([]orchestrator.Row, error)
	Sweep(ctx context.Context) error
	Ended(ctx context.Context, run, cause string) error
}

type outbox struct {
	svc deliverer
	log *slog.Logger
}

const (
	atOnce = 8                // deliveries under way in one call
	young  = 20 * time.Second // the stream delivers a row before it is as old
)

// failures tell Lambda which records of a stream are to come again. It goes
// back to the first of them.
type failures struct {
	Items []failure `json:"batchItemFailures"`
}

type failure struct {
	ID string `json:"itemIdentifier"`
}

// handle tells the three kinds of payloads apart.
func (o outbox) handle(ctx context.Context, payload []byte) (any, error) {
	in, err := entry.DecodeOpen[struct {
		Records    []json.RawMessage `json:"Records"`
		DetailType string            `json:"detail-type"`
	}]("payload of outbox", payload)
	switch {
	case err != nil:
		return nil, err
	case in.Records != nil:
		return o.stream(ctx, in.Records), nil
	case in.DetailType != "":
		return nil, o.ended(ctx, payload)
	}
	if _, err := entry.Decode[events.Sweep]("payload of outbox, which has no Records and no detail-type", payload); err != nil {
		return nil, err
	}
	return nil, o.sweep(ctx)
}

// stream delivers rows that were just added.
func (o outbox) stream(ctx context.Context, records []json.RawMessage) failures {
	changes, unreadable := delivery.Changes(records)
	if err := errors.Join(unreadable...); err != nil {
		o.log.ErrorContext(ctx, "outbox rows are unreadable and stay where they are", "err", err)
	}
	rows := make([]orchestrator.Row, len(changes))
	for i, c := range changes {
		rows[i] = c.Row
	}
	out := failures{Items: []failure{}}
	for i, err := range o.deliver(ctx, rows) {
		if err != nil {
			out.Items = append(out.Items, failure{changes[i].Sequence})
		}
	}
	return out
}

// deliver delivers rows, some at once, and deletes those that it delivered. A
// row that cannot be deleted is delivered again by the sweep, which changes
// nothing.
//
// It returns what kept each row from being carried out. A message that nobody
// takes, to a topic that is gone for example, is no such thing: it stays in its
// row for the sweep, and no machine waits for it.
func (o outbox) deliver(ctx context.Context, rows []orchestrator.Row) []error {
	errs, untold := make([]error, len(rows)), make([]error, len(rows))
	slots := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for i, row := range rows {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			if errs[i] = o.svc.Act(ctx, row.Outbox); errs[i] == nil {
				untold[i] = o.svc.Announce(ctx, row.Outbox)
			}
		})
	}
	all.Wait()
	var done []store.Key
	for i, row := range rows {
		if err := errors.Join(errs[i], untold[i]); err != nil {
			o.log.WarnContext(ctx, "delivery failed; it is tried again", "row", row.ID, "err", err)
			continue
		}
		done = append(done, row.Key)
	}
	for chunk := range slices.Chunk(done, store.MaxOps) {
		if err := o.svc.Delivered(ctx, chunk); err != nil {
			o.log.WarnContext(ctx, "delivered rows stay in the outbox until the next sweep", "rows", len(chunk), "err", err)
		}
	}
	return errs
}

// sweep delivers what the stream did not, and heals what nobody else noticed.
func (o outbox) sweep(ctx context.Context) error {
	rows, err := o.svc.Outbox(ctx)
	if err != nil {
		return err
	}
	rows = slices.DeleteFunc(rows, func(r orchestrator.Row) bool { return time.Since(r.Created) < young })
	failed := errors.Join(o.deliver(ctx, rows)...)
	return errors.Join(failed, o.svc.Sweep(ctx))
}

// ended hears that the run of a machine changed its status. Of the ends only
// the bad ones are news: a good one was told by the run's last task.
func (o outbox) ended(ctx context.Context, payload []byte) error {
	in, detail, err := entry.Event(payload)
	if err != nil {
		return err
	}
	run, ok := detail.(events.ExecutionStatusChange)
	if !ok {
		return entry.Refusef("event %s of %s, %q: outbox hears only of runs of Step Functions", in.ID, in.Source, in.DetailType)
	}
	switch run.Status {
	case "FAILED", "TIMED_OUT", "ABORTED":
		return o.svc.Ended(ctx, run.Name, fmt.Sprintf("%s %s %s", run.Status, run.Error, run.Cause))
	}
	return nil
}
