package crash_test

import (
	"fmt"
	"net/url"

	"github.com/sluice-ci/sluice/internal/codepipeline"
	"github.com/sluice-ci/sluice/internal/local"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// look looks at a pipeline and does some of what there is to do.
func (u *user) look(name string) {
	var list codepipeline.ListPipelineExecutionsOutput
	if _, err := u.do("ListPipelineExecutions", codepipeline.ListPipelineExecutionsInput{PipelineName: name, MaxResults: 30}, &list); err != nil {
		return
	}
	active := 0
	for _, e := range list.Summaries {
		if !e.Status.Final() {
			active++
			u.interfere(name, e)
		}
	}
	u.mu.Lock()
	u.active[name] = active
	u.mu.Unlock()
	if shapeOf(name).mode == pipeline.Parallel {
		u.lookEverywhere(name, list.Summaries)
		return
	}
	var state codepipeline.GetPipelineStateOutput
	if _, err := u.do("GetPipelineState", codepipeline.GetPipelineStateInput{Name: name}, &state); err != nil {
		return
	}
	for _, s := range state.StageStates {
		u.attend(name, s)
	}
}

// interfere stops or aborts an execution, rarely.
func (u *user) interfere(name string, e codepipeline.PipelineExecutionSummary) {
	switch n := u.rng.IntN(100); {
	case u.over:
	case n < 4 && e.Status == pipeline.InProgress, n < 20 && e.Status == pipeline.Stopping:
		in := codepipeline.StopPipelineExecutionInput{PipelineName: name, PipelineExecutionID: e.PipelineExecutionID, Abandon: u.chance(50) || e.Status == pipeline.Stopping, Reason: "why not"}
		if _, err := u.do("StopPipelineExecution", in, nil); err == nil {
			u.note(func() { u.stops[e.PipelineExecutionID] = name })
		}
	case n == 99:
		u.post("/abort?execution="+e.PipelineExecutionID, nil)
	}
}

// attend does what a stage wants.
func (u *user) attend(name string, s codepipeline.StageState) {
	for _, a := range s.ActionStates {
		if x := a.LatestExecution; x != nil && x.Token != "" && s.LatestExecution != nil {
			u.answer(name, s.StageName, a.ActionName, s.LatestExecution.PipelineExecutionID, x.Token)
		}
	}
	closed := !s.InboundTransition.Enabled
	if s.StageName != "Source" && (closed && (u.over || u.chance(40)) || !closed && !u.over && u.chance(2)) {
		u.toggle(name, s.StageName, closed)
	}
	x := s.LatestExecution
	if x == nil {
		return
	}
	if s.BeforeEntry != nil && s.BeforeEntry.LatestExecution != nil && s.BeforeEntry.LatestExecution.Status == pipeline.InProgress && shapeOf(name).window {
		u.override(name, s.StageName, x.PipelineExecutionID)
	}
	switch {
	case u.over || shapeOf(name).plain:
	case x.Status == pipeline.Failed && u.chance(50):
		u.retry(name, s.StageName, x.PipelineExecutionID)
	case x.Status.Final() && s.StageName != "Source" && u.chance(10):
		u.rollback(name, s.StageName)
	}
}

// lookEverywhere finds what waits in a pipeline whose stages show nothing.
func (u *user) lookEverywhere(name string, all []codepipeline.PipelineExecutionSummary) {
	var list codepipeline.ListActionExecutionsOutput
	if _, err := u.do("ListActionExecutions", codepipeline.ListActionExecutionsInput{PipelineName: name}, &list); err != nil {
		return
	}
	for _, a := range list.Details {
		if r := a.Output.ExecutionResult; a.ActionName == "Gate" && a.Status == pipeline.InProgress && r != nil && r.ExternalExecutionID != "" {
			u.answer(name, a.StageName, a.ActionName, a.PipelineExecutionID, r.ExternalExecutionID)
		}
	}
	for _, e := range all {
		switch {
		case shapeOf(name).window && e.Status == pipeline.InProgress:
			u.override(name, "Release", e.PipelineExecutionID)
		case e.Status == pipeline.Failed && !u.over && u.chance(20):
			u.retry(name, "Test", e.PipelineExecutionID)
		}
	}
}

// answer answers an approval, by the API or by its link.
func (u *user) answer(name, stage, action, execution, token string) {
	if !u.over && u.chance(50) {
		return
	}
	approved := u.over || u.chance(85)
	if u.chance(30) {
		u.follow(name, execution, approved)
		return
	}
	in := codepipeline.PutApprovalResultInput{PipelineName: name, StageName: stage, ActionName: action, Token: token}
	in.Result.Status = map[bool]string{true: "Approved", false: "Rejected"}[approved]
	if _, err := u.do("PutApprovalResult", in, nil); err == nil {
		u.note(func() { u.answers[token] = answer{execution, approved} })
	}
}

// follow answers an approval through the link of its mail.
func (u *user) follow(name, execution string, approved bool) {
	body, err := u.get("/links/" + execution)
	if err != nil {
		return
	}
	mails, err := decode[[]local.Mail](body)
	if err != nil || len(mails) == 0 || mails[0].Asks == nil {
		return
	}
	at, err := url.Parse(mails[0].Link)
	if err != nil {
		u.t.Fatal(err)
	}
	form := url.Values{"pipeline": {name}, "comment": {"by link"}, "decision": {map[bool]string{true: "approve", false: "reject"}[approved]}}
	if _, err := u.post(at.Path, form); err == nil {
		u.note(func() { u.answers[fmt.Sprint(*mails[0].Asks)] = answer{execution, approved} })
	}
}

func (u *user) toggle(name, stage string, enable bool) {
	u.only.Lock()
	defer u.only.Unlock()
	var refused bool
	var err error
	if enable {
		refused, err = u.do("EnableStageTransition", codepipeline.EnableStageTransitionInput{PipelineName: name, StageName: stage, TransitionType: "Inbound"}, nil)
	} else {
		refused, err = u.do("DisableStageTransition", codepipeline.DisableStageTransitionInput{PipelineName: name, StageName: stage, TransitionType: "Inbound", Reason: "a test"}, nil)
	}
	switch {
	case err == nil:
		u.note(func() { u.transitions[name+"/"+stage] = claim{true, !enable} })
	case !refused:
		u.mu.Lock()
		u.transitions[name+"/"+stage] = claim{}
		u.mu.Unlock()
	}
}

func (u *user) override(name, stage, execution string) {
	in := codepipeline.OverrideStageConditionInput{PipelineName: name, StageName: stage, PipelineExecutionID: execution, ConditionType: "BEFORE_ENTRY"}
	if _, err := u.do("OverrideStageCondition", in, nil); err == nil {
		u.note(func() { u.overrides[execution] = name })
	}
}

func (u *user) retry(name, stage, execution string) {
	mode := []pipeline.RetryMode{pipeline.FailedActions, pipeline.AllActions}[u.rng.IntN(2)]
	in := codepipeline.RetryStageExecutionInput{PipelineName: name, StageName: stage, PipelineExecutionID: execution, RetryMode: mode}
	if _, err := u.do("RetryStageExecution", in, nil); err == nil {
		u.note(func() { u.retries[execution]++ })
	}
}

// rollback goes back to what succeeded in a stage before.
func (u *user) rollback(name, stage string) {
	var list codepipeline.ListPipelineExecutionsOutput
	in := codepipeline.ListPipelineExecutionsInput{PipelineName: name, MaxResults: 3,
		Filter: &codepipeline.PipelineExecutionFilter{SucceededInStage: &codepipeline.SucceededInStageFilter{StageName: stage}}}
	if _, err := u.do("ListPipelineExecutions", in, &list); err != nil || len(list.Summaries) == 0 {
		return
	}
	target := list.Summaries[u.rng.IntN(len(list.Summaries))].PipelineExecutionID
	var out codepipeline.RollbackStageOutput
	if _, err := u.do("RollbackStage", codepipeline.RollbackStageInput{PipelineName: name, StageName: stage, TargetPipelineExecutionID: target}, &out); err == nil {
		u.note(func() { u.rollbacks[out.PipelineExecutionID] = target })
	}
}
