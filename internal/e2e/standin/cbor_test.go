package standin_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
)

// cbor uses a service whose client speaks CBOR only: numbers, times, text and
// errors arrive.
func (w *world) cbor(t *testing.T) {
	client := cloudwatch.NewFromConfig(w.Config())
	began := time.Now().Add(-time.Second)
	name := aws.String("errors")
	_, err := client.PutMetricAlarm(t.Context(), &cloudwatch.PutMetricAlarmInput{
		AlarmName: name, MetricName: aws.String("Errors"), Namespace: aws.String("Example"), Period: aws.Int32(60), EvaluationPeriods: aws.Int32(1),
		ComparisonOperator: types.ComparisonOperatorGreaterThanThreshold, Threshold: aws.Float64(1.5), Statistic: types.StatisticSum,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.SetAlarmState(t.Context(), &cloudwatch.SetAlarmStateInput{AlarmName: name, StateValue: types.StateValueAlarm, StateReason: name}); err != nil {
		t.Fatal(err)
	}
	out, err := client.DescribeAlarms(t.Context(), &cloudwatch.DescribeAlarmsInput{AlarmNames: []string{*name}})
	if err != nil || len(out.MetricAlarms) != 1 {
		t.Fatalf("%+v, %v; want the alarm", out, err)
	}
	a := out.MetricAlarms[0]
	if a.StateValue != types.StateValueAlarm || *a.Period != 60 || *a.Threshold != 1.5 || a.StateUpdatedTimestamp.Before(began) {
		t.Errorf("the alarm is %s, period %d, threshold %v, since %v", a.StateValue, *a.Period, *a.Threshold, a.StateUpdatedTimestamp)
	}
	if _, err := client.SetAlarmState(t.Context(), &cloudwatch.SetAlarmStateInput{AlarmName: aws.String("none"), StateValue: types.StateValueOk, StateReason: name}); err == nil {
		t.Error("an alarm that is not there was put into a state")
	}
}
