package codepipeline_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/codepipeline"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
	"github.com/sluice-ci/sluice/internal/store/memory"
)

var update = flag.Bool("update", false, "write the golden files")

var _ codepipeline.Orchestrator = (*orchestrator.Service)(nil)

// An orchestrated is an orchestrator that remembers what it was asked, and
// fails with err.
type orchestrated struct {
	asked any
	by    string
	err   error
}

func (o *orchestrated) CreatePipeline(_ context.Context, req orchestrator.Create) (pipeline.Declaration, error) {
	o.asked = req
	return pipeline.Normalize(req.Declaration), o.err
}

func (o *orchestrated) UpdatePipeline(_ context.Context, d pipeline.Declaration, by string) (pipeline.Declaration, error) {
	o.asked, o.by = d, by
	return pipeline.Normalize(d), o.err
}

func (o *orchestrated) DeletePipeline(_ context.Context, name, by string) error {
	o.asked, o.by = name, by
	return o.err
}

func (o *orchestrated) StartExecution(_ context.Context, req orchestrator.Start) (string, error) {
	o.asked = req
	return execution(6), o.err
}

func (o *orchestrated) StopExecution(_ context.Context, req orchestrator.Stop) error {
	o.asked = req
	return o.err
}

func (o *orchestrated) RetryStage(_ context.Context, req orchestrator.Retry) error {
	o.asked = req
	return o.err
}

func (o *orchestrated) PutApproval(_ context.Context, req orchestrator.Approval) (time.Time, error) {
	o.asked = req
	return at(50), o.err
}

func (o *orchestrated) PutJobSuccess(_ context.Context, req orchestrator.JobSuccess) error {
	o.asked = req
	return o.err
}

func (o *orchestrated) PutJobFailure(_ context.Context, req orchestrator.JobFailure) error {
	o.asked = req
	return o.err
}

func (o *orchestrated) SetTransition(_ context.Context, req orchestrator.Transition) error {
	o.asked = req
	return o.err
}

func (o *orchestrated) RollbackStage(_ context.Context, req orchestrator.Rollback) (string, error) {
	o.asked = req
	return execution(6), o.err
}

func (o *orchestrated) OverrideCondition(_ context.Context, req orchestrator.Override) error {
	o.asked = req
	return o.err
}

// serve returns a server on the fixture.
func serve(t *testing.T, o *orchestrated, opts codepipeline.Options) http.Handler {
	t.Helper()
	s := new(memory.Store)
	fill(t, s)
	if opts.User == "" {
		opts.User = "alice"
	}
	h, err := codepipeline.New(o, record.Reader{Store: s, Account: account}, region, opts)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// post returns what h answers to a call of operation.
func post(h http.Handler, operation, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("X-Amz-Target", "CodePipeline_20150709."+operation)
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// A sample is a call with the file that holds its answer.
type sample struct{ name, operation, body string }

var declared = string(record.Encode(map[string]any{"pipeline": web(0), "tags": []record.Tag{{Key: "team", Value: "shop"}}}))

var samples = []sample{
	{"create_pipeline", "CreatePipeline", declared},
	{"create_pipeline_nothing", "CreatePipeline", `{}`},
	{"update_pipeline", "UpdatePipeline", declared},
	{"get_pipeline", "GetPipeline", `{"name":"web"}`},
	{"get_pipeline_version", "GetPipeline", `{"name":"web","version":2}`},
	{"get_pipeline_no_version", "GetPipeline", `{"name":"web","version":9}`},
	{"get_pipeline_unknown", "GetPipeline", `{"name":"wep"}`},
	{"delete_pipeline", "DeletePipeline", `{"name":"web"}`},
	{"list_pipelines", "ListPipelines", ``},
	{"list_pipelines_page", "ListPipelines", `{"maxResults":1}`},
	{"list_pipelines_token", "ListPipelines", `{"nextToken":"x"}`},
	{"start_pipeline_execution", "StartPipelineExecution", `{"name":"web","variables":[{"name":"color","value":"red"}],"clientRequestToken":"a-1","sourceRevisions":[{"actionName":"Fetch","revisionType":"COMMIT_ID","revisionValue":"abc"}]}`},
	{"start_pipeline_execution_twice", "StartPipelineExecution", `{"name":"web","variables":[{"name":"color","value":"red"},{"name":"color","value":"red"}]}`},
	{"start_pipeline_execution_object", "StartPipelineExecution", `{"name":"web","sourceRevisions":[{"actionName":"Fetch","revisionType":"S3_OBJECT_VERSION_ID","revisionValue":"v1"},{"actionName":"Fetch","revisionType":"S3_OBJECT_KEY","revisionValue":"b.zip"}]}`},
	{"start_pipeline_execution_keys", "StartPipelineExecution", `{"name":"web","sourceRevisions":[{"actionName":"Fetch","revisionType":"S3_OBJECT_KEY","revisionValue":"a.zip"},{"actionName":"Fetch","revisionType":"S3_OBJECT_KEY","revisionValue":"b.zip"}]}`},
	{"start_pipeline_execution_third", "StartPipelineExecution", `{"name":"web","sourceRevisions":[{"actionName":"Fetch","revisionType":"S3_OBJECT_KEY","revisionValue":"a.zip"},{"actionName":"Fetch","revisionType":"S3_OBJECT_VERSION_ID","revisionValue":"v1"},{"actionName":"Fetch","revisionType":"S3_OBJECT_VERSION_ID","revisionValue":"v2"}]}`},
	{"stop_pipeline_execution", "StopPipelineExecution", `{"pipelineName":"web","pipelineExecutionId":"` + execution(4) + `","abandon":true,"reason":"no"}`},
	{"get_pipeline_execution", "GetPipelineExecution", `{"pipelineName":"web","pipelineExecutionId":"` + execution(5) + `"}`},
	{"get_pipeline_execution_unknown", "GetPipelineExecution", `{"pipelineName":"web","pipelineExecutionId":"` + execution(9) + `"}`},
	{"list_pipeline_executions", "ListPipelineExecutions", `{"pipelineName":"web"}`},
	{"list_pipeline_executions_page", "ListPipelineExecutions", `{"pipelineName":"web","maxResults":1}`},
	{"list_pipeline_executions_succeeded", "ListPipelineExecutions", `{"pipelineName":"web","filter":{"succeededInStage":{"stageName":"Source"}}}`},
	{"list_pipeline_executions_no_stage", "ListPipelineExecutions", `{"pipelineName":"web","filter":{"succeededInStage":{"stageName":"Sauce"}}}`},
	{"get_pipeline_state", "GetPipelineState", `{"name":"web"}`},
	{"get_pipeline_state_parallel", "GetPipelineState", `{"name":"night"}`},
	{"get_pipeline_state_idle", "GetPipelineState", `{"name":"idle-0"}`},
	{"list_action_executions", "ListActionExecutions", `{"pipelineName":"web"}`},
	{"list_action_executions_page", "ListActionExecutions", `{"pipelineName":"web","maxResults":1}`},
	{"list_action_executions_one", "ListActionExecutions", `{"pipelineName":"web","filter":{"pipelineExecutionId":"` + execution(3) + `"}}`},
	{"list_action_executions_latest", "ListActionExecutions", `{"pipelineName":"web","filter":{"latestInPipelineExecution":{"pipelineExecutionId":"` + execution(3) + `","startTimeRange":"Latest"}}}`},
	{"list_action_executions_none", "ListActionExecutions", `{"pipelineName":"web","filter":{"pipelineExecutionId":"` + execution(4) + `","latestInPipelineExecution":{"pipelineExecutionId":"` + execution(3) + `","startTimeRange":"All"}}}`},
	{"list_action_executions_unknown", "ListActionExecutions", `{"pipelineName":"web","filter":{"pipelineExecutionId":"` + execution(8) + `"}}`},
	{"list_action_executions_parallel", "ListActionExecutions", `{"pipelineName":"night"}`},
	{"put_approval_result", "PutApprovalResult", `{"pipelineName":"web","stageName":"Deploy","actionName":"Ask","result":{"summary":"","status":"Rejected"},"token":"` + approval + `"}`},
	{"put_job_success_result", "PutJobSuccessResult", `{"jobId":"` + ran(5) + `","currentRevision":{"revision":"abc","changeIdentifier":"c1","created":1767323045.678,"revisionSummary":"Paint"},"executionDetails":{"summary":"checked","externalExecutionId":"x-1","percentComplete":100},"outputVariables":{"SIZE":"12"}}`},
	{"put_job_success_result_nothing", "PutJobSuccessResult", `{}`},
	{"put_job_failure_result", "PutJobFailureResult", `{"jobId":"` + ran(5) + `","failureDetails":{"type":"ConfigurationError","message":"no bucket","externalExecutionId":"x-1"}}`},
	{"rollback_stage", "RollbackStage", `{"pipelineName":"web","stageName":"Build","targetPipelineExecutionId":"` + execution(2) + `"}`},
	{"override_stage_condition", "OverrideStageCondition", `{"pipelineName":"web","stageName":"Build","pipelineExecutionId":"` + execution(3) + `","conditionType":"ON_SUCCESS"}`},
	{"list_rule_executions", "ListRuleExecutions", `{"pipelineName":"web"}`},
	{"list_rule_executions_one", "ListRuleExecutions", `{"pipelineName":"web","filter":{"latestInPipelineExecution":{"pipelineExecutionId":"` + execution(4) + `","startTimeRange":"Latest"}}}`},
	{"retry_stage_execution", "RetryStageExecution", `{"pipelineName":"web","stageName":"Build","pipelineExecutionId":"` + execution(3) + `","retryMode":"FAILED_ACTIONS"}`},
	{"enable_stage_transition", "EnableStageTransition", `{"pipelineName":"web","stageName":"Deploy","transitionType":"Inbound"}`},
	{"disable_stage_transition", "DisableStageTransition", `{"pipelineName":"web","stageName":"Build","transitionType":"Outbound","reason":"freeze"}`},
	{"list_tags_for_resource", "ListTagsForResource", `{"resourceArn":"arn:aws:codepipeline:us-east-1:111122223333:web"}`},
	{"list_tags_for_resource_unknown", "ListTagsForResource", `{"resourceArn":"arn:aws:codepipeline:us-east-1:111122223333:wep"}`},
	{"list_tags_for_resource_malformed", "ListTagsForResource", `{"resourceArn":"web"}`},
	{"not_offered", "PutWebhook", `{}`},
	{"no_operation", "MakeTea", `{}`},
}

var requestID = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// TestGolden pins every answer; an empty golden file is an empty body.
func TestGolden(t *testing.T) {
	h := serve(t, new(orchestrated), codepipeline.Options{})
	for _, s := range samples {
		t.Run(s.name, func(t *testing.T) {
			w := post(h, s.operation, s.body)
			if !requestID.MatchString(w.Header().Get("x-amzn-RequestId")) || w.Header().Get("Content-Type") != "application/x-amz-json-1.1" {
				t.Errorf("headers %v", w.Header())
			}
			failed := strings.HasPrefix(w.Body.String(), `{"__type":`)
			if want := map[bool]int{false: 200, true: 400}[failed]; w.Code != want {
				t.Errorf("status %d; want %d", w.Code, want)
			}
			var got bytes.Buffer
			if w.Body.Len() > 0 {
				if err := json.Indent(&got, w.Body.Bytes(), "", "  "); err != nil {
					t.Fatal(err)
				}
				got.WriteByte('\n')
			}
			golden(t, s.name+".json", got.Bytes())
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// TestAsked compares what the orchestrator is asked.
func TestAsked(t *testing.T) {
	tests := []struct {
		sample string
		want   any
	}{
		{"create_pipeline", orchestrator.Create{Declaration: web(0), Tags: []record.Tag{{Key: "team", Value: "shop"}}, Start: true, By: alice}},
		{"update_pipeline", web(0)},
		{"delete_pipeline", "web"},
		{"start_pipeline_execution", orchestrator.Start{
			Pipeline: "web", Variables: []record.Variable{{Name: "color", Value: "red"}}, ClientToken: "a-1",
			Overrides: map[string]action.Override{"Fetch": {Type: "COMMIT_ID", Value: "abc"}},
			Trigger:   record.Trigger{Type: "StartPipelineExecution", Detail: alice},
		}},
		{"start_pipeline_execution_object", orchestrator.Start{
			Pipeline: "web", Overrides: map[string]action.Override{"Fetch": {Type: "S3_OBJECT_KEY", Value: "b.zip", ObjectVersion: "v1"}},
			Trigger: record.Trigger{Type: "StartPipelineExecution", Detail: alice},
		}},
		{"stop_pipeline_execution", orchestrator.Stop{Pipeline: "web", Execution: execution(4), Abandon: true, Reason: "no", By: alice}},
		{"put_approval_result", orchestrator.Approval{Pipeline: "web", Stage: "Deploy", Action: "Ask", Token: approval, By: alice}},
		{"put_job_success_result", orchestrator.JobSuccess{
			Job: ran(5), Variables: map[string]string{"SIZE": "12"}, Summary: "checked", ExternalID: "x-1", Percent: 100,
			Revision: &action.Revision{ID: "abc", Change: "c1", Summary: "Paint", Created: dawn},
		}},
		{"put_job_failure_result", orchestrator.JobFailure{Job: ran(5), Type: "ConfigurationError", Message: "no bucket", ExternalID: "x-1"}},
		{"retry_stage_execution", orchestrator.Retry{Pipeline: "web", Stage: "Build", Execution: execution(3), Mode: pipeline.FailedActions, By: alice}},
		{"rollback_stage", orchestrator.Rollback{Pipeline: "web", Stage: "Build", Target: execution(2), By: alice}},
		{"override_stage_condition", orchestrator.Override{Pipeline: "web", Stage: "Build", Execution: execution(3), Gate: record.OnSuccess, By: alice}},
		{"enable_stage_transition", orchestrator.Transition{Pipeline: "web", Stage: "Deploy", Enabled: true, By: alice}},
		{"disable_stage_transition", orchestrator.Transition{Pipeline: "web", Stage: "Build", Outbound: true, Reason: "freeze", By: alice}},
	}
	for _, tt := range tests {
		t.Run(tt.sample, func(t *testing.T) {
			o := new(orchestrated)
			h := serve(t, o, codepipeline.Options{})
			for _, s := range samples {
				if s.name == tt.sample {
					post(h, s.operation, s.body)
				}
			}
			if !reflect.DeepEqual(o.asked, tt.want) {
				t.Errorf("asked %+v; want %+v", o.asked, tt.want)
			}
			if o.by != "" && o.by != alice {
				t.Errorf("by %s; want %s", o.by, alice)
			}
		})
	}
}

// TestNoInternals looks for the cause of a failure in the answer, and counts
// it in the log.
func TestNoInternals(t *testing.T) {
	tests := []struct {
		err    error
		status int
		code   string
		told   bool // whether the caller reads the message
	}{
		{errors.New("disk canary on fire"), 500, "InternalFailure", false},
		{pipeline.Errorf(pipeline.ServiceUnavailable, "table canary is busy"), 503, "ServiceUnavailable", false},
		{pipeline.Errorf(pipeline.Conflict, "the canary moved on"), 400, "ConflictException", true},
	}
	for _, tt := range tests {
		t.Run(tt.code, func(t *testing.T) {
			var log bytes.Buffer
			h := serve(t, &orchestrated{err: tt.err}, codepipeline.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
			w := post(h, "DeletePipeline", `{"name":"web"}`)
			if w.Code != tt.status || !strings.HasPrefix(w.Body.String(), `{"__type":"`+tt.code+`","message":"`) {
				t.Errorf("answer %d %s", w.Code, w.Body)
			}
			if told := strings.Contains(w.Body.String(), "canary"); told != tt.told {
				t.Errorf("answer %s; tells the cause: want %v", w.Body, tt.told)
			}
			if logged := strings.Count(log.String(), "canary"); logged == 1 == tt.told {
				t.Errorf("log %q", log.String())
			}
		})
	}
}

// TestNoSecrets looks for what nobody may read in every answer of the samples.
func TestNoSecrets(t *testing.T) {
	h := serve(t, new(orchestrated), codepipeline.Options{})
	masked := 0
	for _, s := range samples {
		body := post(h, s.operation, s.body).Body.String()
		for _, canary := range []string{secret, task} {
			if strings.Contains(body, canary) {
				t.Errorf("%s shows %s", s.name, canary)
			}
		}
		masked += strings.Count(body, `"OAuthToken":"****"`)
	}
	if masked < 5 {
		t.Errorf("%d masked secrets; the samples hold more", masked)
	}
}

// TestPages walks through every list in pages of each size and compares them
// with the whole.
func TestPages(t *testing.T) {
	h := serve(t, new(orchestrated), codepipeline.Options{})
	tests := []struct{ operation, members, parameters string }{
		{"ListPipelines", "pipelines", ``},
		{"ListPipelineExecutions", "pipelineExecutionSummaries", `"pipelineName":"web"`},
		{"ListPipelineExecutions", "pipelineExecutionSummaries", `"pipelineName":"web","filter":{"succeededInStage":{"stageName":"Build"}}`},
		{"ListActionExecutions", "actionExecutionDetails", `"pipelineName":"web"`},
		{"ListActionExecutions", "actionExecutionDetails", `"pipelineName":"web","filter":{"pipelineExecutionId":"` + execution(3) + `"}`},
	}
	for _, tt := range tests {
		t.Run(tt.operation, func(t *testing.T) {
			parameters := tt.parameters
			if parameters != "" {
				parameters = "," + parameters
			}
			page := func(size int, token string) ([]json.RawMessage, string) {
				body := map[string]any{}
				if err := json.Unmarshal([]byte(`{"maxResults":`+string(record.Encode(size))+parameters+`}`), &body); err != nil {
					t.Fatal(err)
				}
				if token != "" {
					body["nextToken"] = token
				}
				w := post(h, tt.operation, string(record.Encode(body)))
				var out map[string]json.RawMessage
				if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != 200 {
					t.Fatalf("%d %s: %v", w.Code, w.Body, err)
				}
				var entries []json.RawMessage
				var next string
				_ = json.Unmarshal(out[tt.members], &entries)
				_ = json.Unmarshal(out["nextToken"], &next)
				return entries, next
			}
			whole, _ := page(100, "")
			if len(whole) < 2 {
				t.Fatalf("%d entries are no list", len(whole))
			}
			for size := 1; size <= len(whole); size++ {
				var got []json.RawMessage
				token := ""
				for {
					entries, next := page(size, token)
					got = append(got, entries...)
					if token = next; token == "" {
						break
					}
					if len(entries) != size {
						t.Errorf("a page of %d entries; want %d", len(entries), size)
					}
				}
				if !reflect.DeepEqual(got, whole) {
					t.Errorf("pages of %d have %d entries; want %d", size, len(got), len(whole))
				}
			}
		})
	}
}

// TestWindows lists more executions than are read together, page by page,
// while another one is started. Each execution overlaps with the next.
func TestWindows(t *testing.T) {
	s := new(memory.Store)
	fill(t, s)
	runs := 7 // in the fixture
	begin := func(n int) {
		e := run(n, 3, pipeline.Succeeded, 2)
		first := fetched(record.Action{ID: ran(10 * n), Execution: e.ID, Seq: e.Seq, Attempt: 1, Started: at(10 * n)})
		second := compiled(record.Action{ID: ran(10*n + 1), Execution: e.ID, Seq: e.Seq, Attempt: 1, Started: at(10*n + 15), Status: pipeline.Succeeded})
		if err := s.Write(context.Background(),
			store.Op{Key: record.ExecutionKey(e.ID), If: store.Any, Value: record.Encode(e)},
			store.Op{Key: record.HistoryKey("web", e.Seq), If: store.Any, Value: record.Encode(e.ID)},
			store.Op{Key: first.Key(), If: store.Any, Value: record.Encode(first)},
			store.Op{Key: second.Key(), If: store.Any, Value: record.Encode(second)},
		); err != nil {
			t.Fatal(err)
		}
		runs += 2
	}
	for n := 10; n < 140; n++ {
		begin(n)
	}
	h, err := codepipeline.New(new(orchestrated), record.Reader{Store: s, Account: account}, region, codepipeline.Options{User: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	page := func(size int, token string) (out codepipeline.ListActionExecutionsOutput) {
		w := post(h, "ListActionExecutions", string(record.Encode(codepipeline.ListActionExecutionsInput{PipelineName: "web", MaxResults: size, NextToken: token})))
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != 200 {
			t.Fatalf("%d %s: %v", w.Code, w.Body, err)
		}
		return out
	}
	for _, size := range []int{7, 99, 100} {
		want, late, last := runs, 0, at(9999)
		seen := map[string]bool{}
		out := page(size, "")
		begin(140 + size)
		for {
			for _, d := range out.Details {
				seen[d.ActionExecutionID] = true
				if d.StartTime.After(last) {
					late++
				}
				last = d.StartTime.Time
			}
			if out.NextToken == "" {
				break
			}
			out = page(size, out.NextToken)
		}
		if len(seen) != want {
			t.Errorf("pages of %d show %d runs; want %d", size, len(seen), want)
		}
		if late > 2 { // one where each window ends
			t.Errorf("pages of %d show %d runs late", size, late)
		}
	}
}

// TestForeignToken offers the token of one query to others.
func TestForeignToken(t *testing.T) {
	h := serve(t, new(orchestrated), codepipeline.Options{})
	var out codepipeline.ListPipelineExecutionsOutput
	if err := json.Unmarshal(post(h, "ListPipelineExecutions", `{"pipelineName":"web","maxResults":1}`).Body.Bytes(), &out); err != nil || out.NextToken == "" {
		t.Fatalf("token %q: %v", out.NextToken, err)
	}
	for operation, body := range map[string]string{
		"ListPipelines":          `{`,
		"ListActionExecutions":   `{"pipelineName":"web",`,
		"ListPipelineExecutions": `{"pipelineName":"night",`,
		"ListTagsForResource":    `{"resourceArn":"arn:aws:codepipeline:us-east-1:111122223333:web",`,
	} {
		w := post(h, operation, body+`"nextToken":"`+out.NextToken+`"}`)
		if !strings.Contains(w.Body.String(), "InvalidNextTokenException") {
			t.Errorf("%s answers %s", operation, w.Body)
		}
	}
}

// TestTags holds the rules of tags beside their shape.
func TestTags(t *testing.T) {
	tags := func(n int, key string) string {
		return strings.TrimSuffix(strings.Repeat(`{"key":"`+key+`","value":"v"},`, n), ",")
	}
	h := serve(t, new(orchestrated), codepipeline.Options{})
	for _, tt := range []struct{ name, tags, want string }{
		{"as many as there may be", tags(50, "team"), ""},
		{"one more", tags(51, "team"), `{"__type":"TooManyTagsException","message":"Tag limit exceeded for resource [arn:aws:codepipeline:us-east-1:111122223333:web]."}`},
		{"of the system", tags(1, "AWS:team"), `{"__type":"InvalidTagsException","message":"Not allowed to modify system tags. System tags start with 'aws:'. msg=[Caller is an end user and not allowed to mutate system tags]"}`},
		{"only a space", tags(1, " "), `{"__type":"InvalidTagsException","message":"The key of the tag ' ' ends with a space"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body := `{"pipeline":` + string(record.Encode(web(0))) + `,"tags":[` + tt.tags + `]}`
			got := post(h, "CreatePipeline", body).Body.String()
			if refused := strings.HasPrefix(got, `{"__type"`); refused != (tt.want != "") || refused && got != tt.want {
				t.Errorf("got %.300s; want %s", got, tt.want)
			}
		})
	}
}

// TestLongMessage: a small request cannot ask for an answer without end.
func TestLongMessage(t *testing.T) {
	h := serve(t, new(orchestrated), codepipeline.Options{})
	got := post(h, "CreatePipeline", `{"pipeline":{"stages":[`+strings.Repeat("null,", 10_000)+`{}]}}`).Body
	if got.Len() > 70_000 || !strings.HasPrefix(got.String(), `{"__type":"ValidationException","message":"10000 validation errors detected: `) || !strings.HasSuffix(got.String(), ` ..."}`) {
		t.Errorf("an answer of %d bytes: %.200s", got.Len(), got)
	}
}

// TestCaller compares who the orchestrator is told has called.
func TestCaller(t *testing.T) {
	tests := []struct{ name, user, authorization, want string }{
		{"nobody, on a laptop", "alice", "", alice},
		{"signed", "alice", "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/codepipeline/aws4_request, SignedHeaders=host, Signature=00", "arn:aws:iam::111122223333:user/AKIDEXAMPLE"},
		{"signed, other order", "alice", "AWS4-HMAC-SHA256 SignedHeaders=host,Credential=ci/20260101/us-east-1/codepipeline/aws4_request,Signature=00", "arn:aws:iam::111122223333:user/ci"},
		{"another scheme", "alice", "Basic YTpi", "IncompleteSignatureException"},
		{"a name with a path", "alice", "AWS4-HMAC-SHA256 Credential=a:b/c", "IncompleteSignatureException"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := new(orchestrated)
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"name":"web"}`))
			r.Header.Set("X-Amz-Target", "CodePipeline_20150709.DeletePipeline")
			r.Header.Set("Content-Type", "application/x-amz-json-1.1")
			if tt.authorization != "" {
				r.Header.Set("Authorization", tt.authorization)
			}
			w := httptest.NewRecorder()
			serve(t, o, codepipeline.Options{User: tt.user}).ServeHTTP(w, r)
			if o.by != tt.want && !strings.Contains(w.Body.String(), tt.want) {
				t.Errorf("by %q, answer %s; want %s", o.by, w.Body, tt.want)
			}
		})
	}
}

// TestNoUser holds that a server without a user refuses the unsigned.
func TestNoUser(t *testing.T) {
	h, err := codepipeline.New(new(orchestrated), record.Reader{Store: new(memory.Store), Account: account}, region, codepipeline.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if w := post(h, "ListPipelines", `{}`); w.Code != 403 || !strings.Contains(w.Body.String(), "MissingAuthenticationTokenException") {
		t.Errorf("answer %d %s", w.Code, w.Body)
	}
}
