package infra

import (
	"encoding/json"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

type queue = awssqs.Queue

// Dead letters wait as long as SQS lets them.
const deadDays = 14

// dead is the queue of what a function did not get done.
func dead(function string) string { return function + "-dead" }

// undelivered is the queue of events that a rule could not hand over.
const undelivered = "rules-dead"

// queues makes the queue of errands and the queues of what failed.
func (c *control) queues(programs []program) {
	c.letters = map[string]string{}
	var errands queue
	for _, f := range functions {
		if f.async {
			q := c.newQueue(dead(f.name), nil, nil)
			c.letters[dead(f.name)] = *q.QueueArn()
			if f.name == "resume" {
				errands = q
			}
		}
	}
	rules := c.newQueue(undelivered, nil, nil)
	c.letters[undelivered] = *rules.QueueArn()
	rules.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Principals: principals("events.amazonaws.com"),
		Actions:    jsii.Strings("sqs:SendMessage"),
		Resources:  &[]*string{rules.QueueArn()},
		Conditions: &map[string]any{"ArnLike": map[string]string{"aws:SourceArn": c.ruleARN(c.called("*"))}},
	}))
	// A message that is being worked on stays hidden for longer than the
	// function can take; one more minute and it is tried again.
	hidden := awscdk.Duration_Seconds(jsii.Number(find(programs, "resume").Timeout + 60))
	c.resume = c.newQueue("resume", hidden, &awssqs.DeadLetterQueue{Queue: errands, MaxReceiveCount: jsii.Number(5)})
}

func (c *control) newQueue(name string, hidden awscdk.Duration, letters *awssqs.DeadLetterQueue) queue {
	return awssqs.NewQueue(c.stack, jsii.String(name+"-queue"), &awssqs.QueueProps{
		QueueName:         jsii.String(c.called(name)),
		Encryption:        awssqs.QueueEncryption_SQS_MANAGED,
		EnforceSSL:        jsii.Bool(true),
		RetentionPeriod:   days(deadDays),
		VisibilityTimeout: hidden,
		DeadLetterQueue:   letters,
	})
}

// feed connects the functions to what calls them.
func (c *control) feed() {
	c.feedOutbox()
	c.feedResume()
	c.rule("sweep", "each minute, for what nobody noticed", "outbox", nil, jsii.String("rate(1 minute)"))
	c.rule("ended", "machine runs that ended badly", "outbox", c.runs("FAILED", "TIMED_OUT", "ABORTED"), nil)
	c.rule(broken, "machine runs that ended for a reason that no pipeline gives", "outbox", c.brokenRuns(), nil)
	c.rule("builds", "builds that ended", "resume", map[string]any{
		"source": []string{"aws.codebuild"}, "detail-type": []string{"CodeBuild Build State Change"},
		"detail": map[string]any{"build-status": []string{"SUCCEEDED", "FAILED", "FAULT", "STOPPED", "TIMED_OUT"}},
	}, nil)
	// One permission for the rules of all pipelines: the policy of a function
	// has 20 KB, which 50 pipelines would exceed.
	for _, name := range []string{"trigger", "outbox", "resume"} {
		awslambda.NewCfnPermission(c.stack, jsii.String(name+"-by-rules"), &awslambda.CfnPermissionProps{
			FunctionName: c.functions[name].AttrArn(), Action: jsii.String("lambda:InvokeFunction"),
			Principal: jsii.String("events.amazonaws.com"), SourceArn: c.ruleARN(c.called("*")),
		})
	}
}

// feedOutbox hands every new row of the outbox to its function. What fails
// there is not lost: the row stays, and the sweep finds it.
func (c *control) feedOutbox() {
	filter, _ := json.Marshal(map[string]any{
		"eventName": []string{"INSERT"},
		"dynamodb":  map[string]any{"Keys": map[string]any{"pk": map[string]any{"S": []any{map[string]string{"prefix": "OUT#"}}}}},
	})
	awslambda.NewCfnEventSourceMapping(c.stack, jsii.String("outbox-rows"), &awslambda.CfnEventSourceMappingProps{
		FunctionName: c.functions["outbox"].Ref(), EventSourceArn: c.settings.stream,
		StartingPosition: jsii.String("TRIM_HORIZON"), BatchSize: jsii.Number(100), ParallelizationFactor: jsii.Number(4),
		FilterCriteria: &awslambda.CfnEventSourceMapping_FilterCriteriaProperty{
			Filters: []any{&awslambda.CfnEventSourceMapping_FilterProperty{Pattern: jsii.String(string(filter))}},
		},
		FunctionResponseTypes:      jsii.Strings("ReportBatchItemFailures"),
		BisectBatchOnFunctionError: jsii.Bool(true),
		MaximumRetryAttempts:       jsii.Number(5),
		MaximumRecordAgeInSeconds:  jsii.Number(60 * 60),
		DestinationConfig: &awslambda.CfnEventSourceMapping_DestinationConfigProperty{
			OnFailure: &awslambda.CfnEventSourceMapping_OnFailureProperty{Destination: jsii.String(c.letters[dead("outbox")])},
		},
	})
}

// feedResume hands errands to their function, one at a time: they have nothing
// to do with each other.
func (c *control) feedResume() {
	awslambda.NewCfnEventSourceMapping(c.stack, jsii.String("resume-errands"), &awslambda.CfnEventSourceMappingProps{
		FunctionName: c.functions["resume"].Ref(), EventSourceArn: c.resume.QueueArn(), BatchSize: jsii.Number(1),
		FunctionResponseTypes: jsii.Strings("ReportBatchItemFailures"),
	})
}

// broken is the rule, and the alarm, for runs that did not end as a pipeline
// does.
const broken = "broken"

// runs is the pattern of runs of our machines that ended with a status.
func (c *control) runs(statuses ...string) map[string]any {
	return map[string]any{
		"source": []string{"aws.states"}, "detail-type": []string{"Step Functions Execution Status Change"},
		"detail": map[string]any{
			"status":          statuses,
			"stateMachineArn": []any{map[string]string{"prefix": c.arn("states", "stateMachine:"+c.called(""))}},
		},
	}
}

// brokenRuns matches runs that failed with an error that is not ours. The
// names of ours begin with "Sluice." (package compile).
func (c *control) brokenRuns() map[string]any {
	pattern := c.runs("FAILED", "TIMED_OUT")
	pattern["detail"].(map[string]any)["error"] = []any{map[string]any{"anything-but": map[string]string{"prefix": "Sluice."}}}
	return pattern
}

// rule makes a rule that calls a function of this stack: for a pattern, or at
// times.
func (c *control) rule(name, what, function string, pattern map[string]any, times *string) {
	t := target{ARN: *c.functions[function].AttrArn(), Dead: c.letters[undelivered]}
	if times != nil {
		t.Input = `{"sweep":true}`
	}
	newRule(c.stack, name+"-rule", c.called(name), "Sluice: "+what, pattern, times, t)
}

// A target is whom a rule calls, and with what in place of the event.
type target struct {
	ARN      string
	Dead     string            // ARN of the queue of what cannot be handed over
	Input    string            // text of JSON; "" for the event
	Paths    map[string]string // names in Template, and where they are in the event
	Template string            // text of JSON with <name>; "" for the event
}

// newRule makes a rule with one target. What cannot be handed over is tried
// for a day and then kept.
func newRule(scope constructs.Construct, id, name, description string, pattern map[string]any, times *string, t target) {
	to := &awsevents.CfnRule_TargetProperty{
		Id: jsii.String("function"), Arn: &t.ARN,
		RetryPolicy:      attempts(24*60*60, 185),
		DeadLetterConfig: &awsevents.CfnRule_DeadLetterConfigProperty{Arn: &t.Dead},
	}
	if t.Input != "" { // the next one asks the same
		to.Input, to.RetryPolicy = &t.Input, attempts(60, 0)
	}
	if t.Template != "" {
		to.InputTransformer = &awsevents.CfnRule_InputTransformerProperty{InputPathsMap: t.Paths, InputTemplate: &t.Template}
	}
	props := &awsevents.CfnRuleProps{
		Name: &name, Description: &description, State: jsii.String("ENABLED"), ScheduleExpression: times, Targets: []any{to},
	}
	if pattern != nil {
		props.EventPattern = pattern
	}
	awsevents.NewCfnRule(scope, &id, props)
}

func attempts(seconds, times int) *awsevents.CfnRule_RetryPolicyProperty {
	return &awsevents.CfnRule_RetryPolicyProperty{
		MaximumEventAgeInSeconds: jsii.Number(seconds), MaximumRetryAttempts: jsii.Number(times),
	}
}
