package orchestrator

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/sluice-ci/sluice/internal/machine"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
)

// A Row is an outbox row and where it lies.
type Row struct {
	Key store.Key
	record.Outbox
}

// Outbox returns the rows that wait to be delivered, oldest first in each shard.
func (s *Service) Outbox(ctx context.Context) ([]Row, error) {
	var rows []Row
	for shard := range record.OutboxShards {
		items, err := s.Store.Query(ctx, store.Query{PK: record.OutboxKey(shard, "").PK})
		if err != nil {
			return nil, err
		}
		for _, it := range items {
			if out, err := record.Decode[record.Outbox](it); err == nil {
				rows = append(rows, Row{it.Key, out})
			} else { // one bad row must not hold up all others
				s.log.ErrorContext(ctx, "outbox row is unreadable and stays where it is", "err", err)
			}
		}
	}
	return rows, nil
}

// RowsOf returns the outbox rows among the ops of a transaction of a Service.
func RowsOf(ops []store.Op) []Row {
	var rows []Row
	for _, op := range ops {
		if op.Kind != store.Put || !record.IsOutbox(op.Key) {
			continue
		}
		out, err := record.Decode[record.Outbox](store.Item{Key: op.Key, Value: op.Value})
		if err != nil {
			panic(err) // it was encoded a moment ago
		}
		rows = append(rows, Row{op.Key, out})
	}
	return rows
}

// Delivered deletes rows that were delivered; at most store.MaxOps of them.
func (s *Service) Delivered(ctx context.Context, keys []store.Key) error {
	ops := make([]store.Op, len(keys))
	for i, key := range keys {
		ops[i] = store.Op{Key: key, Kind: store.Delete, If: store.Any}
	}
	return s.Store.Write(ctx, ops...)
}

// Act does what a row asks for but its announcements, which nobody waits for;
// [Service.Announce] does those. Both may be called any number of times for a
// row. The caller deletes the row when both have returned nil.
func (s *Service) Act(ctx context.Context, row record.Outbox) error {
	var errs []error
	for _, in := range row.Answers {
		errs = append(errs, s.answerTask(ctx, in))
	}
	for _, in := range row.Starts {
		errs = append(errs, s.startMachine(ctx, in))
	}
	for _, in := range row.Admits {
		errs = append(errs, s.admitted(ctx, in))
	}
	for _, in := range row.Stops {
		errs = append(errs, s.Machine.Stop(ctx, in.Run, in.Error, in.Cause))
	}
	for _, in := range row.Begins {
		errs = append(errs, s.sendAbout(ctx, in, Errand{Begin: true}))
	}
	for _, in := range row.Kills {
		errs = append(errs, s.sendAbout(ctx, in, Errand{Stop: true}))
	}
	for _, in := range row.Polls {
		errs = append(errs, s.send(ctx, Errand{Job: in.Job, Due: in.Due, Cursor: in.Cursor}))
	}
	return errors.Join(errs...)
}

// Announce publishes what a row has to tell. A message to a topic that nobody
// has taken for a day counts as told.
func (s *Service) Announce(ctx context.Context, row record.Outbox) error {
	var errs []error
	for _, event := range row.Publishes {
		errs = append(errs, s.Bus.Publish(ctx, event))
	}
	for _, in := range row.Notices {
		errs = append(errs, s.notify(ctx, in, row.Created))
	}
	return errors.Join(errs...)
}

func (s *Service) startMachine(ctx context.Context, in record.StartRun) error {
	input, err := json.Marshal(map[string]string{"execution": in.Execution})
	if err != nil {
		return err
	}
	err = s.Machine.Start(ctx, machine.Start{Name: in.Run, Pipeline: in.Pipeline, Version: in.Version, Input: input})
	if errors.Is(err, machine.ErrNoMachine) { // a deployment replaced it before this run began
		return s.Ended(ctx, in.Run, err.Error())
	}
	return err
}

// answerTask completes a task. One that nobody waits for any more was answered
// before, or its run is over: both are fine.
func (s *Service) answerTask(ctx context.Context, in record.Answer) error {
	var err error
	if in.Error == "" {
		err = s.Machine.Succeed(ctx, in.Token, []byte("{}"))
	} else {
		err = s.Machine.Fail(ctx, in.Token, in.Error, in.Cause)
	}
	if errors.Is(err, machine.ErrTaskGone) {
		return nil
	}
	return err
}

// sendAbout sends an errand about an action or a rule.
func (s *Service) sendAbout(ctx context.Context, id record.ActionID, what Errand) error {
	a, err := s.Records.Action(ctx, id)
	if err != nil {
		return err
	}
	what.Job = a.Value.ID
	return s.send(ctx, what)
}
