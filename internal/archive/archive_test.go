package archive_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/archive"
)

// plant makes a tree: "d/" a folder, "l -> x" a link, "x*" executable.
func plant(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		name, target, isLink := strings.Cut(name, " -> ")
		path := filepath.Join(dir, strings.TrimSuffix(name, "*"))
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		switch {
		case isLink:
			err = errors.Join(err, os.Symlink(target, path))
		case strings.HasSuffix(name, "/"):
			err = errors.Join(err, os.MkdirAll(path, 0o755))
		case strings.HasSuffix(name, "*"):
			err = errors.Join(err, os.WriteFile(path, []byte(name), 0o755))
		default:
			err = errors.Join(err, os.WriteFile(path, []byte(name), 0o644))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func zipDir(t *testing.T, dir string) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := archive.ZipDir(&buf, dir); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestRoundTrip(t *testing.T) {
	dir := plant(t, "a.txt", "bin/run*", "deep/er/and/er/x", "empty/", "l -> a.txt", "deep/up -> ../bin/run", "dangling -> nowhere",
		"deep/dir -> er", "through -> deep/dir/and", "sp ace/ü", ".hidden", "a..b/...c")
	b := zipDir(t, dir)
	root, err := unzip(t, b, archive.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(tree(t, dir, ""), tree(t, root, "")); diff != "" {
		t.Errorf("round trip (-packed +unpacked):\n%s", diff)
	}
}

func TestDeterministic(t *testing.T) {
	names := []string{"b", "a", "d/c*", "l -> a", "e/"}
	one, two := plant(t, names...), plant(t, "e/", "l -> a", "d/c*", "a", "b")
	if err := os.Chtimes(filepath.Join(two, "a"), time.Unix(1, 0), time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(two, "b"), 0o600); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(zipDir(t, one), zipDir(t, two)) {
		t.Error("equal trees gave different bytes")
	}
	var buf bytes.Buffer
	if err := archive.Zip(&buf, one, []string{"l", "e", "d/c", "b", "a", "a"}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(buf.Bytes(), zipDir(t, one)) {
		t.Error("the order of names matters")
	}
}

func TestZipRefuses(t *testing.T) {
	tests := []struct {
		name  string
		plant []string
		files []string
	}{
		{"missing", nil, []string{"x"}},
		{"outside", nil, []string{"../x"}},
		{"absolute", nil, []string{"/etc/passwd"}},
		{"link out", []string{"l -> /etc/passwd"}, []string{"l"}},
		{"link up", []string{"l -> .."}, []string{"l"}},
		{"link through a link out", []string{"d/e/", "d/k -> e", "d/l -> ../.."}, []string{"d/l"}},
		{"link that climbs out of a link", []string{"d/k -> ..", "l -> d/k/.."}, []string{"l"}},
		{"file through a link out", []string{"l -> /etc"}, []string{"l/passwd"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := archive.Zip(new(bytes.Buffer), plant(t, tt.plant...), tt.files); err == nil {
				t.Error("Zip succeeded")
			}
		})
	}
}

func TestUnzipReplacesNothing(t *testing.T) {
	dir := plant(t, "x")
	b := pack(file("x"))
	if err := archive.Unzip(t.Context(), bytes.NewReader(b), int64(len(b)), dir, archive.Limits{}); !errors.Is(err, os.ErrExist) {
		t.Errorf("Unzip: %v; want os.ErrExist", err)
	}
	if got, _ := os.ReadFile(filepath.Join(dir, "x")); string(got) != "x" {
		t.Errorf("the file is now %q", got)
	}
}

// A link that was in the folder before is not written through either.
func TestUnzipIntoLinks(t *testing.T) {
	outside := t.TempDir()
	dir := plant(t, "d -> "+outside, "x -> "+filepath.Join(outside, "x"))
	for _, name := range []string{"d/x", "x"} {
		b := pack(file(name))
		if err := archive.Unzip(t.Context(), bytes.NewReader(b), int64(len(b)), dir, archive.Limits{}); err == nil {
			t.Errorf("Unzip of %s succeeded", name)
		}
	}
	if got := tree(t, outside, ""); len(got) != 1 {
		t.Errorf("written outside: %v", got)
	}
}

func TestUnzipCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b := pack(file("x"))
	if err := archive.Unzip(ctx, bytes.NewReader(b), int64(len(b)), t.TempDir(), archive.Limits{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Unzip: %v; want context.Canceled", err)
	}
}
