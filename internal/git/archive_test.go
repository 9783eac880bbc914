package git_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/git/gittest"
)

// pack returns the archive of a commit and what is in it, as "mode text".
func pack(t *testing.T, path, commit string) ([]byte, map[string]string) {
	t.Helper()
	var buf bytes.Buffer
	if err := open(t, path).Archive(t.Context(), &buf, commit); err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(buf.Bytes()), int64(buf.Len()))
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name] = fmt.Sprintf("%v %s", f.Mode(), text)
	}
	return buf.Bytes(), files
}

func TestArchive(t *testing.T) {
	src := gittest.New(t)
	long := strings.Repeat("0123456789", 30_000)
	src.Write("run.sh", "#!/bin/sh\n")
	if err := os.Chmod(filepath.Join(src.Path, "run.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("d/e f", filepath.Join(src.Path, "link")); err != nil {
		t.Fatal(err)
	}
	id := src.Commit("one", "a", "1\n", "empty", "", "d/e f", "2", "ü", "3", "long", long, "crlf", "x\r\n", ".gitattributes", "* text eol=crlf\n", "-x", "4")
	first, got := pack(t, src.Path, id)
	want := map[string]string{
		"run.sh": "-rwxr-xr-x #!/bin/sh\n",
		"link":   "Lrwxrwxrwx d/e f",
		"a":      "-rw-r--r-- 1\n",
		"empty":  "-rw-r--r-- ",
		"d/e f":  "-rw-r--r-- 2",
		"ü":      "-rw-r--r-- 3",
		"long":   "-rw-r--r-- " + long,
		"crlf":   "-rw-r--r-- x\n", // git itself made it so when it was added
		"-x":     "-rw-r--r-- 4", ".gitattributes": "-rw-r--r-- * text eol=crlf\n",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	src.Commit("two", "a", "changed")
	if again, _ := pack(t, src.Path, id); !bytes.Equal(first, again) {
		t.Error("the same commit gave other bytes")
	}
}

func TestArchiveSubmodule(t *testing.T) {
	src := gittest.New(t)
	one := src.Commit("one", "a", "1")
	src.Git("update-index", "--add", "--cacheinfo", "160000,"+one+",sub")
	src.Git("commit", "--quiet", "--message=two")
	_, got := pack(t, src.Path, src.Git("rev-parse", "HEAD"))
	if diff := cmp.Diff(map[string]string{"a": "-rw-r--r-- 1"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestArchiveEmptyCommit(t *testing.T) {
	src := gittest.New(t)
	if _, got := pack(t, src.Path, src.Commit("nothing")); len(got) != 0 {
		t.Errorf("archive of nothing holds %v", got)
	}
}

// TestArchiveMissingObject pins that half an archive is an error.
func TestArchiveMissingObject(t *testing.T) {
	src := gittest.New(t)
	id := src.Commit("one", "a", "1", "b", "2", "c", "3")
	blob := src.Git("rev-parse", "HEAD:b")
	if err := os.Remove(filepath.Join(src.Path, ".git/objects", blob[:2], blob[2:])); err != nil {
		t.Fatal(err)
	}
	err := open(t, src.Path).Archive(t.Context(), io.Discard, id)
	if err == nil || !strings.Contains(err.Error(), "b cannot be packed: object "+blob+" is not in the repository") {
		t.Errorf("error %v", err)
	}
}

// TestArchiveFailingWriter must not leave git behind, nor hang.
func TestArchiveFailingWriter(t *testing.T) {
	src := gittest.New(t)
	id := src.Commit("one", "a", strings.Repeat("x", 1<<20), "b", "2")
	r, w := io.Pipe()
	r.Close()
	if err := open(t, src.Path).Archive(t.Context(), w, id); err == nil || !strings.Contains(err.Error(), id) {
		t.Errorf("error %v; want one naming the commit", err)
	}
}

func TestArchiveHostileTree(t *testing.T) {
	src := gittest.New(t)
	src.Commit("one", "a", "1")
	inner := src.Git("rev-parse", "HEAD^{tree}")
	for _, name := range []string{"..", ".git", ".GIT", "."} {
		file := filepath.Join(t.TempDir(), "tree")
		id := src.Git("rev-parse", inner)
		if err := os.WriteFile(file, append([]byte("40000 "+name+"\x00"), unhex(t, id)...), 0o644); err != nil {
			t.Fatal(err)
		}
		tree := src.Git("hash-object", "-t", "tree", "--literally", "-w", file)
		commit := src.Git("commit-tree", "-m", "hostile", tree)
		if err := open(t, src.Path).Archive(t.Context(), io.Discard, commit); err == nil || !strings.Contains(err.Error(), "may not be unpacked") {
			t.Errorf("tree with %q: %v", name, err)
		}
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	var b []byte
	if _, err := fmt.Sscanf(s, "%x", &b); err != nil {
		t.Fatal(err)
	}
	return b
}
