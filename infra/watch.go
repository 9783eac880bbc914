package infra

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// newWatch returns the stack of what people look at: alarms that are sent to
// the topic alerts, and a dashboard. Pipelines that fail are no alarm: whoever
// waits for one is told by Sluice itself.
func newWatch(scope constructs.Construct, cfg config, programs []program) awscdk.Stack {
	stack := cfg.newStack(scope, cfg.called("watch"), "Sluice: alarms and a dashboard")
	for _, a := range alarms(cfg, programs) {
		newAlarm(stack, cfg, a)
	}
	body := dashboard(cfg, programs)
	awscloudwatch.NewCfnDashboard(stack, jsii.String("dashboard"), &awscloudwatch.CfnDashboardProps{
		DashboardName: &cfg.name, DashboardBody: &body,
	})
	return stack
}

// A metric is one of CloudWatch's.
type metric struct {
	space, name, stat string
	dimension, value  string // "" for all there is in the account and Region
}

// An alarm goes off when its metric is above over for so many minutes in a row.
type alarm struct {
	name, what string
	metric     metric
	over       float64
	minutes    int
}

func alarms(cfg config, programs []program) []alarm {
	all := []alarm{
		{"undelivered", "an event reached no function", depth(cfg, undelivered), 0, 1},
		{"outbox-late", "the outbox is delivered late: executions stand still",
			ofFunction(cfg, "IteratorAge", "Maximum", "outbox"), 5 * 60 * 1000, 3},
		{"errands-late", "errands wait: actions whose work is done are not completed",
			metric{"AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum", "QueueName", cfg.called("resume")}, 15 * 60, 3},
		{broken, "a machine run ended for a reason that no pipeline gives; its execution says where",
			metric{"AWS/Events", "TriggeredRules", "Sum", "RuleName", cfg.called(broken)}, 0, 1},
		// What is limited is the account in this Region, so one metric says it for all.
		{"throttled", "functions of the account wait for a free place: its limit of concurrent executions is reached",
			metric{space: "AWS/Lambda", name: "Throttles", stat: "Sum"}, 0, 5},
	}
	for _, p := range programs {
		all = append(all, alarm{p.name + "-errors", "function " + p.name + " fails; its log says why",
			ofFunction(cfg, "Errors", "Sum", p.name), 0, 1})
		if p.async {
			all = append(all, alarm{dead(p.name), "function " + p.name + " gave something up; it lies in the queue",
				depth(cfg, dead(p.name)), 0, 1})
		}
	}
	return all
}

func ofFunction(cfg config, name, stat, function string) metric {
	return metric{"AWS/Lambda", name, stat, "FunctionName", cfg.called(function)}
}

func depth(cfg config, queue string) metric {
	return metric{"AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", "QueueName", cfg.called(queue)}
}

// newAlarm makes an alarm. Silence is no alarm: what never happened has no data.
func newAlarm(stack awscdk.Stack, cfg config, a alarm) {
	m := a.metric
	props := &awscloudwatch.CfnAlarmProps{
		AlarmName:          jsii.String(cfg.called(a.name)),
		AlarmDescription:   jsii.String("Sluice: " + a.what),
		Namespace:          &m.space,
		MetricName:         &m.name,
		Statistic:          &m.stat,
		Period:             jsii.Number(60),
		ComparisonOperator: jsii.String("GreaterThanThreshold"),
		Threshold:          jsii.Number(a.over),
		EvaluationPeriods:  jsii.Number(a.minutes),
		TreatMissingData:   jsii.String("notBreaching"),
		AlarmActions:       &[]any{cfg.topic("alerts")},
	}
	if m.dimension != "" {
		props.Dimensions = []any{&awscloudwatch.CfnAlarm_DimensionProperty{Name: &m.dimension, Value: &m.value}}
	}
	awscloudwatch.NewCfnAlarm(stack, jsii.String(a.name), props)
}
