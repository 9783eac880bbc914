package infra

import (
	"cmp"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

// pattern returns the pattern of the events that a source action waits for,
// as CodePipeline's console makes it (user guide, Change detection); nil for a
// source that EventBridge knows nothing of.
//
// Every source of these three has its rule, whatever PollForSourceChanges
// says. "false" asks for a rule. Anything else asks for a poll about once a
// minute, which nobody does here: the rule takes its place, and is faster.
func (p place) pattern(a pipeline.Action) map[string]any {
	of := func(key string) []string { return []string{a.Configuration[key]} }
	switch a.TypeID {
	case source("CodeCommit"):
		return event("aws.codecommit", "CodeCommit Repository State Change", map[string]any{
			"event":         []string{"referenceCreated", "referenceUpdated"},
			"referenceType": []string{"branch"},
			"referenceName": of("BranchName"),
		}, p.arn("codecommit", a.Configuration["RepositoryName"]))
	case source("S3"):
		return event("aws.s3", "Object Created", map[string]any{
			"bucket": map[string]any{"name": of("S3Bucket")},
			"object": map[string]any{"key": of("S3ObjectKey")},
		})
	case source("ECR"):
		return event("aws.ecr", "ECR Image Action", map[string]any{
			"action-type":     []string{"PUSH"},
			"result":          []string{"SUCCESS"},
			"repository-name": of("RepositoryName"),
			"image-tag":       []string{cmp.Or(a.Configuration["ImageTag"], "latest")},
		})
	}
	return nil
}

func source(provider string) pipeline.ActionTypeID {
	return pipeline.ActionTypeID{Category: pipeline.Source, Owner: pipeline.AWS, Provider: provider, Version: "1"}
}

func event(source, kind string, detail map[string]any, resources ...string) map[string]any {
	pattern := map[string]any{"source": []string{source}, "detail-type": []string{kind}, "detail": detail}
	if len(resources) > 0 {
		pattern["resources"] = resources
	}
	return pattern
}
