package events

// RepositoryStateChange says that a branch or tag of a CodeCommit repository
// was created, moved or deleted.
type RepositoryStateChange struct {
	Event             string `json:"event"` // referenceCreated, referenceUpdated, referenceDeleted
	RepositoryName    string `json:"repositoryName"`
	RepositoryID      string `json:"repositoryId"`
	ReferenceType     string `json:"referenceType"`     // branch, tag
	ReferenceName     string `json:"referenceName"`     // main
	ReferenceFullName string `json:"referenceFullName"` // refs/heads/main
	CommitID          string `json:"commitId"`
	OldCommitID       string `json:"oldCommitId,omitempty"` // not of a new one
	CallerUserARN     string `json:"callerUserArn"`
}

// ObjectCreated says that an S3 bucket has a new version of an object.
type ObjectCreated struct {
	Version   string `json:"version"` // of the detail: "0"
	Bucket    Bucket `json:"bucket"`
	Object    Object `json:"object"`
	RequestID string `json:"request-id"`
	Requester string `json:"requester"` // account or service
	SourceIP  string `json:"source-ip-address,omitempty"`
	Reason    string `json:"reason"` // PutObject, CopyObject, CompleteMultipartUpload, POST Object
}

// A Bucket is where an object lies.
type Bucket struct {
	Name string `json:"name"`
}

// An Object is one version of an object.
type Object struct {
	Key       string `json:"key"` // as it is, not percent-encoded
	Size      int64  `json:"size"`
	ETag      string `json:"etag"`
	VersionID string `json:"version-id,omitempty"` // in a bucket with versions
	Sequencer string `json:"sequencer"`
}

// ImageAction says that an image was pushed to an ECR repository or deleted
// there. An image with several tags has one event for each.
type ImageAction struct {
	ActionType     string `json:"action-type"` // PUSH, DELETE
	Result         string `json:"result"`      // SUCCESS, FAILURE
	RepositoryName string `json:"repository-name"`
	ImageDigest    string `json:"image-digest"`
	ImageTag       string `json:"image-tag,omitempty"`
}

// BuildStateChange says that a CodeBuild build changed its status.
type BuildStateChange struct {
	BuildStatus string    `json:"build-status"` // IN_PROGRESS, SUCCEEDED, FAILED, STOPPED, FAULT, TIMED_OUT
	ProjectName string    `json:"project-name"`
	BuildID     string    `json:"build-id"` // the build's ARN
	Phase       string    `json:"current-phase,omitempty"`
	Information BuildInfo `json:"additional-information"`
	Version     string    `json:"version"` // of the detail: "1"
}

// BuildInfo is what is known of a build beside its status. The service sends
// much more, such as every phase; nothing here reads it.
type BuildInfo struct {
	Complete  bool   `json:"build-complete"`
	Initiator string `json:"initiator"` // who started it
}

// ExecutionStatusChange says that a run of a Step Functions state machine
// changed its status.
type ExecutionStatusChange struct {
	ExecutionARN    string `json:"executionArn"`
	StateMachineARN string `json:"stateMachineArn"`
	Name            string `json:"name"`               // of the run
	Status          string `json:"status"`             // RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED
	StartDate       int64  `json:"startDate"`          // milliseconds since 1970
	StopDate        int64  `json:"stopDate,omitempty"` // when it ended
	Error           string `json:"error,omitempty"`    // when it failed, and the service says so
	Cause           string `json:"cause,omitempty"`
}

// Source implements Detail.
func (RepositoryStateChange) Source() string { return "aws.codecommit" }

// DetailType implements Detail.
func (RepositoryStateChange) DetailType() string { return "CodeCommit Repository State Change" }

// Source implements Detail.
func (ObjectCreated) Source() string { return "aws.s3" }

// DetailType implements Detail.
func (ObjectCreated) DetailType() string { return "Object Created" }

// Source implements Detail.
func (ImageAction) Source() string { return "aws.ecr" }

// DetailType implements Detail.
func (ImageAction) DetailType() string { return "ECR Image Action" }

// Source implements Detail.
func (BuildStateChange) Source() string { return "aws.codebuild" }

// DetailType implements Detail.
func (BuildStateChange) DetailType() string { return "CodeBuild Build State Change" }

// Source implements Detail.
func (ExecutionStatusChange) Source() string { return "aws.states" }

// DetailType implements Detail.
func (ExecutionStatusChange) DetailType() string { return "Step Functions Execution Status Change" }
