// Package s3 keeps objects in S3, encrypted with a KMS key.
//
// An object is written under a condition: nothing of its name may exist. What
// is read is compared with the recorded digest before a byte of it is handed
// out, so neither S3 nor whoever may write to the bucket is trusted with more
// than keeping it. A large object is uploaded in parts; parts that a crash
// leaves behind never become an object, and the bucket's lifecycle removes
// them.
package s3

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/sluice-ci/sluice/internal/blob"
)

// A Client is what the store needs of *s3.Client.
type Client interface {
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
	HeadObject(context.Context, *s3.HeadObjectInput, ...func(*s3.Options)) (*s3.HeadObjectOutput, error)
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
	CreateMultipartUpload(context.Context, *s3.CreateMultipartUploadInput, ...func(*s3.Options)) (*s3.CreateMultipartUploadOutput, error)
	UploadPart(context.Context, *s3.UploadPartInput, ...func(*s3.Options)) (*s3.UploadPartOutput, error)
	CompleteMultipartUpload(context.Context, *s3.CompleteMultipartUploadInput, ...func(*s3.Options)) (*s3.CompleteMultipartUploadOutput, error)
	AbortMultipartUpload(context.Context, *s3.AbortMultipartUploadInput, ...func(*s3.Options)) (*s3.AbortMultipartUploadOutput, error)
}

// Options holds what has a sensible default. The zero value is valid.
type Options struct {
	// Account is the account that must own every bucket, so that nothing is
	// sent to a bucket that somebody else made under its name. Default: no
	// account is asked for.
	Account string

	// KMSKey is the id or ARN of the key that encrypts new objects, and Context
	// what a use of the key names besides the object, for a key policy to
	// require. Default: what the bucket prescribes.
	KMSKey  string
	Context map[string]string

	// PartSize is up to how many bytes an object is uploaded in one request,
	// and how large its parts are beyond that. As much is held in memory.
	// Default 8 MiB. S3 takes parts from 5 MiB on, and 10,000 of them.
	PartSize int

	// Temp is the folder of private copies of objects that are open. Default:
	// the system's.
	Temp string
}

// Store keeps objects in the buckets that their names say.
type Store struct {
	client   Client
	partSize int
	temp     string

	// As requests have them; zero: not there.
	account, kmsKey, context *string
	encryption               types.ServerSideEncryption
}

var _ blob.Adopter = (*Store)(nil)

// New returns a store that talks to client.
func New(client Client, opts Options) (*Store, error) {
	if client == nil {
		return nil, errors.New("s3.New: a client is required")
	}
	if opts.PartSize < 0 || len(opts.Context) > 0 && opts.KMSKey == "" {
		return nil, fmt.Errorf("s3.New: part size %d is negative, or there is a KMS context without a key", opts.PartSize)
	}
	s := &Store{client: client, partSize: cmp.Or(opts.PartSize, 8<<20), temp: opts.Temp}
	if opts.Account != "" {
		s.account = &opts.Account
	}
	if opts.KMSKey != "" {
		s.kmsKey, s.encryption = &opts.KMSKey, types.ServerSideEncryptionAwsKms
	}
	if len(opts.Context) > 0 {
		pairs, err := json.Marshal(opts.Context)
		if err != nil {
			return nil, fmt.Errorf("s3.New: KMS context: %w", err)
		}
		s.context = aws.String(base64.StdEncoding.EncodeToString(pairs))
	}
	return s, nil
}
