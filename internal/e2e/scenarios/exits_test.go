package scenarios_test

import (
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sluice-ci/sluice/internal/codepipeline"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// exits plays the ways out of a stage, and more actions than go on at a time,
// in both homes.
func (c *cloud) exits(t *testing.T) {
	h := c.on(t)
	there, here := h.ways(), laptop(t, "testdata/pipelines").ways()
	if diff := gocmp.Diff(here, there, cmpopts.IgnoreUnexported(step{})); diff != "" {
		t.Errorf("what is remembered differs (-laptop +cloud):\n%s", diff)
	}
}

// ways leaves stages in each way that is not plain, and returns what is
// remembered of it.
func (h *home) ways() map[string][]step {
	h.t.Helper()
	histories := map[string][]step{}
	ends := func(story, id string, want pipeline.Status) {
		h.t.Helper()
		h.status("exits", id, want)
		histories[story], histories[story+", rules"] = h.history("exits", id), h.rules("exits", id)
	}
	say := func(name, value string) record.Variable { return record.Variable{Name: name, Value: value} }

	ends("nothing to go back to", h.start("exits", say("Last", "broken")), pipeline.Failed)
	if all := h.executions("exits"); len(all) != 1 || !strings.Contains(all[0].StatusSummary, "nothing to roll back to") {
		h.t.Errorf("%s: without a success there are %+v", h.name, all)
	}

	through := h.baked()
	pass := codepipeline.OverrideStageConditionInput{PipelineName: "exits", StageName: "Bake", PipelineExecutionID: through, ConditionType: "ON_SUCCESS"}
	h.do("OverrideStageCondition", pass, nil)
	ends("overridden", through, pipeline.Succeeded)

	repeated := h.start("exits", say("First", "broken"))
	ends("repeated", repeated, pipeline.Failed)
	if got := h.stage("exits", "Again").RetryStageMetadata; got == nil || *got != (codepipeline.RetryMetadata{Auto: 1, Latest: "AutomatedStageRetry"}) {
		h.t.Errorf("%s: the stage that repeated itself shows %+v", h.name, got)
	}

	goesBack := func(story string, v record.Variable) {
		h.t.Helper()
		ends(story, h.start("exits", v), pipeline.Failed)
		back := h.executions("exits")[0]
		if back.ExecutionType != record.Rollback || back.Rollback == nil || back.Rollback.Target != through {
			h.t.Errorf("%s: after %q the newest execution is %+v; want a rollback to %s", h.name, story, back, through)
		}
		ends(story+", back", back.PipelineExecutionID, pipeline.Succeeded)
	}
	goesBack("success is not enough", say("Mood", "unhappy"))
	goesBack("failure goes back", say("Last", "broken")) // after it, as it succeeds where the first one fails
	n := len(h.executions("exits"))
	ends("failure stays", h.start("exits", say("Last", "broken"), say("Mood", "patient")), pipeline.Failed)
	ends("one rule decides", h.start("exits", say("Mood", "nervous")), pipeline.Failed)
	if got := len(h.executions("exits")); got != n+2 {
		h.t.Errorf("%s: %d executions more; want two, and no rollback", h.name, got-n)
	}

	stopped := h.baked()
	h.do("StopPipelineExecution", codepipeline.StopPipelineExecutionInput{PipelineName: "exits", PipelineExecutionID: stopped}, nil)
	ends("stopped", stopped, pipeline.Stopped)

	late := h.baked()
	h.overdue("exits", late, "Window")
	ends("expired", late, pipeline.Failed)

	histories["crowd"] = h.answerCrowd(h.start("crowd"))
	return histories
}

// baked starts an execution and waits until the last condition holds it.
func (h *home) baked() string {
	h.t.Helper()
	id := h.start("exits")
	h.await("the window to be closed", func() bool {
		return h.rule("exits", id, "Window").Status == pipeline.InProgress && h.rule("exits", id, "Calm").Status == pipeline.Succeeded
	})
	return id
}

// answerCrowd answers seven approvals beside each other, of which five are
// asked for at a time. Each answer lets another one be asked for.
func (h *home) answerCrowd(id string) []step {
	h.t.Helper()
	answered := map[string]bool{}
	for want := 5; len(answered) < 7; want = min(want+1, 7) {
		var asked []codepipeline.ActionExecutionDetail
		h.await("approvals to be asked for", func() bool {
			asked = slices.DeleteFunc(h.details("crowd", id), func(d codepipeline.ActionExecutionDetail) bool {
				return d.StageName != "Release" || d.Output.ExecutionResult == nil || d.Output.ExecutionResult.ExternalExecutionID == ""
			})
			return len(asked) >= want
		})
		if len(asked) != want {
			h.t.Fatalf("%s: with %d answered %d approvals are asked for; want %d", h.name, len(answered), len(asked), want)
		}
		i := slices.IndexFunc(asked, func(d codepipeline.ActionExecutionDetail) bool { return !answered[d.ActionName] })
		name := asked[i].ActionName
		h.answer("crowd", "Release", name, asked[i].Output.ExecutionResult.ExternalExecutionID, "Approved")
		answered[name] = true
	}
	h.status("crowd", id, pipeline.Succeeded)
	return h.history("crowd", id)
}
