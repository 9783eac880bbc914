package orchestrator

import (
	"context"

	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
)

// DeletePipeline removes a pipeline and abandons what it runs. History stays,
// and a later pipeline of that name goes on counting. A name that does not
// exist is fine. What is left to do when it is cut short, whoever repeats it
// does, or Sweep.
func (s *Service) DeletePipeline(ctx context.Context, name, by string) error {
	err := s.change(ctx, func(c *change) error {
		p, err := c.pipeline(name)
		if err != nil {
			return err
		}
		p.Deleted, p.Updated = true, c.at
		c.remove(store.Key{PK: record.PipelinesKey, SK: name})
		c.set(store.Key{PK: record.DeletedKey, SK: name}, p.Version)
		return nil
	})
	if err != nil && pipeline.CodeOf(err) != pipeline.PipelineNotFound {
		return err
	}
	return s.settleDeletion(ctx, name)
}

// settleDeletion abandons what runs of a pipeline that was deleted, if that is
// not done yet. A new pipeline of that name may be there already; its versions
// are higher.
func (s *Service) settleDeletion(ctx context.Context, name string) error {
	last, _, err := s.deleted(ctx, name)
	if err != nil || last == 0 {
		return err
	}
	gone := func(e record.Execution) bool { return e.Version <= last }
	if err := s.cancelActive(ctx, name, gone, true); err != nil {
		return err
	}
	return s.change(ctx, func(c *change) error {
		now, at, err := s.deleted(ctx, name)
		if err == nil && now == last { // else it was deleted again, or somebody else has done it
			c.extra = append(c.extra, store.Op{Key: store.Key{PK: record.DeletedKey, SK: name}, Kind: store.Delete, If: at})
		}
		return err
	})
}

// deleted returns the last version of a pipeline that was deleted while what it
// runs is still to be abandoned, and where that is said; else 0.
func (s *Service) deleted(ctx context.Context, name string) (version int, at int64, err error) {
	it, err := s.Store.Get(ctx, store.Key{PK: record.DeletedKey, SK: name})
	if store.IsNotFound(err) {
		return 0, 0, nil
	}
	if err == nil {
		version, err = record.Decode[int](it)
	}
	return version, it.Version, err
}
