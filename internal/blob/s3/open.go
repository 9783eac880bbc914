package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sluice-ci/sluice/internal/blob"
)

// Open implements blob.Store. What it hands out is a private copy made while
// the digest was computed.
func (s *Store) Open(ctx context.Context, ref blob.Ref) (blob.Object, error) {
	object, err := s.open(ctx, ref)
	if err != nil {
		return nil, fmt.Errorf("open object %s/%s: %w", ref.Bucket, ref.Key, err)
	}
	return object, nil
}

func (s *Store) open(ctx context.Context, ref blob.Ref) (blob.Object, error) {
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &ref.Bucket, Key: &ref.Key, ExpectedBucketOwner: s.account}, verifiedHere)
	if err != nil {
		return nil, notFound(err)
	}
	defer out.Body.Close()
	if size := aws.ToInt64(out.ContentLength); size != ref.Size {
		return nil, fmt.Errorf("%w: it has %d bytes, not %d", blob.ErrDigest, size, ref.Size)
	}
	return blob.Verified(ctx, out.Body, ref, s.scratch)
}

// Adopt implements blob.Adopter.
func (s *Store) Adopt(ctx context.Context, bucket, key string) (blob.Ref, error) {
	ref, err := s.adopt(ctx, bucket, key)
	if err != nil {
		return blob.Ref{}, fmt.Errorf("adopt object %s/%s: %w", bucket, key, err)
	}
	return ref, nil
}

func (s *Store) adopt(ctx context.Context, bucket, key string) (blob.Ref, error) {
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key, ExpectedBucketOwner: s.account}, verifiedHere)
	if err != nil {
		return blob.Ref{}, notFound(err)
	}
	defer out.Body.Close()
	ref, err := blob.Measure(ctx, bucket, key, out.Body)
	if err == nil && ref.Size != aws.ToInt64(out.ContentLength) {
		err = io.ErrUnexpectedEOF
	}
	return ref, err
}

// verifiedHere keeps the SDK from computing the digest too.
func verifiedHere(o *s3.Options) {
	o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
}

// scratch returns a file that lives as long as it is open.
func (s *Store) scratch() (*os.File, error) {
	f, err := os.CreateTemp(s.temp, "sluice-object-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
