package git

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// A Ref is a branch or a tag.
type Ref struct {
	Type   string // "branch" or "tag"
	Name   string // without refs/heads/ or refs/tags/
	ID     string // what it names; a tag may name a tag object
	Commit string // the commit behind ID; empty when there is none
}

// Types of a Ref, as CodeCommit spells them.
const (
	Branch = "branch"
	Tag    = "tag"
)

// prefixes are where refs of a type are.
var prefixes = map[string]string{Branch: "refs/heads/", Tag: "refs/tags/"}

// Full returns the whole name of a ref, as in refs/heads/main.
func Full(refType, name string) string { return prefixes[refType] + name }

// Split takes the whole name of a ref apart. Ok is false for one that is
// neither a branch nor a tag.
func Split(full string) (refType, name string, ok bool) {
	for refType, prefix := range prefixes {
		if name, ok := strings.CutPrefix(full, prefix); ok && name != "" {
			return refType, name, true
		}
	}
	return "", "", false
}

// Refs returns the branches and tags, ordered by their whole names.
func (r *Repository) Refs(ctx context.Context) ([]Ref, error) {
	return r.refs(ctx, "refs/heads/", "refs/tags/")
}

// refFormat prints a line that refs reads; %00 keeps names with spaces whole.
const refFormat = "--format=%(refname)%00%(objectname)%00%(objecttype)%00%(*objectname)%00%(*objecttype)"

func (r *Repository) refs(ctx context.Context, patterns ...string) ([]Ref, error) {
	out, err := r.output(ctx, append([]string{"for-each-ref", refFormat, "--"}, patterns...)...)
	if err != nil {
		return nil, err
	}
	var refs []Ref
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\x00")
		if len(f) != 5 {
			return nil, fmt.Errorf("git for-each-ref in %s: unexpected line %q", r.Path, line)
		}
		refType, name, ok := Split(f[0])
		if !ok {
			continue
		}
		ref := Ref{Type: refType, Name: name, ID: f[1]}
		switch {
		case f[2] == "commit":
			ref.Commit = f[1]
		case f[4] == "commit":
			ref.Commit = f[3]
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

// Lookup returns one branch or tag. The error wraps ErrNotFound when there is
// none of that name, and says which there are.
func (r *Repository) Lookup(ctx context.Context, refType, name string) (Ref, error) {
	if err := ValidRef(name); err != nil {
		return Ref{}, fmt.Errorf("%s %q: %w", refType, name, err)
	}
	refs, err := r.refs(ctx, Full(refType, name)) // also gives what is below a folder of that name
	if err != nil {
		return Ref{}, err
	}
	for _, ref := range refs {
		if ref.Name == name {
			return ref, nil
		}
	}
	return Ref{}, fmt.Errorf("%s %s of repository %s %w%s", refType, name, r.Path, ErrNotFound, r.others(ctx, refType))
}

// others names a few refs to choose from.
func (r *Repository) others(ctx context.Context, refType string) string {
	refs, err := r.refs(ctx, prefixes[refType])
	if err != nil {
		return ""
	}
	var names []string
	for _, ref := range refs {
		names = append(names, ref.Name)
	}
	switch {
	case len(names) == 0:
		return "; it has none"
	case len(names) > 5:
		names = append(names[:5], "...")
	}
	return "; it has " + strings.Join(names, ", ")
}

// Contains reports whether commit is the head of a branch or behind it.
func (r *Repository) Contains(ctx context.Context, head, commit string) (bool, error) {
	for _, id := range []string{head, commit} {
		if err := ValidID(id); err != nil {
			return false, err
		}
	}
	// Prints the commit if it cannot be reached from head. Limiting the walk
	// like this is quicker than a merge base and answers without exit codes.
	out, err := r.output(ctx, "rev-list", "--max-count=1", "--end-of-options", commit, "^"+head, "--")
	return err == nil && len(out) == 0, err
}

// ValidRef reports whether name is lawful below refs/heads/, by the rules of
// git-check-ref-format, and cannot be taken for an option.
func ValidRef(name string) error {
	bad := func(why string) error { return fmt.Errorf("no lawful name: %s", why) }
	switch {
	case name == "":
		return bad("it is empty")
	case len(name) > 1024:
		return bad("it is longer than 1,024 bytes")
	case name[0] == '-':
		return bad("it begins with a hyphen")
	case name == "@":
		return bad("it is @")
	case strings.Contains(name, ".."), strings.Contains(name, "@{"):
		return bad("it holds .. or @{")
	case strings.HasSuffix(name, "."):
		return bad("it ends with a dot")
	case strings.ContainsAny(name, " ~^:?*[\\\x7f"):
		return bad("it holds a space or one of ~ ^ : ? * [ \\")
	case strings.ContainsFunc(name, func(c rune) bool { return c < 0x20 }):
		return bad("it holds a control character")
	}
	if slices.ContainsFunc(strings.Split(name, "/"), func(part string) bool {
		return part == "" || part[0] == '.' || strings.HasSuffix(part, ".lock")
	}) {
		return bad("a part of it is empty, begins with a dot or ends with .lock")
	}
	return nil
}

// ValidID reports whether id is a whole object id, SHA-1 or SHA-256.
func ValidID(id string) error {
	if (len(id) != 40 && len(id) != 64) || strings.Trim(id, "0123456789abcdef") != "" {
		return fmt.Errorf("%q is no commit id; write all 40 (or 64) hexadecimal digits, in lower case", id)
	}
	return nil
}
