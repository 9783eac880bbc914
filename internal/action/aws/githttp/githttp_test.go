package githttp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/action/aws/githttp"
	"github.com/sluice-ci/sluice/internal/action/aws/githttp/githttptest"
	"github.com/sluice-ci/sluice/internal/git/gittest"
)

// serve serves a repository and returns the remote that it is.
func serve(t *testing.T, repo *gittest.Repo, limits githttp.Limits) *githttp.Remote {
	t.Helper()
	server := httptest.NewServer(githttptest.Handler(t, repo))
	t.Cleanup(server.Close)
	return &githttp.Remote{URL: server.URL + "/acme/web.git", Client: server.Client(), Limits: limits}
}

func scratch(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "pack"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func parse(t *testing.T, s string) githttp.ID {
	t.Helper()
	id, err := githttp.ParseID(s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// fetch returns the pack of a commit.
func fetch(t *testing.T, r *githttp.Remote, id string, files bool) (*githttp.Pack, error) {
	t.Helper()
	refs, err := r.Refs(t.Context())
	if err != nil {
		return nil, err
	}
	return r.Fetch(t.Context(), refs, parse(t, id), files, scratch(t))
}

// list returns the files of a commit as "mode text".
func list(ctx context.Context, p *githttp.Pack, id githttp.ID) (map[string]string, error) {
	c, err := p.Commit(id)
	if err != nil {
		return nil, err
	}
	files, err := p.Files(ctx, c)
	if err != nil {
		return nil, err
	}
	all := make(map[string]string)
	for _, f := range files {
		r, size, err := p.Open(f)
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(r)
		if err != nil || int64(len(text)) != size {
			return nil, fmt.Errorf("%s: %d bytes, %v; want %d", f.Path, len(text), err, size)
		}
		all[f.Path] = fmt.Sprintf("%v %s", f.Mode, text)
	}
	return all, nil
}

// wanted returns what git has for a commit, in the form of list.
func wanted(t *testing.T, repo *gittest.Repo, id string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	modes := map[string]string{"100644": "-rw-r--r--", "100755": "-rwxr-xr-x", "120000": "Lrwxrwxrwx"}
	for line := range strings.SplitSeq(repo.Git("ls-tree", "-r", "-z", "--full-tree", id), "\x00") {
		if head, name, ok := strings.Cut(line, "\t"); ok {
			f := strings.Fields(head)
			if f[1] == "blob" {
				all[name] = modes[f[0]] + " " + raw(t, repo, "cat-file", "blob", f[2])
			}
		}
	}
	return all
}

// many is a repository whose pack has differences upon differences.
func many(t *testing.T) (*gittest.Repo, []string) {
	t.Helper()
	repo := gittest.New(t)
	var ids []string
	text := strings.Repeat("the same line again and again\n", 400)
	for i := range 12 {
		for j := range 20 {
			repo.Write(fmt.Sprintf("d%d/e%d/f%d", j%3, j%5, j), fmt.Sprintf("%d\n%s%d", j, text, i))
		}
		ids = append(ids, repo.Commit(fmt.Sprintf("number %d\n\nbody", i), "n", fmt.Sprint(i), "random", fmt.Sprint(strings.Repeat(fmt.Sprint(i), 100_000))))
	}
	if err := os.Symlink("d0", filepath.Join(repo.Path, "link")); err != nil {
		t.Fatal(err)
	}
	repo.Write("empty", "")
	repo.Write("run", "#!/bin/sh\n")
	if err := os.Chmod(filepath.Join(repo.Path, "run"), 0o755); err != nil {
		t.Fatal(err)
	}
	repo.Git("update-index", "--add", "--cacheinfo", "160000,"+ids[0]+",vendor/sub")
	ids = append(ids, repo.Commit("last"))
	repo.Git("repack", "-adfq", "--depth=50", "--window=50")
	return repo, ids
}

func TestAsGit(t *testing.T) {
	repo, ids := many(t)
	r := serve(t, repo, githttp.Limits{})
	refs, err := r.Refs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if id, ok := refs.Branch("main"); !ok || id.String() != ids[len(ids)-1] {
		t.Errorf("main is %s, %v", id, ok)
	}
	if _, ok := refs.Branch("refs/heads/main"); ok {
		t.Error("a branch was found by its whole name")
	}
	for _, id := range []string{ids[0], ids[5], ids[len(ids)-1]} {
		pack, err := fetch(t, r, id, true)
		if err != nil {
			t.Fatal(err)
		}
		got, err := list(t.Context(), pack, parse(t, id))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wanted(t, repo, id), got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestCommit(t *testing.T) {
	repo := gittest.New(t)
	old := repo.Commit("one", "a", "1")
	id := repo.Commit("Two\n\nmore\n", "a", "2")
	for _, files := range []bool{true, false} {
		pack, err := fetch(t, serve(t, repo, githttp.Limits{}), id, files)
		if err != nil {
			t.Fatal(err)
		}
		c, err := pack.Commit(parse(t, id))
		if err != nil {
			t.Fatal(err)
		}
		if c.Author != (githttp.Person{Name: "Ada", Email: "ada@example.com", Time: time.Date(2026, 1, 1, 0, 0, 2, 0, time.UTC)}) ||
			c.Committer != (githttp.Person{Name: "Grace", Email: "grace@example.com", Time: time.Date(2026, 1, 1, 1, 0, 2, 0, time.UTC)}) || c.Message != "Two\n\nmore" {
			t.Errorf("%+v", c)
		}
		if _, err := pack.Commit(parse(t, old)); err == nil {
			t.Error("the history came with the commit")
		}
		if _, err := pack.Files(t.Context(), c); (err == nil) != files {
			t.Errorf("files were asked for: %v; they are there: %v", files, err == nil)
		}
	}
}

// TestIsNoCommit asks for objects of other kinds and for none.
func TestIsNoCommit(t *testing.T) {
	repo := gittest.New(t)
	repo.Commit("one", "a", "1")
	repo.Git("tag", "-am", "text", "v1")
	r := serve(t, repo, githttp.Limits{})
	for _, id := range []string{repo.Git("rev-parse", "v1"), repo.Git("rev-parse", "HEAD^{tree}"), strings.Repeat("ab", 20)} {
		pack, err := fetch(t, r, id, true)
		if err == nil {
			_, err = pack.Commit(parse(t, id))
		}
		if !errors.Is(err, githttp.ErrUnknown) {
			t.Errorf("%s: %v; want ErrUnknown", id, err)
		}
	}
	for _, id := range []string{"", "main", strings.Repeat("g", 40), strings.Repeat("AB", 20), strings.Repeat("ab", 32), "--upload-pack=x"} {
		if _, err := githttp.ParseID(id); err == nil {
			t.Errorf("%q is taken for an id", id)
		}
	}
}

func TestNoBranch(t *testing.T) {
	r := serve(t, gittest.New(t), githttp.Limits{})
	refs, err := r.Refs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if id, ok := refs.Branch("main"); ok {
		t.Errorf("main of an empty repository is %s", id)
	}
}

func TestBounded(t *testing.T) {
	repo, ids := many(t)
	id := ids[len(ids)-1]
	for name, limits := range map[string]githttp.Limits{
		"refs":    {Refs: 100},
		"pack":    {Pack: 1000},
		"objects": {Objects: 10},
		"object":  {Object: 1000},
		"entries": {Entries: 20},
		"bytes":   {Bytes: 100_000, Pack: 1 << 20},
		"depth":   {Depth: 1},
	} {
		pack, err := fetch(t, serve(t, repo, limits), id, true)
		if err == nil {
			_, err = list(t.Context(), pack, parse(t, id))
		}
		if !errors.Is(err, githttp.ErrLimit) {
			t.Errorf("%s: %v; want ErrLimit", name, err)
		}
	}
}

// TestBomb fetches a commit of few objects that describe ten to the tenth
// files, and one whose every file is the same large one.
func TestBomb(t *testing.T) {
	repo := gittest.New(t)
	repo.Write("x", strings.Repeat("0", 1<<20))
	id := repo.Git("hash-object", "-w", "x")
	line := "100644 blob " + id + "\tf"
	for range 10 {
		var tree strings.Builder
		for i := range 10 {
			fmt.Fprintf(&tree, "%s%d\n", line, i)
		}
		repo.Write(".tree", tree.String())
		line = "040000 tree " + repo.Git("-c", "alias.make=!git mktree <.tree", "make") + "\td"
		if id := repo.Git("commit-tree", "-m", "bomb", strings.Fields(line)[2]); id != "" {
			repo.Git("update-ref", "refs/heads/main", id)
		}
	}
	r := serve(t, repo, githttp.Limits{Bytes: 8 << 20})
	id = repo.Git("rev-parse", "main")
	pack, err := fetch(t, r, id, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := list(t.Context(), pack, parse(t, id)); !errors.Is(err, githttp.ErrLimit) || !strings.Contains(err.Error(), "files and folders") {
		t.Errorf("%v; want ErrLimit by the number of files", err)
	}
	repo.Git("read-tree", "--empty")
	for i := range 9 {
		repo.Write(fmt.Sprint("same", i), strings.Repeat("0", 1<<20))
	}
	id = repo.Commit("large")
	if pack, err = fetch(t, r, id, true); err != nil {
		t.Fatal(err)
	}
	if _, err := list(t.Context(), pack, parse(t, id)); !errors.Is(err, githttp.ErrLimit) || !strings.Contains(err.Error(), "bytes") {
		t.Errorf("%v; want ErrLimit by the bytes of the files", err)
	}
}

// TestAnswers pins what answers mean that no git gives.
func TestAnswers(t *testing.T) {
	const refs = "application/x-git-upload-pack-advertisement"
	good := "001e# service=git-upload-pack\n0000"
	tests := []struct {
		name   string
		status int
		kind   string
		body   string
		want   error
	}{
		{"login", 401, "", "", githttp.ErrDenied},
		{"denied", 403, "application/json", `{"message":"no"}`, githttp.ErrDenied},
		{"not there", 404, "text/plain", "Not Found", githttp.ErrUnknown},
		{"elsewhere", 302, "", "", githttp.ErrUnsupported},
		{"a page", 200, "text/html", "<html>", githttp.ErrUnsupported},
		{"no length", 200, refs, "zzzz", githttp.ErrUnsupported},
		{"short line", 200, refs, "0003", githttp.ErrUnsupported},
		{"long line", 200, refs, "ffff", githttp.ErrUnsupported},
		{"cut off", 200, refs, good + "0040abc", io.ErrUnexpectedEOF},
		{"no end", 200, refs, good, io.ErrUnexpectedEOF},
		{"another service", 200, refs, "001f# service=git-receive-pack\n0000", githttp.ErrUnsupported},
		{"no id", 200, refs, good + "0017xyz refs/heads/main" + "0000", githttp.ErrUnsupported},
		{"SHA-256", 200, refs, good + "002dxyz capabilities^{}\x00 object-format=sha256" + "0000", githttp.ErrUnsupported},
	}
	for _, tt := range tests {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", tt.kind)
			w.Header().Set("Location", "https://192.0.2.1/")
			w.WriteHeader(tt.status)
			io.WriteString(w, tt.body)
		}))
		client := server.Client()
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		_, err := (&githttp.Remote{URL: server.URL, Client: client}).Refs(t.Context())
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v; want %v", tt.name, err, tt.want)
		}
		server.Close()
	}
	for _, status := range []int{408, 429, 500, 503} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) }))
		_, err := (&githttp.Remote{URL: server.URL, Client: server.Client()}).Refs(t.Context())
		for _, verdict := range []error{githttp.ErrDenied, githttp.ErrUnknown, githttp.ErrUnsupported, githttp.ErrLimit} {
			if err == nil || errors.Is(err, verdict) {
				t.Errorf("status %d: %v; want an error that is no verdict", status, err)
			}
		}
		server.Close()
	}
}

// raw returns what git prints, whole.
func raw(t *testing.T, repo *gittest.Repo, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = repo.Path
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
