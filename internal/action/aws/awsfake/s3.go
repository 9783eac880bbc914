package awsfake

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/sluice-ci/sluice/internal/blob"
)

// An Object is a version of an object.
type Object struct {
	Version string
	Content []byte
	Put     s3.PutObjectInput // without its body
}

// S3 is a fake of S3, and a blob.Store over the same objects. The zero value
// has no bucket.
type S3 struct {
	Knobs

	mu      sync.Mutex
	buckets map[string]*bucket // guarded by mu
	puts    int                // guarded by mu
}

type bucket struct {
	versioned bool
	objects   map[string][]Object // oldest first
}

// Bucket makes a bucket.
func (f *S3) Bucket(name string, versioned bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.buckets == nil {
		f.buckets = make(map[string]*bucket)
	}
	f.buckets[name] = &bucket{versioned, make(map[string][]Object)}
}

// Keys returns the keys of a bucket, sorted.
func (f *S3) Keys(bucket string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Keys(f.buckets[bucket].objects))
}

// Object returns the newest version of an object. It panics if there is none.
func (f *S3) Object(bucket, key string) Object {
	f.mu.Lock()
	defer f.mu.Unlock()
	versions := f.buckets[bucket].objects[key]
	return versions[len(versions)-1]
}

// Puts returns how many objects were written through PutObject.
func (f *S3) Puts() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.puts
}

// Write puts an object there and returns its version id.
func (f *S3) Write(bucket, key string, content []byte, metadata map[string]string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.write(bucket, key, content, s3.PutObjectInput{Bucket: &bucket, Key: &key, Metadata: metadata})
}

func (f *S3) write(bucket, key string, content []byte, put s3.PutObjectInput) string {
	b := f.buckets[bucket]
	version := "null"
	if b.versioned {
		version = fmt.Sprintf("v%d", len(b.objects[key])+1)
	}
	put.Body = nil
	b.objects[key] = append(b.objects[key], Object{version, bytes.Clone(content), put})
	return version
}

// GetBucketVersioning is that of s3.Client.
func (f *S3) GetBucketVersioning(_ context.Context, in *s3.GetBucketVersioningInput, _ ...func(*s3.Options)) (*s3.GetBucketVersioningOutput, error) {
	return Around(f.Knobs, "GetBucketVersioning", func() (*s3.GetBucketVersioningOutput, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		b, ok := f.buckets[*in.Bucket]
		if !ok {
			return nil, Error("NoSuchBucket")
		}
		out := &s3.GetBucketVersioningOutput{}
		if b.versioned {
			out.Status = types.BucketVersioningStatusEnabled
		}
		return out, nil
	})
}

// GetObject is that of s3.Client.
func (f *S3) GetObject(_ context.Context, in *s3.GetObjectInput, _ ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	return Around(f.Knobs, "GetObject", func() (*s3.GetObjectOutput, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		b, ok := f.buckets[*in.Bucket]
		if !ok {
			return nil, Error("NoSuchBucket")
		}
		versions := b.objects[*in.Key]
		if len(versions) == 0 {
			return nil, Error("NoSuchKey")
		}
		i := len(versions) - 1
		if in.VersionId != nil {
			if i = slices.IndexFunc(versions, func(o Object) bool { return o.Version == *in.VersionId }); i < 0 {
				return nil, Error("NoSuchVersion")
			}
		}
		o := versions[i]
		sum := md5.Sum(o.Content)
		return &s3.GetObjectOutput{
			Body: io.NopCloser(bytes.NewReader(o.Content)), ContentLength: aws.Int64(int64(len(o.Content))),
			ETag: aws.String(`"` + hex.EncodeToString(sum[:]) + `"`), VersionId: aws.String(o.Version),
			LastModified: aws.Time(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)), Metadata: o.Put.Metadata,
		}, nil
	})
}

// PutObject is that of s3.Client.
func (f *S3) PutObject(_ context.Context, in *s3.PutObjectInput, _ ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	content, err := io.ReadAll(in.Body)
	if err != nil {
		return nil, err
	}
	return Around(f.Knobs, "PutObject "+*in.Key, func() (*s3.PutObjectOutput, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if _, ok := f.buckets[*in.Bucket]; !ok {
			return nil, Error("NoSuchBucket")
		}
		f.puts++
		return &s3.PutObjectOutput{VersionId: aws.String(f.write(*in.Bucket, *in.Key, content, *in))}, nil
	})
}

// Create implements blob.Store.
func (f *S3) Create(_ context.Context, bucket, key string, r io.Reader) (blob.Ref, error) {
	content, err := io.ReadAll(r)
	if err != nil {
		return blob.Ref{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.buckets[bucket].objects[key]) > 0 {
		return blob.Ref{}, fmt.Errorf("%s/%s: %w", bucket, key, blob.ErrExists)
	}
	f.write(bucket, key, content, s3.PutObjectInput{Bucket: &bucket, Key: &key})
	return blob.Ref{Bucket: bucket, Key: key, Digest: digest(content), Size: int64(len(content))}, nil
}

// Open implements blob.Store.
func (f *S3) Open(_ context.Context, ref blob.Ref) (blob.Object, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b, ok := f.buckets[ref.Bucket]
	if !ok || len(b.objects[ref.Key]) == 0 {
		return nil, fmt.Errorf("%s/%s: %w", ref.Bucket, ref.Key, blob.ErrNotFound)
	}
	versions := b.objects[ref.Key]
	content := versions[len(versions)-1].Content
	if digest(content) != ref.Digest {
		return nil, fmt.Errorf("%s/%s: %w", ref.Bucket, ref.Key, blob.ErrDigest)
	}
	return open{bytes.NewReader(content)}, nil
}

type open struct{ *bytes.Reader }

func (open) Close() error { return nil }

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}
