package standin_test

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventbridgetypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/sluice-ci/sluice/internal/e2e/standin"
)

// A world is the example, deployed.
type world struct {
	*standin.Standin
	out map[string]string // outputs of its stack
}

func (w *world) sfn() *sfn.Client { return sfn.NewFromConfig(w.Config()) }

func (w *world) start(t *testing.T, machine, name, do string) string {
	t.Helper()
	out, err := w.sfn().StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: &machine, Name: &name, Input: aws.String(`{"do":"` + do + `"}`)})
	if err != nil {
		t.Fatal(err)
	}
	return *out.ExecutionArn
}

// end waits until an execution has succeeded.
func (w *world) end(t *testing.T, execution string) *sfn.DescribeExecutionOutput {
	t.Helper()
	var got *sfn.DescribeExecutionOutput
	w.until(t, execution+" has ended", func() bool {
		var err error
		if got, err = w.sfn().DescribeExecution(t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: &execution}); err != nil {
			t.Fatal(err)
		}
		return got.Status != sfntypes.ExecutionStatusRunning
	})
	if got.Status != sfntypes.ExecutionStatusSucceeded {
		t.Fatalf("%s ended as %s: %s %s", execution, got.Status, aws.ToString(got.Error), aws.ToString(got.Cause))
	}
	return got
}

func (w *world) put(t *testing.T, bus, source, detail string) {
	t.Helper()
	out, err := eventbridge.NewFromConfig(w.Config()).PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: []eventbridgetypes.PutEventsRequestEntry{{
		EventBusName: &bus, Source: &source, DetailType: aws.String("Change"), Detail: &detail, Resources: []string{"thing"},
	}}})
	if err != nil || out.FailedEntryCount > 0 {
		t.Fatal(out, err)
	}
}

func (w *world) open(t *testing.T, r *http.Request) (int, string) {
	t.Helper()
	answer, err := w.HTTP().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// await waits until the function has noted something.
func (w *world) await(t *testing.T, key string) {
	t.Helper()
	w.until(t, "there is "+key, func() bool { return w.writes(key) > 0 })
}

func (w *world) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := w.Until(ctx, ok); err != nil {
		t.Fatalf("waited until %s: %v", what, err)
	}
}

// writes is how often an object was written.
func (w *world) writes(key string) (n int) {
	for _, c := range w.Calls() {
		if c.Action == "s3:PutObject" && c.Resource == "arn:aws:s3:::example-notes/"+key && !c.Error {
			n++
		}
	}
	return n
}

func (w *world) body(t *testing.T, key string) string {
	t.Helper()
	out, err := storage(w.Config()).GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("example-notes"), Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	data, err := io.ReadAll(out.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
