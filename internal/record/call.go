package record

import (
	"context"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/store"
)

// A Call is the newest invocation of a function for an action execution. Who
// invokes and who receives the answer write it both, on condition that nobody
// else has. There is another one, with a new ID, after each continuation.
type Call struct {
	ID           string    `json:"id"`                     // the job id in the event; the action execution id at first
	Continuation string    `json:"continuation,omitempty"` // the token the function gave with its last answer
	Due          time.Time `json:"due,omitzero"`           // not to be made before
	Claimed      time.Time `json:"claimed,omitzero"`       // when somebody set out to make it
	Made         time.Time `json:"made,omitzero"`          // when it was made; zero: not yet

	// What the function told of its progress with a continuation.
	Summary    string `json:"summary,omitempty"`
	ExternalID string `json:"externalExecutionId,omitempty"`
	Percent    int    `json:"percentComplete,omitempty"`

	// Answer is the end the function told, or nil if it told none yet. It has
	// no outputs.
	Answer *action.Result `json:"answer,omitempty"`
}

// A Told is what a job was answered, kept so that a repeated answer is told
// from another one.
type Told struct {
	Status pipeline.Status `json:"status"` // Succeeded, with a continuation too, or Failed
	Digest string          `json:"digest"` // of the whole answer
}

// CallKey is the key of the Call of an action execution.
func CallKey(id string) store.Key { return store.Key{PK: "CALL#" + id, SK: "CALL"} }

// ToldKey is the key of what a job was answered.
func ToldKey(job string) store.Key { return store.Key{PK: "JOB#" + job, SK: "TOLD"} }

// Call returns the newest call of an action execution; version 0 if there was
// none.
func (r Reader) Call(ctx context.Context, id string) (Versioned[Call], error) {
	return load[Call](ctx, r, CallKey(id), func() error { return nil })
}

// Told returns what a job was answered; version 0 if nothing.
func (r Reader) Told(ctx context.Context, job string) (Versioned[Told], error) {
	return load[Told](ctx, r, ToldKey(job), func() error { return nil })
}
