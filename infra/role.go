package infra

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// A statement is one of an IAM policy, as JSON has it.
type statement map[string]any

func allow(actions []string, on ...string) statement {
	return statement{"Effect": "Allow", "Action": actions, "Resource": on}
}

func document(statements ...statement) map[string]any {
	return map[string]any{"Version": "2012-10-17", "Statement": statements}
}

// serving is a trust policy for a service. The condition keeps it from serving
// somebody else with our role.
func serving(service string, condition map[string]any) map[string]any {
	return document(statement{
		"Effect": "Allow", "Action": "sts:AssumeRole",
		"Principal": map[string]string{"Service": service}, "Condition": condition,
	})
}

func sameAccount(account string) map[string]any {
	return map[string]any{"StringEquals": map[string]string{"aws:SourceAccount": account}}
}

// newRole makes a role with one policy. why holds, by action, the reason for
// each that is allowed on any resource; it stands in the template.
func (p place) newRole(scope constructs.Construct, id, name string, trust map[string]any, allowed []statement, why map[string]string) awsiam.CfnRole {
	props := &awsiam.CfnRoleProps{RoleName: &name, AssumeRolePolicyDocument: trust}
	if len(allowed) > 0 {
		props.Policies = []any{&awsiam.CfnRole_PolicyProperty{PolicyName: jsii.String("allowed"), PolicyDocument: document(allowed...)}}
	}
	role := awsiam.NewCfnRole(scope, &id, props)
	if len(why) > 0 {
		role.AddMetadata(&whyAny, why)
	}
	return role
}

// whyAny is the metadata of a role that says why a resource is "*".
var whyAny = "sluice:why-any-resource"

// logDelivery is what a role needs for its machine to write a log. These
// actions know no resource (Step Functions guide, Logging).
var logDelivery = []string{
	"logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:DescribeLogGroups", "logs:DescribeResourcePolicies",
	"logs:GetLogDelivery", "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:UpdateLogDelivery",
}

// machineRole makes the role of all machines: they call functions, and nothing
// else.
func (c *control) machineRole() {
	var callable []string
	for _, f := range functions {
		if f.machine {
			callable = append(callable, c.function(f.name))
		}
	}
	why := map[string]string{}
	for _, a := range logDelivery {
		why[a] = "log delivery of Step Functions has no resources to name"
	}
	trust := serving("states.amazonaws.com", map[string]any{
		"StringEquals": map[string]string{"aws:SourceAccount": c.account},
		"ArnLike":      map[string]string{"aws:SourceArn": c.arn("states", "stateMachine:"+c.called("*"))},
	})
	c.newRole(c.stack, "machine-role", c.role("machine"), trust, []statement{
		allow([]string{"lambda:InvokeFunction"}, callable...), allow(logDelivery, "*"),
	}, why)
}
