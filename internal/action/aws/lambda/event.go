package lambda

import (
	"encoding/json"

	"github.com/sluice-ci/sluice/internal/action"
)

// The event of a job (reference 6.1), in the order the service writes it.
type (
	envelope struct {
		Job jobEvent `json:"CodePipeline.job"`
	}
	jobEvent struct {
		ID        string    `json:"id"`
		AccountID string    `json:"accountId"`
		Data      eventData `json:"data"`
	}
	eventData struct {
		ActionConfiguration struct {
			Configuration configuration `json:"configuration"`
		} `json:"actionConfiguration"`
		InputArtifacts      []eventArtifact  `json:"inputArtifacts"`
		OutputArtifacts     []eventArtifact  `json:"outputArtifacts"`
		ArtifactCredentials eventCredentials `json:"artifactCredentials"`
		ContinuationToken   string           `json:"continuationToken,omitempty"`
		EncryptionKey       *eventKey        `json:"encryptionKey,omitempty"`
	}
	configuration struct {
		FunctionName   string  `json:"FunctionName"`
		UserParameters *string `json:"UserParameters,omitempty"`
	}
	eventArtifact struct {
		Name     string        `json:"name"`
		Revision *string       `json:"revision"`
		Location eventLocation `json:"location"`
	}
	eventLocation struct {
		Type string `json:"type"`
		S3   struct {
			Bucket string `json:"bucketName"`
			Key    string `json:"objectKey"`
		} `json:"s3Location"`
	}
	eventCredentials struct {
		AccessKeyID     string `json:"accessKeyId"`
		SecretAccessKey string `json:"secretAccessKey"`
		SessionToken    string `json:"sessionToken"`
		ExpirationTime  int64  `json:"expirationTime"` // milliseconds since 1970
	}
	eventKey struct {
		ID   string `json:"id"`
		Type string `json:"type"`
	}
)

// event returns the event of a call.
func event(job action.Job, c Call, credentials Credentials, key string) ([]byte, error) {
	e := jobEvent{ID: c.ID, AccountID: job.Account}
	e.Data.ActionConfiguration.Configuration.FunctionName = job.Action.Configuration["FunctionName"]
	if text, ok := job.Action.Configuration["UserParameters"]; ok {
		e.Data.ActionConfiguration.Configuration.UserParameters = &text
	}
	e.Data.InputArtifacts = artifacts(job.Inputs)
	e.Data.OutputArtifacts = artifacts(job.Outputs)
	e.Data.ArtifactCredentials = eventCredentials{
		AccessKeyID: credentials.AccessKeyID, SecretAccessKey: credentials.SecretAccessKey,
		SessionToken: credentials.SessionToken, ExpirationTime: credentials.Expires.UnixMilli(),
	}
	e.Data.ContinuationToken = c.Continuation
	if key != "" {
		e.Data.EncryptionKey = &eventKey{ID: key, Type: "KMS"}
	}
	return json.Marshal(envelope{e})
}

func artifacts(list []action.Artifact) []eventArtifact {
	events := make([]eventArtifact, len(list)) // never null
	for i, a := range list {
		events[i].Name = a.Name
		if a.Revision != "" {
			events[i].Revision = &a.Revision
		}
		events[i].Location.Type = "S3"
		events[i].Location.S3.Bucket, events[i].Location.S3.Key = a.Ref.Bucket, a.Ref.Key
	}
	return events
}
