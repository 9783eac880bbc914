package mapping_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/mapping"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

func TestObjectPath(t *testing.T) {
	for key, want := range map[string]string{"a": "a", "a/b": "a/b", "p//file": "p/file", "/a": "a", "a..b/...": "a..b/...", "-x y": "-x y"} {
		if got, err := mapping.ObjectPath(key); err != nil || got != want {
			t.Errorf("%q is %q, %v; want %q", key, got, err, want)
		}
	}
	for _, key := range []string{"", "/", "a/", "..", "../a", "a/../b", "./a", "a/.", `a\..\b`, "a\x00", strings.Repeat("a", 1025)} {
		if got, err := mapping.ObjectPath(key); err == nil {
			t.Errorf("%q is %q; want an error", key, got)
		}
	}
}

func TestObject(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "app.zip")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	m := mapping.Mapping{Buckets: map[string]string{"in": "/in"}, Sources: map[string]string{"File": file, "Folder": dir}}
	tests := []struct{ action, bucket, key, want string }{
		{"S", "in", "", "/in/k/app.zip"},
		{"S", "in", "other.zip", "/in/other.zip"},
		{"S", "new", "", "/data/buckets/new/k/app.zip"},
		{"File", "in", "", file},
		{"Folder", "in", "", filepath.Join(dir, "k/app.zip")},
		{"S", "..", "", ""},
		{"S", "in", "../x", ""},
	}
	for _, tt := range tests {
		a := pipeline.Action{Name: tt.action, Configuration: map[string]string{"S3Bucket": tt.bucket, "S3ObjectKey": "k/app.zip"}}
		if got, err := m.Object(a, tt.key, "/data"); got != tt.want || (err != nil) != (tt.want == "") {
			t.Errorf("%s %s %s: %q, %v; want %q", tt.action, tt.bucket, tt.key, got, err, tt.want)
		}
	}
}
