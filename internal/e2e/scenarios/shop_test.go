package scenarios_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sluice-ci/sluice/events"
	"github.com/sluice-ci/sluice/internal/codepipeline"
	"github.com/sluice-ci/sluice/internal/e2e/standin"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

const stackTemplate = `
Resources:
  Orders:
    Type: AWS::SNS::Topic
    Properties: {TopicName: shop-orders}
`

func approvalOf(name, stage, action, token, status string) codepipeline.PutApprovalResultInput {
	return codepipeline.PutApprovalResultInput{
		PipelineName: name, StageName: stage, ActionName: action, Token: token,
		Result: codepipeline.ApprovalResult{Summary: "looked at it", Status: status},
	}
}

// zipped returns an archive of one file.
func zipped(t *testing.T, name, content string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	w, err := z.Create(name)
	if err == nil {
		_, err = w.Write([]byte(content))
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// A release of the shop: a push, an object and an image start it; one run is
// rejected, one fails and is repeated, one goes through.
func (h *home) release() (ids map[string]string, histories map[string][]step) {
	h.t.Helper()
	ids, histories = map[string]string{}, map[string][]step{}
	note := func(story, id string) {
		ids[story], histories[story] = id, h.history("shop", id)
	}
	n := len(h.executions("shop"))

	h.push("shop", "The first title", map[string]string{"title.txt": "First", "stack.yaml": stackTemplate})
	first := h.started("shop", n+1)
	h.answer("shop", "Release", "Ask", h.token("shop", first, "Ask"), "Rejected")
	h.status("shop", first, pipeline.Failed)
	note("rejected", first)

	h.push("shop", "A broken title", map[string]string{"title.txt": "broken"})
	second := h.started("shop", n+2)
	h.status("shop", second, pipeline.Failed)
	note("failed", second)
	h.refused(pipeline.NotLatestPipelineExecution, "RetryStageExecution", codepipeline.RetryStageExecutionInput{
		PipelineName: "shop", StageName: "Test", PipelineExecutionID: first, RetryMode: pipeline.FailedActions})
	h.do("RetryStageExecution", codepipeline.RetryStageExecutionInput{
		PipelineName: "shop", StageName: "Test", PipelineExecutionID: second, RetryMode: pipeline.FailedActions}, nil)
	h.status("shop", second, pipeline.Failed)
	note("failed again", second)

	h.push("shop", "The second title", map[string]string{"title.txt": "Second"})
	third := h.started("shop", n+3)
	token := h.token("shop", third, "Ask")
	h.refused(pipeline.InvalidApprovalToken, "PutApprovalResult", approvalOf("shop", "Release", "Ask", "00000000-0000-4000-8000-000000000000", "Approved"))
	h.answer("shop", "Release", "Ask", token, "Approved")
	h.refused(pipeline.ApprovalAlreadyCompleted, "PutApprovalResult", approvalOf("shop", "Release", "Ask", token, "Approved"))
	h.status("shop", third, pipeline.Succeeded)
	note("released", third)
	return ids, histories
}

// prepareShop makes what the shop's pipeline deploys to.
func (c *cloud) prepareShop() {
	c.t.Helper()
	must := func(what string, err error) {
		c.t.Helper()
		if err != nil {
			c.t.Fatalf("%s: %v", what, err)
		}
	}
	objects := c.s3()
	for _, bucket := range []string{"shop-settings", "shop-website"} {
		_, err := objects.CreateBucket(c.t.Context(), &s3.CreateBucketInput{Bucket: &bucket, CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: standin.Region}})
		must("bucket", err)
	}
	_, err := objects.PutBucketVersioning(c.t.Context(), &s3.PutBucketVersioningInput{Bucket: aws.String("shop-settings"), VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}})
	must("versioning", err)
	_, err = objects.PutBucketNotificationConfiguration(c.t.Context(), &s3.PutBucketNotificationConfigurationInput{
		Bucket: aws.String("shop-settings"), NotificationConfiguration: &types.NotificationConfiguration{EventBridgeConfiguration: &types.EventBridgeConfiguration{}}})
	must("notification", err)
	_, err = sns.NewFromConfig(c.aws.Config()).CreateTopic(c.t.Context(), &sns.CreateTopicInput{Name: aws.String("shop-reviews")})
	must("topic", err)
	images := ecr.NewFromConfig(c.aws.Config())
	_, err = images.CreateRepository(c.t.Context(), &ecr.CreateRepositoryInput{RepositoryName: aws.String("shop")})
	must("repository", err)
	c.image("one")
	_, err = lambda.NewFromConfig(c.aws.Config()).CreateFunction(c.t.Context(), &lambda.CreateFunctionInput{
		FunctionName: aws.String("shop-price"), Role: aws.String("arn:aws:iam::" + standin.Account + ":role/sluice-stage-" + standin.Region), Runtime: lambdatypes.RuntimeProvidedal2023,
		Handler: aws.String("bootstrap"), Code: &lambdatypes.FunctionCode{ZipFile: zipped(c.t, "bootstrap", "old")}, Publish: true,
	})
	must("function", err)
	cluster := ecs.NewFromConfig(c.aws.Config())
	_, err = cluster.CreateCluster(c.t.Context(), &ecs.CreateClusterInput{ClusterName: aws.String("shop")})
	must("cluster", err)
	_, err = cluster.RegisterTaskDefinition(c.t.Context(), &ecs.RegisterTaskDefinitionInput{Family: aws.String("shop"),
		ContainerDefinitions: []ecstypes.ContainerDefinition{{Name: aws.String("shop"), Image: aws.String("shop:old"), Memory: aws.Int32(128)}}})
	must("task definition", err)
	_, err = cluster.CreateService(c.t.Context(), &ecs.CreateServiceInput{Cluster: aws.String("shop"), ServiceName: aws.String("shop"), TaskDefinition: aws.String("shop"), DesiredCount: aws.Int32(1)})
	must("service", err)
	c.put("shop-settings", "settings.zip", zipped(c.t, "settings.json", "{}"))
	first := c.started("shop", 1) // by the object; it has no code to build yet
	c.status("shop", first, pipeline.Failed)
}

// image pushes an image under the tag latest and returns its digest.
func (c *cloud) image(content string) string {
	c.t.Helper()
	manifest := `{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":{"mediaType":"application/vnd.docker.container.image.v1+json","size":1,"digest":"sha256:` + strings.Repeat("0", 64) + `"},"layers":[],"annotations":{"content":"` + content + `"}}`
	out, err := ecr.NewFromConfig(c.aws.Config()).PutImage(c.t.Context(), &ecr.PutImageInput{RepositoryName: aws.String("shop"), ImageTag: aws.String("latest"), ImageManifest: &manifest})
	if err != nil {
		c.t.Fatal(err)
	}
	return *out.Image.ImageId.ImageDigest
}

// TestShop plays the release in both homes and compares what is remembered.
func TestShop(t *testing.T) {
	c := deployed(t, withStories(t, "testdata/pipelines"))
	c.prepareShop()
	c.serveTour()
	t.Run("release", func(t *testing.T) {
		ids, there := c.on(t).release()
		_, here := laptop(t, "testdata/pipelines").release()
		if diff := gocmp.Diff(here, there, cmpopts.IgnoreUnexported(step{})); diff != "" {
			t.Errorf("what is remembered differs (-laptop +cloud):\n%s", diff)
		}
		c.on(t).checkReleased(ids["released"])
		c.on(t).checkMessages(ids)
	})
	t.Run("object and image", c.arrivals)
	t.Run("link", c.links)
	t.Run("aws cli", c.commandLine)
	t.Run("gates", c.gates)
	t.Run("exits", c.exits)
	t.Run("stories", c.stories)
	t.Run("redeployment", c.redeploy)
	t.Run("take down", c.takeDown)
	t.Run("policies", c.policies)
}

// on returns c for a part of the test.
func (c *cloud) on(t *testing.T) *cloud {
	there, h := *c, *c.home
	h.t, h.tick, h.tell, h.store, h.told = t, there.minute, there.logs, there.put, there.pushed
	there.home = &h
	return &there
}

// checkReleased looks at what the deployments made.
func (c *cloud) checkReleased(id string) {
	c.t.Helper()
	stack, err := cloudformation.NewFromConfig(c.aws.Config()).DescribeStackResources(c.t.Context(), &cloudformation.DescribeStackResourcesInput{StackName: aws.String("shop-stack")})
	if err != nil || len(stack.StackResources) != 1 {
		c.t.Errorf("the stack has %+v, %v; want the topic", stack, err)
	}
	page, err := c.s3().GetObject(c.t.Context(), &s3.GetObjectInput{Bucket: aws.String("shop-website"), Key: aws.String("index.html")})
	if err != nil {
		c.t.Fatal(err)
	}
	var text bytes.Buffer
	if _, err := text.ReadFrom(page.Body); err != nil || !strings.Contains(text.String(), "<h1>Second</h1>") {
		c.t.Errorf("the website is %q, %v", text.String(), err)
	}
	f, err := lambda.NewFromConfig(c.aws.Config()).ListVersionsByFunction(c.t.Context(), &lambda.ListVersionsByFunctionInput{FunctionName: aws.String("shop-price")})
	if err != nil || len(f.Versions) < 3 {
		c.t.Errorf("the function has %d versions, %v; want $LATEST, the one before and the new one", len(f.Versions), err)
	}
	service, err := ecs.NewFromConfig(c.aws.Config()).DescribeServices(c.t.Context(), &ecs.DescribeServicesInput{Cluster: aws.String("shop"), Services: []string{"shop"}})
	if err != nil || !strings.HasSuffix(*service.Services[0].TaskDefinition, ":2") {
		c.t.Errorf("the service runs %+v, %v; want the second task definition", service, err)
	}
	for _, d := range c.details("shop", id) {
		if r := d.Output.ExecutionResult; r != nil && strings.HasPrefix(r.ExternalExecutionSummary, "Simulated") {
			c.t.Errorf("%s was simulated in an account", d.ActionName)
		}
	}
}

var linkInMail = regexp.MustCompile(`https://[a-z0-9]+\.lambda-url\.[a-z0-9-]+\.on\.aws/approve/[0-9a-f]{64}`)

// checkMessages looks at what people and programs were told.
func (c *cloud) checkMessages(ids map[string]string) {
	c.t.Helper()
	var asked events.ApprovalNotification
	for _, m := range c.aws.Messages("shop-reviews") {
		if err := json.Unmarshal([]byte(m.Body), &asked); err != nil || asked.Approval.Token == "" || asked.Approval.ActionName != "Ask" {
			c.t.Errorf("the action's topic was told %s, %v", m.Body, err)
		}
	}
	if asked.Approval.PipelineName != "shop" {
		c.t.Error("the action's topic was told nothing")
	}
	mails := c.aws.Messages("sluice-approvals")
	if len(mails) < 2 || !linkInMail.MatchString(mails[0].Body) || !strings.Contains(mails[0].Body, "The first title") || !strings.Contains(mails[0].Body, "put-approval-result") {
		c.t.Errorf("approvers were told %+v", mails)
	}
	alerts := map[string]int{}
	for _, m := range c.aws.Messages("sluice-alerts") {
		for story, id := range ids {
			if strings.Contains(m.Body, id) {
				alerts[story]++
			}
		}
		if m.Attributes["sluice-event-id"] == "" {
			c.t.Errorf("an alert has no id: %+v", m)
		}
	}
	if alerts["rejected"] == 0 || alerts["failed"] == 0 || alerts["released"] > 0 {
		c.t.Errorf("alerts by story: %v; want them for what failed", alerts)
	}
	states := map[string]bool{}
	for _, e := range c.aws.Events("sluice") {
		if e.Source != "sluice.codepipeline" {
			c.t.Errorf("an event of source %s was put on the bus", e.Source)
		}
		var d struct{ State string }
		if err := json.Unmarshal(e.Detail, &d); err != nil {
			c.t.Error(err)
		}
		states[e.DetailType+" "+d.State] = true
	}
	for _, kind := range []string{"Pipeline", "Stage", "Action"} {
		for _, state := range []string{"STARTED", "SUCCEEDED", "FAILED"} {
			if what := "CodePipeline " + kind + " Execution State Change " + state; !states[what] {
				c.t.Errorf("nobody was told %s", what)
			}
		}
	}
}

// arrivals starts the shop by an object and by an image.
func (c *cloud) arrivals(t *testing.T) {
	h := c.on(t)
	n := len(h.executions("shop"))
	h.store("shop-settings", "settings.zip", zipped(t, "settings.json", `{"new":true}`))
	byObject := h.started("shop", n+1)
	h.answer("shop", "Release", "Ask", h.token("shop", byObject, "Ask"), "Rejected")
	h.status("shop", byObject, pipeline.Failed)
	digest := c.image("two")
	if err := c.event(events.ImageAction{ActionType: "PUSH", Result: "SUCCESS", RepositoryName: "shop", ImageDigest: digest, ImageTag: "latest"}); err != nil {
		t.Fatal(err)
	}
	byImage := h.started("shop", n+2)
	h.answer("shop", "Release", "Ask", h.token("shop", byImage, "Ask"), "Rejected")
	h.status("shop", byImage, pipeline.Failed)
	for _, d := range h.details("shop", byImage) {
		if d.ActionName == "Image" && d.Output.OutputVariables["ImageDigest"] != digest {
			t.Errorf("the image that was fetched is %v; want %s", d.Output.OutputVariables, digest)
		}
	}
	var out codepipeline.GetPipelineExecutionOutput
	h.do("GetPipelineExecution", codepipeline.GetPipelineExecutionInput{PipelineName: "shop", PipelineExecutionID: byImage}, &out)
	if out.PipelineExecution.Trigger == nil || out.PipelineExecution.Trigger.Type != "CloudWatchEvent" {
		t.Errorf("it says it was started by %+v; want CloudWatchEvent", out.PipelineExecution.Trigger)
	}
}
