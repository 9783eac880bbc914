package s3

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"io"
	mathrand "math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/sluice-ci/sluice/internal/blob"
)

// tokenName is the metadata that says which Create made an object. When an
// answer got lost, and the next attempt meets an object of that name, it tells
// whether that is ours.
const tokenName = "sluice-write"

// attempts is how often a small object is sent when S3 asks to try again
// because its name was just deleted. Everything else the SDK retries.
const attempts = 3

// An upload is one Create.
type upload struct {
	*Store
	bucket, key string
	token       string
	digest      hash.Hash // of what was read so far
	size        int64
}

// Create implements blob.Store.
func (s *Store) Create(ctx context.Context, bucket, key string, r io.Reader) (blob.Ref, error) {
	u := &upload{Store: s, bucket: bucket, key: key, token: rand.Text(), digest: sha256.New()}
	if err := u.run(ctx, blob.Until(ctx, r)); err != nil {
		return blob.Ref{}, fmt.Errorf("create object %s/%s: %w", bucket, key, err)
	}
	return blob.Ref{Bucket: bucket, Key: key, Digest: blob.Digest(u.digest), Size: u.size}, nil
}

// run sends what r holds: in one request if it fits, else in parts.
func (u *upload) run(ctx context.Context, r io.Reader) error {
	src := bufio.NewReader(r)
	buf := make([]byte, u.partSize)
	first, more, err := next(src, buf)
	switch {
	case err != nil:
		return err
	case more:
		return u.parts(ctx, src, buf)
	}
	return u.put(ctx, first)
}

// next fills buf from r and returns what it got, and whether there is more.
func next(r *bufio.Reader, buf []byte) (part []byte, more bool, err error) {
	n, err := io.ReadFull(r, buf)
	if err == nil {
		_, err = r.Peek(1)
		more = err == nil
	}
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return buf[:n], more, err
}

// put sends a small object.
func (u *upload) put(ctx context.Context, content []byte) error {
	u.add(content)
	var err error
	for attempt := range attempts {
		if attempt > 0 {
			if err := rest(ctx, attempt); err != nil {
				return err
			}
		}
		in := &s3.PutObjectInput{
			Bucket: &u.bucket, Key: &u.key, ExpectedBucketOwner: u.account,
			Body: bytes.NewReader(content), ContentLength: aws.Int64(u.size),
			IfNoneMatch: aws.String("*"), Metadata: map[string]string{tokenName: u.token},
			ChecksumAlgorithm: types.ChecksumAlgorithmSha256, ChecksumSHA256: checksum(content),
			ServerSideEncryption: u.encryption, SSEKMSKeyId: u.kmsKey, SSEKMSEncryptionContext: u.context,
		}
		if _, err = u.client.PutObject(ctx, in); !deletedMeanwhile(err) {
			break
		}
	}
	return u.settle(ctx, err)
}

// parts sends a large object, the first part of which is in buf.
func (u *upload) parts(ctx context.Context, r *bufio.Reader, buf []byte) (err error) {
	begun, err := u.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
		Bucket: &u.bucket, Key: &u.key, ExpectedBucketOwner: u.account,
		Metadata: map[string]string{tokenName: u.token}, ChecksumAlgorithm: types.ChecksumAlgorithmSha256,
		ServerSideEncryption: u.encryption, SSEKMSKeyId: u.kmsKey, SSEKMSEncryptionContext: u.context,
	})
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			u.abort(ctx, begun.UploadId)
		}
	}()
	var done []types.CompletedPart
	for part, more := buf, true; ; {
		sent, err := u.part(ctx, begun.UploadId, int32(len(done)+1), part)
		if err != nil {
			return err
		}
		if done = append(done, sent); !more {
			break
		}
		if part, more, err = next(r, buf); err != nil {
			return err
		}
	}
	_, err = u.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &u.bucket, Key: &u.key, ExpectedBucketOwner: u.account, UploadId: begun.UploadId,
		IfNoneMatch: aws.String("*"), MultipartUpload: &types.CompletedMultipartUpload{Parts: done},
	})
	return u.settle(ctx, err)
}

// part sends a part.
func (u *upload) part(ctx context.Context, id *string, number int32, content []byte) (types.CompletedPart, error) {
	u.add(content)
	out, err := u.client.UploadPart(ctx, &s3.UploadPartInput{
		Bucket: &u.bucket, Key: &u.key, ExpectedBucketOwner: u.account, UploadId: id, PartNumber: &number,
		Body: bytes.NewReader(content), ContentLength: aws.Int64(int64(len(content))),
		ChecksumAlgorithm: types.ChecksumAlgorithmSha256, ChecksumSHA256: checksum(content),
	})
	if err != nil {
		return types.CompletedPart{}, err
	}
	return types.CompletedPart{PartNumber: &number, ETag: out.ETag, ChecksumSHA256: checksum(content)}, nil
}

// abort removes the parts of an upload that failed. What it cannot remove, the
// lifecycle of the bucket does.
func (u *upload) abort(ctx context.Context, id *string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	u.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
		Bucket: &u.bucket, Key: &u.key, ExpectedBucketOwner: u.account, UploadId: id,
	})
}

// settle returns what became of an upload whose last request ended with err.
// The SDK repeats a request that got no answer, so "it exists" may be said of
// the object that the first of them made.
func (u *upload) settle(ctx context.Context, err error) error {
	if err == nil || definite(err) && !exists(err) {
		return err
	}
	head, headErr := u.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &u.bucket, Key: &u.key, ExpectedBucketOwner: u.account})
	switch {
	case headErr == nil && head.Metadata[tokenName] == u.token:
		return nil
	case exists(err):
		return blob.ErrExists
	}
	return err
}

// add takes note of content that goes into the object.
func (u *upload) add(content []byte) {
	u.digest.Write(content)
	u.size += int64(len(content))
}

// rest waits before the next attempt, any time up to a bound that doubles.
func rest(ctx context.Context, attempt int) error {
	timer := time.NewTimer(mathrand.N(50 * time.Millisecond << attempt))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// checksum returns the digest of content as S3 wants it.
func checksum(content []byte) *string {
	sum := sha256.Sum256(content)
	return aws.String(base64.StdEncoding.EncodeToString(sum[:]))
}
