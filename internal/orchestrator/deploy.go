package orchestrator

import (
	"context"
	"reflect"

	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// A Deployment brings a pipeline from the files that define it.
type Deployment struct {
	Declaration pipeline.Declaration
	Home        record.Home // what was made for it; zero on a laptop
	By          string
}

// A Deployed says what came of a Deployment.
type Deployed string

const (
	Created   Deployed = "created"
	Updated   Deployed = "updated"
	Unchanged Deployed = "unchanged"
)

// Deploy makes a pipeline equal to in: it creates the pipeline, updates it, or
// finds nothing to do. It starts no execution (decision 0008). One that is
// repeated, even after it was cut short, comes to the same end.
//
// A new home alone is no new version: executions that are under way go on
// where they began, and later ones begin in the new home.
func (s *Service) Deploy(ctx context.Context, in Deployment) (Deployed, error) {
	if err := pipeline.Failure(pipeline.Validate(in.Declaration)); err != nil {
		return Unchanged, err
	}
	d := pipeline.Normalize(in.Declaration)
	done := Unchanged
	err := s.change(ctx, func(c *change) error {
		done = Created
		// Its read decides whether there is one: asking before would leave a
		// moment for another deployment to create it.
		_, _, err := c.create(d, nil, in.Home)
		if pipeline.CodeOf(err) != pipeline.PipelineNameInUse {
			return err
		}
		done = Unchanged
		p, err := c.pipeline(d.Name)
		if err != nil {
			return err
		}
		v, err := s.Records.Version(ctx, p.Name, p.Version)
		if err != nil {
			return err
		}
		d.Version = p.Version
		switch {
		case !same(v.Declaration, d):
			done = Updated
			d = c.update(p, d, in.Home)
		case v.Home != in.Home:
			v.Home = in.Home
			c.set(record.VersionKey(p.Name, p.Version), v)
		}
		return nil
	})
	if err != nil || done == Created {
		return done, err
	}
	return done, s.settleUpdate(ctx, d)
}

// same reports whether two declarations say the same, versions aside.
func same(a, b pipeline.Declaration) bool {
	a, b = pipeline.Normalize(a), pipeline.Normalize(b)
	a.Version, b.Version = 0, 0
	return reflect.DeepEqual(a, b)
}
