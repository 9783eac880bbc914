package scenarios_test

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sluice-ci/sluice/internal/codepipeline"
	"github.com/sluice-ci/sluice/internal/e2e/standin"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
)

// buildspec is what the builds of the gates do: the rule's fails for one kind
// of execution.
const buildspec = `
version: 0.2
phases:
  build:
    commands:
      - test "$KIND" != broken
`

// kind is the variable that tells executions of the gates apart.
func kind(value string) record.Variable { return record.Variable{Name: "Kind", Value: value} }

// conditions plays what the gates let through and what they do not. The
// execution that goes through passes a window that is closed, because somebody
// says so; while its function takes half a minute for its two parts, the others
// have their turn.
func (h *home) conditions() (full string, histories map[string][]step) {
	h.t.Helper()
	histories = map[string][]step{}
	note := func(story, id string) {
		histories[story], histories[story+", rules"] = h.history("gates", id), h.rules("gates", id)
	}
	full = h.start("gates")
	h.answer("gates", "Ready", "Ask", h.token("gates", full, "Ask"), "Approved")
	h.await("the window to be closed", func() bool { return h.rule("gates", full, "Window").Status == pipeline.InProgress })
	pass := codepipeline.OverrideStageConditionInput{PipelineName: "gates", StageName: "Late", PipelineExecutionID: full, ConditionType: "BEFORE_ENTRY"}
	h.do("OverrideStageCondition", pass, nil)
	h.refused(pipeline.ConditionNotOverridable, "OverrideStageCondition", pass)

	broken := h.start("gates", kind("broken"))
	h.status("gates", broken, pipeline.Failed)
	histories["broken"], histories["broken, rule"] = h.history("gates", broken), []step{h.rule("gates", broken, "Builds")}

	late := h.start("gates", kind("quick"))
	h.token("gates", late, "Ask")
	if got := h.stage("gates", "Extra").LatestExecution; got == nil || got.Status != pipeline.Skipped || got.PipelineExecutionID != late {
		h.t.Errorf("%s: stage Extra shows %+v; want it skipped", h.name, got)
	}
	h.overdue("gates", late, "Ask")
	h.status("gates", late, pipeline.Failed)
	note("expired", late)

	h.status("gates", full, pipeline.Succeeded)
	note("through", full)
	return full, histories
}

// rules is history for rules.
func (h *home) rules(name, id string) []step {
	h.t.Helper()
	var out codepipeline.ListRuleExecutionsOutput
	h.do("ListRuleExecutions", codepipeline.ListActionExecutionsInput{
		PipelineName: name, MaxResults: 100, Filter: &codepipeline.ActionExecutionFilter{PipelineExecutionID: id},
	}, &out)
	inOrder(out.Details, func(d codepipeline.RuleExecutionDetail) (string, string) { return d.StageName, d.RuleName })
	var all []step
	for _, d := range out.Details {
		s := step{Stage: d.StageName, Action: d.RuleName, Status: d.Status}
		if r := d.Output.ExecutionResult; r != nil {
			s.said = r.ExternalExecutionSummary
			if r.ErrorDetails != nil {
				s.Error = r.ErrorDetails.Code
			}
		}
		all = append(all, s)
	}
	return all
}

// rule returns the newest run of a rule, which may not be there.
func (h *home) rule(name, id, rule string) (found step) {
	h.t.Helper()
	for _, s := range h.rules(name, id) {
		if s.Action == rule {
			found = s
		}
	}
	return found
}

// stage returns the state of a stage.
func (h *home) stage(name, stage string) codepipeline.StageState {
	h.t.Helper()
	var out codepipeline.GetPipelineStateOutput
	h.do("GetPipelineState", codepipeline.GetPipelineStateInput{Name: name}, &out)
	for _, s := range out.StageStates {
		if s.StageName == stage {
			return s
		}
	}
	h.t.Fatalf("%s: %s has no stage %s", h.name, name, stage)
	return codepipeline.StageState{}
}

// overdue lets the time of an action or a rule that waits be up: the deadline
// that is recorded passes, and the next sweep finds it.
func (h *home) overdue(name, id, action string) {
	h.t.Helper()
	r := record.Reader{Store: h.records, Account: standin.Account}
	h.await("the deadline of "+action, func() bool {
		all, err := r.Actions(h.t.Context(), id)
		rules, err2 := r.Rules(h.t.Context(), id)
		if err := cmp.Or(err, err2); err != nil {
			h.t.Fatal(err)
		}
		all = append(all, rules...)
		i := slices.IndexFunc(all, func(a record.Action) bool { return a.Name == action && a.Status == pipeline.InProgress })
		if i < 0 {
			h.t.Fatalf("%s: nothing waits for %s of %s", h.name, action, name)
		}
		a, err := r.Action(h.t.Context(), all[i].Ref())
		if err != nil {
			h.t.Fatal(err)
		}
		if wait := a.Value.Job.Deadline.Sub(a.Value.Started); wait != 5*time.Minute {
			h.t.Errorf("%s: %s may take %s; want what its definition says", h.name, action, wait)
		}
		a.Value.Job.Deadline = time.Now().Add(-time.Second)
		err = h.records.Write(h.t.Context(), store.Op{Kind: store.Put, Key: a.Value.Key(), If: a.At, Value: record.Encode(a.Value)})
		if err != nil && !store.IsConflict(err) { // a conflict: the record was not yet at rest
			h.t.Fatal(err)
		}
		return err == nil
	})
	h.tick()
}

// gates plays the conditions in both homes, and in the account what only an
// account has: alarms, and operators of state machines.
func (c *cloud) gates(t *testing.T) {
	h := c.on(t)
	h.commit("gates", "What the gates build", map[string]string{"buildspec.yml": buildspec})
	h.alarm(types.StateValueOk)
	full, there := h.conditions()
	_, here := laptop(t, "testdata/pipelines").conditions()
	if diff := gocmp.Diff(here, there, cmpopts.IgnoreUnexported(step{})); diff != "" {
		t.Errorf("what is remembered differs (-laptop +cloud):\n%s", diff)
	}
	for _, s := range h.history("gates", full) {
		if s.Action == "Twice" && s.said != "after the first half" {
			t.Errorf("the function that continues said %q", s.said)
		}
	}
	h.aborted(h.alarmed())
}

// alarm puts the alarm that a rule asks into a state.
func (c *cloud) alarm(state types.StateValue) {
	c.t.Helper()
	alarms := cloudwatch.NewFromConfig(c.aws.Config())
	_, err := alarms.PutMetricAlarm(c.t.Context(), &cloudwatch.PutMetricAlarmInput{
		AlarmName: aws.String("gates-errors"), MetricName: aws.String("Errors"), Namespace: aws.String("Gates"), Period: aws.Int32(60), EvaluationPeriods: aws.Int32(1),
		ComparisonOperator: types.ComparisonOperatorGreaterThanThreshold, Threshold: aws.Float64(1), Statistic: types.StatisticSum,
	})
	if err == nil {
		_, err = alarms.SetAlarmState(c.t.Context(), &cloudwatch.SetAlarmStateInput{AlarmName: aws.String("gates-errors"), StateValue: state, StateReason: aws.String("the scenario says so")})
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// alarmed starts an execution while the alarm is on. When it is off again, its
// retry asks anew, and waits for its approval then.
func (c *cloud) alarmed() string {
	c.t.Helper()
	c.alarm(types.StateValueAlarm)
	id := c.start("gates", kind("quick"))
	c.status("gates", id, pipeline.Failed)
	if r := c.rule("gates", id, "Quiet"); r.Status != pipeline.Failed || r.said != "Alarm gates-errors is in state ALARM and not in OK or INSUFFICIENT_DATA" {
		c.t.Errorf("the rule of the alarm is %s: %q", r.Status, r.said)
	}
	if got := c.steps("gates", id); got != "Code" {
		c.t.Errorf("behind a gate that holds there was %s", got)
	}
	c.alarm(types.StateValueOk)
	c.do("RetryStageExecution", codepipeline.RetryStageExecutionInput{PipelineName: "gates", StageName: "Ready", PipelineExecutionID: id, RetryMode: pipeline.FailedActions}, nil)
	c.token("gates", id, "Ask")
	return id
}

// aborted has an operator end the run of an execution that is inside a stage.
// Nobody of Sluice was asked, and still the execution ends, its approval takes
// no answer, and who waits in front of the stage enters.
func (c *cloud) aborted(id string) {
	c.t.Helper()
	token := c.token("gates", id, "Ask")
	next := c.start("gates", kind("quick"))
	c.await("the next one to wait", func() bool {
		in := c.stage("gates", "Ready").InboundExecution
		return in != nil && in.PipelineExecutionID == next
	})
	machines := sfn.NewFromConfig(c.aws.Config())
	runs, err := machines.ListExecutions(c.t.Context(), &sfn.ListExecutionsInput{StateMachineArn: aws.String("arn:aws:states:" + standin.Region + ":" + standin.Account + ":stateMachine:sluice-gates"), StatusFilter: "RUNNING"})
	if err != nil {
		c.t.Fatal(err)
	}
	stopped := 0
	for _, run := range runs.Executions {
		if name := *run.Name; len(name) >= len(id) && name[:len(id)] == id {
			stopped++
			if _, err := machines.StopExecution(c.t.Context(), &sfn.StopExecutionInput{ExecutionArn: run.ExecutionArn, Error: aws.String("Operator"), Cause: aws.String("it was in the way")}); err != nil {
				c.t.Fatal(err)
			}
		}
	}
	if stopped != 1 {
		c.t.Fatalf("%d runs of %s were stopped", stopped, id)
	}
	c.status("gates", id, pipeline.Failed)
	c.refused(pipeline.InvalidApprovalToken, "PutApprovalResult", approvalOf("gates", "Ready", "Ask", token, "Approved"))
	c.answer("gates", "Ready", "Ask", c.token("gates", next, "Ask"), "Rejected")
	c.status("gates", next, pipeline.Failed)
}
