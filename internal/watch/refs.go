package watch

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sluice-ci/sluice/internal/git"
)

// young is the age up to which the time of a file proves nothing: it may be
// written again within the same tick of the file system's clock, which is two
// seconds long on the worst ones.
const young = 2 * time.Second

// A stamp is what changes about a file or folder when its content does.
type stamp struct {
	modified time.Time
	size     int64
}

// refs reads the branches and tags of a repository from its files. It reads
// their contents only when a stamp changed, or is too young to tell.
type refs struct {
	common string
	stamps map[string]stamp // of every file and folder the last answer came from
	torn   bool             // a file was half written at the last reading
	last   State
}

func newRefs(common string) *refs { return &refs{common: common} }

// reftable reports whether the refs are in a format that only git reads.
func (r *refs) reftable() bool {
	_, err := os.Stat(filepath.Join(r.common, "reftable"))
	return err == nil
}

// quiet reports whether nothing changed since the last call, for a repository
// with a reftable.
func (r *refs) quiet(now time.Time) bool {
	if r.unchanged(now) {
		return true
	}
	r.stamps = make(map[string]stamp)
	r.stamp(filepath.Join(r.common, "reftable", "tables.list"))
	return false
}

// unchanged reports whether the last answer still holds.
func (r *refs) unchanged(now time.Time) bool {
	if r.stamps == nil || r.torn {
		return false
	}
	for file, before := range r.stamps {
		if stat(file) != before || now.Sub(before.modified) < young {
			return false
		}
	}
	return true
}

// stat returns the stamp of a file; that of a missing one is zero.
func stat(file string) stamp {
	info, err := os.Lstat(file)
	if err != nil {
		return stamp{}
	}
	if info.IsDir() {
		return stamp{modified: info.ModTime()} // the size of a folder means nothing
	}
	return stamp{info.ModTime(), info.Size()}
}

// stamp notes the stamp of a file that is about to be read.
func (r *refs) stamp(file string) { r.stamps[file] = stat(file) }

// read returns all branches and tags.
func (r *refs) read(now time.Time) (State, bool, error) {
	if r.unchanged(now) {
		return r.last, true, nil
	}
	if _, err := os.Stat(filepath.Join(r.common, "refs")); err != nil {
		return nil, false, err // the repository is gone, not its branches
	}
	r.stamps, r.torn = make(map[string]stamp), false
	loose := make(State)
	for _, refType := range []string{git.Branch, git.Tag} {
		if err := r.loose(strings.TrimSuffix(git.Full(refType, ""), "/"), loose); err != nil {
			return nil, false, err
		}
	}
	// The packed file comes second: git writes it before it removes the loose
	// one, so a ref that moves is seen in one of the two.
	state, err := r.packed()
	if err != nil {
		return nil, false, err
	}
	maps.Copy(state, loose)
	for ref, value := range state {
		for range 5 { // a chain of symbolic refs; git itself stops at five
			to, symbolic := strings.CutPrefix(value, "ref: ")
			if !symbolic {
				break
			}
			value = state[strings.TrimSpace(to)]
		}
		if git.ValidID(value) != nil {
			delete(state, ref)
			continue
		}
		state[ref] = value
	}
	same := r.last != nil && maps.Equal(r.last, state)
	r.last = state
	return state, same, nil
}

// loose reads the files of a folder of refs and of those below it.
func (r *refs) loose(name string, into State) error {
	dir := filepath.Join(r.common, filepath.FromSlash(name))
	r.stamp(dir)
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		ref := name + "/" + e.Name()
		switch {
		case strings.HasSuffix(ref, ".lock"):
		case e.IsDir():
			if err := r.loose(ref, into); err != nil {
				return err
			}
		case e.Type().IsRegular():
			if err := r.file(ref, into); err != nil {
				return err
			}
		}
	}
	return nil
}

// file reads one loose ref.
func (r *refs) file(ref string, into State) error {
	path := filepath.Join(r.common, filepath.FromSlash(ref))
	r.stamp(path)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // removed just now
	}
	if err != nil {
		return err
	}
	value := strings.TrimSpace(string(text))
	if git.ValidID(value) != nil && !strings.HasPrefix(value, "ref: ") {
		// Somebody writes it in place. It is what it was until that is done.
		r.torn = true
		value = r.last[ref]
	}
	into[ref] = value
	return nil
}

// packed reads the refs that git has moved into one file.
func (r *refs) packed() (State, error) {
	path := filepath.Join(r.common, "packed-refs")
	r.stamp(path)
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	state := make(State)
	for line := range strings.Lines(string(text)) {
		// "<id> <ref>"; lines of comments and of peeled tags have no such form
		id, ref, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || git.ValidID(id) != nil {
			continue
		}
		if _, _, ok := git.Split(ref); ok {
			state[ref] = id
		}
	}
	return state, nil
}
