// Package blob is the port to artifacts: immutable objects named once and
// verified whenever they are read. S3 with KMS in an AWS account, a folder on
// a laptop.
package blob

import (
	"context"
	"errors"
	"io"
)

// A Ref names an object and pins its content.
type Ref struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
	Digest string `json:"digest"` // sha256:<64 hex>
	Size   int64  `json:"size"`   // bytes
}

// ErrExists says that an object of that name was written before.
var ErrExists = errors.New("object exists")

// ErrNotFound says that there is no such object.
var ErrNotFound = errors.New("object does not exist")

// ErrDigest says that an object is not what was recorded.
var ErrDigest = errors.New("object does not match its recorded digest")

// A Store keeps objects. It is safe for concurrent use.
type Store interface {
	// Create writes r whole and returns its Ref. It never replaces: an object
	// of that name gives ErrExists. A crash half way leaves no object.
	Create(ctx context.Context, bucket, key string, r io.Reader) (Ref, error)

	// Open returns the content after its digest was verified: a reader that
	// was handed out never yields other bytes than were recorded. It fails
	// with ErrNotFound or ErrDigest, naming the object.
	Open(ctx context.Context, ref Ref) (Object, error)
}

// An Adopter is a Store in which others write too: a function that was given
// the name of an output and the right to write there.
type Adopter interface {
	Store

	// Adopt returns the Ref of what lies under a name now, whoever wrote it,
	// or ErrNotFound, naming the object. Whoever writes there again breaks
	// that Ref: Open then says ErrDigest.
	Adopt(ctx context.Context, bucket, key string) (Ref, error)
}

// An Object is the content of a Ref. Being an io.ReaderAt, it can be opened as
// a zip archive.
type Object interface {
	io.Reader
	io.ReaderAt
	io.Closer
}
