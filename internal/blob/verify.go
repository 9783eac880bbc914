package blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
)

// inMemory is up to which size a copy is kept in memory.
const inMemory = 4 << 20

// Verified returns a private copy of r, whose content must be that of ref, so
// that what is handed out cannot change after it was verified. A larger one is
// kept in the file that scratch makes, which nobody else may know. It fails with
// ErrDigest when r is not what was recorded.
func Verified(ctx context.Context, r io.Reader, ref Ref, scratch func() (*os.File, error)) (Object, error) {
	digest := sha256.New()
	object, err := private(io.TeeReader(io.LimitReader(Until(ctx, r), ref.Size), digest), ref.Size, scratch)
	if err != nil {
		return nil, err
	}
	if got := Digest(digest); got != ref.Digest {
		object.Close()
		return nil, fmt.Errorf("%w: it is %s, not %q", ErrDigest, got, ref.Digest)
	}
	return object, nil
}

// Measure returns the Ref of r, which lies under a name.
func Measure(ctx context.Context, bucket, key string, r io.Reader) (Ref, error) {
	digest := sha256.New()
	size, err := io.Copy(digest, Until(ctx, r))
	if err != nil {
		return Ref{}, err
	}
	return Ref{Bucket: bucket, Key: key, Digest: Digest(digest), Size: size}, nil
}

// Digest returns the digest of a Ref whose content SHA-256 h has seen.
func Digest(h hash.Hash) string { return "sha256:" + hex.EncodeToString(h.Sum(nil)) }

// private returns size bytes of r in a place of their own.
func private(r io.Reader, size int64, scratch func() (*os.File, error)) (Object, error) {
	if size <= inMemory {
		b := make([]byte, size)
		if _, err := io.ReadFull(r, b); err != nil {
			return nil, err
		}
		return object{bytes.NewReader(b)}, nil
	}
	f, err := scratch()
	if err != nil {
		return nil, err
	}
	n, err := io.Copy(f, r)
	if err == nil && n < size {
		err = io.ErrUnexpectedEOF
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return readOnly{f}, nil
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

// Until returns r, which fails once ctx has ended.
func Until(ctx context.Context, r io.Reader) io.Reader { return reader{ctx, r} }

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
