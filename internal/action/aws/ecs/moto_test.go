package ecs_test

import (
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/credentials"
	"github.com/sluice-ci/sluice/internal/action/aws/ecs"
	"github.com/sluice-ci/sluice/internal/awstest"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

func TestMain(m *testing.M) { os.Exit(awstest.Main(m)) }

// TestMoto shows that the real client's errors have the codes the provider
// looks for, and that a job is one revision. Moto's deployments never end.
func TestMoto(t *testing.T) {
	client := sdk.NewFromConfig(awstest.Config(t))
	ctx := t.Context()
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(client.CreateCluster(ctx, &sdk.CreateClusterInput{ClusterName: aws.String("main")}))
	must(client.RegisterTaskDefinition(ctx, &sdk.RegisterTaskDefinitionInput{
		Family: aws.String("web"), ContainerDefinitions: []types.ContainerDefinition{{Name: aws.String("app"), Image: aws.String("app:1"), Memory: aws.Int32(128)}},
	}))
	must(client.CreateService(ctx, &sdk.CreateServiceInput{Cluster: aws.String("main"), ServiceName: aws.String("web"), TaskDefinition: aws.String("web:1"), DesiredCount: aws.Int32(1)}))
	s := newSetup(t)
	p, err := ecs.New(credentials.Fixed[ecs.Client](client), s.blobs, ecs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	job := s.job("ServiceName", "web")
	for range 2 {
		r, err := p.Start(ctx, job)
		if err != nil || r.Status == pipeline.Failed {
			t.Fatalf("start: %+v %+v, %v", r, r.Error, err)
		}
	}
	list, err := client.ListTaskDefinitions(ctx, &sdk.ListTaskDefinitionsInput{})
	if err != nil || len(list.TaskDefinitionArns) != 2 {
		t.Errorf("revisions %v, %v; want 2", list.TaskDefinitionArns, err)
	}
	def, err := client.DescribeTaskDefinition(ctx, &sdk.DescribeTaskDefinitionInput{TaskDefinition: aws.String("web:2")})
	if err != nil || *def.TaskDefinition.ContainerDefinitions[0].Image != "app:2" {
		t.Errorf("%+v, %v", def, err)
	}
	for _, pairs := range [][]string{{"ServiceName", "none"}, {"ClusterName", "none"}} {
		if r, err := p.Start(ctx, s.job(pairs...)); err != nil || r.Error == nil || r.Error.Code != action.ConfigurationError {
			t.Errorf("%v: %+v %+v, %v", pairs, r, r.Error, err)
		}
	}
}
