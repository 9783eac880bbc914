package infra

import (
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3assets"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// program makes a function with its role and its log.
func (c *control) program(p program) {
	name := c.called(p.name)
	log := c.newLog(c.stack, p.name+"-log", "/aws/lambda/"+name, c.retention)
	role := c.functionRole(p, *log.AttrArn())
	code := awss3assets.NewAsset(c.stack, jsii.String(p.name+"-code"), &awss3assets.AssetProps{Path: &p.code})
	f := awslambda.NewCfnFunction(c.stack, jsii.String(p.name), &awslambda.CfnFunctionProps{
		FunctionName:     &name,
		Description:      jsii.String("Sluice: " + p.does),
		Runtime:          jsii.String("provided.al2023"),
		Handler:          jsii.String("bootstrap"),
		Architectures:    &[]*string{architecture(c.arch)},
		Code:             &awslambda.CfnFunction_CodeProperty{S3Bucket: code.S3BucketName(), S3Key: code.S3ObjectKey()},
		Role:             role.AttrArn(),
		MemorySize:       jsii.Number(p.Memory),
		Timeout:          jsii.Number(p.Timeout),
		EphemeralStorage: &awslambda.CfnFunction_EphemeralStorageProperty{Size: jsii.Number(p.Storage)},
		Environment:      &awslambda.CfnFunction_EnvironmentProperty{Variables: c.environment(p)},
		LoggingConfig:    &awslambda.CfnFunction_LoggingConfigProperty{LogGroup: log.Ref()},
	})
	c.functions[p.name] = f
	if p.async {
		awslambda.NewCfnEventInvokeConfig(c.stack, jsii.String(p.name+"-dead-letters"), &awslambda.CfnEventInvokeConfigProps{
			FunctionName: f.Ref(), Qualifier: jsii.String("$LATEST"),
			MaximumEventAgeInSeconds: jsii.Number(6 * 60 * 60), MaximumRetryAttempts: jsii.Number(2),
			DestinationConfig: &awslambda.CfnEventInvokeConfig_DestinationConfigProperty{
				OnFailure: &awslambda.CfnEventInvokeConfig_OnFailureProperty{Destination: jsii.String(c.letters[dead(p.name)])},
			},
		})
	}
}

// architecture is what Lambda calls a GOARCH.
func architecture(arch string) *string {
	if arch == "amd64" {
		return jsii.String("x86_64")
	}
	return jsii.String(arch)
}

// environment returns the variables that the function reads, and no others.
func (c *control) environment(p program) map[string]string {
	all, own := c.settings.environment(), map[string]string{}
	for _, name := range p.Environment {
		own[name] = all[name]
	}
	return own
}

// functionRole makes the role of a function: what its policy.json lists, and
// what Lambda does in its name.
func (c *control) functionRole(p program, log string) awsiam.CfnRole {
	resources, why := c.settings.resources(), map[string]string{}
	var allowed []statement
	for _, s := range p.Statements {
		var on []string
		for _, symbol := range s.On {
			on = append(on, resources[symbol]...)
		}
		if len(on) > 0 { // "topics" may be none
			allowed = append(allowed, allow(s.Actions, on...))
		}
		if slices.Contains(on, "*") {
			for _, a := range s.Actions {
				why[a] = s.Why
			}
		}
	}
	allowed = append(allowed, c.lambdaDoes(p, log)...)
	return c.newRole(c.stack, p.name+"-role", c.role(p.name), serving("lambda.amazonaws.com", sameAccount(c.account)), allowed, why)
}

// lambdaDoes returns what Lambda itself does with a function's role. It is the
// same for every function that is called in the same way, so no policy.json
// has it.
func (c *control) lambdaDoes(p program, log string) []statement {
	all := []statement{allow([]string{"logs:CreateLogStream", "logs:PutLogEvents"}, log)}
	if p.async {
		all = append(all, allow([]string{"sqs:SendMessage"}, c.queue(dead(p.name))))
	}
	switch p.name {
	case "outbox":
		all = append(all,
			allow([]string{"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"}, c.settings.stream),
			allow([]string{"kms:Decrypt"}, c.settings.key)) // which encrypts the stream as well
	case "resume":
		all = append(all, allow([]string{"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"}, c.queue("resume")))
	}
	return all
}

// newLog makes a log group. It goes with its stack, because one that stayed
// would be in the way when the stack is deployed again.
func (p place) newLog(scope constructs.Construct, id, name string, retention int) awslogs.CfnLogGroup {
	log := awslogs.NewCfnLogGroup(scope, &id, &awslogs.CfnLogGroupProps{
		LogGroupName: &name, RetentionInDays: jsii.Number(logDays(retention)),
	})
	log.ApplyRemovalPolicy(awscdk.RemovalPolicy_DESTROY, nil)
	return log
}

// logDays returns the shortest time that CloudWatch Logs offers and that is at
// least so many days.
func logDays(days int) int {
	offered := []int{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}
	at, _ := slices.BinarySearch(offered, days)
	return offered[min(at, len(offered)-1)]
}
