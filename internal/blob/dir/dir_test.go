package dir_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/blob/blobtest"
	"github.com/sluice-ci/sluice/internal/blob/dir"
)

func open(t *testing.T, folder string) *dir.Store {
	t.Helper()
	s, err := dir.New(folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestContract(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) (blob.Store, blobtest.Tamper) {
		folder := t.TempDir()
		return open(t, folder), func(t *testing.T, ref blob.Ref, change func([]byte) []byte) {
			t.Helper()
			path := filepath.Join(folder, ref.Bucket, ref.Key)
			b, err := os.ReadFile(path)
			if err == nil {
				b = change(b)
			}
			switch {
			case err == nil && b == nil:
				err = os.Remove(path)
			case err == nil: // in place, as a program that has the file open would
				err = errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, b, 0o600))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestHostileNames(t *testing.T) {
	outer := t.TempDir()
	folder := filepath.Join(outer, "store")
	s := open(t, folder)
	if err := os.Symlink(outer, filepath.Join(folder, "link")); err != nil {
		t.Fatal(err)
	}
	names := []struct{ bucket, key string }{
		{"b", "../x"}, {"b", "a/../../x"}, {"b", ".."}, {"b", "."}, {"b", "/etc/x"}, {"b", "a//x"}, {"b", ""}, {"b", "a/"},
		{"b", `..\x`}, {"b", `a\..\..\x`}, {"b", "C:x"}, {"b", "a\x00b"}, {"b", "a\nb"}, {"b", "\xff"}, {"b", "..."}, {"b", "x "},
		{"b", strings.Repeat("k", 256)}, {"b", strings.Repeat("k/", 600) + "k"}, {"b", "./x"}, {"b", "a/./x"},
		{"..", "x"}, {".", "x"}, {"", "x"}, {"a/b", "x"}, {".partial", "x"}, {"/", "x"}, {`a\b`, "x"}, {"link", "x"}, {"link", "deep/x"},
	}
	for _, n := range names {
		if _, err := s.Create(t.Context(), n.bucket, n.key, strings.NewReader("x")); err == nil {
			t.Errorf("Create of bucket %q, key %.30q succeeded", n.bucket, n.key)
		}
		if _, err := s.Open(t.Context(), blob.Ref{Bucket: n.bucket, Key: n.key}); err == nil {
			t.Errorf("Open of bucket %q, key %.30q succeeded", n.bucket, n.key)
		}
	}
	filepath.WalkDir(outer, func(path string, d fs.DirEntry, err error) error {
		if d.Type().IsRegular() {
			t.Errorf("%s was written", path)
		}
		return err
	})
}

// A key cannot lie below another, and trying does no harm to either.
func TestKeyBelowKey(t *testing.T) {
	s := open(t, t.TempDir())
	ref, err := s.Create(t.Context(), "b", "a", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(t.Context(), "b", "a/b", strings.NewReader("y")); err == nil {
		t.Error("Create below an object succeeded")
	}
	if _, err := s.Open(t.Context(), ref); err != nil {
		t.Error(err)
	}
}

// endless is written until the process is killed.
type endless struct{ told bool }

func (r *endless) Read(b []byte) (int, error) {
	if r.told {
		os.Stdout.WriteString("half\n")
	}
	r.told = true
	return copy(b, bytes.Repeat([]byte{'x'}, len(b))), nil
}

// TestKilled kills a process in the middle of Create. There must be no object,
// and the next start must clear up; but not what a living process writes.
func TestKilled(t *testing.T) {
	if folder := os.Getenv("DIR_KILLED"); folder != "" {
		open(t, folder).Create(t.Context(), "b", "k", new(endless))
		return
	}
	folder := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
	cmd.Env = append(os.Environ(), "DIR_KILLED="+folder)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	open(t, folder)
	if left := leftovers(t, folder); len(left) != 1 {
		t.Errorf("while the process writes there is %v; want one file", left)
	}
	cmd.Process.Kill()
	cmd.Wait()
	s := open(t, folder)
	if left := leftovers(t, folder); len(left) != 0 {
		t.Errorf("after the next start there is %v; want nothing", left)
	}
	if _, err := s.Open(t.Context(), blob.Ref{Bucket: "b", Key: "k"}); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("Open: %v; want ErrNotFound", err)
	}
	if _, err := s.Create(t.Context(), "b", "k", strings.NewReader("x")); err != nil {
		t.Error(err)
	}
	if left := leftovers(t, folder); len(left) != 0 {
		t.Errorf("after Create there is %v; want nothing", left)
	}
}

func leftovers(t *testing.T, folder string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(folder, ".partial"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
