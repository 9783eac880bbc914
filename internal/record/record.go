package record

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/stage"
	"github.com/sluice-ci/sluice/internal/store"
)

// A Pipeline is what changes about a pipeline. Its declaration is in Version.
type Pipeline struct {
	Name    string    `json:"name"`
	Version int       `json:"version"`           // the newest
	NextSeq int64     `json:"nextSeq"`           // of the next execution
	Deleted bool      `json:"deleted,omitempty"` // a tombstone: history stays, numbers go on
	Tags    []Tag     `json:"tags,omitempty"`
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
}

// A Tag of a resource.
type Tag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// A Version is one declaration of a pipeline. It never changes.
type Version struct {
	Declaration pipeline.Declaration `json:"declaration"`
	Created     time.Time            `json:"created"`
	Home
}

// A Home is what a deployment made for a pipeline in an AWS account. On a
// laptop it is zero.
type Home struct {
	Machine string `json:"machine,omitempty"` // ARN of the version of the state machine that runs it
	Role    string `json:"role,omitempty"`    // ARN of the role that its actions have when they declare none
}

// An Execution is one run of a pipeline.
type Execution struct {
	ID            string          `json:"id"`
	Pipeline      string          `json:"pipeline"`
	Version       int             `json:"version"` // of the declaration it runs
	Seq           int64           `json:"seq"`     // order of starts within the pipeline
	Status        pipeline.Status `json:"status"`
	StatusSummary string          `json:"statusSummary,omitempty"`
	Mode          pipeline.Mode   `json:"mode"`
	Type          string          `json:"type"`             // STANDARD, ROLLBACK
	Target        string          `json:"target,omitempty"` // of a rollback: the execution it goes back to
	Trigger       Trigger         `json:"trigger"`

	Role    string `json:"role,omitempty"`    // of its actions that declare none
	Attempt int    `json:"attempt"`           // 1; grows with every retry
	Run     string `json:"run"`               // name of its machine run
	Stage   int    `json:"stage"`             // index of the stage it is in or waits for
	Entry   int    `json:"entry"`             // grows each time it queues for a stage
	Inside  bool   `json:"inside"`            // whether it was admitted to Stage
	Fence   int64  `json:"fence,omitempty"`   // of the grant, when inside
	Outside bool   `json:"outside,omitempty"` // it ended while it waited for Stage
	Since   int    `json:"since"`             // results of actions count from this attempt on

	Variables []Variable                 `json:"variables,omitempty"` // pipeline level, resolved
	Overrides map[string]action.Override `json:"overrides,omitempty"` // by source action
	Revisions []Revision                 `json:"revisions,omitempty"`
	Gated     bool                       `json:"gated,omitempty"`   // whether any condition was evaluated
	Skipped   []string                   `json:"skipped,omitempty"` // stages that an entry condition left out
	Retried   []string                   `json:"retried,omitempty"` // stages that have had their automatic retry
	Stop      *Stop                      `json:"stop,omitempty"`
	Again     bool                       `json:"again,omitempty"`    // what failed in its stage is to run again when the rest has ended
	Repeated  string                     `json:"repeated,omitempty"` // the visit of a state that led back into its stage last
	Cancel    bool                       `json:"cancel,omitempty"`   // its pipeline was updated or deleted

	Started time.Time `json:"started"`
	Updated time.Time `json:"updated"`
}

// A Trigger is why an execution was started (API, data types).
type Trigger struct {
	Type   string `json:"triggerType"`
	Detail string `json:"triggerDetail"`
}

// A Variable of the pipeline with its value.
type Variable struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// A Revision is what one source action fetched.
type Revision struct {
	Action   string `json:"action"`
	Artifact string `json:"artifact"`
	action.Revision
}

// A Stop is somebody's wish that an execution ends.
type Stop struct {
	Reason  string    `json:"reason,omitempty"`
	Abandon bool      `json:"abandon"`
	By      string    `json:"by"`
	At      time.Time `json:"at"`
}

// Passed reports whether e succeeded in the stage with index i, called name,
// of what it runs: then a rollback of that stage may go back to e.
func (e Execution) Passed(i int, name string) bool {
	return e.Type != Rollback && (e.Status == pipeline.Succeeded || e.Stage > i) && !slices.Contains(e.Skipped, name)
}

// The types of executions.
const (
	Standard = "STANDARD"
	Rollback = "ROLLBACK" // of one stage
)

// An Action is one try of an action of an execution, or of a rule of one of
// its gates.
type Action struct {
	ID        string          `json:"id"` // action execution id
	Pipeline  string          `json:"pipeline"`
	Version   int             `json:"version"`
	Execution string          `json:"execution"`
	Seq       int64           `json:"seq"` // of the execution
	Stage     string          `json:"stage"`
	Gate      GateKind        `json:"gate,omitempty"` // of a rule
	Name      string          `json:"name"`
	Attempt   int             `json:"attempt"`
	Try       int             `json:"try"`
	Status    pipeline.Status `json:"status"`
	Run       string          `json:"run"`                 // machine run whose task waits
	Token     string          `json:"token"`               // of that task; never leaves the account
	Call      int             `json:"call,omitempty"`      // which call of the task it is
	UpdatedBy string          `json:"updatedBy,omitempty"` // who answered it

	Job    action.Job    `json:"job"`    // as it was started
	Raw    Configuration `json:"raw"`    // before variables were resolved
	Result action.Result `json:"result"` // Token in it is the approval's

	Started time.Time `json:"started"`
	Updated time.Time `json:"updated"`
}

// Configuration is the configuration of an action.
type Configuration map[string]string

// Key returns where a is stored.
func (a Action) Key() store.Key { return a.Ref().Key() }

// Ref returns what tells a from all others.
func (a Action) Ref() ActionID {
	return ActionID{Execution: a.Execution, Attempt: a.Attempt, Stage: a.Stage, Gate: a.Gate, Name: a.Name, Try: a.Try}
}

// A GateKind is one of the three places of a stage that may have a condition.
type GateKind string

const (
	BeforeEntry GateKind = "beforeEntry"
	OnSuccess   GateKind = "onSuccess"
	OnFailure   GateKind = "onFailure"
)

// A Gate is one evaluation of the condition of a gate.
type Gate struct {
	Status    pipeline.Status `json:"status"` // InProgress, Succeeded, Failed, Cancelled, Abandoned, Overridden
	Summary   string          `json:"summary,omitempty"`
	UpdatedBy string          `json:"updatedBy,omitempty"` // who overrode it
	Updated   time.Time       `json:"updated"`

	// Leave is the task that waits to leave the stage, of an exit gate.
	Token string `json:"token,omitempty"`
	Call  int    `json:"call,omitempty"` // which call of the task it is
	Visit string `json:"visit,omitempty"`
	Enter string `json:"enter,omitempty"` // stage behind; empty behind the last
}

// A Waiter is the machine task that waits until a stage admits its execution.
type Waiter struct {
	Token string `json:"token"`
	Run   string `json:"run"`
	Call  int    `json:"call,omitempty"` // which call of the task it is
}

// A Stage is the lock of a stage and what there is to show of it.
type Stage struct {
	Lock       stage.State      `json:"lock"`
	Latest     *StageExecution  `json:"latest,omitempty"`
	Transition stage.Transition `json:"transition"`
	Retries    Retries          `json:"retries"`
}

// A StageExecution is the latest execution that entered a stage.
type StageExecution struct {
	Execution string          `json:"execution"`
	Status    pipeline.Status `json:"status"`
	Type      string          `json:"type"`
}

// Retries counts the retries of a stage's latest execution.
type Retries struct {
	Auto   int    `json:"auto,omitempty"`
	Manual int    `json:"manual,omitempty"`
	Latest string `json:"latest,omitempty"` // AutomatedStageRetry, ManualStageRetry
}

// A Decision is what was made of an event that might have started a pipeline.
type Decision struct {
	ID        string    `json:"id"`
	Pipeline  string    `json:"pipeline"`
	Event     string    `json:"event"` // what happened, in a line
	Started   bool      `json:"started"`
	Execution string    `json:"execution,omitempty"`
	Reason    string    `json:"reason"` // why, or why not
	At        time.Time `json:"at"`
}

// Encode returns v as the value of an item.
func Encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("record: %T is not JSON: %v", v, err)) // only a type of ours can cause it
	}
	return b
}

// Decode reads the value of an item.
func Decode[T any](it store.Item) (T, error) {
	var v T
	if err := json.Unmarshal(it.Value, &v); err != nil {
		return v, fmt.Errorf("item %s %s: %w", it.PK, it.SK, err)
	}
	return v, nil
}
