package stepfunctions_test

import (
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/credentials"
	"github.com/sluice-ci/sluice/internal/action/aws/stepfunctions"
	"github.com/sluice-ci/sluice/internal/action/whole/wholetest"
	"github.com/sluice-ci/sluice/internal/awstest"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

func TestMain(m *testing.M) { os.Exit(awstest.Main(m)) }

// TestMoto shows that the real client's errors have the codes the provider
// looks for, and that a job is one execution.
func TestMoto(t *testing.T) {
	client := sfn.NewFromConfig(awstest.Config(t))
	machine, err := client.CreateStateMachine(t.Context(), &sfn.CreateStateMachineInput{
		Name: aws.String("deploy"), RoleArn: aws.String("arn:aws:iam::123456789012:role/r"),
		Definition: aws.String(`{"StartAt":"A","States":{"A":{"Type":"Pass","End":true}}}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	s := newSetup(t)
	job := s.job("StateMachineArn", *machine.StateMachineArn, "ExecutionNamePrefix", "web")
	p, err := stepfunctions.New(credentials.Fixed[stepfunctions.Client](client), &wholetest.Blobs{}, stepfunctions.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := p.Poll(t.Context(), job); err != nil || r.Status != pipeline.InProgress || r.ExternalID != "" {
		t.Errorf("poll before start: %+v, %v", r, err)
	}
	for range 2 {
		r, err := p.Start(t.Context(), job)
		if err != nil || r.Status != pipeline.InProgress || r.ExternalID == "" {
			t.Fatalf("start: %+v %+v, %v", r, r.Error, err)
		}
		if _, err := client.DescribeExecution(t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: &r.ExternalID}); err != nil {
			t.Errorf("its external id: %v", err)
		}
	}
	list, err := client.ListExecutions(t.Context(), &sfn.ListExecutionsInput{StateMachineArn: machine.StateMachineArn})
	if err != nil || len(list.Executions) != 1 {
		t.Errorf("%d executions, %v", len(list.Executions), err)
	}
	other := s.job("StateMachineArn", *machine.StateMachineArn+"2")
	if r, err := p.Start(t.Context(), other); err != nil || r.Error == nil || r.Error.Code != action.ConfigurationError {
		t.Errorf("unknown machine: %+v %+v, %v", r, r.Error, err)
	}
}
