// Package invokes has the providers of invoke actions in an AWS account.
package invokes

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/sluice-ci/sluice/internal/action/aws/lambda"
	"github.com/sluice-ci/sluice/internal/action/aws/stepfunctions"
	"github.com/sluice-ci/sluice/internal/cloud/catalog"
	"github.com/sluice-ci/sluice/internal/cloud/work"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// New returns the providers.
func New(b *work.Bench) (catalog.Providers, error) {
	machines, err := stepfunctions.New(
		work.Client(b, func(c aws.Config) stepfunctions.Client { return sfn.NewFromConfig(c) }), b.Blobs, stepfunctions.Options{})
	if err != nil {
		return nil, err
	}
	functions, err := lambda.New(lambda.Ports{
		Connect:     work.Client(b, func(c aws.Config) lambda.Client { return awslambda.NewFromConfig(c) }),
		Calls:       lambda.Recorded(b.Store),
		Credentials: lambda.Narrowed(b.STS, b.EncryptionKey),
		Uploaded:    lambda.Adopted(b.Blobs),
	}, lambda.Options{EncryptionKey: b.EncryptionKey})
	if err != nil {
		return nil, err
	}
	return catalog.Providers{
		catalog.AWS(pipeline.Invoke, "Lambda"):        functions,
		catalog.AWS(pipeline.Invoke, "StepFunctions"): machines,
	}, nil
}
