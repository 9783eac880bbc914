package local

import (
	"context"
	"os/user"

	"github.com/sluice-ci/sluice/internal/definition"
	"github.com/sluice-ci/sluice/internal/orchestrator"
)

// Register makes the pipelines of the folder equal to defs: new ones are
// created, changed ones updated, and the names of both are returned. It starts
// no execution and deletes nothing.
func (s *System) Register(ctx context.Context, defs []definition.Definition) (created, updated []string, err error) {
	for _, def := range defs {
		d := def.Declaration
		done, err := s.Service.Deploy(ctx, orchestrator.Deployment{Declaration: d, By: Caller()})
		switch done {
		case orchestrator.Created:
			created = append(created, d.Name)
		case orchestrator.Updated:
			updated = append(updated, d.Name)
		}
		if err != nil {
			return created, updated, err
		}
	}
	return created, updated, nil
}

// Caller is the ARN that stands for the person at this machine.
func Caller() string { return "arn:aws:iam::" + Account + ":user/" + userName() }

func userName() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "local"
}
