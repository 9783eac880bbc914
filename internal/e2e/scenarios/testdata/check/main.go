// The function that the scenario tour invokes. It tells the API that its job
// has succeeded, with what it was given as a variable.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/sluice-ci/sluice/events"
)

func main() { lambda.Start(check) }

func check(ctx context.Context, in events.JobEvent) error {
	if in.Job.Data.ArtifactCredentials.SessionToken == "" || len(in.Job.Data.InputArtifacts) != 1 {
		return fmt.Errorf("job %s has no credentials, or no artifact", in.Job.ID)
	}
	body, err := json.Marshal(map[string]any{
		"jobId":           in.Job.ID,
		"outputVariables": map[string]string{"by": *in.Job.Data.ActionConfiguration.Configuration.UserParameters},
	})
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
		return fmt.Errorf("job %s was answered and refused: %s", in.Job.ID, answer.Status)
	}
	return nil
}
