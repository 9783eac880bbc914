// Package builds has the providers of build and test actions in an AWS account.
package builds

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	awscodebuild "github.com/aws/aws-sdk-go-v2/service/codebuild"

	"github.com/sluice-ci/sluice/internal/action/aws/codebuild"
	"github.com/sluice-ci/sluice/internal/action/aws/credentials"
	"github.com/sluice-ci/sluice/internal/cloud/catalog"
	"github.com/sluice-ci/sluice/internal/cloud/work"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// New returns the providers.
func New(b *work.Bench) (catalog.Providers, error) {
	p, err := codebuild.New(codebuild.Ports{
		Client:  work.Client(b, func(c aws.Config) codebuild.CodeBuild { return awscodebuild.NewFromConfig(c) }),
		Objects: credentials.Fixed[codebuild.Objects](b.Objects),
		Blobs:   b.Blobs,
		Known:   b.Known,
	}, codebuild.Options{EncryptionKey: b.EncryptionKey})
	if err != nil {
		return nil, err
	}
	return catalog.Providers{
		catalog.AWS(pipeline.Build, "CodeBuild"): p,
		catalog.AWS(pipeline.Test, "CodeBuild"):  p,
	}, nil
}
