package githttp

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"time"
)

// A Person is the author or the committer of a commit.
type Person struct {
	Name  string
	Email string
	Time  time.Time // UTC
}

// A Commit is what a commit says about itself.
type Commit struct {
	ID        ID
	Author    Person
	Committer Person
	Message   string // without the line ends after it
	tree      ID
}

// Commit returns a commit of the pack. It fails with ErrUnknown if id is
// something else.
func (p *Pack) Commit(id ID) (Commit, error) {
	text, err := p.read(id, commitKind)
	if err != nil {
		return Commit{}, err
	}
	head, message, _ := strings.Cut(strings.ToValidUTF8(string(text), "\uFFFD"), "\n\n")
	c := Commit{ID: id, Message: strings.TrimRight(message, "\n")}
	for line := range strings.SplitSeq(head, "\n") {
		switch key, value, _ := strings.Cut(line, " "); key {
		case "tree":
			if c.tree, err = ParseID(value); err != nil {
				return Commit{}, fmt.Errorf("%w: commit %s: %v", ErrDamaged, id, err)
			}
		case "author":
			c.Author = person(value)
		case "committer":
			c.Committer = person(value)
		}
	}
	return c, nil
}

// person reads "Name <address> seconds offset". A commit may hold nonsense
// there; that is no reason not to build it.
func person(s string) Person {
	name, rest, _ := strings.Cut(s, " <")
	email, when, _ := strings.Cut(rest, ">")
	text, _, _ := strings.Cut(strings.TrimSpace(when), " ")
	seconds, _ := strconv.ParseInt(text, 10, 64)
	return Person{name, email, time.Unix(seconds, 0).UTC()}
}

// read returns the content of the object id, of kind k.
func (p *Pack) read(id ID, k kind) ([]byte, error) {
	o, err := p.find(id, k)
	if err != nil {
		return nil, err
	}
	return p.content(o)
}

func (p *Pack) find(id ID, k kind) (*object, error) {
	o, ok := p.objects[id]
	switch {
	case !ok:
		return nil, fmt.Errorf("%w: %s %s did not come with it", ErrDamaged, k, id)
	case o.kind != k:
		return nil, fmt.Errorf("%s is a %s and not a %s: %w", id, o.kind, k, ErrUnknown)
	}
	return o, nil
}

// A File is a file or a link of a commit.
type File struct {
	Path string      // parts separated by slashes; not checked
	Mode fs.FileMode // 0644, 0755 or a link
	o    *object
}

// modes of what goes into an archive. A submodule (160000) has no content here.
var modes = map[string]fs.FileMode{
	"100644": 0o644,
	"100664": 0o644, // written by git before 2005
	"100755": 0o755,
	"120000": fs.ModeSymlink | 0o777,
}

const folder = "40000"

// Files returns the files of a commit in git's order, which is bytewise.
// Submodules are left out.
func (p *Pack) Files(ctx context.Context, c Commit) ([]File, error) {
	w := walk{pack: p, ctx: ctx}
	if err := w.tree(c.tree, "", 0); err != nil {
		return nil, err
	}
	return w.files, nil
}

// A walk goes through folders. It counts what it sees, since few objects can
// describe any number of files.
type walk struct {
	pack    *Pack
	ctx     context.Context
	files   []File
	entries int
}

func (w *walk) tree(id ID, within string, depth int) error {
	limits := w.pack.limits
	if depth > limits.Depth {
		return fmt.Errorf("%w: folders lie more than %d deep", ErrLimit, limits.Depth)
	}
	if err := w.ctx.Err(); err != nil {
		return err
	}
	text, err := w.pack.read(id, treeKind)
	if err != nil {
		return err
	}
	for len(text) > 0 {
		head, rest, ok := bytes.Cut(text, []byte{0}) // "100644 name\0" and the id
		mode, name, named := strings.Cut(string(head), " ")
		if !ok || !named || len(rest) < len(ID{}) {
			return fmt.Errorf("%w: tree %s", ErrDamaged, id)
		}
		if w.entries++; w.entries > limits.Entries {
			return fmt.Errorf("%w: more than %d files and folders", ErrLimit, limits.Entries)
		}
		if err := w.entry(within+name, strings.TrimLeft(mode, "0"), ID(rest[:len(ID{})]), depth); err != nil {
			return err
		}
		text = rest[len(ID{}):]
	}
	return nil
}

func (w *walk) entry(path, mode string, id ID, depth int) error {
	if mode == folder {
		return w.tree(id, path+"/", depth+1)
	}
	perm, ok := modes[mode]
	if !ok {
		return nil
	}
	o, err := w.pack.find(id, blobKind)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	w.files = append(w.files, File{path, perm, o})
	return nil
}

// Open returns the content of a file and its size. All that it was asked for
// counts towards the limit, since many files may have one content.
func (p *Pack) Open(f File) (io.Reader, int64, error) {
	content, size, err := p.open(f.o)
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", f.Path, err)
	}
	if p.opened += size; p.opened > p.limits.Bytes {
		return nil, 0, fmt.Errorf("%s: %w: the files have more than %d bytes", f.Path, ErrLimit, p.limits.Bytes)
	}
	return content, size, nil
}
