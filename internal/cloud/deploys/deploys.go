// Package deploys has the providers of deploy actions in an AWS account.
package deploys

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	awscloudformation "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	awscodedeploy "github.com/aws/aws-sdk-go-v2/service/codedeploy"
	awsecs "github.com/aws/aws-sdk-go-v2/service/ecs"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sluice-ci/sluice/internal/action/aws/alarm"
	"github.com/sluice-ci/sluice/internal/action/aws/cloudformation"
	"github.com/sluice-ci/sluice/internal/action/aws/codedeploy"
	"github.com/sluice-ci/sluice/internal/action/aws/ecs"
	"github.com/sluice-ci/sluice/internal/action/aws/lambdadeploy"
	"github.com/sluice-ci/sluice/internal/action/aws/s3deploy"
	"github.com/sluice-ci/sluice/internal/cloud/catalog"
	"github.com/sluice-ci/sluice/internal/cloud/work"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// New returns the providers. Files are copied to S3 in slices, one a call; the
// other deployments go on by themselves.
func New(b *work.Bench) (catalog.Providers, error) {
	stacks, err := cloudformation.New(
		work.Client(b, func(c aws.Config) cloudformation.Client { return awscloudformation.NewFromConfig(c) }),
		b.Blobs, cloudformation.Options{TemplateURL: templates(b)})
	if err != nil {
		return nil, err
	}
	services, err := ecs.New(work.Client(b, func(c aws.Config) ecs.Client { return awsecs.NewFromConfig(c) }), b.Blobs, ecs.Options{})
	if err != nil {
		return nil, err
	}
	groups, err := codedeploy.New(work.Client(b, func(c aws.Config) codedeploy.Client { return awscodedeploy.NewFromConfig(c) }), codedeploy.Options{})
	if err != nil {
		return nil, err
	}
	functions, err := lambdadeploy.New(lambdadeploy.Ports{
		Connect: work.Client(b, func(c aws.Config) lambdadeploy.Client { return awslambda.NewFromConfig(c) }),
		Blobs:   b.Blobs,
		Alarms:  alarm.On(work.Client(b, func(c aws.Config) alarm.Client { return cloudwatch.NewFromConfig(c) })),
	}, lambdadeploy.Options{})
	if err != nil {
		return nil, err
	}
	files := s3deploy.New(work.Client(b, func(c aws.Config) s3deploy.S3 { return s3.NewFromConfig(c) }), b.Blobs, s3deploy.Options{Lives: catalog.Lives})
	return catalog.Providers{
		catalog.AWS(pipeline.Deploy, "CloudFormation"): stacks,
		catalog.AWS(pipeline.Deploy, "ECS"):            services,
		catalog.AWS(pipeline.Deploy, "CodeDeploy"):     groups,
		catalog.AWS(pipeline.Deploy, "Lambda"):         functions,
		catalog.AWS(pipeline.Deploy, "S3"):             files,
	}, nil
}
