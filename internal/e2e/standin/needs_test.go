package standin_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/codebuild"
	"github.com/aws/aws-sdk-go-v2/service/codecommit"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	ddb "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	events "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/sluice-ci/sluice/internal/e2e/standin"
)

// What IAM checks for requests as the SDK's clients send them, of every service
// that the module has a client of. A is ":eu-central-1:123456789012:".
func TestNeeds(t *testing.T) {
	const machine, role = "arn:aws:states:eu-central-1:123456789012:stateMachine:m:3", "arn:aws:iam::123456789012:role/r"
	x := aws.String("x")
	item := map[string]ddb.AttributeValue{"pk": &ddb.AttributeValueMemberS{Value: "x"}}
	tests := []struct {
		name string
		call func(context.Context, aws.Config) error
		want string
	}{
		{"one item", func(ctx context.Context, c aws.Config) error {
			return second(dynamodb.NewFromConfig(c).UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: x, Key: item}))
		}, "dynamodb:UpdateItem arn:aws:dynamodb{A}table/x"},
		{"an index", func(ctx context.Context, c aws.Config) error {
			return second(dynamodb.NewFromConfig(c).Query(ctx, &dynamodb.QueryInput{TableName: x, IndexName: aws.String("i")}))
		}, "dynamodb:Query arn:aws:dynamodb{A}table/x/index/i"},
		{"a transaction", func(ctx context.Context, c aws.Config) error {
			return second(dynamodb.NewFromConfig(c).TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []ddb.TransactWriteItem{
				{Put: &ddb.Put{TableName: x, Item: item}}, {Delete: &ddb.Delete{TableName: x, Key: item}},
				{Update: &ddb.Update{TableName: x, Key: item, UpdateExpression: x}}, {ConditionCheck: &ddb.ConditionCheck{TableName: aws.String("y"), Key: item, ConditionExpression: x}},
			}}))
		}, "dynamodb:PutItem arn:aws:dynamodb{A}table/x, dynamodb:DeleteItem arn:aws:dynamodb{A}table/x, dynamodb:UpdateItem arn:aws:dynamodb{A}table/x, dynamodb:ConditionCheckItem arn:aws:dynamodb{A}table/y"},
		{"a batch", func(ctx context.Context, c aws.Config) error {
			return second(dynamodb.NewFromConfig(c).BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]ddb.KeysAndAttributes{"x": {Keys: []map[string]ddb.AttributeValue{item}}}}))
		}, "dynamodb:BatchGetItem arn:aws:dynamodb{A}table/x"},
		{"a start", func(ctx context.Context, c aws.Config) error {
			return second(sfn.NewFromConfig(c).StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: aws.String(machine)}))
		}, "states:StartExecution " + machine},
		{"a token", func(ctx context.Context, c aws.Config) error {
			return second(sfn.NewFromConfig(c).SendTaskFailure(ctx, &sfn.SendTaskFailureInput{TaskToken: x}))
		}, "states:SendTaskFailure *"},
		{"events of two buses", func(ctx context.Context, c aws.Config) error {
			return second(eventbridge.NewFromConfig(c).PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []events.PutEventsRequestEntry{{EventBusName: x}, {EventBusName: x}, {}}}))
		}, "events:PutEvents arn:aws:events{A}event-bus/x, events:PutEvents arn:aws:events{A}event-bus/default"},
		{"a parameter", func(ctx context.Context, c aws.Config) error {
			return second(ssm.NewFromConfig(c).GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String("/a/b:2")}))
		}, "ssm:GetParameter arn:aws:ssm{A}parameter/a/b"},
		{"a secret", func(ctx context.Context, c aws.Config) error {
			return second(secretsmanager.NewFromConfig(c).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: x}))
		}, "secretsmanager:GetSecretValue arn:aws:secretsmanager{A}secret:x"},
		{"a notice", func(ctx context.Context, c aws.Config) error {
			return second(sns.NewFromConfig(c).Publish(ctx, &sns.PublishInput{TopicArn: aws.String("arn:aws:sns:eu-central-1:123456789012:x"), Message: x}))
		}, "sns:Publish arn:aws:sns{A}x"},
		{"notices", func(ctx context.Context, c aws.Config) error {
			return second(sns.NewFromConfig(c).PublishBatch(ctx, &sns.PublishBatchInput{TopicArn: aws.String("arn:aws:sns:eu-central-1:123456789012:x"), PublishBatchRequestEntries: []snstypes.PublishBatchRequestEntry{{Id: x, Message: x}}}))
		}, "sns:Publish arn:aws:sns{A}x"},
		{"messages", func(ctx context.Context, c aws.Config) error {
			return second(sqs.NewFromConfig(c).SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: aws.String("http://h/123456789012/x"), Entries: []sqstypes.SendMessageBatchRequestEntry{{Id: x, MessageBody: x}}}))
		}, "sqs:SendMessage arn:aws:sqs{A}x"},
		{"an assumed role", func(ctx context.Context, c aws.Config) error {
			return second(sts.NewFromConfig(c).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: aws.String(role), RoleSessionName: x}))
		}, "sts:AssumeRole " + role},
		{"who am I", func(ctx context.Context, c aws.Config) error {
			return second(sts.NewFromConfig(c).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}))
		}, ""},
		{"a build", func(ctx context.Context, c aws.Config) error {
			return second(codebuild.NewFromConfig(c).StartBuild(ctx, &codebuild.StartBuildInput{ProjectName: x}))
		}, "codebuild:StartBuild arn:aws:codebuild{A}project/x"},
		{"builds", func(ctx context.Context, c aws.Config) error {
			return second(codebuild.NewFromConfig(c).BatchGetBuilds(ctx, &codebuild.BatchGetBuildsInput{Ids: []string{"x:1-2"}}))
		}, "codebuild:BatchGetBuilds arn:aws:codebuild{A}project/x"},
		{"the end of a build", func(ctx context.Context, c aws.Config) error {
			return second(codebuild.NewFromConfig(c).StopBuild(ctx, &codebuild.StopBuildInput{Id: aws.String("arn:aws:codebuild:eu-central-1:123456789012:build/x:1-2")}))
		}, "codebuild:StopBuild arn:aws:codebuild{A}project/x"},
		{"a branch", func(ctx context.Context, c aws.Config) error {
			return second(codecommit.NewFromConfig(c).GetBranch(ctx, &codecommit.GetBranchInput{RepositoryName: x, BranchName: x}))
		}, "codecommit:GetBranch arn:aws:codecommit{A}x"},
		{"a deployment", func(ctx context.Context, c aws.Config) error {
			return second(codedeploy.NewFromConfig(c).CreateDeployment(ctx, &codedeploy.CreateDeploymentInput{ApplicationName: x, DeploymentGroupName: aws.String("g")}))
		}, "codedeploy:CreateDeployment arn:aws:codedeploy{A}deploymentgroup:x/g"},
		{"an image", func(ctx context.Context, c aws.Config) error {
			return second(ecr.NewFromConfig(c).DescribeImages(ctx, &ecr.DescribeImagesInput{RepositoryName: x}))
		}, "ecr:DescribeImages arn:aws:ecr{A}repository/x"},
		{"services", func(ctx context.Context, c aws.Config) error {
			return second(ecs.NewFromConfig(c).DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: aws.String("c"), Services: []string{"x"}}))
		}, "ecs:DescribeServices arn:aws:ecs{A}service/c/x"},
		{"a task definition", func(ctx context.Context, c aws.Config) error {
			return second(ecs.NewFromConfig(c).RegisterTaskDefinition(ctx, &ecs.RegisterTaskDefinitionInput{Family: x, ContainerDefinitions: []ecstypes.ContainerDefinition{{}}, TaskRoleArn: aws.String(role)}))
		}, "ecs:RegisterTaskDefinition *, iam:PassRole " + role},
		{"a stack", func(ctx context.Context, c aws.Config) error {
			return second(cloudformation.NewFromConfig(c).CreateStack(ctx, &cloudformation.CreateStackInput{StackName: x, RoleARN: aws.String(role)}))
		}, "cloudformation:CreateStack arn:aws:cloudformation{A}stack/x/*, iam:PassRole " + role},
		{"an invocation", func(ctx context.Context, c aws.Config) error {
			return second(lambda.NewFromConfig(c).Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("arn:aws:lambda:eu-central-1:123456789012:function:x"), Qualifier: aws.String("live")}))
		}, "lambda:InvokeFunction arn:aws:lambda{A}function:x:live"},
		{"code", func(ctx context.Context, c aws.Config) error {
			return second(lambda.NewFromConfig(c).UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{FunctionName: x}))
		}, "lambda:UpdateFunctionCode arn:aws:lambda{A}function:x"},
		{"an alias", func(ctx context.Context, c aws.Config) error {
			return second(lambda.NewFromConfig(c).UpdateAlias(ctx, &lambda.UpdateAliasInput{FunctionName: x, Name: x}))
		}, "lambda:UpdateAlias arn:aws:lambda{A}function:x"},
		{"an object", func(ctx context.Context, c aws.Config) error {
			return second(storage(c).GetObject(ctx, &s3.GetObjectInput{Bucket: x, Key: aws.String("a/b c")}))
		}, "s3:GetObject arn:aws:s3:::x/a/b c"},
		{"a version of it", func(ctx context.Context, c aws.Config) error {
			return second(storage(c).HeadObject(ctx, &s3.HeadObjectInput{Bucket: x, Key: x, VersionId: x}))
		}, "s3:GetObjectVersion arn:aws:s3:::x/x"},
		{"a written one", func(ctx context.Context, c aws.Config) error {
			return second(storage(c).PutObject(ctx, &s3.PutObjectInput{Bucket: x, Key: x, ACL: s3types.ObjectCannedACLPrivate, Body: bytes.NewReader(nil)}))
		}, "s3:PutObject arn:aws:s3:::x/x, s3:PutObjectAcl arn:aws:s3:::x/x"},
		{"a part of one", func(ctx context.Context, c aws.Config) error {
			return second(storage(c).UploadPart(ctx, &s3.UploadPartInput{Bucket: x, Key: x, UploadId: x, PartNumber: aws.Int32(1), Body: bytes.NewReader(nil)}))
		}, "s3:PutObject arn:aws:s3:::x/x"},
		{"a copy", func(ctx context.Context, c aws.Config) error {
			return second(storage(c).CopyObject(ctx, &s3.CopyObjectInput{Bucket: x, Key: x, CopySource: aws.String("y/a?versionId=1")}))
		}, "s3:PutObject arn:aws:s3:::x/x, s3:GetObjectVersion arn:aws:s3:::y/a"},
		{"a list", func(ctx context.Context, c aws.Config) error {
			return second(storage(c).ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: x, Prefix: aws.String("p")}))
		}, "s3:ListBucket arn:aws:s3:::x"},
		{"a bucket's versioning", func(ctx context.Context, c aws.Config) error {
			return second(storage(c).GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: x}))
		}, "s3:GetBucketVersioning arn:aws:s3:::x"},
		{"deleted objects", func(ctx context.Context, c aws.Config) error {
			return second(storage(c).DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: x, Delete: &s3types.Delete{Objects: []s3types.ObjectIdentifier{{Key: aws.String("a")}, {Key: aws.String("b")}}}}))
		}, "s3:DeleteObject arn:aws:s3:::x/a, s3:DeleteObject arn:aws:s3:::x/b"},
		{"an abandoned upload", func(ctx context.Context, c aws.Config) error {
			return second(storage(c).AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: x, Key: x, UploadId: x}))
		}, "s3:AbortMultipartUpload arn:aws:s3:::x/x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := sent(t, tt.call)
			if want := strings.ReplaceAll(tt.want, "{A}", ":eu-central-1:123456789012:"); got != want {
				t.Errorf("needs %s\n want %s", got, want)
			}
		})
	}
}

// A client that speaks CBOR is understood as well.
func TestNeedsOfCBOR(t *testing.T) {
	body := "\xa1\x6fstateMachineArn\x61x" // {"stateMachineArn": "x"}
	r := httptest.NewRequest(http.MethodPost, "/service/AWSStepFunctions/operation/StartExecution", strings.NewReader(body))
	r.Header.Set("Smithy-Protocol", "rpc-v2-cbor")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=standin.f/20260101/eu-central-1/states/aws4_request, SignedHeaders=host, Signature=0")
	got, err := standin.Needs(r)
	want := []standin.Call{{Principal: "f", Action: "states:StartExecution", Resource: "arn:aws:states:eu-central-1:123456789012:stateMachine:x"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("needs %+v, %v; want %+v", got, err, want)
	}
}

// sent returns what IAM would check for the one request that call sends.
func sent(t *testing.T, call func(context.Context, aws.Config) error) string {
	t.Helper()
	var all []string
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		calls, err := standin.Needs(r)
		if err != nil {
			t.Error(err)
		}
		for _, c := range calls {
			if c.Principal != "who" {
				t.Errorf("called by %q; want the one with the key", c.Principal)
			}
			all = append(all, c.Action+" "+c.Resource)
		}
		w.WriteHeader(http.StatusTeapot)
	}))
	defer server.Close()
	err := call(t.Context(), aws.Config{
		Region:       standin.Region,
		BaseEndpoint: &server.URL,
		Credentials:  credentials.NewStaticCredentialsProvider("standin.who", "standin", ""),
		Retryer:      func() aws.Retryer { return aws.NopRetryer{} },
	})
	if requests != 1 {
		t.Fatalf("%d requests were sent: %v; want one", requests, err)
	}
	return strings.Join(all, ", ")
}

func second[T any](_ T, err error) error { return err }

func storage(c aws.Config) *s3.Client {
	return s3.NewFromConfig(c, func(o *s3.Options) { o.UsePathStyle = true })
}
