package scenarios_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/sluice-ci/sluice/internal/codepipeline"
	"github.com/sluice-ci/sluice/internal/e2e/standin"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// redeploy deploys another definition and other code while an execution is
// under way: it ends on the text it began with, the next one runs the new one.
func (c *cloud) redeploy(t *testing.T) {
	h := c.on(t)
	before := h.digest("sluice-stage")
	held, asked := h.startHeld()
	crowd := h.start("crowd")
	h.token("crowd", crowd, "Ask1")
	h.push("tour", "Before the change", map[string]string{"input.json": "{}"})
	old := h.started("tour", 1)
	token := h.token("tour", old, "Ask")

	h.pipelines = t.TempDir()
	for _, name := range []string{"shop.yaml", "tour.yaml", "hold.yaml", "crowd.yaml"} {
		text, err := os.ReadFile(filepath.Join("testdata", "pipelines", name))
		if err != nil {
			t.Fatal(err)
		}
		switch name {
		case "crowd.yaml":
			text = bytes.Replace(text, []byte("PARALLEL"), []byte("SUPERSEDED"), 2)
		case "tour.yaml", "hold.yaml":
			text = append(text, `
    - name: Later
      actions:
        - name: Again
          actionTypeId: {category: Approval, owner: AWS, provider: Manual, version: "1"}
`...)
		}
		if err := os.WriteFile(filepath.Join(h.pipelines, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	h.code2(t)
	h.deploy()
	if h.digest("sluice-stage") == before {
		t.Error("the changed code of a function was not deployed")
	}
	h.cancelled(held, asked)
	h.answerCrowd(crowd)
	h.answer("tour", "Release", "Ask", token, "Approved")
	h.status("tour", old, pipeline.Succeeded)
	if got := h.steps("tour", old); got != "Code Function Machine Ask" {
		t.Errorf("the run that was under way did %s; want what it began with", got)
	}

	h.push("tour", "After the change", nil)
	next := h.started("tour", 2)
	h.answer("tour", "Release", "Ask", h.token("tour", next, "Ask"), "Approved")
	h.answer("tour", "Later", "Again", h.token("tour", next, "Again"), "Approved")
	h.status("tour", next, pipeline.Succeeded)
	if got := h.steps("tour", next); got != "Code Function Machine Ask Again" {
		t.Errorf("the next run did %s; want the new definition", got)
	}
	var out codepipeline.GetPipelineExecutionOutput
	for id, version := range map[string]int{old: 1, next: 2} {
		h.do("GetPipelineExecution", codepipeline.GetPipelineExecutionInput{PipelineName: "tour", PipelineExecutionID: id}, &out)
		if out.PipelineExecution.PipelineVersion != version {
			t.Errorf("execution %s shows version %d; want %d", id, out.PipelineExecution.PipelineVersion, version)
		}
	}
	var shop codepipeline.GetPipelineOutput
	h.do("GetPipeline", codepipeline.GetPipelineInput{Name: "shop"}, &shop)
	if shop.Pipeline.Version != 1 {
		t.Errorf("the other pipeline is at version %d; want 1", shop.Pipeline.Version)
	}
}

// takeDown deletes what can be deployed again, as the README says it. What was
// remembered stays.
func (c *cloud) takeDown(t *testing.T) {
	h := c.on(t)
	last := h.executions("shop")[0].PipelineExecutionID
	if err := h.aws.Destroy(t.Context(), h.assembly, "sluice-watch", "sluice-pipeline-*", "sluice-control"); err != nil {
		t.Fatal(err)
	}
	functions, err := lambda.NewFromConfig(h.aws.Config()).ListFunctions(t.Context(), &lambda.ListFunctionsInput{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range functions.Functions {
		if strings.HasPrefix(*f.FunctionName, "sluice-") {
			t.Errorf("function %s is still there", *f.FunctionName)
		}
	}
	machines, err := sfn.NewFromConfig(h.aws.Config()).ListStateMachines(t.Context(), &sfn.ListStateMachinesInput{})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range machines.StateMachines {
		if strings.HasPrefix(*m.Name, "sluice-") {
			t.Errorf("machine %s is still there", *m.Name)
		}
	}
	if !strings.Contains(h.table(), last) {
		t.Error("the table has nothing of the last execution")
	}
}

// startHeld starts an execution that waits for an approval, and returns the
// token of that.
func (c *cloud) startHeld() (id, token string) {
	c.t.Helper()
	c.push("hold", "It waits", nil)
	id = c.started("hold", 1)
	return id, c.token("hold", id, "Ask")
}

// cancelled looks at an execution that an update has ended: its approval takes
// no answer, and it comes back in no way.
func (c *cloud) cancelled(id, token string) {
	c.t.Helper()
	c.status("hold", id, pipeline.Cancelled)
	ask := c.history("hold", id)[1]
	if ask.Status != pipeline.Failed || ask.said != "The approval action has been canceled." {
		c.t.Errorf("the approval is %s: %q", ask.Status, ask.said)
	}
	c.refused(pipeline.InvalidApprovalToken, "PutApprovalResult", approvalOf("hold", "Release", "Ask", token, "Approved"))
	c.refused(pipeline.StageNotRetryable, "RetryStageExecution", codepipeline.RetryStageExecutionInput{PipelineName: "hold", StageName: "Release", PipelineExecutionID: id, RetryMode: pipeline.AllActions})
	if all := c.executions("hold"); len(all) != 1 {
		c.t.Errorf("an update has started %d executions", len(all)-1)
	}
}

// serveTour makes what the tour invokes: a state machine, and a function that
// answers its job through the API.
func (c *cloud) serveTour() {
	c.t.Helper()
	_, err := sfn.NewFromConfig(c.aws.Config()).CreateStateMachine(c.t.Context(), &sfn.CreateStateMachineInput{
		Name: aws.String("tour"), RoleArn: aws.String("arn:aws:iam::" + standin.Account + ":role/sluice-machine-" + standin.Region),
		Definition: aws.String(`{"StartAt":"Done","States":{"Done":{"Type":"Pass","End":true}}}`),
	})
	if err != nil {
		c.t.Fatal(err)
	}
	program := filepath.Join(c.t.TempDir(), "bootstrap")
	build := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", program, "./testdata/check")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		c.t.Fatalf("%v: %s", err, out)
	}
	binary, err := os.ReadFile(program)
	if err != nil {
		c.t.Fatal(err)
	}
	_, err = lambda.NewFromConfig(c.aws.Config()).CreateFunction(c.t.Context(), &lambda.CreateFunctionInput{
		FunctionName: aws.String("tour-check"), Role: aws.String("arn:aws:iam::" + standin.Account + ":role/sluice-stage-" + standin.Region),
		Runtime: types.RuntimeProvidedal2023, Handler: aws.String("bootstrap"), Architectures: []types.Architecture{map[string]types.Architecture{"amd64": types.ArchitectureX8664, "arm64": types.ArchitectureArm64}[runtime.GOARCH]},
		Code:        &types.FunctionCode{ZipFile: zipped(c.t, "bootstrap", string(binary))},
		Environment: &types.Environment{Variables: map[string]string{"CODEPIPELINE": c.endpoint}},
	})
	if err != nil {
		c.t.Fatal(err)
	}
}

// steps returns the names of the actions that ran, in order.
func (h *home) steps(name, id string) string {
	h.t.Helper()
	var names []string
	for _, s := range h.history(name, id) {
		names = append(names, s.Action)
	}
	return strings.Join(names, " ")
}

// digest returns the digest of the code of a function.
func (c *cloud) digest(function string) string {
	c.t.Helper()
	out, err := lambda.NewFromConfig(c.aws.Config()).GetFunctionConfiguration(c.t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: &function})
	if err != nil {
		c.t.Fatal(err)
	}
	return aws.ToString(out.CodeSha256)
}

// code2 makes the functions another program than they were: what a bootstrap
// has behind its end changes nothing but its digest.
func (c *cloud) code2(t *testing.T) {
	t.Helper()
	c.root = t.TempDir()
	for _, dir := range []string{"functions", "build"} {
		if err := os.CopyFS(filepath.Join(c.root, dir), os.DirFS(filepath.Join(root(), dir))); err != nil {
			t.Fatal(err)
		}
	}
	programs, err := filepath.Glob(filepath.Join(c.root, "build", "*", "*", "bootstrap"))
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range programs {
		f, err := os.OpenFile(program, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString("\nsecond edition\n"); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
