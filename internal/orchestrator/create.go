package orchestrator

import (
	"context"

	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
)

// CreatePipeline adds a pipeline and returns its declaration with what the
// service fills in. With in.Start its first execution is started in the same
// transaction.
func (s *Service) CreatePipeline(ctx context.Context, in Create) (pipeline.Declaration, error) {
	if err := pipeline.Failure(pipeline.Validate(in.Declaration)); err != nil {
		return in.Declaration, err
	}
	d := pipeline.Normalize(in.Declaration)
	err := s.change(ctx, func(c *change) error {
		p, v, err := c.create(d, in.Tags, record.Home{})
		if err != nil {
			return err
		}
		d = v.Declaration
		if !in.Start {
			return nil
		}
		return c.begin(p, v, Start{Pipeline: d.Name, Trigger: record.Trigger{Type: "CreatePipeline", Detail: in.By}}, c.newID())
	})
	return d, err
}

// create adds a pipeline whose declaration is valid and normal.
func (c *change) create(d pipeline.Declaration, tags []record.Tag, home record.Home) (*record.Pipeline, record.Version, error) {
	p, at, err := c.vacant(d.Name)
	if err != nil {
		return nil, record.Version{}, err
	}
	d.Version = p.Version + 1 // 1, or more if a pipeline of that name was deleted
	c.pipelines[d.Name] = &tracked[record.Pipeline]{at: at, value: record.Pipeline{
		Name: d.Name, Version: d.Version, NextSeq: p.NextSeq, Tags: tags, Created: c.at, Updated: c.at,
	}}
	c.set(store.Key{PK: record.PipelinesKey, SK: d.Name}, d.Name)
	v := record.Version{Declaration: d, Created: c.at, Home: home}
	c.put(record.VersionKey(d.Name, d.Version), v)
	return &c.pipelines[d.Name].value, v, nil
}

// vacant returns what is left of a deleted pipeline of that name, or nothing.
func (c *change) vacant(name string) (*record.Pipeline, int64, error) {
	it, err := c.Store.Get(c.ctx, record.PipelineKey(name))
	if store.IsNotFound(err) {
		return &record.Pipeline{}, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	p, err := record.Decode[record.Pipeline](it)
	if err == nil && !p.Deleted {
		err = pipeline.Errorf(pipeline.PipelineNameInUse, "A pipeline with the name '%s' already exists in account '%s'", name, c.home.Account)
	}
	return &p, it.Version, err
}

// UpdatePipeline replaces the declaration of a pipeline. Executions that are
// under way are cancelled when what they run has ended, unless they are
// PARALLEL (user guide, How pipeline executions work); waiting ones, and those that wait for an approval,
// end now.
func (s *Service) UpdatePipeline(ctx context.Context, d pipeline.Declaration, by string) (pipeline.Declaration, error) {
	var next pipeline.Declaration
	err := s.change(ctx, func(c *change) error {
		p, err := c.pipeline(d.Name)
		if err != nil {
			return err
		}
		before, err := s.Records.Version(ctx, p.Name, p.Version)
		if err != nil {
			return err
		}
		next = pipeline.Unmask(d, before.Declaration)
		if err := pipeline.Failure(pipeline.Validate(next)); err != nil {
			return err
		}
		next = c.update(p, pipeline.Normalize(next), before.Home)
		return nil
	})
	if err != nil {
		return next, err
	}
	return next, s.settleUpdate(ctx, next)
}

// update adds a version of p, whose declaration is valid and normal.
func (c *change) update(p *record.Pipeline, d pipeline.Declaration, home record.Home) pipeline.Declaration {
	p.Version++
	p.Updated = c.at
	d.Version = p.Version
	c.put(record.VersionKey(p.Name, p.Version), record.Version{Declaration: d, Created: c.at, Home: home})
	return d
}
