// Package action is the port to the providers that do the work of actions.
//
// [Provider] is the port; one folder below is one provider; package actiontest
// holds the contract. The orchestrator decides when an action runs and what
// its end means. A provider knows only how to do one job.
package action

import (
	"context"
	"time"

	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// A Job is one attempt at one action: everything a provider may know.
type Job struct {
	ID          string // action execution id, a UUID; the idempotency key of the work
	Pipeline    string
	Version     int // of the pipeline's declaration
	ExecutionID string
	Stage       string
	Action      pipeline.Action // variables in its configuration are resolved
	Region      string
	Account     string // 12 digits
	Role        string // ARN of the role the work is done in; empty: whose process it is
	Inputs      []Artifact
	Outputs     []Artifact // names and places to write to; no digest yet
	Revision    Override   // zero: take the newest
	Gate        string     // of a rule: beforeEntry, onSuccess, onFailure; else empty
	Begun       time.Time  // when it was recorded
	Deadline    time.Time  // when the action times out
	Cursor      string     // that of the last Result; empty: the work is at its beginning
}

// An Artifact is a named object. Revision is what the source called it.
type Artifact struct {
	Name     string   `json:"name"`
	Ref      blob.Ref `json:"ref"`
	Revision string   `json:"revision,omitempty"`
}

// An Override pins the revision of a source action (API, SourceRevisionOverride).
type Override struct {
	Type  string `json:"revisionType"` // COMMIT_ID, IMAGE_DIGEST, S3_OBJECT_VERSION_ID, S3_OBJECT_KEY
	Value string `json:"revisionValue"`

	ObjectVersion string `json:"objectVersion,omitempty"` // of S3_OBJECT_KEY: the version of that object; empty: its newest

	// What was pushed, when a push pinned the commit; at most one of them.
	Branch string `json:"branch,omitempty"`
	Tag    string `json:"tag,omitempty"`
}

// A Result says how a job stands. Everything but Status may be empty.
type Result struct {
	Status      pipeline.Status   `json:"status"` // InProgress, Succeeded, Failed; Lost if nobody knows
	Summary     string            `json:"summary,omitempty"`
	Percent     int               `json:"percentComplete,omitempty"` // if the work tells
	ExternalID  string            `json:"externalExecutionId,omitempty"`
	ExternalURL string            `json:"externalExecutionUrl,omitempty"`
	Error       *Error            `json:"errorDetails,omitempty"` // when Failed
	Variables   map[string]string `json:"outputVariables,omitempty"`
	Outputs     []Artifact        `json:"outputArtifacts,omitempty"` // with digests
	Revision    *Revision         `json:"revision,omitempty"`        // that a source fetched, or a function worked on
	Token       string            `json:"token,omitempty"`           // of an approval
	Log         bool              `json:"log,omitempty"`             // whether there is a log under the job's id
	Simulated   bool              `json:"simulated,omitempty"`       // nothing was really done; Summary says so too

	// Cursor says how far work in progress has come that is done in pieces,
	// within Start and Poll. Nobody goes on with it until Poll is called again,
	// with the cursor in the job.
	Cursor string `json:"cursor,omitempty"`
}

// Lost is the status of work that went on elsewhere and that nobody knows any
// more: the process that did it is gone. The orchestrator runs it again.
const Lost pipeline.Status = "Lost"

// An Error is why an action failed. Code is one of CodePipeline's failure
// types (API, data types) and Message names what was wrong with what.
type Error struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// The failure types.
const (
	JobFailed           = "JobFailed"
	ConfigurationError  = "ConfigurationError"
	PermissionError     = "PermissionError"
	RevisionOutOfSync   = "RevisionOutOfSync"
	RevisionUnavailable = "RevisionUnavailable"
	SystemUnavailable   = "SystemUnavailable"
	Timeout             = "Timeout"
)

// A Revision is what a source action fetched.
type Revision struct {
	ID      string    `json:"revisionId"`
	Change  string    `json:"revisionChangeId,omitempty"` // what the revision is a change of; empty: as ID
	Summary string    `json:"revisionSummary,omitempty"`
	URL     string    `json:"revisionUrl,omitempty"`
	Created time.Time `json:"created,omitzero"`
}

// A Provider does the jobs of one action type. It is safe for concurrent use.
//
// A failure of the work is a Result with Status Failed and an Error. A Go
// error means that the provider could not tell; the call is made again.
type Provider interface {
	// Start begins a job, or does a short one whole. Status InProgress means
	// that it goes on elsewhere: Poll tells how it stands. Starting a job that
	// was started before, even by a process that has died, never does its work
	// twice; it returns what Poll would, Lost included.
	Start(ctx context.Context, job Job) (Result, error)

	// Poll tells how a started job stands. Once it has told an end it tells
	// the same end for ever.
	Poll(ctx context.Context, job Job) (Result, error)

	// Stop ends a job that is in progress and returns when nothing of it runs
	// here any more. Stopping one that has ended, or never began, does nothing.
	Stop(ctx context.Context, job Job) error
}

// A Preparer is a Provider that can make ready for a job before the job is
// recorded, while that is being written: nothing of the job's work is done, and
// nothing that anybody could notice. Start goes on from there. If the job does
// not come to be, discard undoes the preparation; once Start has returned nil it
// is not called. A job is prepared at most once, and before its first Start.
type Preparer interface {
	Prepare(job Job) (discard func())
}

// A Catalog knows the provider of every action type.
type Catalog interface {
	// Provider returns who does jobs of type id. It never returns nil: a type
	// that cannot run here is simulated, or refused by its jobs' results.
	Provider(id pipeline.ActionTypeID) Provider
}

// Fail returns the Result of a job that failed with code and message.
func Fail(code, message string) Result {
	return Result{Status: pipeline.Failed, Summary: message, Error: &Error{Code: code, Message: message}}
}
