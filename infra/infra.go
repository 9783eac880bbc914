// Package infra is Sluice's CDK app, and the only code that imports aws-cdk.
// [Build] adds the stacks of a deployment to an app; [NewPipeline] adds one
// pipeline to anybody's stack.
//
// # Stacks
//
//	<name>-state              table, buckets, key, bus, topics: survives everything
//	<name>-control            functions, their roles, queues, URLs, rules that feed them
//	<name>-pipeline-<name>    one state machine, its role and its rules
//	<name>-watch              alarms, dashboard
//
// No stack exports anything to another: names and ARNs are made from the name
// of the deployment, account and Region (place), and the two things that AWS
// gives an id to, the key and the table's stream, are read from parameters.
//
// # Invariants
//
// The tests hold these over the templates, for every stack:
//
//	OnlyHookIsPublic    nobody but the function hook can be called without credentials.
//	StateSurvives       nothing with state goes when its stack or its line goes.
//	Encrypted           whatever is stored or sent is encrypted.
//	NoConfusedDeputy    a service acts for this account only.
//	NothingUnlisted     a function may do what its policy.json lists, no role more than it needs.
//	NothingIsLost       every call that nobody repeats ends in a dead-letter queue.
//	OnePipelineOnly     a changed definition changes the template of its pipeline only.
//
// Resources that hold state are the CDK's own constructs. The rest are resources
// of CloudFormation as they are, because what the constructs grant by themselves
// is more than what is asked for.
package infra

import (
	"errors"
	"os"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// Build adds the stacks of the deployment that app's context describes. root
// is the folder that has functions/ and build/; the folder of the definitions
// is relative to the working folder. The error names everything that is wrong
// with context, definitions and functions.
func Build(app awscdk.App, root string) error {
	cfg, err := readConfig(app.Node(), root, os.Getenv)
	if err != nil {
		return err
	}
	definitions, err := readDefinitions(cfg)
	programs, missing := readPrograms(cfg)
	if err := errors.Join(err, missing); err != nil {
		return err
	}
	state := newState(app, cfg)
	control := newControl(app, cfg, programs, reach(cfg, definitions))
	control.AddStackDependency(state, jsii.String("functions use the table"))
	for _, d := range definitions {
		stack := cfg.newStack(app, cfg.stack(d.Declaration.Name), "Sluice: the pipeline "+d.Declaration.Name)
		stack.AddStackDependency(control, jsii.String("the pipeline is registered by a function"))
		if err := newStackedPipeline(stack, cfg, d); err != nil {
			return err
		}
	}
	watch := newWatch(app, cfg, programs)
	watch.AddStackDependency(control, jsii.String("alarms are about functions and queues"))
	review(app)
	return nil
}

// newStack returns an empty stack in the deployment's account and Region.
func (c config) newStack(scope constructs.Construct, name, description string) awscdk.Stack {
	return awscdk.NewStack(scope, &name, &awscdk.StackProps{
		StackName:          &name,
		Description:        &description,
		Env:                &awscdk.Environment{Account: &c.account, Region: &c.region},
		AnalyticsReporting: jsii.Bool(false), // templates have what is needed and nothing else
	})
}

// parameter returns the value of a parameter that another stack wrote, as a
// token. The mark at the end of the description tells the cdk command that the
// value never changes, so a stack without changes is left alone.
func parameter(stack awscdk.Stack, id, name, what string) string {
	p := awscdk.NewCfnParameter(stack, &id, &awscdk.CfnParameterProps{
		Type:        jsii.String("AWS::SSM::Parameter::Value<String>"),
		Default:     &name,
		Description: jsii.String(what + " [cdk:skip]"),
	})
	return *p.ValueAsString()
}

// output adds an output that people and scripts read.
func output(stack awscdk.Stack, name, value, what string) {
	awscdk.NewCfnOutput(stack, &name, &awscdk.CfnOutputProps{Value: &value, Description: &what})
}
