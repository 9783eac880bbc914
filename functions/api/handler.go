package main

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/sluice-ci/sluice/internal/codepipeline"
	"github.com/sluice-ci/sluice/internal/entry"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// handler answers as codepipeline does. Who asks is whom IAM says.
func handler(svc codepipeline.Orchestrator, r record.Reader, region string, log *slog.Logger) (entry.Handler, error) {
	api, err := codepipeline.New(deployed{svc}, r, region, codepipeline.Options{
		Caller: func(r *http.Request) string { return entry.Caller(r.Context()) },
		Log:    log,
	})
	return entry.URL(api), err
}

// deployed is the use cases without those that change a declaration. A pipeline
// in an account is more than its declaration: a machine, roles and rules, which
// only a deployment makes.
type deployed struct{ codepipeline.Orchestrator }

// accessDenied is the code that clients take for "not in this way".
const accessDenied pipeline.Code = "AccessDeniedException"

func fromFiles(name string) error {
	return pipeline.Errorf(accessDenied, "Pipelines of this deployment come from files. Change the definition of '%s' there (infra/pipelines, unless cdk.json says otherwise) and run cdk deploy", name)
}

// CreatePipeline implements codepipeline.Orchestrator.
func (deployed) CreatePipeline(_ context.Context, in orchestrator.Create) (pipeline.Declaration, error) {
	return pipeline.Declaration{}, fromFiles(in.Declaration.Name)
}

// UpdatePipeline implements codepipeline.Orchestrator.
func (deployed) UpdatePipeline(_ context.Context, d pipeline.Declaration, _ string) (pipeline.Declaration, error) {
	return pipeline.Declaration{}, fromFiles(d.Name)
}

// DeletePipeline implements codepipeline.Orchestrator.
func (deployed) DeletePipeline(_ context.Context, name, _ string) error { return fromFiles(name) }
