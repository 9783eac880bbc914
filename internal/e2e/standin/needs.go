package standin

import (
	"fmt"
	"strings"
)

// A need is an action on a resource that IAM checks for a request.
type need struct{ action, resource string }

// needs returns what IAM checks for q. Most operations are one action of the
// same name, on the resource that the service's operations share; checks and
// s3Checks list the others.
func (q request) needs() []need {
	if q.operation == "" {
		return []need{{q.service + ":?", q.http.Method + " " + q.http.URL.Path}}
	}
	for _, special := range []map[string]func(request) []need{checks, s3Checks} {
		if check, ok := special[q.name()]; ok {
			return check(q)
		}
	}
	resource := "*"
	if of, ok := resources[q.service]; ok {
		resource = of(q)
	}
	return append([]need{{q.name(), resource}}, q.passed()...)
}

// passed are the roles that q hands to a service, which takes a permission of
// its own.
func (q request) passed() []need {
	var all []need
	for _, name := range rolesOf[q.name()] {
		if arn := q.text(name); arn != "" {
			all = append(all, need{"iam:PassRole", arn})
		}
	}
	return all
}

// rolesOf names the members of an input that hold roles.
var rolesOf = map[string][]string{
	"cloudformation:CreateStack":     {"RoleARN"},
	"cloudformation:UpdateStack":     {"RoleARN"},
	"cloudformation:DeleteStack":     {"RoleARN"},
	"cloudformation:CreateChangeSet": {"RoleARN"},
	"ecs:RegisterTaskDefinition":     {"taskRoleArn", "executionRoleArn"},
	"codebuild:StartBuild":           {"serviceRoleOverride"},
	"codebuild:StartBuildBatch":      {"serviceRoleOverride"},
	"states:CreateStateMachine":      {"roleArn"},
	"states:UpdateStateMachine":      {"roleArn"},
}

// arn returns the ARN of a resource of q's service.
func (q request) arn(resource string) string {
	return fmt.Sprintf("arn:aws:%s:%s:%s:%s", q.service, q.region, Account, resource)
}

// named returns v if it is an ARN, what prefix and v name if it is a name, and
// "*" if it is nothing.
func (q request) named(prefix, v string) string {
	switch {
	case v == "":
		return "*"
	case strings.HasPrefix(v, "arn:"):
		return v
	}
	return q.arn(prefix + v)
}

// resources says for each service what most of its operations are about.
var resources = map[string]func(request) string{
	"dynamodb": table,
	"states": func(q request) string {
		return q.named("stateMachine:", q.first("stateMachineArn", "executionArn", "stateMachineVersionArn", "resourceArn"))
	},
	"events":               func(q request) string { return q.named("rule/", q.first("Name", "Rule")) },
	"ssm":                  func(q request) string { return parameter(q, q.text("Name")) },
	"secretsmanager":       func(q request) string { return q.named("secret:", q.first("SecretId", "Name")) },
	"codebuild":            project,
	"codecommit":           func(q request) string { return q.named("", q.text("repositoryName")) },
	"codedeploy":           deploymentGroup,
	"codepipeline":         func(q request) string { return q.named("", q.first("pipelineName", "name")) },
	"codestar-connections": func(q request) string { return q.named("", q.text("ConnectionArn")) },
	"codeconnections":      func(q request) string { return q.named("", q.text("ConnectionArn")) },
	"ecr":                  func(q request) string { return q.named("repository/", q.text("repositoryName")) },
	"ecs":                  ecsResource,
	"sqs":                  func(q request) string { return q.named("", lastElement(q.text("QueueUrl"))) },
	"sns": func(q request) string {
		return q.named("", q.first("TopicArn", "TargetArn", "SubscriptionArn", "ResourceArn", "Name"))
	},
	"sts":            func(q request) string { return q.named("", q.text("RoleArn")) },
	"cloudformation": stack,
	"kms":            func(q request) string { return q.named("key/", q.text("KeyId")) },
	"logs":           func(q request) string { return q.named("log-group:", q.first("logGroupName", "logGroupIdentifier")) },
	"lambda":         func(q request) string { return q.functionARN() },
	"s3":             func(q request) string { bucket, _ := object(q.http); return "arn:aws:s3:::" + bucket },
}

func table(q request) string {
	arn := q.named("table/", q.text("TableName"))
	if index := q.text("IndexName"); index != "" {
		return arn + "/index/" + index
	}
	if arn == "*" {
		return q.named("", q.first("ResourceArn", "StreamArn"))
	}
	return arn
}

func parameter(q request, name string) string {
	name, _, _ = strings.Cut(name, ":") // a version or label
	return q.named("parameter/", strings.TrimPrefix(name, "/"))
}

// project is the project of a build too: "project:number".
func project(q request) string {
	id := q.first("projectName", "id")
	for _, name := range []string{"ids", "names"} {
		if l := q.list(name); id == "" && len(l) > 0 {
			id, _ = l[0].(string)
		}
	}
	if i := strings.Index(id, ":build"); strings.HasPrefix(id, "arn:") && i > 0 {
		id = lastElement(strings.TrimSuffix(id, ":"+lastElement(id)))
	}
	name, _, _ := strings.Cut(id, ":")
	return q.named("project/", name)
}

func deploymentGroup(q request) string {
	if group := q.text("deploymentGroupName"); group != "" {
		return q.arn("deploymentgroup:" + q.text("applicationName") + "/" + group)
	}
	return q.named("application:", q.text("applicationName"))
}

func ecsResource(q request) string {
	cluster := lastElement(q.text("cluster"))
	service := q.first("service", "serviceName")
	if l := q.list("services"); len(l) > 0 {
		service, _ = l[0].(string)
	}
	switch {
	case strings.HasPrefix(service, "arn:"):
		return service
	case service != "" && cluster != "":
		return q.arn("service/" + cluster + "/" + service)
	case service != "":
		return q.arn("service/default/" + service)
	case q.text("resourceArn") != "":
		return q.text("resourceArn")
	case cluster != "":
		return q.arn("cluster/" + cluster)
	}
	return "*"
}

func stack(q request) string {
	name := q.text("StackName")
	if name == "" {
		name = q.text("ChangeSetName") // its ARN does not tell the stack
		return q.named("changeSet/", name)
	}
	if strings.HasPrefix(name, "arn:") {
		return name
	}
	return q.arn("stack/" + name + "/*")
}

// checks are the operations that are several actions, other actions, or on
// other resources than resources says.
var checks = map[string]func(request) []need{
	"dynamodb:TransactWriteItems": transaction,
	"dynamodb:TransactGetItems":   transaction,
	"dynamodb:BatchGetItem":       batch,
	"dynamodb:BatchWriteItem":     batch,

	"states:SendTaskSuccess":   anything, // the token does not tell
	"states:SendTaskFailure":   anything,
	"states:SendTaskHeartbeat": anything,

	"events:PutEvents": func(q request) []need {
		return q.each("events:PutEvents", q.list("Entries"), func(e any) string {
			bus := member(e, "EventBusName")
			if bus == "" {
				bus = "default"
			}
			return q.named("event-bus/", bus)
		})
	},
	"ssm:GetParameters": func(q request) []need {
		return q.each("ssm:GetParameters", q.list("Names"), func(e any) string { return parameter(q, fmt.Sprint(e)) })
	},
	"secretsmanager:BatchGetSecretValue": func(q request) []need {
		secrets := q.each("secretsmanager:GetSecretValue", q.list("SecretIdList"), func(e any) string { return q.named("secret:", fmt.Sprint(e)) })
		return append([]need{{"secretsmanager:BatchGetSecretValue", "*"}}, secrets...)
	},
	"sqs:SendMessageBatch":             renamed("sqs:SendMessage"),
	"sqs:DeleteMessageBatch":           renamed("sqs:DeleteMessage"),
	"sqs:ChangeMessageVisibilityBatch": renamed("sqs:ChangeMessageVisibility"),
	"sns:PublishBatch":                 renamed("sns:Publish"),
	"sts:GetCallerIdentity":            func(request) []need { return nil }, // everybody may

	"codebuild:BatchGetBuilds": func(q request) []need { return []need{{"codebuild:BatchGetBuilds", project(q)}} },
	"ecs:RegisterTaskDefinition": func(q request) []need {
		return append([]need{{"ecs:RegisterTaskDefinition", "*"}}, q.passed()...)
	},

	"lambda:Invoke":        renamed("lambda:InvokeFunction"),
	"lambda:ListFunctions": anything,
}

func anything(q request) []need { return []need{{q.name(), "*"}} }

// renamed is an operation that policies call otherwise.
func renamed(action string) func(request) []need {
	return func(q request) []need { return []need{{action, resources[q.service](q)}} }
}

// each is an action on the resource of every element, each resource once.
func (q request) each(action string, elements []any, resource func(any) string) []need {
	var all []need
	seen := map[string]bool{}
	for _, e := range elements {
		if arn := resource(e); !seen[arn] {
			seen[arn] = true
			all = append(all, need{action, arn})
		}
	}
	return all
}

// transaction: IAM checks each item as the request it would be alone.
func transaction(q request) []need {
	actions := map[string]string{"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem", "Get": "GetItem"}
	var all []need
	for _, item := range q.list("TransactItems") {
		operations, _ := item.(map[string]any)
		for kind, operation := range operations {
			all = append(all, need{"dynamodb:" + actions[kind], q.named("table/", member(operation, "TableName"))})
		}
	}
	return all
}

func batch(q request) []need {
	var all []need
	tables, _ := q.in["RequestItems"].(map[string]any)
	for name := range tables {
		all = append(all, need{q.name(), q.named("table/", name)})
	}
	return all
}
