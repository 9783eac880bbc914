package orchestrator

import (
	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// A Create asks for a new pipeline. Start says whether a first execution is
// started at once, as CodePipeline does (trigger CreatePipeline).
type Create struct {
	Declaration pipeline.Declaration
	Tags        []record.Tag
	Start       bool
	By          string // ARN of the caller, as in every request below
}

// A Start asks for an execution. A repeated ClientToken gives the execution of
// the first request, whatever else the second one says.
type Start struct {
	Pipeline    string
	Variables   []record.Variable
	Overrides   map[string]action.Override // by source action
	ClientToken string
	Trigger     record.Trigger
}

// A Stop asks an execution to end: after its running actions, or at once.
type Stop struct {
	Pipeline, Execution string
	Abandon             bool
	Reason              string
	By                  string
}

// A Retry asks that a failed or stopped stage runs again.
type Retry struct {
	Pipeline, Stage, Execution string
	Mode                       pipeline.RetryMode
	By                         string
}

// A Rollback asks that a stage runs again as an earlier execution ran it.
type Rollback struct {
	Pipeline, Stage string
	Target          string // the earlier execution
	By              string
}

// An Override asks that an execution passes a gate whose condition is being
// evaluated.
type Override struct {
	Pipeline, Stage, Execution string
	Gate                       record.GateKind // BeforeEntry, OnSuccess
	By                         string
}

// An Approval is somebody's answer to a manual approval.
type Approval struct {
	Pipeline, Stage, Action string
	Token                   string // of the request, from the stage's state or the message
	Approved                bool
	Summary                 string
	By                      string
}

// A Transition opens or closes the way into a stage (Inbound) or out of it
// (Outbound, which is the way into the next).
type Transition struct {
	Pipeline, Stage string
	Outbound        bool
	Enabled         bool
	Reason          string // required to close
	By              string
}
