package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-lambda-go/cfn"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sluice-ci/sluice/internal/action/aws/awsfake"
	"github.com/sluice-ci/sluice/internal/cloud/cloudtest"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

const (
	bucket = "sluice-artifacts-111122223333-eu-west-1"
	key    = "arn:aws:kms:eu-west-1:111122223333:key/1"
)

// A stack is CloudFormation with the assets of a deployment.
type stack struct {
	*cloudtest.World
	assets *awsfake.S3
	url    string // where it takes answers

	mu      sync.Mutex
	answers []cfn.Response // guarded by mu
}

func newStack(t *testing.T) *stack {
	s := &stack{World: cloudtest.New(), assets: new(awsfake.S3)}
	s.assets.Bucket("cdk", true)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var answer cfn.Response
		if body, _ := io.ReadAll(r.Body); r.Method != http.MethodPut || len(body) > 4096 || json.Unmarshal(body, &answer) != nil {
			t.Errorf("answer %s %s; want PUT with at most 4,096 bytes of JSON", r.Method, body)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.answers = append(s.answers, answer)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// define puts a declaration among the assets and returns its key.
func (s *stack) define(t *testing.T, name string, edit func(*pipeline.Declaration)) string {
	t.Helper()
	d := cloudtest.Pipeline(name)
	d.ArtifactStore = nil
	if edit != nil {
		edit(&d)
	}
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	key := fmt.Sprintf("%x.json", len(s.assets.Keys("cdk")))
	s.assets.Write("cdk", key, text, nil)
	return key
}

// request returns what CloudFormation sends.
func (s *stack) request(kind, id, key, machine string) []byte {
	b, _ := json.Marshal(map[string]any{
		"RequestType": kind, "RequestId": "request-1", "ResponseURL": s.url, "ResourceType": "Custom::SluicePipeline",
		"LogicalResourceId": "registration", "StackId": "arn:aws:cloudformation:eu-west-1:111122223333:stack/sluice-pipeline-web/1", "PhysicalResourceId": id,
		"ResourceProperties": map[string]any{
			"ServiceToken": "arn:aws:lambda:eu-west-1:111122223333:function:sluice-register", "ServiceTimeout": "120",
			"Definition": map[string]any{"Bucket": "cdk", "Key": key}, "Machine": machine, "Role": cloudtest.Role,
		},
	})
	return b
}

// send does a request and returns the answer to it.
func (s *stack) send(t *testing.T, payload []byte) cfn.Response {
	t.Helper()
	if err := s.call(t.Context(), t, payload); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answers[len(s.answers)-1]
}

func (s *stack) call(ctx context.Context, t *testing.T, payload []byte) error {
	svc := s.Process(t)
	_, err := registrar{svc, svc.Records, s.assets, cloudtest.Account, artifacts{bucket, key}}.handler(slog.New(slog.DiscardHandler))(ctx, payload)
	return err
}

func TestOneEffect(t *testing.T) {
	changed := func(d *pipeline.Declaration) { d.Stages[1].Actions = d.Stages[1].Actions[:1] }
	for name, open := range map[string]func(t *testing.T, s *stack) []byte{
		"create": func(t *testing.T, s *stack) []byte {
			return s.request("Create", "", s.define(t, "web", nil), cloudtest.Machine)
		},
		"update": func(t *testing.T, s *stack) []byte {
			s.InWork(t)
			return s.request("Update", "web", s.define(t, "web", changed), cloudtest.Machine+"0")
		},
		"delete": func(t *testing.T, s *stack) []byte {
			s.InWork(t)
			return s.request("Delete", "web", "gone.json", cloudtest.Machine)
		},
	} {
		t.Run(name, func(t *testing.T) {
			cloudtest.OneEffect(t, func(t *testing.T) cloudtest.Trial {
				s := newStack(t)
				payload := open(t, s)
				call := func(ctx context.Context) error { return s.call(ctx, t, payload) }
				effect := func(t testing.TB) string {
					s.mu.Lock()
					defer s.mu.Unlock()
					for _, a := range s.answers {
						if a.Status != cfn.StatusSuccess || a.PhysicalResourceID != "web" {
							t.Errorf("answer %+v", a)
						}
					}
					return s.Effect(t)
				}
				return cloudtest.Trial{Call: call, Effect: effect}
			})
		})
	}
}

// The declaration that is registered is the definition's, and says where the
// artifacts are; the machine and the role are its home.
func TestRegistered(t *testing.T) {
	elsewhere := pipeline.ArtifactStore{Type: "S3", Location: "elsewhere"}
	tests := []struct {
		name     string
		declared *pipeline.ArtifactStore
		want     pipeline.ArtifactStore
		key      string
	}{
		{"none", nil, pipeline.ArtifactStore{Type: "S3", Location: bucket}, key},
		{"ours", &pipeline.ArtifactStore{Type: "S3", Location: bucket}, pipeline.ArtifactStore{Type: "S3", Location: bucket}, key},
		{"another", &elsewhere, elsewhere, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStack(t)
			asset := s.define(t, "web", func(d *pipeline.Declaration) { d.ArtifactStore = tt.declared })
			if a := s.send(t, s.request("Create", "", asset, cloudtest.Machine)); a.Status != cfn.StatusSuccess || a.PhysicalResourceID != "web" || a.RequestID != "request-1" {
				t.Fatalf("answer %+v", a)
			}
			_, v, err := s.Records.Latest(t.Context(), "web")
			if err != nil {
				t.Fatal(err)
			}
			got, k := *v.Declaration.ArtifactStore, ""
			if got.EncryptionKey != nil {
				k, got.EncryptionKey = got.EncryptionKey.ID, nil
			}
			if got != tt.want || k != tt.key || v.Machine != cloudtest.Machine || v.Role != cloudtest.Role || len(v.Declaration.Stages) != 2 {
				t.Errorf("registered %+v with key %q, home %+v", got, k, v.Home)
			}
		})
	}
}

// Whatever is wrong, CloudFormation is told why, in a line that it takes.
func TestReasons(t *testing.T) {
	tests := []struct {
		name string
		edit func(s *stack, request map[string]any)
		want string
	}{
		{"unlawful definition", func(s *stack, r map[string]any) {
			r["Definition"].(map[string]any)["Key"] = s.define(t, "web", func(d *pipeline.Declaration) { d.Stages = d.Stages[:1] })
		}, "2 stages"},
		{"unknown field", func(s *stack, r map[string]any) {
			s.assets.Write("cdk", "x.json", []byte(`{"name":"web","stagez":[]}`), nil)
			r["Definition"].(map[string]any)["Key"] = "x.json"
		}, `definition s3://cdk/x.json: json: unknown field "stagez"`},
		{"no such asset", func(_ *stack, r map[string]any) { r["Definition"].(map[string]any)["Key"] = "none.json" }, "read definition s3://cdk/none.json"},
		{"no machine", func(_ *stack, r map[string]any) { delete(r, "Machine") }, "properties of the resource registration: missing or empty: Machine"},
		{"another property", func(_ *stack, r map[string]any) { r["Machin"] = "x" }, `properties of the resource registration: unknown member "Machin"`},
		{"very long", func(s *stack, r map[string]any) {
			s.assets.Write("cdk", "y.json", []byte(`{"`+strings.Repeat("ü", 5000)+`":1}`), nil)
			r["Definition"].(map[string]any)["Key"] = "y.json"
		}, "... the log has all of it"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStack(t)
			var request map[string]any
			json.Unmarshal(s.request("Create", "", s.define(t, "web", nil), cloudtest.Machine), &request)
			tt.edit(s, request["ResourceProperties"].(map[string]any))
			payload, _ := json.Marshal(request)
			a := s.send(t, payload)
			if a.Status != cfn.StatusFailed || !strings.Contains(a.Reason, tt.want) {
				t.Errorf("answer %+v; want a reason with %q", a, tt.want)
			}
			// The deletion that CloudFormation sends then deletes no pipeline.
			s.Deploy(t, "web")
			request["RequestType"], request["PhysicalResourceId"] = "Delete", a.PhysicalResourceID
			payload, _ = json.Marshal(request)
			a = s.send(t, payload)
			if _, err := s.Records.Pipeline(t.Context(), "web"); a.Status != cfn.StatusSuccess || err != nil {
				t.Errorf("deletion: %+v, pipeline: %v", a, err)
			}
		})
	}
}

// A pipeline that another resource has registered since stays.
func TestMoved(t *testing.T) {
	s := newStack(t)
	asset := s.define(t, "web", nil)
	s.send(t, s.request("Create", "", asset, cloudtest.Machine))
	s.send(t, s.request("Create", "", asset, cloudtest.Machine+"7"))
	s.send(t, s.request("Delete", "web", asset, cloudtest.Machine))
	if _, err := s.Records.Pipeline(t.Context(), "web"); err != nil {
		t.Errorf("the pipeline of the new resource was deleted with the old one: %v", err)
	}
	s.send(t, s.request("Delete", "web", asset, cloudtest.Machine+"7"))
	if _, err := s.Records.Pipeline(t.Context(), "web"); pipeline.CodeOf(err) != pipeline.PipelineNotFound {
		t.Errorf("after the last deletion: %v", err)
	}
}

// Every asset is read from a bucket of this account only.
func TestOwner(t *testing.T) {
	got := ""
	r := registrar{assets: owner(func(in *s3.GetObjectInput) { got = *in.ExpectedBucketOwner }), account: cloudtest.Account}
	r.handle(t.Context(), cfn.Event{RequestType: cfn.RequestCreate, ResourceProperties: map[string]any{
		"ServiceToken": "f", "Definition": map[string]any{"Bucket": "b", "Key": "k"}, "Machine": "m", "Role": "r"}})
	if got != cloudtest.Account {
		t.Errorf("expected owner %q", got)
	}
}

type owner func(*s3.GetObjectInput)

func (o owner) GetObject(_ context.Context, in *s3.GetObjectInput, _ ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	o(in)
	return nil, errors.New("not here")
}
