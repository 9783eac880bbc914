package events

// JobEvent is what the function of a Lambda invoke action is called with (user
// guide, JSON event example of the Lambda invoke action).
type JobEvent struct {
	Job Job `json:"CodePipeline.job"`
}

// A Job is one call of an action's function, which answers it with
// PutJobSuccessResult or PutJobFailureResult.
type Job struct {
	ID        string  `json:"id"`
	AccountID string  `json:"accountId"`
	Data      JobData `json:"data"`
}

// JobData is what a job is about.
type JobData struct {
	ActionConfiguration ActionConfiguration `json:"actionConfiguration"`
	InputArtifacts      []JobArtifact       `json:"inputArtifacts"`  // never null
	OutputArtifacts     []JobArtifact       `json:"outputArtifacts"` // where the function is to put them
	ArtifactCredentials JobCredentials      `json:"artifactCredentials"`
	ContinuationToken   string              `json:"continuationToken,omitempty"` // of the call before
	EncryptionKey       *EncryptionKey      `json:"encryptionKey,omitempty"`     // of the artifacts, when they have one of their own
}

// An ActionConfiguration holds the configuration of the action.
type ActionConfiguration struct {
	Configuration Configuration `json:"configuration"`
}

// A Configuration is that of a Lambda invoke action.
type Configuration struct {
	FunctionName   string  `json:"FunctionName"`
	UserParameters *string `json:"UserParameters,omitempty"` // nil: not configured
}

// A JobArtifact is an artifact and where it lies.
type JobArtifact struct {
	Name     string      `json:"name"`
	Revision *string     `json:"revision"` // nil: unknown
	Location JobLocation `json:"location"`
}

// A JobLocation is where an artifact lies.
type JobLocation struct {
	Type string    `json:"type"` // S3
	S3   JobObject `json:"s3Location"`
}

// A JobObject is an object in a bucket.
type JobObject struct {
	Bucket string `json:"bucketName"`
	Key    string `json:"objectKey"`
}

// JobCredentials may read and write the artifacts of the job, and nothing else.
type JobCredentials struct {
	AccessKeyID     string `json:"accessKeyId"`
	SecretAccessKey string `json:"secretAccessKey"`
	SessionToken    string `json:"sessionToken"`
	ExpirationTime  int64  `json:"expirationTime"` // milliseconds since 1970
}

// An EncryptionKey encrypts artifacts.
type EncryptionKey struct {
	ID   string `json:"id"`
	Type string `json:"type"` // KMS
}
