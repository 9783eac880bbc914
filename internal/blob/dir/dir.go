// Package dir keeps objects as files: bucket and key are the path below one
// folder, so a person finds an artifact where its name says.
//
// A key that is no harmless path is refused, and a key cannot lie below
// another. An object appears under its name in one step, when all of it is on
// disk; what a crash leaves behind lies in a folder of its own and is removed
// by the next start.
package dir

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/failpoint"
)

// partial is the folder of objects that are being written. No bucket can have
// its name.
const partial = ".partial"

// Store keeps objects in a folder.
type Store struct{ root *os.Root }

var _ blob.Adopter = (*Store)(nil)

// New returns the store in folder, and creates the folder if there is none.
func New(folder string) (*Store, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("object store: %w", err)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("object store: %w", err)
	}
	s := &Store{root}
	if err := cmp.Or(root.MkdirAll(partial, 0o700), s.sweep()); err != nil {
		root.Close()
		return nil, fmt.Errorf("object store: %w", err)
	}
	return s, nil
}

// Close gives the folder back. Objects that are open stay open.
func (s *Store) Close() error { return s.root.Close() }

// sweep removes what was left by processes that died while they wrote. A file
// that is still being written is locked.
func (s *Store) sweep() error {
	d, err := s.root.Open(partial)
	if err != nil {
		return err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		f, err := s.root.Open(path.Join(partial, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if tryLock(f) {
			err = s.root.Remove(path.Join(partial, name))
		}
		f.Close()
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Create implements blob.Store.
func (s *Store) Create(ctx context.Context, bucket, key string, r io.Reader) (blob.Ref, error) {
	name, err := objectPath(bucket, key)
	if err != nil {
		return blob.Ref{}, err
	}
	if _, err := s.root.Lstat(name); err == nil { // before all of r is read for nothing
		return blob.Ref{}, fmt.Errorf("create object %s/%s: %w", bucket, key, blob.ErrExists)
	}
	ref := blob.Ref{Bucket: bucket, Key: key}
	if err := s.create(ctx, name, r, &ref); err != nil {
		return blob.Ref{}, fmt.Errorf("create object %s/%s: %w", bucket, key, err)
	}
	return ref, nil
}

// create writes the object beside its place, makes it durable, and gives it
// its name last. A link, unlike a rename, replaces nothing.
func (s *Store) create(ctx context.Context, name string, r io.Reader, ref *blob.Ref) error {
	temp := path.Join(partial, rand.Text())
	f, err := s.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer s.root.Remove(temp)
	defer f.Close()
	tryLock(f) // nobody else knows the name, so nobody else holds it
	digest := sha256.New()
	if ref.Size, err = io.Copy(io.MultiWriter(f, digest), blob.Until(ctx, r)); err != nil {
		return err
	}
	ref.Digest = blob.Digest(digest)
	if err := failpoint.Step("blob sync", func() error { return cmp.Or(f.Sync(), f.Chmod(0o400)) }); err != nil {
		return err
	}
	folder := path.Dir(name)
	if err := s.root.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	if err := failpoint.Step("blob link", func() error { return s.root.Link(temp, name) }); errors.Is(err, fs.ErrExist) {
		return blob.ErrExists
	} else if err != nil {
		return err
	}
	for ; ; folder = path.Dir(folder) { // each may be new
		if err := failpoint.Step("blob folder", func() error { return s.syncFolder(folder) }); err != nil || folder == "." {
			return err
		}
	}
}

func (s *Store) syncFolder(name string) error {
	d, err := s.root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Open implements blob.Store. What it hands out is a private copy made while
// the digest was computed, so a change to the file after that does no harm.
func (s *Store) Open(ctx context.Context, ref blob.Ref) (blob.Object, error) {
	name, err := objectPath(ref.Bucket, ref.Key)
	if err != nil {
		return nil, err
	}
	object, err := s.open(ctx, name, ref)
	if err != nil {
		return nil, fmt.Errorf("open object %s/%s: %w", ref.Bucket, ref.Key, err)
	}
	return object, nil
}

func (s *Store) open(ctx context.Context, name string, ref blob.Ref) (blob.Object, error) {
	f, size, err := s.file(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size != ref.Size {
		return nil, fmt.Errorf("%w: it has %d bytes, not %d", blob.ErrDigest, size, ref.Size)
	}
	return blob.Verified(ctx, f, ref, s.scratch)
}

// file opens the file of an object.
func (s *Store) file(name string) (f *os.File, size int64, err error) {
	f, err = s.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, blob.ErrNotFound
	}
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = blob.ErrNotFound
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

// Adopt implements blob.Adopter.
func (s *Store) Adopt(ctx context.Context, bucket, key string) (blob.Ref, error) {
	name, err := objectPath(bucket, key)
	if err != nil {
		return blob.Ref{}, err
	}
	f, _, err := s.file(name)
	if err != nil {
		return blob.Ref{}, fmt.Errorf("adopt object %s/%s: %w", bucket, key, err)
	}
	defer f.Close()
	ref, err := blob.Measure(ctx, bucket, key, f)
	if err != nil {
		return blob.Ref{}, fmt.Errorf("adopt object %s/%s: %w", bucket, key, err)
	}
	return ref, nil
}

// scratch returns a file that lives as long as it is open.
func (s *Store) scratch() (*os.File, error) {
	temp := path.Join(partial, rand.Text())
	f, err := s.root.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if err := s.root.Remove(temp); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
