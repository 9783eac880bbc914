package s3

import (
	"archive/zip"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/archive"
	"github.com/sluice-ci/sluice/internal/failpoint"
	"github.com/sluice-ci/sluice/internal/mapping"
)

// A target is the folder that is deployed to. What is written goes to a
// staging folder first and is renamed from there file by file. A reader never
// sees half a file, and an archive that turns out to be broken changes
// nothing. Renaming goes through the root, so nothing lands elsewhere,
// whatever links the folder has.
type target struct {
	root    *os.Root
	folder  string // of root
	staging string // in root
}

// put writes one file.
func (t target) put(ctx context.Context, rel string, content io.Reader) (err error) {
	if err := t.clear(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.clear()) }()
	if err := t.root.Mkdir(t.staging, 0o700); err != nil {
		return err
	}
	file := filepath.Join(t.staging, "file")
	if err := t.copy(ctx, file, content, 0o644); err != nil {
		return err
	}
	return t.place(file, rel)
}

// extract unpacks an archive below prefix. S3 has no folders and no links: an
// empty folder is left out, and a link to a file becomes a copy of it.
func (t target) extract(ctx context.Context, prefix string, r io.ReaderAt, size int64) (err error) {
	if err := t.clear(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.clear()) }()
	err = archive.Unzip(ctx, r, size, filepath.Join(t.folder, t.staging), archive.Limits{FoldCase: true})
	if err != nil {
		return t.explain(ctx, err)
	}
	places, err := t.plan(ctx, prefix)
	if err != nil {
		return err
	}
	for _, p := range places {
		if err := t.place(p.from, p.to); err != nil {
			return err
		}
	}
	return nil
}

// explain tells what is wrong with an archive from what is wrong with this
// machine. Only the latter is worth another attempt.
func (t target) explain(ctx context.Context, err error) error {
	_, machine := errors.AsType[*fs.PathError](err)
	entry, refused := errors.AsType[*archive.EntryError](err)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case refused:
		return refuse(action.JobFailed, "The archive is malformed. Nothing was deployed: %v.", entry)
	case machine:
		return err
	case errors.Is(err, zip.ErrFormat):
		return refuse(action.JobFailed, "The archive is malformed.")
	}
	return refuse(action.JobFailed, "The archive is malformed. Nothing was deployed: %v.", err)
}

// A move is a file on its way.
type move struct{ from, to string }

// plan says where the unpacked files go, once links have become copies.
func (t target) plan(ctx context.Context, prefix string) ([]move, error) {
	var moves []move
	err := fs.WalkDir(t.root.FS(), t.staging, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name := path[len(t.staging)+1:]
		key := name
		if prefix != "" {
			key = prefix + "/" + name // as the service does, even behind a slash
		}
		rel, err := mapping.ObjectPath(key)
		if err != nil {
			return refuse(action.JobFailed, "Nothing was deployed: %v.", err)
		}
		if d.Type()&fs.ModeSymlink != 0 {
			if err := t.resolve(ctx, path); err != nil {
				return err
			}
		}
		moves = append(moves, move{path, rel})
		return nil
	})
	return moves, err
}

// resolve replaces a link, which package archive has checked to stay among the
// unpacked, by a copy of what it points to.
func (t target) resolve(ctx context.Context, link string) error {
	info, err := t.root.Stat(link)
	if err != nil || !info.Mode().IsRegular() {
		return refuse(action.JobFailed, "Nothing was deployed: the link %s of the archive does not point to a file of it.", link[len(t.staging)+1:])
	}
	content, err := t.root.Open(link)
	if err != nil {
		return err
	}
	defer content.Close()
	file := t.staging + ".copy"
	if err := t.copy(ctx, file, content, info.Mode().Perm()); err != nil {
		return err
	}
	return t.root.Rename(file, link)
}

// copy makes a file.
func (t target) copy(ctx context.Context, as string, content io.Reader, mode fs.FileMode) error {
	out, err := t.root.OpenFile(as, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, reader{ctx, content})
	return errors.Join(err, out.Close())
}

// place moves a file to where it belongs, in the place of what is there.
func (t target) place(from, to string) error {
	err := t.root.MkdirAll(filepath.Dir(to), 0o755)
	if err == nil {
		err = failpoint.Step("deploy rename", func() error { return t.root.Rename(from, to) })
	}
	if err != nil {
		return refuse(action.JobFailed, "%s cannot be written: %v. A folder cannot hold a file and a folder of one name.", to, err)
	}
	return nil
}

// clear removes what this attempt, or one that died, has left on its way.
func (t target) clear() error {
	return errors.Join(t.root.RemoveAll(t.staging), t.root.RemoveAll(t.staging+".copy"))
}
