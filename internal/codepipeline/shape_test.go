package codepipeline_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/codepipeline"
)

// TestValidationTexts pins the text of every kind of constraint, and that
// several are reported together.
func TestValidationTexts(t *testing.T) {
	const (
		value   = "Value at '"
		fails   = "' failed to satisfy constraint: Member must "
		name    = `satisfy regular expression pattern: [A-Za-z0-9.@\-_]+`
		uuid    = `satisfy regular expression pattern: [0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`
		tooFew  = "have length greater than or equal to 1"
		notNull = "not be null"
	)
	long := strings.Repeat("x", 101)
	tests := []struct {
		operation, body string
		want            []string // pairs of place and constraint
	}{
		{"GetPipeline", `{}`, []string{"name", notNull}},
		{"GetPipeline", `{"name":null}`, []string{"name", notNull}},
		{"GetPipeline", `{"Name":"web"}`, []string{"name", notNull}},
		{"GetPipeline", `{"name":""}`, []string{"name", tooFew, "name", name}},
		{"GetPipeline", `{"name":"a b"}`, []string{"name", name}},
		{"GetPipeline", `{"name":"web\n"}`, []string{"name", name}},
		{"GetPipeline", `{"name":"` + long + `"}`, []string{"name", "have length less than or equal to 100"}},
		{"GetPipeline", `{"name":"web","version":0}`, []string{"version", "have value greater than or equal to 1"}},
		{"GetPipelineState", `{}`, []string{"name", notNull}},
		{"DeletePipeline", `{}`, []string{"name", notNull}},
		{"UpdatePipeline", `{}`, []string{"pipeline", notNull}},
		{"CreatePipeline", `{"pipeline":{},"tags":[{"key":""},null]}`, []string{
			"tags.1.member.key", tooFew, "tags.1.member.value", notNull, "tags.2.member", notNull}},
		{"CreatePipeline", `{"pipeline":{"stages":[{"actions":[{"runOrder":0,"timeoutInMinutes":0}]},null]}}`, []string{
			"pipeline.stages.1.member.actions.1.member.runOrder", "have value greater than or equal to 1",
			"pipeline.stages.1.member.actions.1.member.timeoutInMinutes", "have value greater than or equal to 1",
			"pipeline.stages.2.member", notNull}},
		{"ListPipelines", `{"nextToken":"","maxResults":1001}`, []string{"nextToken", tooFew, "maxResults", "have value less than or equal to 1000"}},
		{"StartPipelineExecution", `{"name":"web","variables":[],"clientRequestToken":"a b","sourceRevisions":[{"revisionType":"TAG","revisionValue":""}]}`, []string{
			"variables", tooFew,
			"clientRequestToken", "satisfy regular expression pattern: ^[a-zA-Z0-9-]+$",
			"sourceRevisions.1.member.actionName", notNull,
			"sourceRevisions.1.member.revisionType", "satisfy enum value set: [COMMIT_ID, IMAGE_DIGEST, S3_OBJECT_VERSION_ID, S3_OBJECT_KEY]",
			"sourceRevisions.1.member.revisionValue", tooFew}},
		{"StartPipelineExecution", `{"name":"web","variables":[{"name":"a.b","value":"c\nd"}]}`, []string{
			"variables.1.member.name", `satisfy regular expression pattern: [A-Za-z0-9@\-_]+`,
			"variables.1.member.value", "satisfy regular expression pattern: .*"}},
		{"StopPipelineExecution", `{"pipelineName":"web","pipelineExecutionId":"1","reason":"` + long + long + `"}`, []string{
			"pipelineExecutionId", uuid, "reason", "have length less than or equal to 200"}},
		{"PutJobSuccessResult", `{"jobId":"1","currentRevision":{"revision":""},"continuationToken":"","executionDetails":{"summary":"","percentComplete":101},"outputVariables":{"ok":""}}`, []string{
			"jobId", uuid,
			"currentRevision.revision", tooFew, "currentRevision.changeIdentifier", notNull,
			"continuationToken", tooFew,
			"executionDetails.summary", tooFew, "executionDetails.percentComplete", "have value less than or equal to 100"}},
		{"PutJobFailureResult", `{"jobId":"` + ran(1) + `","failureDetails":{"type":"Timeout","message":""}}`, []string{
			"failureDetails.type", "satisfy enum value set: [JobFailed, ConfigurationError, PermissionError, RevisionOutOfSync, RevisionUnavailable, SystemUnavailable]",
			"failureDetails.message", tooFew}},
		{"GetPipelineExecution", `{}`, []string{"pipelineName", notNull, "pipelineExecutionId", notNull}},
		{"ListPipelineExecutions", `{"pipelineName":"web","maxResults":101,"filter":{"succeededInStage":{"stageName":""}}}`, []string{
			"maxResults", "have value less than or equal to 100",
			"filter.succeededInStage.stageName", tooFew, "filter.succeededInStage.stageName", name}},
		{"ListActionExecutions", `{"pipelineName":"web","filter":{"pipelineExecutionId":"","latestInPipelineExecution":{"startTimeRange":"Newest"}}}`, []string{
			"filter.pipelineExecutionId", uuid,
			"filter.latestInPipelineExecution.pipelineExecutionId", notNull,
			"filter.latestInPipelineExecution.startTimeRange", "satisfy enum value set: [Latest, All]"}},
		{"RetryStageExecution", `{"pipelineName":"web","stageName":"a","pipelineExecutionId":"` + execution(1) + `","retryMode":"ALL"}`, []string{
			"retryMode", "satisfy enum value set: [FAILED_ACTIONS, ALL_ACTIONS]"}},
		{"PutApprovalResult", `{"pipelineName":"web","stageName":"a","actionName":"b","result":{"status":"Yes"},"token":"1"}`, []string{
			"result.summary", notNull, "result.status", "satisfy enum value set: [Approved, Rejected]", "token", uuid}},
		{"EnableStageTransition", `{"pipelineName":"web","stageName":"a","transitionType":"Both"}`, []string{
			"transitionType", "satisfy enum value set: [Inbound, Outbound]"}},
		{"DisableStageTransition", `{"pipelineName":"web","stageName":"a","transitionType":"Inbound","reason":"é"}`, []string{
			"reason", `satisfy regular expression pattern: [a-zA-Z0-9!@ \(\)\.\*\?\-]+`}},
		{"ListTagsForResource", `{}`, []string{"resourceArn", notNull}},
	}
	h := serve(t, new(orchestrated), codepipeline.Options{})
	for _, tt := range tests {
		t.Run(tt.operation, func(t *testing.T) {
			var parts []string
			for i := 0; i < len(tt.want); i += 2 {
				parts = append(parts, value+tt.want[i]+fails+tt.want[i+1])
			}
			want := "1 validation error detected: " + strings.Join(parts, "; ")
			if len(parts) > 1 {
				want = string(rune('0'+len(parts))) + " validation errors detected: " + strings.Join(parts, "; ")
			}
			var got struct {
				Type    string `json:"__type"`
				Message string `json:"message"`
			}
			w := post(h, tt.operation, tt.body)
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 400 || got.Type != "ValidationException" {
				t.Fatalf("answer %d %s", w.Code, w.Body)
			}
			if got.Message != want {
				t.Errorf("got  %s\nwant %s", got.Message, want)
			}
		})
	}
}

// TestMapKeys pins what is said of a key that may not be one.
func TestMapKeys(t *testing.T) {
	const want = `{"__type":"ValidationException","message":"1 validation error detected: Value at 'outputVariables' failed to satisfy constraint: Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [A-Za-z0-9@\\-_]+]"}`
	w := post(serve(t, new(orchestrated), codepipeline.Options{}), "PutJobSuccessResult", `{"jobId":"`+ran(1)+`","outputVariables":{"ok":"","a.b":""}}`)
	if got := w.Body.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
