package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sluice-ci/sluice/internal/blob"
)

// inMemory is up to which size a verified object is held in memory.
const inMemory = 4 << 20

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
	object, digest, err := s.copy(reader{ctx, out.Body}, ref.Size)
	if err != nil {
		return nil, err
	}
	if digest != ref.Digest {
		object.Close()
		return nil, fmt.Errorf("%w: it is %s, not %q", blob.ErrDigest, digest, ref.Digest)
	}
	return object, nil
}

// verifiedHere keeps the SDK from computing the digest too.
func verifiedHere(o *s3.Options) {
	o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
}

// copy returns size bytes of r in a place of their own, and their digest.
func (s *Store) copy(r io.Reader, size int64) (blob.Object, string, error) {
	digest := sha256.New()
	r = io.TeeReader(io.LimitReader(r, size), digest)
	if size <= inMemory {
		b := make([]byte, size)
		if _, err := io.ReadFull(r, b); err != nil {
			return nil, "", err
		}
		return object{bytes.NewReader(b)}, format(digest), nil
	}
	f, err := os.CreateTemp(s.temp, "sluice-object-*")
	if err != nil {
		return nil, "", err
	}
	err = os.Remove(f.Name()) // it lives as long as it is open
	if err == nil {
		var n int64
		if n, err = io.Copy(f, r); err == nil && n < size {
			err = io.ErrUnexpectedEOF
		}
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, "", errors.Join(err, f.Close())
	}
	return readOnly{f}, format(digest), nil
}

// object is an object in memory.
type object struct{ *bytes.Reader }

func (object) Close() error { return nil }

// readOnly is a file without its methods that write.
type readOnly struct{ f *os.File }

func (o readOnly) Read(b []byte) (int, error)                { return o.f.Read(b) }
func (o readOnly) ReadAt(b []byte, off int64) (int, error)   { return o.f.ReadAt(b, off) }
func (o readOnly) Seek(off int64, whence int) (int64, error) { return o.f.Seek(off, whence) }
func (o readOnly) Close() error                              { return o.f.Close() }

// reader is r until ctx ends.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r reader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(b)
}
