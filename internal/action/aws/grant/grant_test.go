package grant_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/action/aws/grant"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

var home = grant.Home{
	Partition: "aws", Region: "eu-west-1", Account: "111122223333",
	Artifacts: "arn:aws:s3:::artifacts/web/*", Key: "arn:aws:kms:eu-west-1:111122223333:key/k",
}

// typed returns an action of a provider, "Source/S3", with a configuration.
func typed(provider string, conf ...string) pipeline.Action {
	category, name, _ := strings.Cut(provider, "/")
	a := pipeline.Action{Name: "A", TypeID: pipeline.ActionTypeID{Category: pipeline.Category(category), Owner: pipeline.AWS, Provider: name, Version: "1"}, Configuration: map[string]string{}}
	if name == "GitHub" {
		a.TypeID.Owner = pipeline.ThirdParty
	}
	for i := 0; i < len(conf); i += 2 {
		a.Configuration[conf[i]] = conf[i+1]
	}
	return a
}

// passing returns a with an input and an output artifact; "" for none.
func passing(a pipeline.Action, in, out string) pipeline.Action {
	if in != "" {
		a.InputArtifacts = []pipeline.InputArtifact{{Name: in}}
	}
	if out != "" {
		a.OutputArtifacts = []pipeline.OutputArtifact{{Name: out}}
	}
	return a
}

// cases has every provider in every way that makes a difference.
var cases = []struct {
	name   string
	action pipeline.Action
	want   []string // "resource: actions", with " > service" behind if a role is passed
}{
	{"files", typed("Source/CodeCommit", "RepositoryName", "app", "BranchName", "main"),
		[]string{"arn:aws:codecommit:eu-west-1:111122223333:app: codecommit:GetBranch GetCommit GetFolder GetBlob"}},
	{"clone", typed("Source/CodeCommit", "RepositoryName", "app", "BranchName", "main", "OutputArtifactFormat", "CODEBUILD_CLONE_REF"),
		[]string{"arn:aws:codecommit:eu-west-1:111122223333:app: codecommit:GetBranch GetCommit"}},
	{"one key", typed("Source/S3", "S3Bucket", "inbox", "S3ObjectKey", "a/app.zip"),
		[]string{"arn:aws:s3:::inbox: s3:GetBucketVersioning ListBucket", "arn:aws:s3:::inbox/a/app.zip: s3:GetObject GetObjectVersion"}},
	{"a key like a wildcard", typed("Source/S3", "S3Bucket", "inbox", "S3ObjectKey", "*?$"),
		[]string{"arn:aws:s3:::inbox: s3:GetBucketVersioning ListBucket", "arn:aws:s3:::inbox/${*}${?}${$}: s3:GetObject GetObjectVersion"}},
	{"any key", typed("Source/S3", "S3Bucket", "inbox", "S3ObjectKey", "app.zip", "AllowOverrideForS3ObjectKey", "true"),
		[]string{"arn:aws:s3:::inbox: s3:GetBucketVersioning ListBucket", "arn:aws:s3:::inbox/*: s3:GetObject GetObjectVersion"}},
	{"", typed("Source/ECR", "RepositoryName", "team/app"),
		[]string{"arn:aws:ecr:eu-west-1:111122223333:repository/team/app: ecr:DescribeImages"}},
	{"old", typed("Source/CodeStarSourceConnection", "ConnectionArn", "arn:aws:codestar-connections:us-east-1:111122223333:connection/c"),
		[]string{"arn:aws:codestar-connections:us-east-1:111122223333:connection/c: codestar-connections:UseConnection GetConnection"}},
	{"new", typed("Source/CodeStarSourceConnection", "ConnectionArn", "arn:aws:codeconnections:us-east-1:111122223333:connection/c", "OutputArtifactFormat", "CODEBUILD_CLONE_REF"),
		[]string{"arn:aws:codeconnections:us-east-1:111122223333:connection/c: codeconnections:UseConnection GetConnection",
			"arn:aws:codeconnections:us-east-1:111122223333:host/*: codeconnections:GetHost"}},
	{"any", typed("Source/CodeStarSourceConnection", "ConnectionArn", "#{variables.C}", "OutputArtifactFormat", "CODEBUILD_CLONE_REF"),
		[]string{"arn:aws:codeconnections:eu-west-1:111122223333:connection/*: codeconnections:UseConnection GetConnection",
			"arn:aws:codeconnections:eu-west-1:111122223333:host/*: codeconnections:GetHost",
			"arn:aws:codestar-connections:eu-west-1:111122223333:connection/*: codestar-connections:UseConnection GetConnection",
			"arn:aws:codestar-connections:eu-west-1:111122223333:host/*: codestar-connections:GetHost"}},
	{"", typed("Source/GitHub"), nil},
	{"", typed("Build/CodeBuild", "ProjectName", "web"),
		[]string{"arn:aws:codebuild:eu-west-1:111122223333:project/web: codebuild:StartBuild BatchGetBuilds ListBuildsForProject StopBuild"}},
	{"a part is a variable", typed("Test/CodeBuild", "ProjectName", "web-#{variables.Stage}-test"),
		[]string{"arn:aws:codebuild:eu-west-1:111122223333:project/web-*-test: codebuild:StartBuild BatchGetBuilds ListBuildsForProject StopBuild"}},
	{"batch", typed("Build/CodeBuild", "ProjectName", "web", "BatchEnabled", "True"),
		[]string{"arn:aws:codebuild:eu-west-1:111122223333:project/web: codebuild:StartBuildBatch BatchGetBuildBatches ListBuildBatchesForProject StopBuildBatch"}},
	{"perhaps batch", typed("Build/CodeBuild", "ProjectName", "web", "BatchEnabled", "#{variables.Batch}"),
		[]string{"arn:aws:codebuild:eu-west-1:111122223333:project/web: codebuild:StartBuild BatchGetBuilds ListBuildsForProject StopBuild",
			"arn:aws:codebuild:eu-west-1:111122223333:project/web: codebuild:StartBuildBatch BatchGetBuildBatches ListBuildBatchesForProject StopBuildBatch"}},
	{"", typed("Approval/Manual", "NotificationArn", "arn:aws:sns:eu-west-1:111122223333:ask"), nil},
	{"one object", typed("Deploy/S3", "BucketName", "web", "Extract", "false", "ObjectKey", "a/{datetime}/#{variables.X}.zip"),
		[]string{"arn:aws:s3:::web/a/*/*.zip: s3:PutObject"}},
	{"many objects", typed("Deploy/S3", "BucketName", "web", "Extract", "true", "CannedACL", "public-read", "KMSEncryptionKeyARN", "arn:aws:kms:eu-west-1:111122223333:key/other"),
		[]string{"arn:aws:s3:::web/*: s3:PutObject PutObjectAcl", "arn:aws:kms:eu-west-1:111122223333:key/other: kms:GenerateDataKey Decrypt"}},
	{"below a prefix", typed("Deploy/S3", "BucketName", "web", "Extract", "true", "ObjectKey", "v1"),
		[]string{"arn:aws:s3:::web/v1/*: s3:PutObject"}},
	{"perhaps below", typed("Deploy/S3", "BucketName", "web", "Extract", "#{variables.X}", "ObjectKey", "v1"),
		[]string{"arn:aws:s3:::web/*: s3:PutObject"}},
	{"create or update", typed("Deploy/CloudFormation", "ActionMode", "CREATE_UPDATE", "StackName", "web", "RoleArn", "arn:aws:iam::111122223333:role/cfn"),
		[]string{"arn:aws:cloudformation:eu-west-1:111122223333:stack/web/*: cloudformation:CreateStack DescribeStackEvents DescribeStacks UpdateStack",
			"arn:aws:iam::111122223333:role/cfn: iam:PassRole > cloudformation.amazonaws.com"}},
	{"with macros, tags and any role", typed("Deploy/CloudFormation", "ActionMode", "REPLACE_ON_FAILURE", "StackName", "web-#{variables.Stage}", "RoleArn", "#{Roles.Cfn}", "TemplateConfiguration", "A::c.json", "Capabilities", "CAPABILITY_IAM,CAPABILITY_AUTO_EXPAND"),
		[]string{"arn:aws:cloudformation:eu-west-1:111122223333:stack/web-*/*: cloudformation:CreateStack DeleteStack DescribeStackEvents DescribeStacks UpdateStack SetStackPolicy TagResource UntagResource",
			"arn:aws:cloudformation:eu-west-1:aws:transform/* arn:aws:cloudformation:eu-west-1:111122223333:transform/*: cloudformation:CreateChangeSet",
			"arn:aws:iam::111122223333:role/*: iam:PassRole > cloudformation.amazonaws.com"}},
	{"delete", typed("Deploy/CloudFormation", "ActionMode", "DELETE_ONLY", "StackName", "web", "TemplateConfiguration", "A::c.json", "RoleArn", "arn:aws:iam::111122223333:role/#{variables.R}"),
		[]string{"arn:aws:cloudformation:eu-west-1:111122223333:stack/web/*: cloudformation:DeleteStack DescribeStackEvents DescribeStacks",
			"arn:aws:iam::111122223333:role/*: iam:PassRole > cloudformation.amazonaws.com"}},
	{"make a change set", typed("Deploy/CloudFormation", "ActionMode", "CHANGE_SET_REPLACE", "StackName", "web", "ChangeSetName", "c", "RoleArn", "arn:aws:iam::111122223333:role/cfn"),
		[]string{"arn:aws:cloudformation:eu-west-1:111122223333:stack/web/*: cloudformation:CreateChangeSet DeleteChangeSet DescribeChangeSet DescribeStacks",
			"arn:aws:cloudformation:eu-west-1:aws:transform/* arn:aws:cloudformation:eu-west-1:111122223333:transform/*: cloudformation:CreateChangeSet",
			"arn:aws:iam::111122223333:role/cfn: iam:PassRole > cloudformation.amazonaws.com"}},
	{"execute it", typed("Deploy/CloudFormation", "ActionMode", "CHANGE_SET_EXECUTE", "StackName", "web", "ChangeSetName", "c", "RoleArn", "arn:aws:iam::111122223333:role/cfn"),
		[]string{"arn:aws:cloudformation:eu-west-1:111122223333:stack/web/*: cloudformation:DescribeChangeSet DescribeStackEvents DescribeStacks ExecuteChangeSet"}},
	{"", typed("Deploy/Lambda", "FunctionName", "f", "FunctionAlias", "live", "Alarms", "errors, slow-#{variables.Stage}"),
		[]string{"arn:aws:lambda:eu-west-1:111122223333:function:f: lambda:GetFunctionConfiguration PublishVersion UpdateFunctionCode GetAlias UpdateAlias",
			"*: cloudwatch:DescribeAlarms"}},
	{"without an alias", typed("Deploy/Lambda", "FunctionName", "f"),
		[]string{"arn:aws:lambda:eu-west-1:111122223333:function:f: lambda:GetFunctionConfiguration PublishVersion UpdateFunctionCode"}},
	{"a version that is there", typed("Deploy/Lambda", "FunctionName", "f", "FunctionAlias", "live", "PublishedTargetVersion", "7"),
		[]string{"arn:aws:lambda:eu-west-1:111122223333:function:f: lambda:GetAlias UpdateAlias"}},
	{"perhaps one that is there", typed("Deploy/Lambda", "FunctionName", "f", "FunctionAlias", "live", "PublishedTargetVersion", "#{variables.V}"),
		[]string{"arn:aws:lambda:eu-west-1:111122223333:function:f: lambda:GetFunctionConfiguration PublishVersion UpdateFunctionCode GetAlias UpdateAlias"}},
	{"", typed("Deploy/ECS", "ClusterName", "prod", "ServiceName", "web"),
		[]string{"arn:aws:ecs:eu-west-1:111122223333:service/prod/web: ecs:DescribeServices UpdateService",
			"*: ecs:DescribeTaskDefinition RegisterTaskDefinition",
			"arn:aws:ecs:eu-west-1:111122223333:task-definition/*:*: ecs:TagResource",
			"arn:aws:iam::111122223333:role/*: iam:PassRole > ecs-tasks.amazonaws.com"}},
	{"", typed("Deploy/CodeDeploy", "ApplicationName", "web", "DeploymentGroupName", "blue"),
		[]string{"arn:aws:codedeploy:eu-west-1:111122223333:deploymentgroup:web/blue: codedeploy:BatchGetDeployments CreateDeployment ListDeployments StopDeployment",
			"arn:aws:codedeploy:eu-west-1:111122223333:application:web: codedeploy:GetApplicationRevision RegisterApplicationRevision",
			"arn:aws:codedeploy:eu-west-1:111122223333:deploymentconfig:*: codedeploy:GetDeploymentConfig"}},
	{"", typed("Invoke/Lambda", "FunctionName", "check"),
		[]string{"arn:aws:lambda:eu-west-1:111122223333:function:check: lambda:InvokeFunction"}},
	{"with an input", passing(typed("Invoke/Lambda", "FunctionName", "check"), "Code", ""),
		[]string{"arn:aws:lambda:eu-west-1:111122223333:function:check: lambda:InvokeFunction",
			"arn:aws:s3:::artifacts/web/*: s3:GetObject",
			"arn:aws:kms:eu-west-1:111122223333:key/k: kms:Decrypt"}},
	{"with an output", passing(typed("Invoke/Lambda", "FunctionName", "check"), "", "Report"),
		[]string{"arn:aws:lambda:eu-west-1:111122223333:function:check: lambda:InvokeFunction",
			"arn:aws:s3:::artifacts/web/*: s3:PutObject",
			"arn:aws:kms:eu-west-1:111122223333:key/k: kms:Decrypt GenerateDataKey"}},
	{"with both", passing(typed("Invoke/Lambda", "FunctionName", "check"), "Code", "Report"),
		[]string{"arn:aws:lambda:eu-west-1:111122223333:function:check: lambda:InvokeFunction",
			"arn:aws:s3:::artifacts/web/*: s3:GetObject PutObject",
			"arn:aws:kms:eu-west-1:111122223333:key/k: kms:Decrypt GenerateDataKey"}},
	{"with a prefix", typed("Invoke/StepFunctions", "StateMachineArn", "arn:aws:states:us-east-1:111122223333:stateMachine:check:live", "ExecutionNamePrefix", "p"),
		[]string{"arn:aws:states:us-east-1:111122223333:stateMachine:check:live: states:DescribeStateMachine StartExecution",
			"arn:aws:states:us-east-1:111122223333:execution:check:p-*: states:DescribeExecution"}},
	{"any machine", typed("Invoke/StepFunctions", "StateMachineArn", "#{Stack.Machine}"),
		[]string{"arn:aws:states:eu-west-1:111122223333:stateMachine:*: states:DescribeStateMachine StartExecution",
			"arn:aws:states:eu-west-1:111122223333:execution:*:*: states:DescribeExecution"}},
}

func TestFor(t *testing.T) {
	for _, tt := range cases {
		t.Run(string(tt.action.TypeID.Category)+" "+tt.action.TypeID.Provider+" "+tt.name, func(t *testing.T) {
			statements, err := grant.For(tt.action, home)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, texts(statements)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// texts writes statements as the cases do.
func texts(statements []grant.Statement) []string {
	var all []string
	for _, s := range statements {
		service, _, _ := strings.Cut(s.Actions[0], ":")
		text := strings.Join(s.Resources, " ") + ": " + service + ":" + strings.ReplaceAll(strings.Join(s.Actions, " "), service+":", "")
		if s.PassedTo != "" {
			text += " > " + s.PassedTo
		}
		all = append(all, text)
	}
	return all
}

// TestRegion pins that an action's own Region is where its resources are.
func TestRegion(t *testing.T) {
	a := typed("Build/CodeBuild", "ProjectName", "web")
	a.Region = "us-east-1"
	statements, err := grant.For(a, home)
	if err != nil || statements[0].Resources[0] != "arn:aws:codebuild:us-east-1:111122223333:project/web" {
		t.Errorf("%v, %v", statements, err)
	}
}

// TestRefused pins what a person reads whose pipeline cannot be deployed.
func TestRefused(t *testing.T) {
	second := typed("Deploy/S3")
	second.TypeID.Version = "2"
	tests := []struct {
		action pipeline.Action
		home   grant.Home
		want   []string
	}{
		{typed("Deploy/EKS"), home, []string{"action A", "provider EKS", "category Deploy", "Source/CodeCommit", "Invoke/StepFunctions", "sluice up"}},
		{typed("Build/S3"), home, []string{"provider S3 (category Build"}},
		{second, home, []string{"version 2"}},
		{typed("Deploy/CloudFormation", "ActionMode", "CREATE"), home, []string{"action A", `"CREATE"`, "CHANGE_SET_REPLACE"}},
		{typed("Deploy/CloudFormation", "ActionMode", "DELETE_ONLY", "RoleArn", "cfn"), home, []string{`RoleArn is "cfn"`}},
		{typed("Deploy/S3", "KMSEncryptionKeyARN", "arn:aws:kms:eu-west-1:111122223333:alias/k"), home, []string{"alias"}},
		{typed("Deploy/Lambda", "FunctionName", "f", "PublishedTargetVersion", "7"), home, []string{"action A", "FunctionAlias"}},
		{typed("Invoke/StepFunctions", "StateMachineArn", "check"), home, []string{`"check"`}},
		{typed("Invoke/StepFunctions", "StateMachineArn", "arn:aws:sns:eu-west-1:111122223333:topic"), home, []string{"state machine"}},
		{typed("Source/CodeStarSourceConnection", "ConnectionArn", "arn:aws:sns:eu-west-1:111122223333:topic"), home, []string{"ConnectionArn"}},
		{passing(typed("Invoke/Lambda", "FunctionName", "f"), "Code", ""), grant.Home{}, []string{"Home.Artifacts"}},
	}
	for _, tt := range tests {
		_, err := grant.For(tt.action, tt.home)
		for _, want := range tt.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v; want %q in it", tt.action.TypeID.Provider, err, want)
			}
		}
	}
}

// TestCases pins that the cases have every type of the catalog that is
// supported.
func TestCases(t *testing.T) {
	for _, known := range pipeline.ActionTypes() {
		a := pipeline.Action{Name: "A", TypeID: known.ID, Configuration: map[string]string{}}
		_, err := grant.For(a, home)
		if err != nil && strings.Contains(err.Error(), "does not run in an AWS account") {
			continue
		}
		if !slices.ContainsFunc(cases, func(c struct {
			name   string
			action pipeline.Action
			want   []string
		}) bool {
			return c.action.TypeID == known.ID
		}) {
			t.Errorf("%s/%s has no case", known.ID.Category, known.ID.Provider)
		}
	}
}
