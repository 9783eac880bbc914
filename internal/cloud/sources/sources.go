// Package sources has the providers of source actions in an AWS account.
package sources

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codecommit"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/sluice-ci/sluice/internal/action/aws/credentials"
	"github.com/sluice-ci/sluice/internal/action/aws/sources"
	"github.com/sluice-ci/sluice/internal/cloud/catalog"
	"github.com/sluice-ci/sluice/internal/cloud/work"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/secret"
	secretaws "github.com/sluice-ci/sluice/internal/secret/aws"
)

// New returns the providers. A source is fetched whole by one call. Tokens of
// GitHub are secrets of the deployment, read in the function's own role.
func New(b *work.Bench) (catalog.Providers, error) {
	secrets, err := secretaws.New(secretsmanager.NewFromConfig(b.AWS), ssm.NewFromConfig(b.AWS))
	if err != nil {
		return nil, err
	}
	codeCommit := work.Client(b, func(c aws.Config) sources.CodeCommit { return codecommit.NewFromConfig(c) })
	objects := work.Client(b, func(c aws.Config) sources.S3 { return s3.NewFromConfig(c) })
	images := work.Client(b, func(c aws.Config) sources.ECR { return ecr.NewFromConfig(c) })
	github := pipeline.ActionTypeID{Category: pipeline.Source, Owner: pipeline.ThirdParty, Provider: "GitHub", Version: "1"}
	all := catalog.Providers{
		catalog.AWS(pipeline.Source, "CodeCommit"): sources.NewCodeCommit(codeCommit, b.Blobs),
		catalog.AWS(pipeline.Source, "S3"):         sources.NewS3(objects, b.Blobs),
		catalog.AWS(pipeline.Source, "ECR"):        sources.NewECR(images, b.Blobs),

		catalog.AWS(pipeline.Source, "CodeStarSourceConnection"): sources.NewConnection(b.Roles.Config, b.Blobs),
		github: sources.NewGitHub(credentials.Fixed[secret.Store](secrets), b.Blobs, sources.GitHubOptions{}),
	}
	for id, p := range all {
		all[id] = catalog.Patient(p, time.Now)
	}
	return all, nil
}
