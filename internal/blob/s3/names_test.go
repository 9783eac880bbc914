package s3_test

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sluice-ci/sluice/internal/awstest"
)

// names is a client of moto that gives each test buckets of its own: bucket
// and bucket2 exist, under other names.
type names struct {
	s3     *s3.Client
	prefix string
}

func own(t *testing.T) *names {
	t.Helper()
	n := &names{awstest.S3(t), awstest.Name()}
	for _, bucket := range []string{"bucket", "bucket2"} {
		awstest.Bucket(t, *n.bucket(&bucket))
	}
	return n
}

func (n *names) bucket(name *string) *string {
	full := strings.ToLower(n.prefix + "-" + *name)
	return &full
}

func (n *names) PutObject(ctx context.Context, in *s3.PutObjectInput, o ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	own := *in
	own.Bucket = n.bucket(in.Bucket)
	return n.s3.PutObject(ctx, &own, o...)
}

func (n *names) HeadObject(ctx context.Context, in *s3.HeadObjectInput, o ...func(*s3.Options)) (*s3.HeadObjectOutput, error) {
	own := *in
	own.Bucket = n.bucket(in.Bucket)
	return n.s3.HeadObject(ctx, &own, o...)
}

func (n *names) GetObject(ctx context.Context, in *s3.GetObjectInput, o ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	own := *in
	own.Bucket = n.bucket(in.Bucket)
	return n.s3.GetObject(ctx, &own, o...)
}

func (n *names) CreateMultipartUpload(ctx context.Context, in *s3.CreateMultipartUploadInput, o ...func(*s3.Options)) (*s3.CreateMultipartUploadOutput, error) {
	own := *in
	own.Bucket = n.bucket(in.Bucket)
	return n.s3.CreateMultipartUpload(ctx, &own, o...)
}

func (n *names) UploadPart(ctx context.Context, in *s3.UploadPartInput, o ...func(*s3.Options)) (*s3.UploadPartOutput, error) {
	own := *in
	own.Bucket = n.bucket(in.Bucket)
	return n.s3.UploadPart(ctx, &own, o...)
}

func (n *names) CompleteMultipartUpload(ctx context.Context, in *s3.CompleteMultipartUploadInput, o ...func(*s3.Options)) (*s3.CompleteMultipartUploadOutput, error) {
	own := *in
	own.Bucket = n.bucket(in.Bucket)
	return n.s3.CompleteMultipartUpload(ctx, &own, o...)
}

func (n *names) AbortMultipartUpload(ctx context.Context, in *s3.AbortMultipartUploadInput, o ...func(*s3.Options)) (*s3.AbortMultipartUploadOutput, error) {
	own := *in
	own.Bucket = n.bucket(in.Bucket)
	return n.s3.AbortMultipartUpload(ctx, &own, o...)
}
