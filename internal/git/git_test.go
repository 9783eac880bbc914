package git_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/git"
	"github.com/sluice-ci/sluice/internal/git/gittest"
)

func open(t *testing.T, path string) *git.Repository {
	t.Helper()
	r, err := git.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestOpen opens every form a repository has on disk and asks it something.
func TestOpen(t *testing.T) {
	src := gittest.New(t)
	id := src.Commit("one", "a", "1")
	bare, linked := filepath.Join(t.TempDir(), "bare.git"), filepath.Join(t.TempDir(), "linked")
	separate, moved := filepath.Join(t.TempDir(), "separate"), filepath.Join(t.TempDir(), "moved.git")
	src.Git("clone", "--quiet", "--bare", ".", bare)
	src.Git("worktree", "add", "--quiet", "--detach", linked)
	src.Git("clone", "--quiet", "--separate-git-dir="+moved, ".", separate)
	for name, path := range map[string]string{"work tree": src.Path, "bare": bare, "linked": linked, "separate": separate} {
		t.Run(name, func(t *testing.T) {
			ref, err := open(t, path).Lookup(t.Context(), git.Branch, "main")
			if err != nil || ref.Commit != id {
				t.Errorf("main is %+v, %v; want commit %s", ref, err, id)
			}
		})
	}
}

func TestOpenNoRepository(t *testing.T) {
	empty, below, loose := t.TempDir(), gittest.New(t), t.TempDir()
	below.Commit("one", "sub/a", "1")
	if err := os.WriteFile(filepath.Join(loose, ".git"), []byte("nonsense"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"empty": empty, "missing": filepath.Join(empty, "none"), "below the root": filepath.Join(below.Path, "sub"), "odd .git": loose,
	} {
		if _, err := git.Open(path); !errors.Is(err, git.ErrNotRepository) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v; want ErrNotRepository naming %s", name, err, path)
		}
	}
}

func TestRefs(t *testing.T) {
	src := gittest.New(t)
	r := open(t, src.Path)
	if refs, err := r.Refs(t.Context()); err != nil || len(refs) != 0 {
		t.Errorf("empty repository has %v, %v", refs, err)
	}
	if _, err := r.Lookup(t.Context(), git.Branch, "main"); !errors.Is(err, git.ErrNotFound) || !strings.HasSuffix(err.Error(), "; it has none") {
		t.Errorf("branch of an empty repository: %v", err)
	}
	one := src.Commit("one", "a", "1")
	src.Git("tag", "light")
	src.Git("tag", "--annotate", "--message=m", "noted")
	noted := src.Git("rev-parse", "noted")
	blob := src.Git("rev-parse", "HEAD:a")
	src.Git("tag", "file", blob)
	src.Git("branch", "feature/a")
	src.Git("update-ref", "refs/remotes/origin/main", one)
	want := []git.Ref{
		{Type: git.Branch, Name: "feature/a", ID: one, Commit: one},
		{Type: git.Branch, Name: "main", ID: one, Commit: one},
		{Type: git.Tag, Name: "file", ID: blob},
		{Type: git.Tag, Name: "light", ID: one, Commit: one},
		{Type: git.Tag, Name: "noted", ID: noted, Commit: one},
	}
	got, err := r.Refs(t.Context())
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if ref, err := r.Lookup(t.Context(), git.Tag, "noted"); err != nil || ref != want[4] {
		t.Errorf("tag noted: %+v, %v", ref, err)
	}
	_, err = r.Lookup(t.Context(), git.Branch, "feature")
	if want := "branch feature of repository " + src.Path + " does not exist; it has feature/a, main"; err == nil || err.Error() != want {
		t.Errorf("error %v; want %s", err, want)
	}
}

func TestCommit(t *testing.T) {
	src := gittest.New(t)
	id := src.Commit("Add a\n\nBecause ü.\n\n", "a", "1")
	got, err := open(t, src.Path).Commit(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	const layout = "2006-01-02T15:04:05Z07:00"
	if a, c := got.AuthorDate.Format(layout), got.CommitterDate.Format(layout); a != "2026-01-01T00:00:01Z" || c != "2026-01-01T01:00:01Z" {
		t.Errorf("dates %s and %s", a, c)
	}
	want := git.Commit{
		ID: id, AuthorName: "Ada", AuthorEmail: "ada@example.com", AuthorDate: got.AuthorDate,
		CommitterName: "Grace", CommitterEmail: "grace@example.com", CommitterDate: got.CommitterDate,
		Message: "Add a\n\nBecause ü.",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got.Subject() != "Add a" {
		t.Errorf("subject %q", got.Subject())
	}
}

func TestCommitErrors(t *testing.T) {
	src := gittest.New(t)
	src.Commit("one", "a", "1")
	src.Git("tag", "--annotate", "--message=m", "noted")
	r := open(t, src.Path)
	for id, want := range map[string]string{
		"HEAD":                                `"HEAD" is no commit id; write all 40 (or 64) hexadecimal digits`,
		"--all":                               `"--all" is no commit id`,
		strings.Repeat("0", 39) + "\n":        "is no commit id",
		strings.Repeat("d", 40):               "commit " + strings.Repeat("d", 40) + " of repository " + src.Path + " does not exist",
		src.Git("rev-parse", "noted"):         "does not exist: it is a tag",
		src.Git("rev-parse", "HEAD:a"):        "does not exist: it is a blob",
		src.Git("rev-parse", "HEAD^{}") + " ": "is no commit id",
	} {
		if _, err := r.Commit(t.Context(), id); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Commit(%q): %v; want %s", id, err, want)
		}
	}
}

func TestChanged(t *testing.T) {
	src := gittest.New(t)
	one := src.Commit("one", "a", "1", "b c", "1", "d/ü", "1")
	two := src.Commit("two", "a", "2", "d/e", "2")
	src.Git("mv", "b c", "moved")
	src.Git("rm", "--quiet", "d/e")
	three := src.Commit("three")
	r := open(t, src.Path)
	tests := []struct {
		name, old, new string
		want           []string
	}{
		{"changed and added", one, two, []string{"a", "d/e"}},
		{"moved and removed", two, three, []string{"b c", "d/e", "moved"}},
		{"nothing", two, two, []string{}},
		{"new branch", "", two, nil},
		{"new branch, zeros", strings.Repeat("0", 40), two, nil},
		{"old one is gone", strings.Repeat("d", 40), two, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := r.Changed(t.Context(), tt.old, tt.new)
			if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Error(diff, err)
			}
		})
	}
	if _, err := r.Changed(t.Context(), one, "-p"); err == nil {
		t.Error("an option passed for a commit")
	}
}

func TestContains(t *testing.T) {
	src := gittest.New(t)
	one := src.Commit("one", "a", "1")
	two := src.Commit("two", "a", "2")
	r := open(t, src.Path)
	for _, tt := range []struct {
		head, commit string
		want         bool
	}{{two, one, true}, {two, two, true}, {one, two, false}} {
		if got, err := r.Contains(t.Context(), tt.head, tt.commit); err != nil || got != tt.want {
			t.Errorf("Contains(%.7s, %.7s) = %v, %v; want %v", tt.head, tt.commit, got, err, tt.want)
		}
	}
}

// TestInsideHook sets what git sets for its hooks; another repository must not
// be read because of it.
func TestInsideHook(t *testing.T) {
	src, other := gittest.New(t), gittest.New(t)
	id := src.Commit("one", "a", "1")
	t.Setenv("GIT_DIR", filepath.Join(other.Path, ".git"))
	t.Setenv("GIT_INDEX_FILE", filepath.Join(other.Path, ".git/index"))
	t.Setenv("GIT_CONFIG_PARAMETERS", "'core.bare=nonsense'")
	ref, err := open(t, src.Path).Lookup(t.Context(), git.Branch, "main")
	if err != nil || ref.Commit != id {
		t.Errorf("main is %+v, %v; want commit %s", ref, err, id)
	}
}

// TestForeignOwner reads a repository that belongs to somebody else, which git
// refuses unless it is called safe.
func TestForeignOwner(t *testing.T) {
	src := gittest.New(t)
	id := src.Commit("one", "a", "1")
	if os.Getuid() != 0 {
		t.Skip("only root can give a folder away")
	}
	if err := filepath.WalkDir(src.Path, func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, 12345, 12345))
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, src.Path).Commit(t.Context(), id); err != nil {
		t.Error(err)
	}
}

func TestCancelled(t *testing.T) {
	src := gittest.New(t)
	id := src.Commit("one", "a", "1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := open(t, src.Path).Commit(ctx, id); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v; want context.Canceled", err)
	}
}
