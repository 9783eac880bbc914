package scenarios_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/e2e/standin"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// signer is whom IAM knows by the credentials of the person who deploys.
const signer = "arn:aws:iam::" + standin.Account + ":user/person"

// A cli is the unmodified AWS CLI, before a deployment.
type cli struct{ *cloud }

func (c cli) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(c.t.Context(), "aws", append([]string{"--endpoint-url", c.endpoint, "--output", "json", "codepipeline"}, args...)...)
	cmd.Env = append(os.Environ(), append(c.aws.Env(), "AWS_PAGER=", "AWS_MAX_ATTEMPTS=1")...)
	return cmd
}

// run runs an operation and decodes what it prints into out, if that is wanted.
func (c cli) run(out any, args ...string) {
	c.t.Helper()
	cmd := c.command(args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	if err == nil && out != nil {
		err = json.Unmarshal(text, out)
	}
	if err != nil {
		c.t.Fatalf("aws codepipeline %v: %v\n%s%s", args, err, text, &stderr)
	}
}

// fails runs an operation that must fail and returns what it says.
func (c cli) fails(args ...string) string {
	c.t.Helper()
	out, err := c.command(args...).CombinedOutput()
	if err == nil {
		c.t.Errorf("aws codepipeline %v succeeded:\n%s", args, out)
	}
	return string(out)
}

// commandLine works with the deployment by the AWS CLI.
func (c *cloud) commandLine(t *testing.T) {
	if _, err := exec.LookPath("aws"); err != nil {
		t.Skip("left out: the AWS CLI is not installed (make deps installs it)")
	}
	there := cli{c.on(t)}
	there.reads()
	there.startsAndStops()
	there.holdsStage()
	there.createsNothing()
}

// reads looks at what the scenarios before it left.
func (c cli) reads() {
	c.t.Helper()
	var list struct{ Pipelines []struct{ Name string } }
	c.run(&list, "list-pipelines")
	for _, name := range []string{"shop", "tour"} {
		if !slices.ContainsFunc(list.Pipelines, func(p struct{ Name string }) bool { return p.Name == name }) {
			c.t.Errorf("it lists %v; want %s", list.Pipelines, name)
		}
	}
	last := c.executions("shop")[0].PipelineExecutionID
	var actions struct {
		ActionExecutionDetails []struct{ PipelineExecutionID, StageName, ActionName, Status string }
	}
	c.run(&actions, "list-action-executions", "--pipeline-name", "shop", "--filter", "pipelineExecutionId="+last)
	var got, want []string
	for _, a := range actions.ActionExecutionDetails {
		if a.PipelineExecutionID != last {
			c.t.Errorf("asked for the actions of %s it shows one of %s", last, a.PipelineExecutionID)
		}
		got = append(got, a.StageName+"/"+a.ActionName+" "+a.Status)
	}
	for _, s := range c.history("shop", last) {
		want = append(want, s.Stage+"/"+s.Action+" "+string(s.Status))
	}
	slices.Sort(got)
	slices.Sort(want)
	if len(got) < 4 || !slices.Equal(got, want) { // three sources and a build at least
		c.t.Errorf("the last execution did %v; want %v", got, want)
	}
}

// startsAndStops starts an execution and gives it up; the history knows who.
func (c cli) startsAndStops() {
	c.t.Helper()
	var started struct{ PipelineExecutionID string }
	c.run(&started, "start-pipeline-execution", "--name", "shop")
	id := started.PipelineExecutionID
	c.run(nil, "stop-pipeline-execution", "--pipeline-name", "shop", "--pipeline-execution-id", id, "--abandon", "--reason", "not this one")
	c.status("shop", id, pipeline.Stopped)
	var list struct {
		PipelineExecutionSummaries []struct {
			PipelineExecutionID, Status string
			Trigger                     struct{ TriggerType, TriggerDetail string }
			StopTrigger                 struct{ Reason string }
		}
	}
	c.run(&list, "list-pipeline-executions", "--pipeline-name", "shop", "--max-items", "1")
	if len(list.PipelineExecutionSummaries) != 1 {
		c.t.Fatalf("asked for one execution it shows %+v", list)
	}
	e := list.PipelineExecutionSummaries[0]
	if e.PipelineExecutionID != id || e.Status != "Stopped" || e.StopTrigger.Reason != "not this one" {
		c.t.Errorf("the last execution is %+v; want %s stopped", e, id)
	}
	if e.Trigger.TriggerType != "StartPipelineExecution" || e.Trigger.TriggerDetail != signer {
		c.t.Errorf("it was started by %+v; want %s", e.Trigger, signer)
	}
}

// holdsStage closes the way into a stage and opens it again.
func (c cli) holdsStage() {
	c.t.Helper()
	stage := []string{"--pipeline-name", "shop", "--stage-name", "Release", "--transition-type", "Inbound"}
	c.run(nil, append([]string{"disable-stage-transition", "--reason", "nothing on Fridays"}, stage...)...)
	if in := c.wayIn("Release"); in.Enabled || in.LastChangedBy != signer || in.DisabledReason != "nothing on Fridays" {
		c.t.Errorf("the way into Release is %+v; want it closed by %s", in, signer)
	}
	c.run(nil, append([]string{"enable-stage-transition"}, stage...)...)
	if in := c.wayIn("Release"); !in.Enabled || in.DisabledReason != "" {
		c.t.Errorf("the way into Release is %+v; want it open", in)
	}
}

// A transition is the way into a stage.
type transition struct {
	Enabled                       bool
	LastChangedBy, DisabledReason string
}

// wayIn returns the way into a stage of the shop.
func (c cli) wayIn(stage string) (in transition) {
	c.t.Helper()
	var state struct {
		PipelineName string
		StageStates  []struct {
			StageName              string
			InboundTransitionState transition
		}
	}
	c.run(&state, "get-pipeline-state", "--name", "shop")
	found := false
	for _, s := range state.StageStates {
		if s.StageName == stage {
			in, found = s.InboundTransitionState, true
		}
	}
	if state.PipelineName != "shop" || !found {
		c.t.Fatalf("the state of the shop is %+v; want stage %s", state, stage)
	}
	return in
}

// createsNothing is told where pipelines of a deployment come from.
func (c cli) createsNothing() {
	c.t.Helper()
	var shop struct {
		Pipeline map[string]any `json:"pipeline"`
	}
	c.run(&shop, "get-pipeline", "--name", "shop")
	delete(shop.Pipeline, "version")
	shop.Pipeline["name"] = "another"
	text, err := json.Marshal(shop.Pipeline)
	if err != nil {
		c.t.Fatal(err)
	}
	said := c.fails("create-pipeline", "--pipeline", string(text))
	for _, want := range []string{"AccessDeniedException", "'another'", "cdk deploy"} {
		if !strings.Contains(said, want) {
			c.t.Errorf("create-pipeline says %q; want %s in it", said, want)
		}
	}
	if said := c.fails("get-pipeline", "--name", "another"); !strings.Contains(said, "PipelineNotFoundException") {
		c.t.Errorf("after it was refused, get-pipeline says %q", said)
	}
}
