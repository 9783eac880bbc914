package workspace

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/archive"
	"github.com/sluice-ci/sluice/internal/buildspec"
)

// Output finds the files of set in Source and stores them as the output out.
func (w *Workspace) Output(ctx context.Context, out action.Artifact, set buildspec.Fileset) (action.Artifact, error) {
	files, err := set.Find(w.Source)
	if err != nil {
		return out, fmt.Errorf("output artifact %s: %w", out.Name, err)
	}
	w.Log.Printf("Output artifact %s: found %d file(s)", out.Name, len(files))
	if len(files) == 0 {
		return out, fmt.Errorf("output artifact %s: %w: [%s]", out.Name, errNoFiles, strings.Join(set.Files, " "))
	}
	return w.store(ctx, out, files, set.Symlinks)
}

// Mask replaces secrets in the values of variables.
func (w *Workspace) Mask(variables map[string]string) map[string]string {
	for name, value := range variables {
		variables[name] = w.Masker.String(value)
	}
	return variables
}

// store packs files and stores them as the output out.
func (w *Workspace) store(ctx context.Context, out action.Artifact, files []buildspec.File, symlinks bool) (action.Artifact, error) {
	base, names, err := w.stage(out.Name, files, symlinks)
	if err != nil {
		return out, fmt.Errorf("output artifact %s: %w", out.Name, err)
	}
	r, pw := io.Pipe()
	go func() { pw.CloseWithError(archive.Zip(pw, base, names)) }()
	defer r.Close()
	out.Ref, err = w.blobs.Create(ctx, out.Ref.Bucket, out.Ref.Key, r)
	if err != nil {
		return out, fmt.Errorf("output artifact %s: %w", out.Name, err)
	}
	return out, nil
}

// stage returns a folder in which every file has the name it has in the
// artifact. Mostly that is where they are; else they are linked, or copied.
func (w *Workspace) stage(output string, files []buildspec.File, symlinks bool) (string, []string, error) {
	names := make([]string, len(files))
	base, inPlace := w.Source, true
	if len(files) > 0 {
		base = strings.TrimSuffix(files[0].Path, filepath.FromSlash(files[0].Name))
	}
	for i, f := range files {
		names[i] = f.Name
		info, err := os.Lstat(f.Path)
		if err != nil {
			return "", nil, err
		}
		if f.Path != filepath.Join(base, filepath.FromSlash(f.Name)) || !symlinks && info.Mode()&os.ModeSymlink != 0 {
			inPlace = false
		}
	}
	if inPlace {
		return base, names, nil
	}
	dir := filepath.Join(w.Root, "out-"+output)
	for _, f := range files {
		to := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return "", nil, err
		}
		from := f.Path
		if !symlinks {
			var err error
			if from, err = filepath.EvalSymlinks(from); err != nil {
				return "", nil, err
			}
		}
		if os.Link(from, to) == nil {
			continue
		}
		if err := copyFile(from, to); err != nil {
			return "", nil, err
		}
	}
	return dir, names, nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
