package git

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Commit is what a commit says about itself. Times are UTC.
type Commit struct {
	ID             string
	AuthorName     string
	AuthorEmail    string
	AuthorDate     time.Time
	CommitterName  string
	CommitterEmail string
	CommitterDate  time.Time
	Message        string // without the line ends after it
}

// Subject returns the first line of the message.
func (c Commit) Subject() string {
	line, _, _ := strings.Cut(c.Message, "\n")
	return line
}

// commitFormat prints the fields of a Commit, the message last.
const commitFormat = "--format=%H%x00%an%x00%ae%x00%at%x00%cn%x00%ce%x00%ct%x00%B%x00"

// Commit returns a commit by its whole id. The error wraps ErrNotFound when
// the repository has no commit of that id.
func (r *Repository) Commit(ctx context.Context, id string) (Commit, error) {
	if err := r.has(ctx, id); err != nil {
		return Commit{}, err
	}
	// rev-list, unlike log and show, reads no setting that would run a program.
	out, err := r.output(ctx, "rev-list", "--max-count=1", "--no-commit-header", commitFormat, "--end-of-options", id, "--")
	if err != nil {
		return Commit{}, err
	}
	f := strings.Split(strings.ToValidUTF8(string(out), "\uFFFD"), "\x00")
	if len(f) < 8 {
		return Commit{}, fmt.Errorf("git rev-list in %s: unexpected answer about commit %s", r.Path, id)
	}
	return Commit{
		ID:             f[0],
		AuthorName:     f[1],
		AuthorEmail:    f[2],
		AuthorDate:     unix(f[3]),
		CommitterName:  f[4],
		CommitterEmail: f[5],
		CommitterDate:  unix(f[6]),
		Message:        strings.TrimRight(f[7], "\n"),
	}, nil
}

// unix reads seconds since 1970. A commit may hold nonsense there; that is no
// reason not to build it.
func unix(s string) time.Time {
	seconds, _ := strconv.ParseInt(s, 10, 64)
	return time.Unix(seconds, 0).UTC()
}

// has fails unless id is a commit of r. A tag object of that id is none.
func (r *Repository) has(ctx context.Context, id string) error {
	if err := ValidID(id); err != nil {
		return err
	}
	cmd := r.command(ctx, "cat-file", "--batch-check=%(objecttype)")
	cmd.Stdin = strings.NewReader(id + "\n")
	out, err := cmd.Output()
	if err != nil {
		return r.failed(ctx, "cat-file", "", err)
	}
	switch what := strings.TrimSpace(string(out)); what {
	case "commit":
		return nil
	case id + " missing":
		return fmt.Errorf("commit %s of repository %s %w", id, r.Path, ErrNotFound)
	default:
		return fmt.Errorf("commit %s of repository %s %w: it is a %s", id, r.Path, ErrNotFound, what)
	}
}

// Peel returns the commit behind an id, which may be that of a tag object. The
// error wraps ErrNotFound when there is none.
func (r *Repository) Peel(ctx context.Context, id string) (string, error) {
	if err := ValidID(id); err != nil {
		return "", err
	}
	cmd := r.command(ctx, "cat-file", "--batch-check=%(objectname) %(objecttype)")
	cmd.Stdin = strings.NewReader(id + "^{commit}\n")
	out, err := cmd.Output()
	if err != nil {
		return "", r.failed(ctx, "cat-file", "", err)
	}
	commit, ok := strings.CutSuffix(strings.TrimSpace(string(out)), " commit")
	if !ok || ValidID(commit) != nil {
		return "", fmt.Errorf("commit behind %s in repository %s %w", id, r.Path, ErrNotFound)
	}
	return commit, nil
}

// Changed returns the paths that differ between two commits, both sides of a
// rename among them. It is nil when there is no diff to speak of: old is empty
// because the branch is new, or the repository no longer has it.
func (r *Repository) Changed(ctx context.Context, old, commit string) ([]string, error) {
	if strings.Trim(old, "0") == "" {
		return nil, nil
	}
	if err := ValidID(commit); err != nil {
		return nil, err
	}
	if err := r.has(ctx, old); err != nil {
		if ctx.Err() == nil && errors.Is(err, ErrNotFound) {
			return nil, nil
		}
		return nil, err
	}
	out, err := r.output(ctx, "diff-tree", "-r", "-z", "--name-only", "--no-renames", "--no-ext-diff", "--no-textconv",
		"--end-of-options", old, commit, "--")
	if err != nil {
		return nil, err
	}
	files := []string{}
	for path := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		if path != "" {
			files = append(files, path)
		}
	}
	return files, nil
}
