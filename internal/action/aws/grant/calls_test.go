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

// ours are the calls that the functions make with their own roles.
var ours = []string{
	"codebuild: s3.GetObject", // of outputs, from the artifact bucket
}

// checked are the actions that no provider calls and AWS checks for a call.
var checked = []string{
	"cloudformation:TagResource", "cloudformation:UntagResource",
	"codeconnections:GetConnection", "codeconnections:GetHost", "codeconnections:UseConnection", // called without an SDK
	"codestar-connections:GetConnection", "codestar-connections:GetHost", "codestar-connections:UseConnection",
	"codedeploy:GetApplicationRevision", "codedeploy:GetDeploymentConfig", "codedeploy:RegisterApplicationRevision",
	"iam:PassRole",
	"kms:Decrypt", "kms:GenerateDataKey",
	// Of the deployment of functions, whose provider is not here yet.
	"lambda:GetAlias", "lambda:GetFunctionConfiguration", "lambda:PublishVersion", "lambda:UpdateAlias", "lambda:UpdateFunctionCode",
	"s3:GetObjectVersion", "s3:ListBucket", "s3:PutObjectAcl",
}

// TestEveryCall compares what is granted with the calls of the clients that
// the providers declare: a new call needs a grant, and a grant that nothing
// needs any more has to go.
func TestEveryCall(t *testing.T) {
	granted := map[string]bool{}
	for _, tt := range cases {
		statements, err := grant.For(tt.action, home)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range statements {
			for _, a := range s.Actions {
				granted[a] = false
			}
		}
	}
	for where, action := range clientCalls(t) {
		if _, ok := granted[action]; !ok && !slices.Contains(ours, where) {
			t.Errorf("%s calls for %s, which nothing grants: add it to the provider's line in providers.go", where, action)
		}
		granted[action] = true
	}
	for action, called := range granted {
		if !called && !slices.Contains(checked, action) {
			t.Errorf("%s is granted and no client calls for it", action)
		}
	}
}

// clientCalls returns the IAM action of each method of the providers' client
// interfaces, by provider, package and method: "ecs: ecs.TagResource".
func clientCalls(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]string{}
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
						calls[folder+": "+pkg+"."+call] = permission(pkg, call)
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
