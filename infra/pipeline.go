package infra

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3assets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsstepfunctions"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/sluice-ci/sluice/internal/compile"
	"github.com/sluice-ci/sluice/internal/definition"
)

// PipelineProps says what a pipeline is made of. Only File is required.
type PipelineProps struct {
	// File is the definition, in YAML or JSON. roleArn and artifactStore may be
	// left out.
	File string

	// Deployment is the name of the deployment that runs the pipeline, in the
	// same account and Region. Default "sluice".
	Deployment string

	// Schedule starts the pipeline at times, as rate(1 day) or cron(0 6 * * ? *)
	// say them, in UTC. Default: never.
	Schedule string

	// Retention is for how many days the machine's log is kept. Default 90.
	Retention int
}

// A Pipeline is what was made for a definition.
type Pipeline struct {
	constructs.Construct
	Name       string // of the pipeline
	MachineARN string // of its state machine, without a version
	RoleARN    string // of the role its actions use, unless they declare one
}

// NewPipeline adds a pipeline to a stack of any CDK app. The stack needs an
// explicit environment, and the deployment has to be there before it.
//
// What a definition names outside of the deployment (roles of actions, topics
// of approvals, buckets and keys of artifacts) is reached only if context
// sluice:allow of the deployment has it. The error names everything that is
// wrong with the definition.
func NewPipeline(scope constructs.Construct, id string, props *PipelineProps) (*Pipeline, error) {
	if props == nil || props.File == "" {
		return nil, fmt.Errorf("infra.NewPipeline %s: File is required", id)
	}
	p := *props
	if p.Deployment == "" {
		p.Deployment = "sluice"
	}
	if p.Retention == 0 {
		p.Retention = 90
	}
	if p.Schedule != "" && !schedule.MatchString(p.Schedule) {
		return nil, fmt.Errorf("infra.NewPipeline %s: Schedule is %q; write rate(1 day) or cron(0 6 * * ? *)", id, p.Schedule)
	}
	stack := awscdk.Stack_Of(scope)
	if *awscdk.Token_IsUnresolved(stack.Account()) || *awscdk.Token_IsUnresolved(stack.Region()) {
		return nil, fmt.Errorf("infra.NewPipeline %s: stack %s has no explicit environment; give it Env with Account and Region", id, *stack.StackName())
	}
	home := place{name: p.Deployment, account: *stack.Account(), region: *stack.Region()}
	d, err := definition.ReadFile(p.File, home.standIns())
	if err != nil {
		return nil, err
	}
	if errs := home.refuse(d); len(errs) > 0 {
		return nil, errs
	}
	return newPipeline(scope, id, home, home.complete(d), p)
}

// newStackedPipeline makes a pipeline of the deployment in its own stack.
func newStackedPipeline(stack awscdk.Stack, cfg config, d definition.Definition) error {
	p, err := newPipeline(stack, "pipeline", cfg.place, d, PipelineProps{
		Schedule: cfg.schedules[d.Declaration.Name], Retention: cfg.retention,
	})
	if err != nil {
		return err
	}
	output(stack, "MachineArn", p.MachineARN, "state machine of the pipeline "+p.Name)
	return nil
}

// newPipeline makes a pipeline of a definition that was found well.
func newPipeline(scope constructs.Construct, id string, home place, d definition.Definition, p PipelineProps) (*Pipeline, error) {
	name := d.Declaration.Name
	b := builder{place: home, scope: constructs.NewConstruct(scope, &id), d: d, stack: awscdk.Stack_Of(scope)}
	for key, value := range d.Tags {
		awscdk.Tags_Of(b.scope).Add(&key, &value, nil)
	}
	role, err := b.role()
	if err != nil {
		return nil, err
	}
	machine, err := b.machine(p.Retention)
	if err != nil {
		return nil, err
	}
	if err := b.register(machine, role); err != nil {
		return nil, err
	}
	b.rules(p.Schedule)
	b.accept(b.scope, "pipeline")
	return &Pipeline{Construct: b.scope, Name: name, MachineARN: *machine.Ref(), RoleARN: home.roleARN(home.pipelineRole(name))}, nil
}

// A builder makes one pipeline.
type builder struct {
	place
	scope constructs.Construct
	stack awscdk.Stack
	d     definition.Definition
}

// inline is up to how many bytes a machine's text stands in the template,
// which has room for 1,000,000 bytes in all. A longer one is a file.
const inline = 256 << 10

// machine makes the state machine and its log.
func (b *builder) machine(retention int) (awsstepfunctions.CfnStateMachine, error) {
	name := b.place.machine(b.d.Declaration.Name)
	log := b.newLog(b.scope, "log", "/aws/vendedlogs/states/"+name, retention)
	text, err := json.Marshal(compile.Machine(b.d.Declaration, targets()))
	if err != nil {
		return nil, fmt.Errorf("machine of pipeline %s: %w", b.d.Declaration.Name, err)
	}
	props := &awsstepfunctions.CfnStateMachineProps{
		StateMachineName:        &name,
		StateMachineType:        jsii.String("STANDARD"),
		RoleArn:                 b.roleARN(b.place.role("machine")),
		DefinitionSubstitutions: b.substitutions(),
		LoggingConfiguration: &awsstepfunctions.CfnStateMachine_LoggingConfigurationProperty{
			Level: jsii.String("ALL"), IncludeExecutionData: jsii.Bool(false), // names and times tell enough
			Destinations: []any{&awsstepfunctions.CfnStateMachine_LogDestinationProperty{
				CloudWatchLogsLogGroup: &awsstepfunctions.CfnStateMachine_CloudWatchLogsLogGroupProperty{LogGroupArn: log.AttrArn()},
			}},
		},
	}
	if len(text) <= inline {
		props.DefinitionString = jsii.String(string(text))
	} else {
		file, err := b.file("machine-text", text)
		if err != nil {
			return nil, err
		}
		props.DefinitionS3Location = &awsstepfunctions.CfnStateMachine_S3LocationProperty{Bucket: file.S3BucketName(), Key: file.S3ObjectKey()}
	}
	return awsstepfunctions.NewCfnStateMachine(b.scope, jsii.String("machine"), props), nil
}

// register pins the machine's text in a version and tells Sluice of the
// pipeline. Versions stay when there is a newer one: an execution that is
// retried goes on with the text it began with. They go with their machine.
func (b *builder) register(machine awsstepfunctions.CfnStateMachine, role awscdk.CfnResource) error {
	version := awsstepfunctions.NewCfnStateMachineVersion(b.scope, jsii.String("version"), &awsstepfunctions.CfnStateMachineVersionProps{
		StateMachineArn: machine.Ref(), StateMachineRevisionId: machine.AttrStateMachineRevisionId(),
	})
	version.ApplyRemovalPolicy(awscdk.RemovalPolicy_RETAIN, nil)
	text, err := json.Marshal(b.d.Declaration)
	if err != nil {
		return fmt.Errorf("declaration of pipeline %s: %w", b.d.Declaration.Name, err)
	}
	file, err := b.file("declaration", text)
	if err != nil {
		return err
	}
	registration := awscdk.NewCustomResource(b.scope, jsii.String("registration"), &awscdk.CustomResourceProps{
		ResourceType: jsii.String("Custom::SluicePipeline"),
		ServiceToken: jsii.String(b.function("register")),
		Properties: &map[string]any{
			"Definition": map[string]any{"Bucket": file.S3BucketName(), "Key": file.S3ObjectKey()},
			"Machine":    version.AttrArn(),
			"Role":       b.roleARN(b.pipelineRole(b.d.Declaration.Name)),
		},
	})
	registration.Node().AddDependency(role)
	return nil
}

// file puts a text where CloudFormation and functions can read it.
func (b *builder) file(id string, text []byte) (awss3assets.Asset, error) {
	dir, err := os.MkdirTemp("", "sluice-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) // the asset has copied it
	name := filepath.Join(dir, id+".json")
	if err := os.WriteFile(name, text, 0o600); err != nil {
		return nil, err
	}
	return awss3assets.NewAsset(b.scope, &id, &awss3assets.AssetProps{Path: &name}), nil
}

// rules makes a rule for each source that EventBridge knows, and one for the
// schedule. All of them call trigger, which decides.
func (b *builder) rules(expression string) {
	name := b.d.Declaration.Name
	to := target{ARN: b.function("trigger"), Dead: b.queue(undelivered)}
	for _, s := range b.d.Declaration.Stages {
		for _, a := range s.Actions {
			pattern := b.pattern(a)
			if pattern == nil {
				continue
			}
			newRule(b.scope, "source-"+a.Name, b.place.rule(name, a.Name),
				"Sluice: changes that pipeline "+name+" waits for in action "+a.Name, pattern, nil, to)
		}
	}
	if expression == "" {
		return
	}
	rule := b.place.rule(name, "#schedule") // which no action is called
	template, _ := json.Marshal(map[string]any{"schedule": map[string]string{"pipeline": name, "rule": b.ruleARN(rule), "id": "<id>"}})
	to.Paths, to.Template = map[string]string{"id": "$.id"}, strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(string(template))
	newRule(b.scope, "schedule", rule, "Sluice: starts pipeline "+name+" at times", nil, &expression, to)
}
