package client_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/sluice-ci/sluice/internal/codepipeline"
	"github.com/sluice-ci/sluice/internal/codepipeline/client"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// TestDo compares what is sent, what is read, and the code of each error.
func TestDo(t *testing.T) {
	tests := []struct {
		name    string
		status  int
		reply   string
		code    pipeline.Code
		message string
	}{
		{"answer", 200, `{"pipeline":{"name":"web","stages":[]},"metadata":{"pipelineArn":"arn","created":1767323045.678}}`, "", ""},
		{"no body", 200, ``, "", ""},
		{"exception", 400, `{"__type":"PipelineNotFoundException","message":"no pipeline 'web'"}`, pipeline.PipelineNotFound, "no pipeline 'web'"},
		{"exception with prefix", 400, `{"__type":"com.amazonaws.codepipeline#ConflictException","message":"busy"}`, pipeline.Conflict, "busy"},
		{"another server", 502, `<html>`, pipeline.InternalFailure, "the server answered 502 Bad Gateway, which is not CodePipeline's way"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if r.Method != "POST" || r.URL.Path != "/" || r.Header.Get("X-Amz-Target") != "CodePipeline_20150709.GetPipeline" ||
					r.Header.Get("Content-Type") != "application/x-amz-json-1.1" || string(body) != `{"name":"web"}` {
					t.Errorf("%s %s %v %s", r.Method, r.URL, r.Header, body)
				}
				w.WriteHeader(tt.status)
				io.WriteString(w, tt.reply)
			}))
			defer srv.Close()
			var out codepipeline.GetPipelineOutput
			err := client.New(srv.URL, nil).Do(context.Background(), "GetPipeline", codepipeline.GetPipelineInput{Name: "web"}, &out)
			if pipeline.CodeOf(err) != tt.code || err != nil && err.Error() != tt.message {
				t.Errorf("%s: %v; want %s: %s", pipeline.CodeOf(err), err, tt.code, tt.message)
			}
			if tt.name == "answer" && (out.Pipeline.Name != "web" || out.Metadata.Created.UnixMilli() != 1767323045678) {
				t.Errorf("read %+v", out)
			}
		})
	}
}

// TestUnreachable holds that nobody listening is not a failure of ours.
func TestUnreachable(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	err := client.New(srv.URL, nil).Do(context.Background(), "ListPipelines", struct{}{}, nil)
	if pipeline.CodeOf(err) != pipeline.ServiceUnavailable {
		t.Errorf("%s: %v", pipeline.CodeOf(err), err)
	}
}
