package pipeline

// A Declaration is the structure of a pipeline, in the shape of the API's
// PipelineDeclaration. Field names on the wire are the JSON tags.
type Declaration struct {
	Name           string                   `json:"name"`
	RoleARN        string                   `json:"roleArn,omitempty"`
	ArtifactStore  *ArtifactStore           `json:"artifactStore,omitempty"`
	ArtifactStores map[string]ArtifactStore `json:"artifactStores,omitempty"` // by Region
	Stages         []Stage                  `json:"stages"`
	Version        int                      `json:"version,omitempty"` // 1 on create, +1 on every update
	ExecutionMode  Mode                     `json:"executionMode,omitempty"`
	Type           Type                     `json:"pipelineType,omitempty"`
	Variables      []Variable               `json:"variables,omitempty"`
	Triggers       []Trigger                `json:"triggers,omitempty"`
}

// Mode says how executions of one pipeline share its stages.
type Mode string

const (
	Superseded Mode = "SUPERSEDED" // the newest waiting execution wins; the default
	Queued     Mode = "QUEUED"     // first in, first out
	Parallel   Mode = "PARALLEL"   // no stage lock
)

// Type is the generation of a pipeline. V2 has variables, triggers,
// conditions and the modes other than SUPERSEDED.
type Type string

const (
	V1 Type = "V1" // the API's default
	V2 Type = "V2"
)

// An ArtifactStore is the bucket that artifacts of one Region are kept in.
type ArtifactStore struct {
	Type          string         `json:"type"` // "S3" only
	Location      string         `json:"location"`
	EncryptionKey *EncryptionKey `json:"encryptionKey,omitempty"`
}

// An EncryptionKey names the KMS key of an artifact store.
type EncryptionKey struct {
	ID   string `json:"id"`
	Type string `json:"type"` // "KMS" only
}

// A Stage is a group of actions that one execution at a time may be inside.
type Stage struct {
	Name        string     `json:"name"`
	Blockers    []Blocker  `json:"blockers,omitempty"`
	Actions     []Action   `json:"actions"`
	BeforeEntry *Gate      `json:"beforeEntry,omitempty"`
	OnSuccess   *Gate      `json:"onSuccess,omitempty"`
	OnFailure   *OnFailure `json:"onFailure,omitempty"`
}

// A Blocker is reserved by the service: accepted, without behaviour.
type Blocker struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// A Gate holds the one condition of a stage's entry or success.
type Gate struct {
	Conditions []Condition `json:"conditions"`
}

// OnFailure says what follows the failure of a stage: Result at once, or the
// result of Conditions. The two exclude each other.
type OnFailure struct {
	Result     string              `json:"result,omitempty"` // ROLLBACK, RETRY
	Retry      *RetryConfiguration `json:"retryConfiguration,omitempty"`
	Conditions []Condition         `json:"conditions,omitempty"`
}

// A RetryConfiguration belongs to an OnFailure whose Result is RETRY.
type RetryConfiguration struct {
	Mode RetryMode `json:"retryMode,omitempty"`
}

// RetryMode says which actions of a stage run again.
type RetryMode string

const (
	FailedActions RetryMode = "FAILED_ACTIONS"
	AllActions    RetryMode = "ALL_ACTIONS"
)

// A Condition is a set of rules and the result engaged when they say so.
type Condition struct {
	Result string `json:"result,omitempty"` // ROLLBACK, FAIL, RETRY, SKIP
	Rules  []Rule `json:"rules"`
}

// A Rule is one check of a condition.
type Rule struct {
	Name             string            `json:"name"`
	TypeID           RuleTypeID        `json:"ruleTypeId"`
	Configuration    map[string]string `json:"configuration,omitempty"`
	Commands         []string          `json:"commands,omitempty"`
	InputArtifacts   []InputArtifact   `json:"inputArtifacts,omitempty"`
	RoleARN          string            `json:"roleArn,omitempty"`
	Region           string            `json:"region,omitempty"`
	TimeoutInMinutes int               `json:"timeoutInMinutes,omitempty"`
}

// A RuleTypeID names the provider of a rule. Owner and version may be left
// out and are then AWS and 1.
type RuleTypeID struct {
	Category string `json:"category"` // "Rule" only
	Owner    string `json:"owner,omitempty"`
	Provider string `json:"provider"`
	Version  string `json:"version,omitempty"`
}

// An Action is one task of a stage. The service echoes its configuration and
// artifacts even when they are empty, so only nil leaves those fields out.
type Action struct {
	Name                 string                `json:"name"`
	TypeID               ActionTypeID          `json:"actionTypeId"`
	RunOrder             int                   `json:"runOrder,omitempty"` // 1 to 999; 1 when left out
	Configuration        map[string]string     `json:"configuration,omitzero"`
	Commands             []string              `json:"commands,omitempty"`
	OutputArtifacts      []OutputArtifact      `json:"outputArtifacts,omitzero"`
	InputArtifacts       []InputArtifact       `json:"inputArtifacts,omitzero"`
	OutputVariables      []string              `json:"outputVariables,omitempty"`
	RoleARN              string                `json:"roleArn,omitempty"`
	Region               string                `json:"region,omitempty"`
	Namespace            string                `json:"namespace,omitempty"`
	TimeoutInMinutes     int                   `json:"timeoutInMinutes,omitempty"` // honoured for approvals only
	EnvironmentVariables []EnvironmentVariable `json:"environmentVariables,omitempty"`
}

// Order returns the run order of a, 1 when none is declared.
func (a Action) Order() int { return max(a.RunOrder, 1) }

// An ActionTypeID names the provider of an action.
type ActionTypeID struct {
	Category Category `json:"category"`
	Owner    Owner    `json:"owner"`
	Provider string   `json:"provider"`
	Version  string   `json:"version"`
}

// Category is the kind of work an action does.
type Category string

const (
	Source   Category = "Source"
	Build    Category = "Build"
	Deploy   Category = "Deploy"
	Test     Category = "Test"
	Invoke   Category = "Invoke"
	Approval Category = "Approval"
	Compute  Category = "Compute"

	RuleCategory Category = "Rule" // of rules, never of actions
)

// Owner says who made an action type.
type Owner string

const (
	AWS        Owner = "AWS"
	ThirdParty Owner = "ThirdParty"
	Custom     Owner = "Custom"
)

// An InputArtifact names an artifact an action reads.
type InputArtifact struct {
	Name string `json:"name"`
}

// An OutputArtifact names an artifact an action writes. Files belongs to
// compute actions only.
type OutputArtifact struct {
	Name  string   `json:"name"`
	Files []string `json:"files,omitempty"`
}

// An EnvironmentVariable is handed to the commands of a compute action.
type EnvironmentVariable struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Type  string `json:"type,omitempty"` // PLAINTEXT (default), SECRETS_MANAGER
}

// A Variable is declared at the level of the pipeline and set at start.
type Variable struct {
	Name        string `json:"name"`
	Default     string `json:"defaultValue,omitempty"`
	Description string `json:"description,omitempty"`
}

// A Trigger starts the pipeline on events of a git provider.
type Trigger struct {
	ProviderType string           `json:"providerType"` // "CodeStarSourceConnection" only
	Git          GitConfiguration `json:"gitConfiguration"`
}

// A GitConfiguration filters the events of one source action. The filters of
// a list are alternatives; the fields inside one filter must all match.
type GitConfiguration struct {
	SourceActionName string              `json:"sourceActionName"`
	Push             []PushFilter        `json:"push,omitempty"`
	PullRequest      []PullRequestFilter `json:"pullRequest,omitempty"`
}

// A PushFilter matches pushes of tags, or of branches and file paths.
type PushFilter struct {
	Tags      *Patterns `json:"tags,omitempty"`
	Branches  *Patterns `json:"branches,omitempty"`
	FilePaths *Patterns `json:"filePaths,omitempty"`
}

// A PullRequestFilter matches events of pull requests by their destination
// branch and changed files. No events means all three.
type PullRequestFilter struct {
	Events    []string  `json:"events,omitempty"` // OPEN, UPDATED, CLOSED
	Branches  *Patterns `json:"branches,omitempty"`
	FilePaths *Patterns `json:"filePaths,omitempty"`
}

// Patterns are globs; excludes win over includes.
type Patterns struct {
	Includes []string `json:"includes,omitempty"`
	Excludes []string `json:"excludes,omitempty"`
}
