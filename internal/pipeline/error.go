package pipeline

import (
	"errors"
	"fmt"
)

// Code names a failure as the API does: the exception's name without a
// prefix. Callers act on the code and show the message; they never parse it.
type Code string

// The exceptions of the API (API, errors) that more than one package
// speaks of. The rest live beside the operation that raises them.
const (
	Validation                 Code = "ValidationException"
	InvalidStructure           Code = "InvalidStructureException"
	InvalidStageDeclaration    Code = "InvalidStageDeclarationException"
	InvalidActionDeclaration   Code = "InvalidActionDeclarationException"
	InvalidNextToken           Code = "InvalidNextTokenException"
	PipelineNameInUse          Code = "PipelineNameInUseException"
	PipelineNotFound           Code = "PipelineNotFoundException"
	PipelineVersionNotFound    Code = "PipelineVersionNotFoundException"
	PipelineExecutionNotFound  Code = "PipelineExecutionNotFoundException"
	StageNotFound              Code = "StageNotFoundException"
	ActionNotFound             Code = "ActionNotFoundException"
	ActionExecutionNotFound    Code = "ActionExecutionNotFoundException"
	NotStoppable               Code = "PipelineExecutionNotStoppableException"
	DuplicatedStopRequest      Code = "DuplicatedStopRequestException"
	UnableToRollbackStage      Code = "UnableToRollbackStageException"
	PipelineExecutionOutdated  Code = "PipelineExecutionOutdatedException"
	ConditionNotOverridable    Code = "ConditionNotOverridableException"
	StageNotRetryable          Code = "StageNotRetryableException"
	NotLatestPipelineExecution Code = "NotLatestPipelineExecutionException"
	ConcurrentExecutionsLimit  Code = "ConcurrentPipelineExecutionsLimitExceededException"
	InvalidApprovalToken       Code = "InvalidApprovalTokenException"
	ApprovalAlreadyCompleted   Code = "ApprovalAlreadyCompletedException"
	JobNotFound                Code = "JobNotFoundException"
	InvalidJobState            Code = "InvalidJobStateException"
	OutputVariablesTooLarge    Code = "OutputVariablesSizeExceededException"
	Conflict                   Code = "ConflictException"
	LimitExceeded              Code = "LimitExceededException"
	InternalFailure            Code = "InternalFailure"    // ours to fix; the message stays in the log
	ServiceUnavailable         Code = "ServiceUnavailable" // try again later
)

// Error is a failure with a code. The zero code is never used.
type Error struct {
	Code Code
	err  error
}

func (e *Error) Error() string { return e.err.Error() }
func (e *Error) Unwrap() error { return e.err }

// Errorf formats like fmt.Errorf, %w included, and attaches code.
func Errorf(code Code, format string, args ...any) error {
	return &Error{Code: code, err: fmt.Errorf(format, args...)}
}

// CodeOf returns the outermost code in err's chain. An error without one is
// an InternalFailure; nil has the empty code.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return InternalFailure
}
