package s3_test

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sluice-ci/sluice/internal/awstest"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/blob/blobtest"
	adapter "github.com/sluice-ci/sluice/internal/blob/s3"
)

func TestMain(m *testing.M) { os.Exit(awstest.Main(m)) }

func open(t *testing.T, client adapter.Client, opts adapter.Options) *adapter.Store {
	t.Helper()
	s, err := adapter.New(client, opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestContract runs the contract with objects sent whole, and in parts. Moto
// gets one request at a time; what it says about two creators is how the loser
// is told, not that S3 has one.
func TestContract(t *testing.T) {
	awstest.URL(t)
	for name, opts := range map[string]adapter.Options{
		"whole":     {Account: awstest.Account},
		"parts":     {Account: awstest.Account, PartSize: 64 << 10},
		"encrypted": {PartSize: 1 << 20, KMSKey: "alias/artifacts", Context: map[string]string{"app": "sluice"}},
	} {
		t.Run(name, func(t *testing.T) {
			blobtest.Run(t, func(t *testing.T) (blob.Store, blobtest.Tamper) {
				client, own := own(t), opts // the tests are parallel
				own.Temp = t.TempDir()
				return open(t, client, own), tamper(client)
			})
		})
	}
}

// tamper changes objects as somebody with the right to write could.
func tamper(client *names) blobtest.Tamper {
	return func(t *testing.T, ref blob.Ref, change func([]byte) []byte) {
		t.Helper()
		out, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &ref.Bucket, Key: &ref.Key})
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(out.Body)
		if b = change(b); b == nil && err == nil {
			_, err = client.s3.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: client.bucket(&ref.Bucket), Key: &ref.Key})
		} else if err == nil {
			_, err = client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &ref.Bucket, Key: &ref.Key, Body: strings.NewReader(string(b))})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Objects that are open leave no file behind, and no name in a folder.
func TestTemp(t *testing.T) {
	temp := t.TempDir()
	s := open(t, own(t), adapter.Options{Temp: temp})
	ref, err := s.Create(t.Context(), "bucket", "k", strings.NewReader(strings.Repeat("x", 5<<20)))
	if err != nil {
		t.Fatal(err)
	}
	o, err := s.Open(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if left, err := os.ReadDir(temp); err != nil || len(left) != 0 {
		t.Errorf("there is %v, %v; want nothing", left, err)
	}
	if _, ok := o.(io.Writer); ok {
		t.Error("an object that is open can be written")
	}
}

// cut is an answer whose body ends early.
type cut struct{ *names }

func (c cut) GetObject(ctx context.Context, in *s3.GetObjectInput, o ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	out, err := c.names.GetObject(ctx, in, o...)
	if err == nil {
		out.Body = io.NopCloser(io.LimitReader(out.Body, *out.ContentLength-1))
	}
	return out, err
}

// A connection that breaks is no wrong digest, and gives no object.
func TestBrokenConnection(t *testing.T) {
	for _, size := range []int{100, 5 << 20} {
		client := own(t)
		ref, err := open(t, client, adapter.Options{}).Create(t.Context(), "bucket", "k", strings.NewReader(strings.Repeat("x", size)))
		if err != nil {
			t.Fatal(err)
		}
		o, err := open(t, cut{client}, adapter.Options{}).Open(t.Context(), ref)
		if o != nil || !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, blob.ErrDigest) {
			t.Errorf("%d bytes: %v, %v; want no object and an unexpected end", size, o, err)
		}
		if ref, err := open(t, cut{client}, adapter.Options{}).Adopt(t.Context(), "bucket", "k"); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d bytes: adopted as %+v, %v; want an unexpected end", size, ref, err)
		}
	}
}

func TestNew(t *testing.T) {
	for name, opts := range map[string]adapter.Options{
		"negative parts":        {PartSize: -1},
		"a context, but no key": {Context: map[string]string{"a": "b"}},
	} {
		if _, err := adapter.New(anyClient{}, opts); err == nil {
			t.Errorf("New with %s succeeded", name)
		}
	}
	if _, err := adapter.New(nil, adapter.Options{}); err == nil {
		t.Error("New without a client succeeded")
	}
}

type anyClient struct{ adapter.Client }
