package s3_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/sluice-ci/sluice/internal/awstest"
	"github.com/sluice-ci/sluice/internal/blob"
	adapter "github.com/sluice-ci/sluice/internal/blob/s3"
)

// answered is the error that the SDK makes of an answer.
func answered(status int, code string) error {
	return &smithy.OperationError{ServiceID: "S3", OperationName: "PutObject", Err: &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}},
		Err:      &smithy.GenericAPIError{Code: code},
	}}
}

// flaky is a client whose writes of objects end as they are told. It notes
// what each request says.
type flaky struct {
	*names
	ends  []func(send func() error) error
	whole []*s3.PutObjectInput
	begun []*s3.CreateMultipartUploadInput
	parts []*s3.UploadPartInput
	done  []*s3.CompleteMultipartUploadInput
	owner []*string // of every request
}

func (f *flaky) end(send func() error) error {
	if len(f.ends) == 0 {
		return send()
	}
	end := f.ends[0]
	f.ends = f.ends[1:]
	return end(send)
}

func (f *flaky) PutObject(ctx context.Context, in *s3.PutObjectInput, o ...func(*s3.Options)) (out *s3.PutObjectOutput, err error) {
	f.whole, f.owner = append(f.whole, in), append(f.owner, in.ExpectedBucketOwner)
	err = f.end(func() error {
		in.Body.(io.Seeker).Seek(0, io.SeekStart)
		out, err = f.names.PutObject(ctx, in, o...)
		return err
	})
	return out, err
}

func (f *flaky) CompleteMultipartUpload(ctx context.Context, in *s3.CompleteMultipartUploadInput, o ...func(*s3.Options)) (out *s3.CompleteMultipartUploadOutput, err error) {
	f.done, f.owner = append(f.done, in), append(f.owner, in.ExpectedBucketOwner)
	err = f.end(func() error {
		out, err = f.names.CompleteMultipartUpload(ctx, in, o...)
		return err
	})
	return out, err
}

func (f *flaky) CreateMultipartUpload(ctx context.Context, in *s3.CreateMultipartUploadInput, o ...func(*s3.Options)) (*s3.CreateMultipartUploadOutput, error) {
	f.begun, f.owner = append(f.begun, in), append(f.owner, in.ExpectedBucketOwner)
	return f.names.CreateMultipartUpload(ctx, in, o...)
}

func (f *flaky) UploadPart(ctx context.Context, in *s3.UploadPartInput, o ...func(*s3.Options)) (*s3.UploadPartOutput, error) {
	f.parts, f.owner = append(f.parts, in), append(f.owner, in.ExpectedBucketOwner)
	return f.names.UploadPart(ctx, in, o...)
}

func (f *flaky) AbortMultipartUpload(ctx context.Context, in *s3.AbortMultipartUploadInput, o ...func(*s3.Options)) (*s3.AbortMultipartUploadOutput, error) {
	f.owner = append(f.owner, in.ExpectedBucketOwner)
	return f.names.AbortMultipartUpload(ctx, in, o...)
}

func (f *flaky) GetObject(ctx context.Context, in *s3.GetObjectInput, o ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	f.owner = append(f.owner, in.ExpectedBucketOwner)
	return f.names.GetObject(ctx, in, o...)
}

func (f *flaky) HeadObject(ctx context.Context, in *s3.HeadObjectInput, o ...func(*s3.Options)) (*s3.HeadObjectOutput, error) {
	f.owner = append(f.owner, in.ExpectedBucketOwner)
	return f.names.HeadObject(ctx, in, o...)
}

var errLost = errors.New("connection reset by peer")

// The ways a write of an object can end.
var (
	lostAnswer  = func(send func() error) error { send(); return errLost }
	lostRequest = func(func() error) error { return errLost }
	faultAfter  = func(send func() error) error { send(); return answered(500, "InternalError") }
	sentTwice   = func(send func() error) error { send(); return send() } // as the SDK does without an answer
	conflict    = func(func() error) error { return answered(409, "ConditionalRequestConflict") }
	denied      = func(func() error) error { return answered(403, "AccessDenied") }
)

// TestLostAnswers holds that Create succeeds if and only if the object is
// there and is the one that it wrote.
func TestLostAnswers(t *testing.T) {
	type end = func(func() error) error
	tests := []struct {
		name   string
		ends   []end
		before string // what the name holds already
		want   error  // nil: success
		there  bool   // whether the object is ours afterwards
		whole  bool   // only for objects sent whole
	}{
		{name: "no trouble", there: true},
		{name: "answer lost", ends: []end{lostAnswer}, there: true},
		{name: "fault after the write", ends: []end{faultAfter}, there: true},
		{name: "sent twice", ends: []end{sentTwice}, there: true},
		{name: "request lost", ends: []end{lostRequest}, want: errLost},
		{name: "denied", ends: []end{denied}, want: answered(403, "AccessDenied")},
		{name: "there before, with the same content", before: content, want: blob.ErrExists},
		{name: "there before, answer lost", ends: []end{lostAnswer}, before: content, want: errLost},
		{name: "there before, sent twice", ends: []end{sentTwice}, before: content, want: blob.ErrExists},
		{name: "deleted meanwhile", ends: []end{conflict, conflict}, there: true, whole: true},
		{name: "deleted again and again", ends: []end{conflict, conflict, conflict}, want: answered(409, "ConditionalRequestConflict")},
	}
	for _, tt := range tests {
		for name, size := range map[string]int{"whole": 100, "parts": 10} {
			if name == "parts" && tt.whole {
				continue
			}
			t.Run(tt.name+", "+name, func(t *testing.T) {
				client := &flaky{names: own(t), ends: tt.ends}
				s := open(t, client, adapter.Options{PartSize: size})
				if tt.before != "" {
					if _, err := open(t, client.names, adapter.Options{}).Create(t.Context(), "bucket", "k", strings.NewReader(tt.before)); err != nil {
						t.Fatal(err)
					}
				}

				ref, err := s.Create(t.Context(), "bucket", "k", strings.NewReader(content))

				if (err == nil) != (tt.want == nil) || err != nil && !errors.Is(err, tt.want) && !strings.HasSuffix(err.Error(), tt.want.Error()) {
					t.Errorf("Create: %v; want %v", err, tt.want)
				}
				if err != nil && !strings.Contains(err.Error(), "bucket/k") {
					t.Errorf("error %q does not name the object", err)
				}
				if tt.there {
					if _, err := s.Open(t.Context(), ref); err != nil {
						t.Errorf("Open: %v; want the object", err)
					}
				} else if ref != (blob.Ref{}) {
					t.Errorf("Create failed and gave %+v", ref)
				}
				if left := uploads(t, client.names); left != 0 {
					t.Errorf("%d uploads are left", left)
				}
			})
		}
	}
}

var content = strings.Repeat("0123456789", 3) + "x" // three parts of ten bytes and one

// uploads returns how many uploads in parts are neither done nor given up.
func uploads(t *testing.T, client *names) int {
	t.Helper()
	bucket := "bucket"
	out, err := client.s3.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: client.bucket(&bucket)})
	if err != nil {
		t.Fatal(err)
	}
	return len(out.Uploads)
}

// A source that breaks half way leaves neither an object nor parts, even when
// the caller has stopped waiting.
func TestSourceBreaks(t *testing.T) {
	client := own(t)
	s := open(t, client, adapter.Options{PartSize: 10})
	boom := errors.New("boom")
	_, err := s.Create(t.Context(), "bucket", "k", io.MultiReader(strings.NewReader(content), iotest.ErrReader(boom)))
	if !errors.Is(err, boom) {
		t.Errorf("Create: %v; want boom", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stop := readerFunc(func(b []byte) (int, error) { cancel(); return 0, io.EOF })
	if _, err := s.Create(ctx, "bucket", "k", io.MultiReader(strings.NewReader(content), stop)); !errors.Is(err, context.Canceled) {
		t.Errorf("Create: %v; want context.Canceled", err)
	}
	if left := uploads(t, client); left != 0 {
		t.Errorf("%d uploads are left", left)
	}
	if _, err := s.Open(t.Context(), blob.Ref{Bucket: "bucket", Key: "k"}); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("Open: %v; want ErrNotFound", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// Parts end where they should, whatever the source gives at a time.
func TestParts(t *testing.T) {
	for size, want := range map[int]int{0: 0, 1: 0, 9: 0, 10: 0, 11: 2, 20: 2, 21: 3, 30: 3, 31: 4} {
		for name, wrap := range map[string]func(io.Reader) io.Reader{"all": func(r io.Reader) io.Reader { return r }, "bytewise": iotest.OneByteReader, "end with data": iotest.DataErrReader} {
			client := &flaky{names: own(t)}
			s := open(t, client, adapter.Options{PartSize: 10})
			ref, err := s.Create(t.Context(), "bucket", "k", wrap(strings.NewReader(content[:size])))
			if err != nil || len(client.parts) != want || ref.Size != int64(size) {
				t.Fatalf("%d bytes, %s: %d parts, size %d, %v; want %d parts", size, name, len(client.parts), ref.Size, err, want)
			}
			o, err := s.Open(t.Context(), ref)
			if err != nil {
				t.Fatalf("%d bytes, %s: %v", size, name, err)
			}
			if got, err := io.ReadAll(o); err != nil || string(got) != content[:size] {
				t.Errorf("%d bytes, %s: %q, %v", size, name, got, err)
			}
		}
	}
}

// TestRequests holds what protects an object: its condition, key, owner and
// checksums are in every request that takes them.
func TestRequests(t *testing.T) {
	client := &flaky{names: own(t)}
	s := open(t, client, adapter.Options{Account: awstest.Account, KMSKey: "key", Context: map[string]string{"app": "sluice"}, PartSize: 10})
	for key, content := range map[string]string{"small": content[:5], "large": content} {
		ref, err := s.Create(t.Context(), "bucket", key, strings.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Open(t.Context(), ref); err != nil {
			t.Error(err)
		}
		if _, err := s.Create(t.Context(), "bucket", key, strings.NewReader(content)); !errors.Is(err, blob.ErrExists) {
			t.Error(err)
		}
		head, err := client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &ref.Bucket, Key: &ref.Key, ExpectedBucketOwner: aws.String(awstest.Account)})
		if err != nil || head.ServerSideEncryption != types.ServerSideEncryptionAwsKms || aws.ToString(head.SSEKMSKeyId) == "" {
			t.Errorf("%s is encrypted by %q with %q, %v", key, head.ServerSideEncryption, aws.ToString(head.SSEKMSKeyId), err)
		}
	}
	for i, owner := range client.owner {
		if aws.ToString(owner) != awstest.Account {
			t.Errorf("request %d names the owner %q", i, aws.ToString(owner))
		}
	}
	put, begun, part, done := client.whole[0], client.begun[0], client.parts[0], client.done[0]
	if aws.ToString(put.IfNoneMatch) != "*" || aws.ToString(done.IfNoneMatch) != "*" {
		t.Errorf("conditions %q and %q; want *", aws.ToString(put.IfNoneMatch), aws.ToString(done.IfNoneMatch))
	}
	for _, context := range []*string{put.SSEKMSEncryptionContext, begun.SSEKMSEncryptionContext} {
		if b, err := base64.StdEncoding.DecodeString(aws.ToString(context)); err != nil || string(b) != `{"app":"sluice"}` {
			t.Errorf("KMS context %s, %v", b, err)
		}
	}
	for _, sum := range []*string{put.ChecksumSHA256, part.ChecksumSHA256, done.MultipartUpload.Parts[0].ChecksumSHA256} {
		if b, err := base64.StdEncoding.DecodeString(aws.ToString(sum)); err != nil || len(b) != 32 {
			t.Errorf("checksum %x, %v", b, err)
		}
	}
}

func TestClassify(t *testing.T) {
	tests := []struct {
		err      error
		definite bool
		notFound bool
	}{
		{answered(403, "AccessDenied"), true, false},
		{answered(412, "PreconditionFailed"), true, false},
		{answered(404, "NoSuchBucket"), true, true},
		{answered(404, "NoSuchKey"), true, true},
		{&smithy.OperationError{Err: &types.NoSuchKey{}}, false, true},
		{&smithy.OperationError{Err: &types.NotFound{}}, false, true},
		{answered(400, "RequestTimeout"), false, false},
		{answered(500, "InternalError"), false, false},
		{answered(503, "SlowDown"), false, false},
		{errLost, false, false},
		{context.DeadlineExceeded, false, false},
		{fmt.Errorf("read: %w", io.ErrUnexpectedEOF), false, false},
	}
	for _, tt := range tests {
		if got := adapter.Definite(tt.err); got != tt.definite {
			t.Errorf("%v is definite: %v; want %v", tt.err, got, tt.definite)
		}
		if got := errors.Is(adapter.NotFound(tt.err), blob.ErrNotFound); got != tt.notFound {
			t.Errorf("%v is not found: %v; want %v", tt.err, got, tt.notFound)
		}
	}
}
