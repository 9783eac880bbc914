package infra

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"

	"github.com/sluice-ci/sluice/internal/action/aws/grant"
)

// Limits of IAM, with some room: what the policies inside a role may have
// together, what one beside it may have, and how many of those a role takes.
const (
	mostInside  = 9000
	mostBeside  = 5800
	mostManaged = 10
)

// unscoped says why an action that providers need is allowed on any resource.
var unscoped = map[string]string{
	"cloudwatch:DescribeAlarms":  "CloudWatch shows composite alarms only to whoever may see all alarms",
	"ecs:DescribeTaskDefinition": "ECS knows no resource for it",
	"ecs:RegisterTaskDefinition": "ECS knows no resource for a task definition that is not there yet",
}

// role makes the role that the pipeline's actions use: what grant lists for
// them, and nothing for those that declare a role of their own.
func (b *builder) role() (awscdk.CfnResource, error) {
	allowed, why, err := b.granted()
	if err != nil {
		return nil, err
	}
	name := b.pipelineRole(b.d.Declaration.Name)
	inside, beside := spread(allowed)
	if len(beside) > mostManaged {
		return nil, fmt.Errorf("pipeline %s: its actions need more permissions than one role holds; declare a roleArn in some of them", b.d.Declaration.Name)
	}
	role := b.newRole(b.scope, "role", name, b.trust(), inside, why)
	var arns []*string
	for i, statements := range beside {
		arns = append(arns, awsiam.NewCfnManagedPolicy(b.scope, jsii.String("allowed-"+strconv.Itoa(i+1)), &awsiam.CfnManagedPolicyProps{
			PolicyDocument: document(statements...),
		}).Ref())
	}
	if len(arns) > 0 {
		role.SetManagedPolicyArns(&arns)
	}
	return role, nil
}

// trust lets the functions that run actions take the role, each in the name of
// its own.
func (b *builder) trust() map[string]any {
	var roles []string
	for _, f := range functions {
		if f.acts {
			roles = append(roles, b.roleARN(b.place.role(f.name)))
		}
	}
	return document(statement{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": map[string]any{"AWS": roles}})
}

// granted returns the statements for the pipeline's actions and rules, and why some are
// on any resource. Statements of equal actions are one.
func (b *builder) granted() ([]statement, map[string]string, error) {
	const ours = "the key of the deployment"
	var all []grant.Statement
	for _, s := range b.d.Declaration.Stages {
		for _, a := range s.Actions {
			statements, err := grant.For(a, b.home(b.d.Declaration, a.Region, ours))
			if err != nil {
				return nil, nil, fmt.Errorf("pipeline %s: stage %s: %w", b.d.Declaration.Name, s.Name, err)
			}
			if a.RoleARN == "" {
				all = append(all, statements...)
			}
		}
		for _, r := range rulesOf(s) {
			statements, err := grant.ForRule(r.Rule, b.home(b.d.Declaration, r.Region, ours))
			if err != nil {
				return nil, nil, fmt.Errorf("pipeline %s: stage %s: %w", b.d.Declaration.Name, s.Name, err)
			}
			if r.RoleARN == "" {
				all = append(all, statements...)
			}
		}
	}
	why, key := map[string]string{}, ""
	var allowed []statement
	for _, s := range merge(all) {
		if at := slices.Index(s.Resources, ours); at >= 0 {
			if key == "" {
				key = parameter(b.stack, "Key", b.keyParameter(), "ARN of the key")
			}
			s.Resources[at] = key
		}
		if slices.Contains(s.Resources, "*") {
			for _, a := range s.Actions {
				why[a] = unscoped[a]
			}
		}
		one := allow(s.Actions, s.Resources...)
		if s.PassedTo != "" {
			one["Condition"] = map[string]any{"StringEquals": map[string]string{"iam:PassedToService": s.PassedTo}}
		}
		allowed = append(allowed, one)
	}
	return allowed, why, nil
}

// most is how many resources one statement names, so that it fits a policy.
const most = 40

// merge makes one statement of those that allow the same actions, in the order
// of their first, unless it gets too long.
func merge(all []grant.Statement) []grant.Statement {
	var kinds []grant.Statement
	at := map[string]int{}
	for _, s := range all {
		actions := slices.Sorted(slices.Values(s.Actions))
		key := strings.Join(actions, " ") + " " + s.PassedTo
		i, ok := at[key]
		if !ok {
			i = len(kinds)
			at[key], kinds = i, append(kinds, grant.Statement{Actions: actions, PassedTo: s.PassedTo})
		}
		kinds[i].Resources = append(kinds[i].Resources, s.Resources...)
	}
	var merged []grant.Statement
	for _, k := range kinds {
		resources := slices.Compact(slices.Sorted(slices.Values(k.Resources)))
		for some := range slices.Chunk(resources, most) {
			merged = append(merged, grant.Statement{Actions: k.Actions, Resources: some, PassedTo: k.PassedTo})
		}
	}
	return merged
}

// spread puts statements inside the role if there is room, else all of them
// into policies beside it.
func spread(all []statement) (inside []statement, beside [][]statement) {
	total := 0
	for _, s := range all {
		total += size(s)
	}
	if total <= mostInside {
		return all, nil
	}
	room := 0
	for _, s := range all {
		if n := size(s); n > room {
			beside, room = append(beside, nil), mostBeside
		}
		room -= size(s)
		beside[len(beside)-1] = append(beside[len(beside)-1], s)
	}
	return nil, beside
}

// size is how many bytes a statement takes in a policy.
func size(s statement) int {
	text, _ := json.Marshal(s)
	return len(text) + 1
}
