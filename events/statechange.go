package events

// CodePipeline is the source of the state changes, and SluicePipeline the one
// they have on the event bus of an AWS account, where only AWS may put events
// of a source that begins with "aws.".
//
// EventBridge gives every delivery an id of its own. So ours travels in the
// detail, as EventID: deliveries of one event have the same. A laptop keeps it
// in the envelope.
const (
	CodePipeline   = "aws.codepipeline"
	SluicePipeline = "sluice.codepipeline"
)

// State is what became of an execution of a pipeline, a stage or an action.
type State string

const (
	Started    State = "STARTED"
	Resumed    State = "RESUMED"  // by a retry; not of actions
	Stopping   State = "STOPPING" // not of actions
	Stopped    State = "STOPPED"  // not of actions
	Succeeded  State = "SUCCEEDED"
	Failed     State = "FAILED"
	Canceled   State = "CANCELED"
	Superseded State = "SUPERSEDED" // of pipelines only
	Abandoned  State = "ABANDONED"  // of actions only
)

// PipelineStateChange says that an execution of a pipeline changed its state.
type PipelineStateChange struct {
	EventID     string  `json:"sluice-event-id,omitempty"` // the same for every delivery
	Pipeline    string  `json:"pipeline"`
	ExecutionID string  `json:"execution-id"`
	StartTime   Time    `json:"start-time"`
	State       State   `json:"state"`
	Version     Number  `json:"version"`                    // of the pipeline
	Attempt     Number  `json:"pipeline-execution-attempt"` // grows with every retry in the execution
	Trigger     Trigger `json:"execution-trigger"`
	StopComment string  `json:"stop-execution-comments,omitempty"` // when stopped by somebody
}

// A Trigger is why an execution was started. All but the first two fields
// belong to git triggers.
type Trigger struct {
	Type           string `json:"trigger-type"`
	Detail         string `json:"trigger-detail"`
	AuthorName     string `json:"author-display-name,omitempty"`
	AuthorEmail    string `json:"author-email,omitempty"`
	AuthorID       string `json:"author-id,omitempty"`
	AuthorDate     string `json:"author-date,omitempty"`
	CommitID       string `json:"commit-id,omitempty"`
	CommitMessage  string `json:"commit-message,omitempty"`
	RepositoryName string `json:"full-repository-name,omitempty"`
	ProviderType   string `json:"provider-type,omitempty"` // such as GitHub
	BranchName     string `json:"branch-name,omitempty"`   // or TagName
	TagName        string `json:"tag-name,omitempty"`
	ConnectionARN  string `json:"connection-arn,omitempty"`
}

// StageStateChange says that a stage changed its state in an execution.
type StageStateChange struct {
	EventID       string `json:"sluice-event-id,omitempty"` // the same for every delivery
	Pipeline      string `json:"pipeline"`
	ExecutionID   string `json:"execution-id"`
	StartTime     Time   `json:"start-time"`
	Stage         string `json:"stage"`
	State         State  `json:"state"`
	Version       Number `json:"version"`
	Attempt       Number `json:"pipeline-execution-attempt"`
	LastRetryTime *Time  `json:"stage-last-retry-attempt-time,omitempty"` // when retried
}

// ActionStateChange says that an action changed its state in an execution.
type ActionStateChange struct {
	EventID           string           `json:"sluice-event-id,omitempty"` // the same for every delivery
	Pipeline          string           `json:"pipeline"`
	ExecutionID       string           `json:"execution-id"`
	StartTime         Time             `json:"start-time"`
	Stage             string           `json:"stage"`
	ActionExecutionID string           `json:"action-execution-id"`
	Action            string           `json:"action"`
	Region            string           `json:"region"` // the action's
	State             State            `json:"state"`
	Version           Number           `json:"version"`
	Attempt           Number           `json:"pipeline-execution-attempt"`
	Type              ActionType       `json:"type"`
	InputArtifacts    []Artifact       `json:"input-artifacts,omitempty"`
	OutputArtifacts   []Artifact       `json:"output-artifacts,omitempty"` // when it succeeded
	Result            *ExecutionResult `json:"execution-result,omitempty"` // when it ended
}

// An ActionType names the provider of an action.
type ActionType struct {
	Owner    string `json:"owner"`
	Category string `json:"category"`
	Provider string `json:"provider"`
	Version  string `json:"version"`
}

// An Artifact is what an action read or wrote, and where it lies.
type Artifact struct {
	Name       string     `json:"name"`
	S3Location S3Location `json:"s3location"`
}

// An S3Location is an object in a bucket.
type S3Location struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
}

// An ExecutionResult is how an action ended, as its provider tells it.
type ExecutionResult struct {
	URL       string `json:"external-execution-url,omitempty"`
	Summary   string `json:"external-execution-summary,omitempty"`
	ID        string `json:"external-execution-id,omitempty"`
	ErrorCode string `json:"error-code,omitempty"` // when it failed, such as JobFailed
}

// Source implements Detail.
func (PipelineStateChange) Source() string { return CodePipeline }

// DetailType implements Detail.
func (PipelineStateChange) DetailType() string {
	return "CodePipeline Pipeline Execution State Change"
}

// Source implements Detail.
func (StageStateChange) Source() string { return CodePipeline }

// DetailType implements Detail.
func (StageStateChange) DetailType() string { return "CodePipeline Stage Execution State Change" }

// Source implements Detail.
func (ActionStateChange) Source() string { return CodePipeline }

// DetailType implements Detail.
func (ActionStateChange) DetailType() string { return "CodePipeline Action Execution State Change" }
