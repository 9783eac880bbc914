package lambda_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/awsfake"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
	"github.com/sluice-ci/sluice/internal/action/aws/lambda"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/blob/dir"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// assumer is an STS that remembers what it was asked.
type assumer struct {
	asked *sts.AssumeRoleInput
	err   error
}

func (a *assumer) AssumeRole(_ context.Context, in *sts.AssumeRoleInput, _ ...func(*sts.Options)) (*sts.AssumeRoleOutput, error) {
	a.asked = in
	return &sts.AssumeRoleOutput{Credentials: &ststypes.Credentials{
		AccessKeyId: aws.String("ASIA"), SecretAccessKey: aws.String("secret"), SessionToken: aws.String("session"), Expiration: aws.Time(expires),
	}}, a.err
}

func narrowJob(in, out int) action.Job {
	job := action.Job{ID: "e5a1b2c3-0000-4000-8000-000000000001", Role: "arn:aws-cn:iam::111122223333:role/web", Action: pipeline.Action{Name: "Invoke"}}
	for range in {
		job.Inputs = append(job.Inputs, action.Artifact{Ref: blob.Ref{Bucket: "b", Key: "web/In/*"}})
	}
	for range out {
		job.Outputs = append(job.Outputs, action.Artifact{Ref: blob.Ref{Bucket: "b", Key: "web/Out/XyZ9876"}})
	}
	return job
}

// TestNarrowed pins what a function may do with what it is given.
func TestNarrowed(t *testing.T) {
	const (
		read     = `{"Effect":"Allow","Action":["s3:GetObject"],"Resource":["arn:aws-cn:s3:::b/web/In/${*}"]}`
		write    = `{"Effect":"Allow","Action":["s3:PutObject"],"Resource":["arn:aws-cn:s3:::b/web/Out/XyZ9876"]}`
		decrypt  = `{"Effect":"Allow","Action":["kms:Decrypt"],"Resource":["K"]}`
		generate = `{"Effect":"Allow","Action":["kms:GenerateDataKey","kms:Decrypt"],"Resource":["K"]}`
		nothing  = `{"Effect":"Deny","Action":["*"],"Resource":["*"]}`
	)
	tests := []struct {
		name    string
		in, out int
		key     string
		want    []string
	}{
		{"both, with a key", 1, 1, "K", []string{read, decrypt, write, generate}},
		{"no key", 1, 1, "", []string{read, write}},
		{"an output", 0, 1, "K", []string{write, generate}},
		{"nothing", 0, 0, "K", []string{nothing}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := new(assumer)
			got, err := lambda.Narrowed(a, func(action.Job) string { return tt.key })(t.Context(), narrowJob(tt.in, tt.out))
			if want := (lambda.Credentials{AccessKeyID: "ASIA", SecretAccessKey: "secret", SessionToken: "session", Expires: expires}); err != nil || got != want {
				t.Fatalf("%+v, %v", got, err)
			}
			if want := `{"Version":"2012-10-17","Statement":[` + strings.Join(tt.want, ",") + `]}`; *a.asked.Policy != want {
				t.Errorf("policy\n%s\nwant\n%s", *a.asked.Policy, want)
			}
			if *a.asked.RoleArn != "arn:aws-cn:iam::111122223333:role/web" || *a.asked.DurationSeconds != 900 || len(*a.asked.RoleSessionName) > 64 {
				t.Errorf("%+v", a.asked)
			}
		})
	}
}

// TestNarrowedSize holds that the largest job there can be has a policy that
// STS takes.
func TestNarrowedSize(t *testing.T) {
	job := narrowJob(5, 5)
	for _, artifacts := range [][]action.Artifact{job.Inputs, job.Outputs} {
		for i := range artifacts {
			artifacts[i].Ref = blob.Ref{Bucket: strings.Repeat("b", 63), Key: strings.Repeat("p", 20) + "/" + strings.Repeat("a", 10) + "/1234567"}
		}
	}
	a := new(assumer)
	key := "arn:aws-cn:kms:cn-northwest-1:111122223333:key/11111111-2222-3333-4444-555555555555"
	if _, err := lambda.Narrowed(a, func(action.Job) string { return key })(t.Context(), job); err != nil || len(*a.asked.Policy) > 2048 {
		t.Errorf("%d characters, %v", len(*a.asked.Policy), err)
	}
}

func TestNarrowedRefusals(t *testing.T) {
	key := func(action.Job) string { return "" }
	denied := &assumer{err: awsfake.API("AccessDenied", "not authorized to perform: sts:AssumeRole")}
	if _, err := lambda.Narrowed(denied, key)(t.Context(), narrowJob(1, 0)); err == nil || fault.Type(err) != action.PermissionError || !strings.Contains(err.Error(), "role/web") {
		t.Errorf("denied: %v", err)
	}
	none := narrowJob(1, 0)
	none.Role = ""
	if _, err := lambda.Narrowed(new(assumer), key)(t.Context(), none); err == nil || fault.Type(err) != action.ConfigurationError {
		t.Errorf("no role: %v", err)
	}
}

// TestAdopted has a function upload one of two outputs.
func TestAdopted(t *testing.T) {
	blobs, err := dir.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer blobs.Close()
	s := newSetup()
	s.fake.answers = nil
	ports := s.ports()
	ports.Uploaded = lambda.Adopted(blobs)
	p, err := lambda.New(ports, lambda.Options{})
	if err != nil {
		t.Fatal(err)
	}
	job := s.job("fn")
	job.Outputs = append(job.Outputs, action.Artifact{Name: "Never", Ref: blob.Ref{Bucket: "artifacts", Key: "out/never"}})
	if _, err := p.Start(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	ref, err := blobs.Create(t.Context(), job.Outputs[0].Ref.Bucket, job.Outputs[0].Ref.Key, strings.NewReader("made by the function"))
	if err != nil {
		t.Fatal(err)
	}
	s.fake.calls.change(job.ID, func(c *lambda.Call) { c.Answer = &action.Result{Status: pipeline.Succeeded} })
	r, err := p.Poll(t.Context(), job)
	if err != nil || len(r.Outputs) != 1 || r.Outputs[0].Name != "Out" || r.Outputs[0].Ref != ref {
		t.Errorf("%+v, %v; want %+v", r, err, ref)
	}
}

// TestRecorded pins that a call is written by one of two who have read it.
func TestRecorded(t *testing.T) {
	calls := newCalls()
	read, err := calls.Call(t.Context(), "id")
	if err != nil || read.Version != 0 {
		t.Fatalf("%+v, %v", read, err)
	}
	first, second := read, read
	first.ID, first.Due, second.ID = "first", expires.Add(time.Second), "second"
	if err := calls.PutCall(t.Context(), "id", first); err != nil {
		t.Fatal(err)
	}
	if err := calls.PutCall(t.Context(), "id", second); !errors.Is(err, lambda.ErrChanged) {
		t.Errorf("the second was taken: %v", err)
	}
	if got, err := calls.Call(t.Context(), "id"); err != nil || got.ID != "first" || !got.Due.Equal(first.Due) || got.Version != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}
