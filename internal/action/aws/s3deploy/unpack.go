package s3deploy

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
	"github.com/sluice-ci/sluice/internal/archive"
)

// atOnce is how many objects one job writes at a time.
const atOnce = 8

// An object is a file of the archive on its way.
type object struct{ file, key string }

// unpack writes the files of an archive. S3 has no folders and no links: an
// empty folder is left out, and a link to a file becomes a copy of it.
func (t target) unpack(ctx context.Context, client S3, r io.ReaderAt, size int64, from progress, left budget) (at progress, err error) {
	scratch, err := os.MkdirTemp("", "sluice-*")
	if err != nil {
		return from, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	dir := filepath.Join(scratch, "files")
	if err := archive.Unzip(ctx, r, size, dir, archive.Limits{}); err != nil {
		return from, explain(ctx, err)
	}
	root, err := os.OpenRoot(dir) // a link leads to nowhere else
	if err != nil {
		return from, err
	}
	defer root.Close()
	objects, err := t.plan(root)
	if err != nil {
		return from, err
	}
	if from.done > 0 && (from.all != len(objects) || from.done >= from.all) {
		return from, fmt.Errorf("the cursor is at file %d of %d, and the archive has %d", from.done, from.all, len(objects))
	}
	n, err := t.upload(ctx, client, root, objects[from.done:], left)
	return progress{from.done + n, len(objects)}, err
}

// explain tells what is wrong with an archive from what is wrong with this
// machine. Only the latter is worth another attempt.
func explain(ctx context.Context, err error) error {
	_, machine := errors.AsType[*fs.PathError](err)
	entry, refused := errors.AsType[*archive.EntryError](err)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case refused:
		return fault.Refuse(action.JobFailed, "The archive is malformed. Nothing was deployed: %v.", entry)
	case machine:
		return err
	case errors.Is(err, zip.ErrFormat):
		return fault.Refuse(action.JobFailed, "The archive is malformed.")
	}
	return fault.Refuse(action.JobFailed, "The archive is malformed. Nothing was deployed: %v.", err)
}

// plan says which object each unpacked file becomes, in an order that depends
// on their names only. As the service does, it
// puts a slash behind a prefix that already ends in one.
func (t target) plan(root *os.Root) ([]object, error) {
	var objects []object
	err := fs.WalkDir(root.FS(), ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := root.Stat(file)
		if err != nil || !info.Mode().IsRegular() {
			return fault.Refuse(action.JobFailed, "Nothing was deployed: the link %s of the archive does not point to a file of it.", file)
		}
		key := file
		if t.key != "" {
			key = t.key + "/" + file
		}
		objects = append(objects, object{file, key})
		return checkKey(key)
	})
	return objects, err
}

// upload writes objects, a few at once, until nothing is left of the time. It
// returns how many of them, from the first on, are written: one at least. The
// first error ends the others.
func (t target) upload(ctx context.Context, client S3, root *os.Root, objects []object, left budget) (int, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan object)
	var all sync.WaitGroup
	for range min(atOnce, len(objects)) {
		all.Go(func() {
			for o := range work {
				if err := t.file(ctx, client, root, o); err != nil {
					cancel(err)
				}
			}
		})
	}
	n := 0
feed:
	for n < len(objects) && (n == 0 || !left.spent()) {
		select {
		case work <- objects[n]:
			n++
		case <-ctx.Done():
			break feed
		}
	}
	close(work)
	all.Wait()
	return n, context.Cause(ctx)
}

// file writes one file.
func (t target) file(ctx context.Context, client S3, root *os.Root, o object) error {
	f, err := root.Open(o.file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return t.put(ctx, client, o.key, f, info.Size())
}
