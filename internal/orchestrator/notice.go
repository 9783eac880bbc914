package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
	"github.com/sluice-ci/sluice/internal/trigger"
)

// Notice starts the pipelines that an event starts and records what was
// decided about each one that listens, refusals too. id names the event: one
// that is delivered again changes nothing.
func (s *Service) Notice(ctx context.Context, id string, ev trigger.Event) ([]record.Decision, error) {
	pipelines, err := s.Records.Pipelines(ctx, "", 0)
	if err != nil {
		return nil, err
	}
	var declarations []pipeline.Declaration
	for _, p := range pipelines {
		v, err := s.Records.Version(ctx, p.Name, p.Version)
		if err != nil {
			return nil, err
		}
		declarations = append(declarations, v.Declaration)
	}
	var made []record.Decision
	var failures []error
	for _, d := range trigger.Decide(declarations, ev) {
		r, err := s.decide(ctx, id, ev, d)
		if err != nil {
			failures = append(failures, fmt.Errorf("pipeline %s: %w", d.Pipeline, err))
			continue
		}
		made = append(made, r)
	}
	return made, errors.Join(failures...)
}

// decide carries out and records one decision, in one transaction. A start
// that is refused, because too many executions are under way for one, is
// recorded as such.
func (s *Service) decide(ctx context.Context, id string, ev trigger.Event, d trigger.Decision) (record.Decision, error) {
	var r record.Decision
	attempt := func(c *change) error {
		key := record.IdempotencyKey("event#"+d.Pipeline, id)
		it, err := s.Store.Get(ctx, key)
		if err == nil {
			r, err = record.Decode[record.Decision](it)
			return err
		}
		if !store.IsNotFound(err) {
			return err
		}
		r = record.Decision{ID: id, Pipeline: d.Pipeline, Event: ev.String(), Reason: d.Reason, At: c.at}
		if d.Start {
			if err := c.startFor(&r, d); err != nil {
				return err
			}
		}
		c.once(key, r)
		c.put(record.DecisionKey(d.Pipeline, c.at.Format(time.RFC3339Nano), id), r)
		return nil
	}
	err := s.change(ctx, attempt)
	if code := pipeline.CodeOf(err); code == pipeline.ConcurrentExecutionsLimit || code == pipeline.Validation {
		d.Start, d.Reason = false, err.Error()
		err = s.change(ctx, attempt)
	}
	return r, err
}

// startFor adds the execution that a decision starts.
func (c *change) startFor(r *record.Decision, d trigger.Decision) error {
	p, err := c.pipeline(d.Pipeline)
	if err != nil {
		return err
	}
	v, err := c.Records.Version(c.ctx, p.Name, p.Version)
	if err != nil {
		return err
	}
	r.Started, r.Execution = true, c.newID()
	return c.begin(p, v, Start{
		Pipeline: d.Pipeline, Overrides: d.Overrides,
		Trigger: record.Trigger{Type: d.Type, Detail: d.Detail},
	}, r.Execution)
}
