package infra

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// newControl returns the stack of the functions and of what feeds them. It
// holds nothing that could not be deployed again.
func newControl(scope constructs.Construct, cfg config, programs []program, e elsewhere) awscdk.Stack {
	stack := cfg.newStack(scope, cfg.called("control"), "Sluice: functions and their roles")
	c := control{config: cfg, stack: stack, functions: map[string]awslambda.CfnFunction{}}
	c.queues(programs)
	c.settings = settings{
		place: cfg.place, elsewhere: e, qualifier: cfg.qualifier, log: cfg.log,
		key:      parameter(stack, "Key", cfg.keyParameter(), "ARN of the key"),
		stream:   parameter(stack, "Stream", cfg.streamParameter(), "ARN of the stream of the table"),
		queueURL: *c.resume.QueueUrl(),
	}
	if cfg.links { // first: its URL is in the environment of others, and cannot be in its own
		c.program(find(programs, hook))
		c.settings.pages = c.publicURL()
	}
	for _, p := range programs {
		if p.name != hook {
			c.program(p)
		}
	}
	c.machineRole()
	c.feed()
	c.apiURL()
	cfg.accept(stack, "control")
	return stack
}

// A control is the stack while it is made.
type control struct {
	config
	settings  settings
	stack     awscdk.Stack
	functions map[string]awslambda.CfnFunction
	resume    queue             // of errands
	letters   map[string]string // ARNs of dead-letter queues, by name; tokens, so they are there first
}

func find(programs []program, name string) program {
	for _, p := range programs {
		if p.name == name {
			return p
		}
	}
	return program{}
}

// publicURL makes the URL of the function hook, which everybody may call, and
// returns it without the slash at its end.
func (c *control) publicURL() string {
	f := c.functions[hook]
	url := awslambda.NewCfnUrl(c.stack, jsii.String("hook-url"), &awslambda.CfnUrlProps{
		TargetFunctionArn: f.AttrArn(), AuthType: jsii.String("NONE"),
	})
	awslambda.NewCfnPermission(c.stack, jsii.String("hook-url-everybody"), &awslambda.CfnPermissionProps{
		FunctionName: f.AttrArn(), Principal: jsii.String("*"),
		Action: jsii.String("lambda:InvokeFunctionUrl"), FunctionUrlAuthType: jsii.String("NONE"),
	})
	awslambda.NewCfnPermission(c.stack, jsii.String("hook-everybody-by-url"), &awslambda.CfnPermissionProps{
		FunctionName: f.AttrArn(), Principal: jsii.String("*"),
		Action: jsii.String("lambda:InvokeFunction"), InvokedViaFunctionUrl: jsii.Bool(true),
	})
	address := "https://" + *awscdk.Fn_Select(jsii.Number(2), awscdk.Fn_Split(jsii.String("/"), url.AttrFunctionUrl(), nil))
	output(c.stack, "HookUrl", address, "approval pages")
	return address
}

// apiURL makes the URL of the API. Who may call it is what IAM says of
// lambda:InvokeFunctionUrl and lambda:InvokeFunction.
func (c *control) apiURL() {
	url := awslambda.NewCfnUrl(c.stack, jsii.String("api-url"), &awslambda.CfnUrlProps{
		TargetFunctionArn: c.functions["api"].AttrArn(), AuthType: jsii.String("AWS_IAM"),
	})
	output(c.stack, "ApiUrl", *url.AttrFunctionUrl(), "CodePipeline's API, for callers with credentials of the account")
}
