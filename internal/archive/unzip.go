package archive

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// Unzip unpacks the zip file r of size bytes into dir, which it creates if
// need be. It replaces nothing: a file that is there already is an error. An
// archive that breaks a rule is refused with an *EntryError, as a rule before
// anything is written; damage that only unpacking shows leaves what was
// unpacked before it.
func Unzip(ctx context.Context, r io.ReaderAt, size int64, dir string, limits Limits) error {
	limits = limits.withDefaults()
	p, err := readPlan(r, size, limits)
	if err != nil {
		return fmt.Errorf("unzip: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("unzip: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("unzip: %w", err)
	}
	defer root.Close()
	u := unpacking{ctx: ctx, root: root, limits: limits, left: min(limits.Bytes, limits.ceiling(size))}
	if err := u.run(p); err != nil {
		return fmt.Errorf("unzip: %w", err)
	}
	return nil
}

// ceiling is how many bytes may come out of an archive of size bytes.
func (l Limits) ceiling(size int64) int64 {
	return 1<<20 + min(size, (1<<62)/l.Ratio)*l.Ratio
}

// A plan is an archive whose directory obeys the rules.
type plan struct {
	folders []string
	files   []*zip.File
	links   map[string]string // name to target
	order   []string          // of the links
}

// kinds of what lies at a path
const (
	implied = iota + 1 // a folder, because something lies in it
	folder
	file
	link
)

// readPlan reads the directory of the archive. It alone decides: the headers
// in front of the contents, which might say otherwise, only locate them.
func readPlan(r io.ReaderAt, size int64, limits Limits) (*plan, error) {
	guard := &guard{r: r, left: limits.Entries + 4096}
	z, err := zip.NewReader(guard, size)
	if guard.left < 0 || z != nil && len(z.File) > limits.Entries {
		return nil, fmt.Errorf("archive has more than %d entries", limits.Entries)
	}
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // names are looked at below
		return nil, fmt.Errorf("archive is damaged: %w", err)
	}
	guard.off = true
	p := &plan{links: map[string]string{}}
	at, folded := map[string]int{}, map[string]string{}
	total := int64(0)
	for _, f := range z.File {
		name := strings.TrimSuffix(f.Name, "/")
		if err := checkName(name, limits.Depth); err != nil {
			return nil, err
		}
		kind, err := checkHeader(f, limits)
		if err != nil {
			return nil, err
		}
		if total += int64(f.UncompressedSize64); total > limits.Bytes {
			return nil, refuse(f.Name, "brings the archive to %d bytes, more than %d", total, limits.Bytes)
		} else if total > limits.ceiling(size) {
			return nil, refuse(f.Name, "brings the archive to %d bytes, more than %d times its size", total, limits.Ratio)
		}
		if err := place(at, name, kind); err != nil {
			return nil, err
		}
		if limits.FoldCase {
			if err := fold(folded, name); err != nil {
				return nil, err
			}
		}
		switch kind {
		case folder:
			p.folders = append(p.folders, name)
		case file:
			p.files = append(p.files, f)
		case link:
			if p.links[name], err = readLink(f); err != nil {
				return nil, err
			}
			p.order = append(p.order, name)
		}
	}
	for _, name := range p.order {
		if err := checkLink(name, p.links[name], p.links); err != nil {
			return nil, err
		}
	}
	return p, checkOverlap(z.File)
}

// checkHeader returns what f is, or why it is refused.
func checkHeader(f *zip.File, limits Limits) (kind int, err error) {
	slash := strings.HasSuffix(f.Name, "/")
	switch f.Mode().Type() {
	case fs.ModeDir:
		kind = folder
	case fs.ModeSymlink:
		kind = link
	case 0:
		kind = file
	default:
		return 0, refuse(f.Name, "is of type %s; only files, folders and links are unpacked", f.Mode().Type())
	}
	switch {
	case slash != (kind == folder):
		return 0, refuse(f.Name, "is a folder by its name or by its mode, not by both")
	case f.Flags&1 != 0:
		return 0, refuse(f.Name, "is encrypted")
	case f.Method != zip.Store && f.Method != zip.Deflate:
		return 0, refuse(f.Name, "is packed by the unknown method %d", f.Method)
	case f.UncompressedSize64 > uint64(limits.EntryBytes):
		return 0, refuse(f.Name, "has %d bytes, more than %d", f.UncompressedSize64, limits.EntryBytes)
	case kind == folder && f.UncompressedSize64 > 0:
		return 0, refuse(f.Name, "is a folder with content")
	case kind == link && f.UncompressedSize64 > 4096:
		return 0, refuse(f.Name, "is a link to a path of %d bytes", f.UncompressedSize64)
	}
	return kind, nil
}

// place notes that an entry lies at name. Nothing may lie there twice, and
// only folders may contain.
func place(at map[string]int, name string, kind int) error {
	if had := at[name]; had != 0 && (had != implied || kind != folder) {
		return refuse(name, "is in the archive twice, or is a folder too")
	}
	at[name] = kind
	for parent := path.Dir(name); parent != "."; parent = path.Dir(parent) {
		switch at[parent] {
		case file, link:
			return refuse(name, "lies below %.100q, which is no folder", parent)
		case implied, folder:
			return nil // and so are those above
		}
		at[parent] = implied
	}
	return nil
}

// fold notes the path to name as a system sees it that ignores case.
func fold(folded map[string]string, name string) error {
	for ; name != "."; name = path.Dir(name) {
		key := strings.ToLower(strings.ToUpper(name))
		if had, ok := folded[key]; ok && had != name {
			return refuse(name, "differs from %.100q in case only", had)
		} else if ok {
			return nil
		}
		folded[key] = name
	}
	return nil
}

func readLink(f *zip.File) (string, error) {
	r, err := f.Open()
	if err != nil {
		return "", refuse(f.Name, "cannot be read: %v", err)
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, 4097))
	if err != nil {
		return "", refuse(f.Name, "cannot be read: %v", err)
	}
	return string(b), nil
}

// checkOverlap refuses entries that share their content, as a bomb does whose
// every entry looks harmless.
func checkOverlap(files []*zip.File) error {
	type span struct {
		from, to int64
		name     string
	}
	var spans []span
	for _, f := range files {
		from, err := f.DataOffset()
		if err != nil {
			return refuse(f.Name, "cannot be found: %v", err)
		}
		if f.CompressedSize64 > 0 {
			spans = append(spans, span{from, from + int64(f.CompressedSize64), f.Name})
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return int(min(1, max(-1, a.from-b.from))) })
	for i := 1; i < len(spans); i++ {
		if spans[i].from < spans[i-1].to {
			return refuse(spans[i].name, "shares its content with %.100q", spans[i-1].name)
		}
	}
	return nil
}

// An unpacking carries out a plan.
type unpacking struct {
	ctx    context.Context
	root   *os.Root
	limits Limits
	left   int64 // bytes that may still come out
}

func (u *unpacking) run(p *plan) error {
	for _, name := range p.folders {
		if err := u.root.MkdirAll(name, 0o755); err != nil {
			return err
		}
	}
	for _, f := range p.files {
		if err := u.ctx.Err(); err != nil {
			return err
		}
		if err := u.file(f); err != nil {
			return err
		}
	}
	for _, name := range p.order {
		if err := u.root.MkdirAll(path.Dir(name), 0o755); err != nil {
			return err
		}
		if err := u.root.Symlink(p.links[name], name); err != nil {
			return err
		}
	}
	return nil
}

func (u *unpacking) file(f *zip.File) error {
	if err := u.root.MkdirAll(path.Dir(f.Name), 0o755); err != nil {
		return err
	}
	perm := fs.FileMode(0o644)
	if f.Mode()&0o111 != 0 {
		perm = 0o755
	}
	w, err := u.root.OpenFile(f.Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	return errors.Join(u.content(w, f), w.Close())
}

// content copies f to w and counts what really comes out.
func (u *unpacking) content(w io.Writer, f *zip.File) error {
	r, err := f.Open()
	if err != nil {
		return refuse(f.Name, "cannot be read: %v", err)
	}
	defer r.Close()
	may := min(u.left, u.limits.EntryBytes)
	n, err := io.Copy(w, io.LimitReader(reader{u.ctx, r}, may+1))
	u.left -= n
	switch {
	case n > may:
		return refuse(f.Name, "unpacks to more than the %d bytes that are left to it", may)
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return err
	case err != nil:
		return refuse(f.Name, "is damaged: %v", err)
	}
	return nil
}

// reader is r until ctx ends.
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

// A guard stops the reading of a directory with too many entries before they
// fill the memory, whatever number the archive claims to have.
type guard struct {
	r    io.ReaderAt
	left int // entries
	off  bool
}

var entryMark = []byte("PK\x01\x02")

// ReadAt implements io.ReaderAt.
func (g *guard) ReadAt(b []byte, at int64) (int, error) {
	if g.left < 0 {
		return 0, errors.New("too many entries")
	}
	n, err := g.r.ReadAt(b, at)
	if !g.off {
		g.left -= bytes.Count(b[:n], entryMark)
	}
	return n, err
}
