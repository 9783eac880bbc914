package infra

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"
)

// review has every template of the app looked at by cdk-nag. A finding that is
// not accepted here is an error: cdk then deploys nothing.
func review(app awscdk.App) {
	awscdk.Aspects_Of(app).Add(cdknag.NewAwsSolutionsChecks(&cdknag.NagPackProps{Reports: jsii.Bool(false)}), nil)
}

// A finding of cdk-nag is accepted in one kind of stack, with a reason that
// stands in the template too.
type finding struct {
	stack   string // control, pipeline
	rule    string
	matches string // regular expression for what is found, where a rule finds several; NAME is the deployment's
	reason  string
}

var accepted = []finding{
	{"control", "AwsSolutions-IAM5", `/^Resource::arn:[a-z-]+:s3:::[^*]+\/\*$/`,
		"objects of the buckets of artifacts and of deployment files: their names are made while a pipeline runs"},
	{"control", "AwsSolutions-IAM5", `/^Resource::arn:[a-z-]+:iam::\d+:role\/NAME-pipeline-\*$/`,
		"roles of this deployment's pipelines: each trusts these functions by name, and pipelines come and go without them"},
	{"control", "AwsSolutions-IAM5", `/^Resource::arn:[a-z-]+:states:[^*]+:NAME-\*(:\*)?$/`,
		"machines and runs of this deployment: pipelines come and go without its functions"},
	{"control", "AwsSolutions-IAM5", `/^Resource::arn:[a-z-]+:(secretsmanager|ssm):[^*]+[:\/]NAME\/\*$/`,
		"secrets and parameters below the deployment's name are kept for its pipelines, and for nothing else"},
	{"control", "AwsSolutions-IAM5", `/^Resource::\*$/`,
		"log delivery of Step Functions has no resources to name; a test refuses every other action on all resources without its reason"},
	{"control", "AwsSolutions-SQS3", "",
		"these queues are the dead-letter queues of functions and rules; an alarm says when one is not empty"},
	{"pipeline", "AwsSolutions-IAM5", `/^Resource::/`,
		"a wildcard stands where a definition has a variable, or where the service adds an id; what is granted is the table of package grant, which has tests of its own"},
	{"pipeline", "AwsSolutions-SF2", "",
		"the history of executions has every step with its times, and functions have no permission for X-Ray"},
}

// accept suppresses what is accepted in a kind of stack, for scope and all that
// is in it.
func (p place) accept(scope constructs.Construct, stack string) {
	var all []*cdknag.NagPackSuppression
	for _, f := range accepted {
		if f.stack != stack {
			continue
		}
		s := &cdknag.NagPackSuppression{Id: &f.rule, Reason: &f.reason}
		if f.matches != "" {
			expression := strings.ReplaceAll(f.matches, "NAME", p.name)
			s.AppliesTo = &[]any{&cdknag.RegexAppliesTo{Regex: &expression}}
		}
		all = append(all, s)
	}
	if stack, ok := scope.(awscdk.Stack); ok {
		cdknag.NagSuppressions_AddStackSuppressions(stack, &all, nil)
		return
	}
	cdknag.NagSuppressions_AddResourceSuppressions(scope, &all, jsii.Bool(true))
}
