package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/cloud/cloudtest"
)

const ada = "arn:aws:sts::111122223333:assumed-role/Admin/ada"

// event is a request for an operation as the function URL sends it.
func event(t *testing.T, operation, caller, body string) []byte {
	t.Helper()
	signed := map[string]any{}
	if caller != "" {
		signed["iam"] = map[string]any{"userArn": caller}
	}
	b, err := json.Marshal(map[string]any{
		"version": "2.0", "rawPath": "/", "body": body,
		"headers": map[string]string{
			"content-type": "application/x-amz-json-1.1", "x-amz-target": "CodePipeline_20150709." + operation,
			"authorization": "AWS4-HMAC-SHA256 Credential=AKIAFORGED/20260312/eu-west-1/codepipeline/aws4_request, SignedHeaders=host, Signature=00",
		},
		"requestContext": map[string]any{"domainName": "abc.lambda-url.eu-west-1.on.aws", "http": map[string]any{"method": "POST"}, "authorizer": signed},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// ask returns the status and the body of an answer.
func ask(ctx context.Context, t *testing.T, w *cloudtest.World, payload []byte) (int, string) {
	t.Helper()
	svc := w.Process(t)
	h, err := handler(svc, svc.Records, cloudtest.Region, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	out, err := h(ctx, payload)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(out)
	var answer struct {
		StatusCode int
		Body       string
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, answer.Body
}

func TestOneEffect(t *testing.T) {
	for name, open := range map[string]func(t *testing.T, w *cloudtest.World) []byte{
		"start": func(t *testing.T, w *cloudtest.World) []byte {
			w.Deploy(t, "web")
			return event(t, "StartPipelineExecution", ada, `{"name":"web","clientRequestToken":"token-1"}`)
		},
		"approve": func(t *testing.T, w *cloudtest.World) []byte {
			a := w.Act(t, w.InWork(t), "Work", "Ask")
			return event(t, "PutApprovalResult", ada, `{"pipelineName":"web","stageName":"Work","actionName":"Ask","token":"`+a.Result.Token+`","result":{"summary":"good","status":"Approved"}}`)
		},
		"stop": func(t *testing.T, w *cloudtest.World) []byte {
			e := w.InWork(t)
			w.Act(t, e, "Work", "Build")
			return event(t, "StopPipelineExecution", ada, `{"pipelineName":"web","pipelineExecutionId":"`+e.ID+`","abandon":true,"reason":"wrong"}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			cloudtest.OneEffect(t, func(t *testing.T) cloudtest.Trial {
				w := cloudtest.New()
				payload := open(t, w)
				call := func(ctx context.Context) error {
					if status, body := ask(ctx, t, w, payload); status >= 500 { // a repeat may be refused
						return fmt.Errorf("%d %s", status, body)
					}
					return nil
				}
				return cloudtest.Trial{Call: call, Effect: w.Effect}
			})
		})
	}
}

// Whoever IAM says is asking is recorded, whatever the request says.
func TestCaller(t *testing.T) {
	w := cloudtest.New()
	w.Deploy(t, "web")
	status, body := ask(t.Context(), t, w, event(t, "StartPipelineExecution", ada, `{"name":"web"}`))
	all, err := w.Records.Executions(t.Context(), "web", 0, 0)
	if status != 200 || err != nil || len(all) != 1 || all[0].Trigger.Detail != ada {
		t.Errorf("%d %s; executions %+v, %v; want one by %s", status, body, all, err, ada)
	}
	if status, body := ask(t.Context(), t, w, event(t, "ListPipelines", "", `{}`)); status != 403 || !strings.Contains(body, "MissingAuthenticationToken") {
		t.Errorf("nobody: %d %s; want 403", status, body)
	}
}

// Declarations change by a deployment alone.
func TestFromFiles(t *testing.T) {
	w := cloudtest.New()
	w.Deploy(t, "web")
	before := w.Effect(t)
	d, err := json.Marshal(map[string]any{"pipeline": cloudtest.Pipeline("web")})
	if err != nil {
		t.Fatal(err)
	}
	for operation, in := range map[string]string{"CreatePipeline": string(d), "UpdatePipeline": string(d), "DeletePipeline": `{"name":"web"}`} {
		status, body := ask(t.Context(), t, w, event(t, operation, ada, in))
		if status != 403 || !strings.Contains(body, `"AccessDeniedException"`) || !strings.Contains(body, "'web'") || !strings.Contains(body, "cdk deploy") {
			t.Errorf("%s: %d %s", operation, status, body)
		}
	}
	if after := w.Effect(t); after != before {
		t.Errorf("refused and done all the same:\n%s", after)
	}
	if status, body := ask(t.Context(), t, w, event(t, "GetPipeline", ada, `{"name":"web"}`)); status != 200 || !strings.Contains(body, `"Fetch"`) {
		t.Errorf("GetPipeline: %d %s", status, body)
	}
}
