package mapping_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/mapping"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

func TestMerge(t *testing.T) {
	under := mapping.Mapping{Buckets: map[string]string{"a": "1", "b": "2"}, Secrets: "s"}
	over := mapping.Mapping{Buckets: map[string]string{"b": "3"}, Sources: map[string]string{"Source": "/x"}}
	want := mapping.Mapping{
		Buckets: map[string]string{"a": "1", "b": "3"},
		Sources: map[string]string{"Source": "/x"},
		Secrets: "s",
	}
	if diff := cmp.Diff(want, under.Merge(over)); diff != "" {
		t.Error(diff)
	}
	if under.Buckets["b"] != "2" || len(over.Buckets) != 1 {
		t.Error("Merge changed its operands")
	}
}

func TestWithSource(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("web", 0o755); err != nil {
		t.Fatal(err)
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	before := mapping.Mapping{Sources: map[string]string{"Other": "/o"}}
	got, err := before.WithSource("Source=web")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"Other": "/o", "Source": filepath.Join(dir, "web")}
	if diff := cmp.Diff(want, got.Sources); diff != "" {
		t.Error(diff)
	}
	if len(before.Sources) != 1 {
		t.Error("WithSource changed its receiver")
	}
	for flag, want := range map[string]string{
		"Source":         `--source "Source": write ACTION=PATH`,
		"=web":           `--source "=web": write ACTION=PATH`,
		"Source=":        `--source "Source=": write ACTION=PATH`,
		"Source=nowhere": `--source Source: "nowhere" does not exist`,
	} {
		if _, err := before.WithSource(flag); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: error %v; want %s...", flag, err, want)
		}
	}
}

func TestRepository(t *testing.T) {
	m := mapping.Mapping{
		Repositories: map[string]mapping.Repository{"web": {Path: "/web"}, "acme/lib": {Path: "/lib"}},
		Sources:      map[string]string{"Pinned": "/pinned"},
	}
	tests := []struct {
		name, action, provider string
		configuration          map[string]string
		want, err              string
	}{
		{name: "CodeCommit", action: "S", provider: "CodeCommit", configuration: map[string]string{"RepositoryName": "web"}, want: "/web"},
		{name: "connection", action: "S", provider: "CodeStarSourceConnection", configuration: map[string]string{"FullRepositoryId": "acme/lib"}, want: "/lib"},
		{name: "GitHub", action: "S", provider: "GitHub", configuration: map[string]string{"Owner": "acme", "Repo": "lib"}, want: "/lib"},
		{name: "flag wins", action: "Pinned", provider: "CodeCommit", configuration: map[string]string{"RepositoryName": "web"}, want: "/pinned"},
		{name: "unmapped", action: "S", provider: "CodeCommit", configuration: map[string]string{"RepositoryName": "new"},
			err: "repository new of source action S is not mapped to one on this machine: write\n\n    repositories:\n      new: PATH\n\ninto sluice.local.yaml, or pass --source S=PATH"},
		{name: "no name", action: "S", provider: "GitHub", err: "source action S names no repository: write Owner and Repo into its configuration"},
		{name: "no id", action: "S", provider: "CodeStarSourceConnection", err: "source action S names no repository: write FullRepositoryId: owner/repository into its configuration"},
		{name: "nothing", action: "S", provider: "CodeCommit", err: "source action S names no repository: write RepositoryName into its configuration"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := pipeline.Action{Name: tt.action, TypeID: pipeline.ActionTypeID{Provider: tt.provider}, Configuration: tt.configuration}
			got, err := m.Repository(a)
			if got.Path != tt.want {
				t.Errorf("path %q; want %q", got.Path, tt.want)
			}
			if message := text(err); message != tt.err {
				t.Errorf("error %q; want %q", message, tt.err)
			}
		})
	}
}

func TestBucket(t *testing.T) {
	m := mapping.Mapping{Buckets: map[string]string{"site": "/var/site"}}
	for name, want := range map[string]string{"site": "/var/site", "other.bucket-1": "/data/buckets/other.bucket-1"} {
		if got, err := m.Bucket(name, "/data"); err != nil || got != want {
			t.Errorf("Bucket(%q) = %q, %v; want %q", name, got, err, want)
		}
	}
	for _, name := range []string{"", "..", "../..", "a/b", ".hidden", `a\b`, "a\x00b", strings.Repeat("a", 64)} {
		if got, err := m.Bucket(name, "/data"); err == nil {
			t.Errorf("Bucket(%q) = %q; want an error", name, got)
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
