package codepipeline

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// An Orchestrator is what the API needs of *orchestrator.Service: every
// operation that changes something. Its errors carry the API's codes.
type Orchestrator interface {
	CreatePipeline(ctx context.Context, req orchestrator.Create) (pipeline.Declaration, error)
	UpdatePipeline(ctx context.Context, d pipeline.Declaration, by string) (pipeline.Declaration, error)
	DeletePipeline(ctx context.Context, name, by string) error
	StartExecution(ctx context.Context, req orchestrator.Start) (string, error)
	StopExecution(ctx context.Context, req orchestrator.Stop) error
	RetryStage(ctx context.Context, req orchestrator.Retry) error
	PutApproval(ctx context.Context, req orchestrator.Approval) (time.Time, error)
	PutJobSuccess(ctx context.Context, req orchestrator.JobSuccess) error
	PutJobFailure(ctx context.Context, req orchestrator.JobFailure) error
	SetTransition(ctx context.Context, req orchestrator.Transition) error
	RollbackStage(ctx context.Context, req orchestrator.Rollback) (string, error)
	OverrideCondition(ctx context.Context, req orchestrator.Override) error
}

// operations is what Sluice offers of the API.
var operations = map[string]operation{
	"CreatePipeline": reply(createPipelineShape, call.createPipeline).upTo(declarationBytes),
	"UpdatePipeline": reply(updatePipelineShape, call.updatePipeline).upTo(declarationBytes),
	"GetPipeline":    reply(getPipelineShape, call.getPipeline),
	"DeletePipeline": silent(deletePipelineShape, call.deletePipeline),
	"ListPipelines":  reply(listPipelinesShape, call.listPipelines),

	"StartPipelineExecution": reply(startPipelineExecutionShape, call.startPipelineExecution),
	"StopPipelineExecution":  reply(stopPipelineExecutionShape, call.stopPipelineExecution),
	"GetPipelineExecution":   reply(getPipelineExecutionShape, call.getPipelineExecution),
	"ListPipelineExecutions": reply(listPipelineExecutionsShape, call.listPipelineExecutions),
	"ListActionExecutions":   reply(listActionExecutionsShape, call.listActionExecutions),

	"GetPipelineState":       reply(getPipelineStateShape, call.getPipelineState),
	"EnableStageTransition":  silent(enableStageTransitionShape, call.enableStageTransition),
	"DisableStageTransition": silent(disableStageTransitionShape, call.disableStageTransition),
	"RetryStageExecution":    reply(retryStageExecutionShape, call.retryStageExecution),
	"PutApprovalResult":      reply(putApprovalResultShape, call.putApprovalResult),
	"RollbackStage":          reply(rollbackStageShape, call.rollbackStage),
	"OverrideStageCondition": silent(overrideStageConditionShape, call.overrideStageCondition),
	"ListRuleExecutions":     reply(listActionExecutionsShape, call.listRuleExecutions),

	"PutJobSuccessResult": silent(putJobSuccessResultShape, call.putJobSuccessResult),
	"PutJobFailureResult": silent(putJobFailureResultShape, call.putJobFailureResult),

	"ListTagsForResource": reply(listTagsForResourceShape, call.listTagsForResource),
}

// missing is the rest of the API: known, and refused by name.
var missing = []string{
	"AcknowledgeJob", "AcknowledgeThirdPartyJob", "CreateCustomActionType", "DeleteCustomActionType", "DeleteWebhook",
	"DeregisterWebhookWithThirdParty", "GetActionType", "GetJobDetails", "GetThirdPartyJobDetails", "ListActionTypes",
	"ListDeployActionExecutionTargets", "ListRuleTypes", "ListWebhooks",
	"PollForJobs", "PollForThirdPartyJobs", "PutActionRevision", "PutThirdPartyJobFailureResult", "PutThirdPartyJobSuccessResult", "PutWebhook", "RegisterWebhookWithThirdParty",
	"TagResource", "UntagResource", "UpdateActionType",
}

// How many bytes a request may have.
const (
	requestBytes     = 1 << 20
	declarationBytes = 5 << 20
)

// An operation checks and answers the body of a request. No answer is an
// empty body.
type operation struct {
	serve func(c call, ctx context.Context, body []byte) (any, error)
	limit int64
}

// upTo returns o with another limit on the size of its requests.
func (o operation) upTo(limit int64) operation {
	o.limit = limit
	return o
}

// reply makes an operation of f, which is called with inputs of shape want.
func reply[In, Out any](want structure, f func(call, context.Context, In) (Out, error)) operation {
	return operation{limit: requestBytes, serve: func(c call, ctx context.Context, body []byte) (any, error) {
		var in In
		if err := decode(body, want, &in); err != nil {
			return nil, err
		}
		return f(c, ctx, in)
	}}
}

// silent is reply for an operation whose answer has no body.
func silent[In any](want structure, f func(call, context.Context, In) error) operation {
	return reply(want, func(c call, ctx context.Context, in In) (any, error) { return nil, f(c, ctx, in) })
}

// A call is one request on its way through the server.
type call struct {
	*Server
	by string // ARN of the caller
}

// A Server answers the API. It is safe for concurrent use.
type Server struct {
	orchestrator Orchestrator
	read         record.Reader
	region       string
	user         string
	whois        func(*http.Request) string
	entityURL    func(pipeline.Action) string
	log          *slog.Logger
}

// Options holds what has a sensible default. The zero value is valid.
type Options struct {
	User      string                       // caller of requests without credentials; default: they are refused
	Caller    func(*http.Request) string   // ARN of who was found to have sent a request, "" if nobody; default: read from its signature, unchecked
	EntityURL func(pipeline.Action) string // page of what an action works on; default: none is known
	Log       *slog.Logger                 // default slog.DiscardHandler
}

// New returns a server that changes things through o and reads them through r.
// It speaks for one Region and for the account of r.
func New(o Orchestrator, r record.Reader, region string, opts Options) (*Server, error) {
	if o == nil || r.Store == nil || r.Account == "" || region == "" {
		return nil, errors.New("codepipeline.New: orchestrator, store, account and region are required")
	}
	s := &Server{orchestrator: o, read: r, region: region, user: opts.User, whois: opts.Caller, entityURL: opts.EntityURL, log: opts.Log}
	if s.entityURL == nil {
		s.entityURL = func(pipeline.Action) string { return "" }
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s, nil
}

// ServeHTTP is the one place where an operation is found, run and its error
// turned into an answer.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := uuid()
	w.Header().Set("x-amzn-RequestId", id)
	secure(w.Header())
	out, err := s.serve(w, r)
	if err == nil {
		writeReply(w, out)
		return
	}
	code := pipeline.CodeOf(err)
	if status(code) >= 500 && r.Context().Err() == nil { // a caller who left gets no answer and is no failure
		s.log.ErrorContext(r.Context(), "request failed", "operation", r.Header.Get(targetHeader), "request", id, "code", code, "err", err)
	}
	writeError(w, err, id)
}

// serve returns what r is answered; w only limits how r is read.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) (any, error) {
	if err := acceptable(r); err != nil {
		return nil, err
	}
	op, err := operationOf(r.Header.Get(targetHeader))
	if err != nil {
		return nil, err
	}
	by, err := s.caller(r)
	if err != nil {
		return nil, err
	}
	body, err := readBody(w, r, op.limit)
	if err != nil {
		return nil, err
	}
	return op.serve(call{s, by}, r.Context(), body)
}

const (
	targetHeader = "X-Amz-Target"
	targetPrefix = "CodePipeline_20150709."
)

// operationOf returns the operation that the target header names.
func operationOf(target string) (operation, error) {
	name, ours := strings.CutPrefix(target, targetPrefix)
	op, offered := operations[name]
	switch {
	case ours && offered:
		return op, nil
	case ours && slices.Contains(missing, name):
		return op, pipeline.Errorf(unknownOperation, "Sluice does not offer %s yet. It offers: %s", name, offers())
	case target == "":
		return op, pipeline.Errorf(unknownOperation, "the header %s is missing; it names the operation, as in %sListPipelines", targetHeader, targetPrefix)
	}
	return op, pipeline.Errorf(unknownOperation, "%q is not an operation of CodePipeline; the header %s looks like %sListPipelines", target, targetHeader, targetPrefix)
}

func offers() string { return strings.Join(slices.Sorted(maps.Keys(operations)), ", ") }

// uuid returns a random UUID.
func uuid() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
