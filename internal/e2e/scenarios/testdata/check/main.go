// The function that the scenarios invoke. With the credentials of its job it
// reads what it is given and writes what it has to, and it tells the API that
// its job has succeeded, with its parameter as a variable. One that is asked
// for "again" answers with a continuation first, and says so when it is called
// with that.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sluice-ci/sluice/events"
)

func main() { lambda.Start(check) }

func check(ctx context.Context, in events.JobEvent) error {
	if err := copyAll(ctx, in.Job.Data); err != nil {
		return fmt.Errorf("job %s: %w", in.Job.ID, err)
	}
	answer := map[string]any{"jobId": in.Job.ID}
	switch asked, part := *in.Job.Data.ActionConfiguration.Configuration.UserParameters, in.Job.Data.ContinuationToken; {
	case asked != "again":
		answer["outputVariables"] = map[string]string{"by": asked}
	case part == "":
		answer["continuationToken"] = "the first half"
	default:
		answer["executionDetails"] = map[string]any{"summary": "after " + part, "percentComplete": 100}
	}
	return put(ctx, answer)
}

// copyAll copies the one input artifact to every output artifact.
func copyAll(ctx context.Context, job events.JobData) error {
	who := job.ArtifactCredentials
	objects := s3.New(s3.Options{
		Region: os.Getenv("AWS_REGION"), BaseEndpoint: aws.String(os.Getenv("AWS_ENDPOINT_URL")), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(who.AccessKeyID, who.SecretAccessKey, who.SessionToken),
	})
	if len(job.InputArtifacts) != 1 {
		return fmt.Errorf("%d input artifacts; want 1", len(job.InputArtifacts))
	}
	from := job.InputArtifacts[0].Location.S3
	got, err := objects.GetObject(ctx, &s3.GetObjectInput{Bucket: &from.Bucket, Key: &from.Key})
	if err != nil {
		return err
	}
	defer got.Body.Close()
	content, err := io.ReadAll(got.Body)
	if err != nil {
		return err
	}
	for _, out := range job.OutputArtifacts {
		to := out.Location.S3
		if _, err := objects.PutObject(ctx, &s3.PutObjectInput{Bucket: &to.Bucket, Key: &to.Key, Body: bytes.NewReader(content)}); err != nil {
			return err
		}
	}
	return nil
}

// put is PutJobSuccessResult.
func put(ctx context.Context, in map[string]any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, os.Getenv("CODEPIPELINE"), bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "CodePipeline_20150709.PutJobSuccessResult")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("job %s was answered and refused: %s", in["jobId"], answer.Status)
	}
	return nil
}
