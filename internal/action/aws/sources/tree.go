package sources

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codecommit"
	"github.com/aws/aws-sdk-go-v2/service/codecommit/types"
)

// atOnce is how many calls one job has under way. What they return is held in
// memory until its turn has come; CodeCommit returns files of up to 20 MB.
const atOnce = 8

// A tree is a commit that is packed folder by folder and file by file:
// CodeCommit has no public call that returns an archive.
type tree struct {
	client     CodeCommit
	repository string
	commit     string
}

// An entry is a file of a tree.
type entry struct {
	path string
	mode fs.FileMode
	blob string
}

// archive writes the commit as a zip, as package git does: files as they were
// committed, executable bits and symbolic links kept, no enclosing folder,
// nothing for a submodule. The same commit always gives the same bytes.
func (t tree) archive(ctx context.Context, w io.Writer) error {
	entries, err := t.list(ctx)
	if err != nil {
		return err
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.path, b.path) })
	return t.pack(ctx, w, entries)
}

// list returns the files of the commit, in no order. It asks for the folders
// of one depth together.
func (t tree) list(ctx context.Context) ([]entry, error) {
	var entries []entry
	for level := []string{""}; len(level) > 0; {
		folders := make([]*codecommit.GetFolderOutput, len(level))
		err := each(ctx, len(level), func(ctx context.Context, i int) (err error) {
			// The root is called /, and what is below it has no slash in front.
			folders[i], err = t.client.GetFolder(ctx, &codecommit.GetFolderInput{RepositoryName: &t.repository, CommitSpecifier: &t.commit, FolderPath: aws.String(cmp.Or(level[i], "/"))})
			return err
		})
		if err != nil {
			return nil, err
		}
		var below []string
		for i, folder := range folders {
			for _, f := range folder.Files {
				mode := fs.FileMode(0o644)
				if f.FileMode == types.FileModeTypeEnumExecutable {
					mode = 0o755
				}
				entries = append(entries, entry{join(level[i], f.RelativePath), mode, aws.ToString(f.BlobId)})
			}
			for _, l := range folder.SymbolicLinks {
				entries = append(entries, entry{join(level[i], l.RelativePath), fs.ModeSymlink | 0o777, aws.ToString(l.BlobId)})
			}
			for _, f := range folder.SubFolders {
				below = append(below, join(level[i], f.RelativePath))
			}
		}
		level = below
	}
	for _, e := range entries {
		if !safe(e.path) {
			return nil, fmt.Errorf("%w: %q", errUnsafe, e.path)
		}
	}
	return entries, nil
}

func join(folder string, name *string) string {
	if folder == "" {
		return aws.ToString(name)
	}
	return folder + "/" + aws.ToString(name)
}

// pack writes entries, in their order, as a zip. Their contents are fetched a
// few ahead of the one that is written.
func (t tree) pack(ctx context.Context, w io.Writer, entries []entry) error {
	z := zip.NewWriter(w)
	for start := 0; start < len(entries); start += atOnce {
		some := entries[start:min(start+atOnce, len(entries))]
		contents := make([][]byte, len(some))
		err := each(ctx, len(some), func(ctx context.Context, i int) error {
			answer, err := t.client.GetBlob(ctx, &codecommit.GetBlobInput{RepositoryName: &t.repository, BlobId: &some[i].blob})
			if err != nil {
				return fmt.Errorf("%s: %w", some[i].path, err)
			}
			contents[i] = answer.Content
			return nil
		})
		if err != nil {
			return err
		}
		for i, e := range some {
			if err := add(z, e.path, e.mode, bytes.NewReader(contents[i]), int64(len(contents[i]))); err != nil {
				return fmt.Errorf("%s: %w", e.path, err)
			}
		}
	}
	return z.Close()
}

// each calls do for the numbers below n, a few at once, and returns the first
// error, which ends the others.
func each(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	slots := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for i := range n {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		all.Go(func() {
			defer func() { <-slots }()
			if err := do(ctx, i); err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}
