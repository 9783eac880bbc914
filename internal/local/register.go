package local

import (
	"context"
	"os/user"
	"reflect"

	"github.com/sluice-ci/sluice/internal/definition"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// Register makes the pipelines of the folder equal to defs: new ones are
// created, changed ones updated, and the names of both are returned. It starts
// no execution and deletes nothing.
func (s *System) Register(ctx context.Context, defs []definition.Definition) (created, updated []string, err error) {
	for _, def := range defs {
		d := def.Declaration
		_, v, err := s.Records.Latest(ctx, d.Name)
		switch {
		case pipeline.CodeOf(err) == pipeline.PipelineNotFound:
			_, err = s.Service.CreatePipeline(ctx, orchestrator.Create{Declaration: d, By: Caller()})
			created = append(created, d.Name)
		case err == nil && !same(v.Declaration, d):
			_, err = s.Service.UpdatePipeline(ctx, d, Caller())
			updated = append(updated, d.Name)
		}
		if err != nil {
			return created, updated, err
		}
	}
	return created, updated, nil
}

// same reports whether two declarations say the same, versions aside.
func same(a, b pipeline.Declaration) bool {
	a, b = pipeline.Normalize(a), pipeline.Normalize(b)
	a.Version, b.Version = 0, 0
	return reflect.DeepEqual(a, b)
}

// Caller is the ARN that stands for the person at this machine.
func Caller() string { return "arn:aws:iam::" + Account + ":user/" + userName() }

func userName() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "local"
}
