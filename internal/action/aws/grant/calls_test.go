package grant_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/action/aws/grant"
)

// permissions are the IAM actions of calls that are called otherwise, by the
// SDK's package and the method.
var permissions = map[string]string{
	"lambda.Invoke": "lambda:InvokeFunction",
	"s3.HeadObject": "s3:GetObject",
}

// services are the IAM prefixes of the SDK's packages that are called otherwise.
var services = map[string]string{"sfn": "states"}

// folders say where the provider is that does actions and rules of a type.
var folders = map[string]string{
	"Source/CodeCommit": "sources", "Source/S3": "sources", "Source/ECR": "sources", "Source/CodeStarSourceConnection": "sources", "Source/GitHub": "sources",
	"Build/CodeBuild": "codebuild", "Test/CodeBuild": "codebuild", "Approval/Manual": "",
	"Deploy/S3": "s3deploy", "Deploy/CloudFormation": "cloudformation", "Deploy/Lambda": "lambdadeploy", "Deploy/ECS": "ecs", "Deploy/CodeDeploy": "codedeploy",
	"Invoke/Lambda": "lambda", "Invoke/StepFunctions": "stepfunctions",
	"CloudWatchAlarm": "alarm",
}

// elsewhere are the calls of a provider that another one's client makes.
var elsewhere = map[string]string{"lambdadeploy: cloudwatch:DescribeAlarms": "alarm"}

// ours are the calls that the functions make with their own roles.
var ours = []string{
	"codebuild: s3:GetObject", // of outputs, from the artifact bucket
}

// checked are the actions that no client of a provider calls and AWS checks
// for a call, and those that are called without a client of the SDK.
var checked = map[string][]string{
	"sources": {
		"codeconnections:GetConnection", "codeconnections:GetHost", "codeconnections:UseConnection",
		"codestar-connections:GetConnection", "codestar-connections:GetHost", "codestar-connections:UseConnection",
		"s3:GetObjectVersion", "s3:ListBucket",
	},
	"s3deploy":       {"kms:Decrypt", "kms:GenerateDataKey", "s3:PutObjectAcl"},
	"cloudformation": {"cloudformation:TagResource", "cloudformation:UntagResource", "iam:PassRole"},
	"ecs":            {"iam:PassRole"},
	"codedeploy":     {"codedeploy:GetApplicationRevision", "codedeploy:GetDeploymentConfig", "codedeploy:RegisterApplicationRevision"},
	"lambda":         {"kms:Decrypt", "kms:GenerateDataKey", "s3:GetObject", "s3:PutObject"}, // by the function that is invoked
}

// TestEveryCall compares what is granted for the actions and rules of each
// provider with the calls of the clients that it declares: a new call needs a
// grant, and a grant that nothing needs any more has to go.
func TestEveryCall(t *testing.T) {
	granted := grantedByFolder(t)
	called := map[string]bool{}
	for _, call := range clientCalls(t) {
		if !granted[call] && !slices.Contains(ours, call) {
			t.Errorf("%s is called, which nothing grants: add it to the provider's line in providers.go", call)
		}
		called[call] = true
	}
	for call := range granted {
		folder, action, _ := strings.Cut(call, ": ")
		here, known := called[call], slices.Contains(checked[folder], action)
		if other, ok := elsewhere[call]; ok {
			here = called[other+": "+action]
		}
		if !here && !known {
			t.Errorf("%s is granted and no client calls for it", call)
		}
		if here && known {
			t.Errorf("%s is called: it is no action that AWS checks besides", call)
		}
	}
	for folder, actions := range checked {
		for _, action := range actions {
			if !granted[folder+": "+action] {
				t.Errorf("%s: %s is granted no more", folder, action)
			}
		}
	}
}

// grantedByFolder returns what the cases and rules are granted, as
// "ecs: ecs:TagResource".
func grantedByFolder(t *testing.T) map[string]bool {
	t.Helper()
	granted := map[string]bool{}
	add := func(provider string, statements []grant.Statement, err error) {
		folder, known := folders[provider]
		if err != nil || !known {
			t.Fatalf("%s: its folder is not known, or %v", provider, err)
		}
		for _, s := range statements {
			for _, a := range s.Actions {
				granted[folder+": "+a] = true
			}
			for action := range s.Why {
				if !slices.Contains(s.Actions, action) {
					t.Errorf("%s: there is a reason for %s, which is not granted", provider, action)
				}
			}
		}
	}
	for _, tt := range cases {
		statements, err := grant.For(tt.action, home)
		add(string(tt.action.TypeID.Category)+"/"+tt.action.TypeID.Provider, statements, err)
	}
	statements, err := grant.ForRule(ruled("CloudWatchAlarm"), home)
	add("CloudWatchAlarm", statements, err)
	return granted
}

// clientCalls returns the IAM action of each method of the providers' client
// interfaces, with the folder of the provider: "ecs: ecs:TagResource".
func clientCalls(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var calls []string
	for _, file := range files {
		folder := filepath.Base(filepath.Dir(file))
		if strings.HasSuffix(file, "_test.go") || strings.HasSuffix(folder, "test") || folder == "awsfake" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, text, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if i, ok := n.(*ast.InterfaceType); ok {
				for _, method := range i.Methods.List {
					if pkg, call := sdkCall(method); call != "" {
						calls = append(calls, folder+": "+permission(pkg, call))
					}
				}
			}
			return true
		})
	}
	if len(calls) < 30 {
		t.Fatalf("only %d calls were found: %v", len(calls), calls)
	}
	return calls
}

// sdkCall returns the package and the name of a method that takes a context
// and an input of the SDK: a call.
func sdkCall(method *ast.Field) (pkg, call string) {
	f, ok := method.Type.(*ast.FuncType)
	if !ok || len(method.Names) != 1 || len(f.Params.List) < 2 {
		return "", ""
	}
	pointer, ok := f.Params.List[1].Type.(*ast.StarExpr)
	if !ok {
		return "", ""
	}
	input, ok := pointer.X.(*ast.SelectorExpr)
	if !ok || input.Sel.Name != method.Names[0].Name+"Input" {
		return "", ""
	}
	return input.X.(*ast.Ident).Name, method.Names[0].Name
}

func permission(pkg, call string) string {
	if action, ok := permissions[pkg+"."+call]; ok {
		return action
	}
	if service, ok := services[pkg]; ok {
		pkg = service
	}
	return pkg + ":" + call
}
