package races

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/sluice-ci/sluice/internal/codepipeline"
	"github.com/sluice-ci/sluice/internal/orchestrator/orchestratortest"
)

// A verb is a request of the API, or something else that happens.
type verb struct {
	name, operation string
	body            func(p *place) any
	errors          string                                               // that the API lists for the operation, without ValidationException; "Exception" is left out
	ends            bool                                                 // what is asked about is gone afterwards: who looked before may be told how it stands halfway
	many            bool                                                 // it looks who is there and then does a transaction for each of them
	happens         func(context.Context, *orchestratortest.World) error // instead of a request
}

// verbs are the control verbs of the matrix, in two forms where two forms race
// in different ways; behind them is what is played against them as well.
var verbs = []verb{
	{name: "start", operation: "StartPipelineExecution", body: func(*place) any { return fields{"name": "app"} },
		errors: "Conflict PipelineNotFound ConcurrentPipelineExecutionsLimitExceeded"},
	{name: "stop and wait", operation: "StopPipelineExecution", body: stop(false), errors: stopErrors},
	{name: "stop and abandon", operation: "StopPipelineExecution", body: stop(true), errors: stopErrors},
	{name: "retry what failed", operation: "RetryStageExecution", body: retry("FAILED_ACTIONS"), errors: retryErrors},
	{name: "retry all", operation: "RetryStageExecution", body: retry("ALL_ACTIONS"), errors: retryErrors},
	{name: "roll back", operation: "RollbackStage", body: func(p *place) any {
		return fields{"pipelineName": "app", "stageName": p.stage, "targetPipelineExecutionId": p.passed}
	}, errors: "Conflict PipelineNotFound PipelineExecutionNotFound PipelineExecutionOutdated StageNotFound UnableToRollbackStage"},
	{name: "approve", operation: "PutApprovalResult", body: answer("Approved"), errors: answerErrors},
	{name: "reject", operation: "PutApprovalResult", body: answer("Rejected"), errors: answerErrors},
	{name: "disable", operation: "DisableStageTransition", body: func(p *place) any {
		return fields{"pipelineName": "app", "stageName": p.stage, "transitionType": "Inbound", "reason": "freeze"}
	}, errors: "PipelineNotFound StageNotFound"},
	{name: "enable", operation: "EnableStageTransition", body: func(p *place) any {
		return fields{"pipelineName": "app", "stageName": p.stage, "transitionType": "Inbound"}
	}, errors: "PipelineNotFound StageNotFound"},
	{name: "override", operation: "OverrideStageCondition", body: func(p *place) any {
		return fields{"pipelineName": "app", "stageName": p.gatedIn, "pipelineExecutionId": p.gated, "conditionType": p.gate}
	}, errors: "Conflict PipelineNotFound StageNotFound ConditionNotOverridable NotLatestPipelineExecution ConcurrentPipelineExecutionsLimitExceeded"},
	// That a pipeline is not there is in no list of UpdatePipeline, whose list is old: see docs/conformance.md.
	{name: "update", operation: "UpdatePipeline", many: true, body: func(p *place) any { return fields{"pipeline": p.declaration} },
		errors: "InvalidStageDeclaration InvalidActionDeclaration InvalidBlockerDeclaration InvalidStructure LimitExceeded PipelineNotFound"},

	{name: "delete", operation: "DeletePipeline", ends: true, many: true, body: func(*place) any { return fields{"name": "app"} }, errors: "ConcurrentModification"},
	{name: "a function has done its job", operation: "PutJobSuccessResult", body: func(p *place) any { return fields{"jobId": p.job} },
		errors: "JobNotFound InvalidJobState OutputVariablesSizeExceeded"},
	{name: "a function cannot do its job", operation: "PutJobFailureResult", body: func(p *place) any {
		return fields{"jobId": p.job, "failureDetails": fields{"type": "JobFailed", "message": "no"}}
	}, errors: "JobNotFound InvalidJobState"},
	{name: "what waits happens", happens: func(ctx context.Context, w *orchestratortest.World) error {
		if len(w.Todo) == 0 {
			return nil
		}
		return w.Next(ctx)
	}},
	{name: "the minute passes", many: true, happens: func(ctx context.Context, w *orchestratortest.World) error { return w.Sweep(ctx) }},
}

// controls is how many of them are control verbs.
const controls = 12

const (
	stopErrors   = "Conflict PipelineNotFound PipelineExecutionNotStoppable DuplicatedStopRequest"
	retryErrors  = "Conflict PipelineNotFound StageNotFound StageNotRetryable NotLatestPipelineExecution ConcurrentPipelineExecutionsLimitExceeded"
	answerErrors = "InvalidApprovalToken ApprovalAlreadyCompleted PipelineNotFound StageNotFound ActionNotFound"
)

type fields map[string]any

func stop(abandon bool) func(*place) any {
	return func(p *place) any {
		return fields{"pipelineName": "app", "pipelineExecutionId": p.running, "abandon": abandon, "reason": "enough"}
	}
}

func retry(mode string) func(*place) any {
	return func(p *place) any {
		return fields{"pipelineName": "app", "stageName": p.stage, "pipelineExecutionId": p.target, "retryMode": mode}
	}
}

func answer(status string) func(*place) any {
	return func(p *place) any {
		return fields{"pipelineName": "app", "stageName": "Release", "actionName": "Gate", "token": p.token,
			"result": fields{"summary": "seen", "status": status}}
	}
}

// ok is the answer to a request that is accepted.
const ok = "ok"

// ask sends v's request to the API of w in the name of who, and returns the
// name of the error that it is answered with, or ok.
func (v verb) ask(ctx context.Context, w *orchestratortest.World, p *place, who string) string {
	if v.happens != nil {
		if err := v.happens(ctx, w); err != nil {
			return "failure: " + err.Error()
		}
		return ok
	}
	server, err := codepipeline.New(w.Service, w.Records, orchestratortest.Home.Region, codepipeline.Options{User: who})
	if err != nil {
		panic(err) // it has all that it asks for
	}
	body, err := json.Marshal(v.body(p))
	if err != nil {
		panic(err) // maps of texts always encode
	}
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "CodePipeline_20150709."+v.operation)
	got := httptest.NewRecorder()
	server.ServeHTTP(got, r)
	if got.Code == http.StatusOK {
		return ok
	}
	var refusal struct {
		Type string `json:"__type"`
	}
	if err := json.Unmarshal(got.Body.Bytes(), &refusal); err != nil || got.Code >= 500 {
		return "failure: " + got.Body.String()
	}
	return refusal.Type
}

// lists reports whether result is one that a client may see of v.
func (v verb) lists(result string) bool {
	if result == ok {
		return true
	}
	for _, name := range strings.Fields(v.errors) {
		if name+"Exception" == result {
			return true
		}
	}
	return false
}
