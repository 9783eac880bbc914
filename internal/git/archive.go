package git

import (
	"archive/zip"
	"bufio"
	"context"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"time"
)

// stamp is the time of every entry of an archive: zip's first day. The same
// tree gives the same bytes, whenever and wherever it is packed.
var stamp = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// Archive writes the tree of a commit as a zip: files as they were committed,
// executable bits and symbolic links kept, no enclosing folder, no .git,
// nothing for a submodule. The same commit always gives the same bytes.
//
// It packs the objects itself. git archive would run the filters that
// .gitattributes asks for, convert line ends by the configuration, and
// take its compression from whichever zlib is installed.
func (r *Repository) Archive(ctx context.Context, w io.Writer, commit string) error {
	if err := r.has(ctx, commit); err != nil {
		return err
	}
	entries, err := r.tree(ctx, commit)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx) // ends git when an error leaves it with half an answer
	defer cancel()
	cmd := r.command(ctx, "cat-file", "--batch")
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return r.failed(ctx, "cat-file", "", err)
	}
	go func() {
		// An error means that git has ended, which the reader notices.
		defer in.Close()
		ids := bufio.NewWriter(in)
		for _, e := range entries {
			_, _ = ids.WriteString(e.id + "\n")
		}
		_ = ids.Flush()
	}()
	err = pack(w, bufio.NewReaderSize(out, 1<<16), entries)
	if err != nil {
		cancel()
	}
	if waited := cmd.Wait(); err == nil && waited != nil {
		err = r.failed(ctx, "cat-file", "", waited)
	}
	if err != nil {
		return fmt.Errorf("archive commit %s of %s: %w", commit, r.Path, err)
	}
	return nil
}

// An entry is a file of a tree.
type entry struct {
	mode fs.FileMode
	id   string
	path string
}

// modes of tree entries that go into an archive. A submodule (160000) has no
// content here.
var modes = map[string]fs.FileMode{
	"100644": 0o644,
	"100664": 0o644, // written by git before 2005
	"100755": 0o755,
	"120000": fs.ModeSymlink | 0o777,
}

// tree lists the files of a commit in git's order, which is bytewise.
func (r *Repository) tree(ctx context.Context, commit string) ([]entry, error) {
	out, err := r.output(ctx, "ls-tree", "-r", "-z", "--full-tree", "--end-of-options", commit)
	if err != nil {
		return nil, err
	}
	var entries []entry
	for line := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		head, path, ok := strings.Cut(line, "\t") // "100644 blob <id>\t<path>"
		f := strings.Fields(head)
		if !ok || len(f) != 3 {
			if line == "" {
				continue
			}
			return nil, fmt.Errorf("git ls-tree in %s: unexpected line %q", r.Path, line)
		}
		if !safe(path) {
			return nil, fmt.Errorf("commit %s of %s %w: it holds %q, which may not be unpacked", commit, r.Path, ErrIncomplete, path)
		}
		if mode, ok := modes[f[0]]; ok {
			entries = append(entries, entry{mode: mode, id: f[2], path: path})
		}
	}
	return entries, nil
}

// safe reports whether a path may be part of an archive. Git itself writes no
// other, but a tree can be made by hand.
func safe(path string) bool {
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == "." || part == ".." || strings.EqualFold(part, ".git") {
			return false
		}
	}
	return true
}

// pack reads the objects of entries, in their order, from the output of
// cat-file --batch and writes them as a zip.
func pack(w io.Writer, objects *bufio.Reader, entries []entry) error {
	z := zip.NewWriter(w)
	for _, e := range entries {
		head, err := objects.ReadString('\n') // "<id> blob <size>\n"
		if err != nil {
			return fmt.Errorf("%s: git ended early: %w", e.path, err)
		}
		f := strings.Fields(head)
		if len(f) != 3 || f[0] != e.id || f[1] != "blob" {
			return fmt.Errorf("%s %w: object %s is not in the repository (%s)", e.path, ErrIncomplete, e.id, strings.TrimSpace(head))
		}
		size, err := strconv.ParseInt(f[2], 10, 64)
		if err != nil {
			return fmt.Errorf("%s: size of object %s: %w", e.path, e.id, err)
		}
		h := &zip.FileHeader{Name: e.path, Method: zip.Deflate, Modified: stamp}
		h.SetMode(e.mode)
		if e.mode&fs.ModeSymlink != 0 || size == 0 {
			h.Method = zip.Store
		}
		dst, err := z.CreateHeader(h)
		if err != nil {
			return fmt.Errorf("%s: %w", e.path, err)
		}
		if _, err := io.CopyN(dst, objects, size); err != nil {
			return fmt.Errorf("%s: %w", e.path, err)
		}
		if _, err := objects.Discard(1); err != nil { // the line end behind every object
			return fmt.Errorf("%s: %w", e.path, err)
		}
	}
	return z.Close()
}
