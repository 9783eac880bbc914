package s3_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/s3"
	"github.com/sluice-ci/sluice/internal/action/whole/wholetest"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/mapping"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// source returns a job of an S3 source.
func source(key string, pairs ...string) action.Job {
	c := map[string]string{"S3Bucket": "inbox", "S3ObjectKey": key}
	for i := 0; i < len(pairs); i += 2 {
		c[pairs[i]] = pairs[i+1]
	}
	return action.Job{ID: "j1", Action: pipeline.Action{Name: "Source", Configuration: c},
		Outputs: []action.Artifact{{Name: "Src", Ref: blob.Ref{Bucket: "b", Key: "k"}}}}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Version and ETag of the content "hello".
const (
	helloVersion = "2cf24dba5fb0a30e26e83b2ac5b9e29e"
	helloETag    = "5d41402abc4b2a76b9719d911017c592"
)

func TestSource(t *testing.T) {
	data := t.TempDir()
	write(t, filepath.Join(data, "buckets/inbox/a/app.zip"), "hello")
	var blobs wholetest.Blobs
	open := func() action.Provider { return s3.NewSource(mapping.Mapping{}, data, &blobs) }
	res := wholetest.Start(t, open(), source("a/app.zip"))
	if res.Status != pipeline.Succeeded {
		t.Fatalf("%+v", res)
	}
	if got := string(blobs.Content(t, res.Outputs[0].Ref)); got != "hello" {
		t.Errorf("artifact %q", got)
	}
	want := map[string]string{"BucketName": "inbox", "ETag": helloETag, "ObjectKey": "a/app.zip", "VersionId": helloVersion}
	if diff := cmp.Diff(want, res.Variables); diff != "" {
		t.Error(diff)
	}
	if res.Summary != "Amazon S3 version id: "+helloVersion || res.Revision.ID != helloVersion || res.Outputs[0].Revision != helloVersion {
		t.Errorf("%+v", res)
	}
	wholetest.Repeat(t, open, source("a/app.zip"), res)
}

// of is a job that is pinned to a version of another key.
func of(job action.Job, version string) action.Job {
	job.Revision.ObjectVersion = version
	return job
}

func TestSourceRevision(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "app.zip"), "hello")
	write(t, filepath.Join(dir, "other.zip"), "hello")
	m := mapping.Mapping{Buckets: map[string]string{"inbox": dir}}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	allow := source("app.zip", "AllowOverrideForS3ObjectKey", "true")
	tests := []struct {
		name       string
		job        action.Job
		kind, pin  string
		code, want string // or the ObjectKey
	}{
		{"version", source("app.zip"), "S3_OBJECT_VERSION_ID", helloVersion, "", "app.zip"},
		{"version is gone", source("app.zip"), "S3_OBJECT_VERSION_ID", "old", action.RevisionUnavailable, `Version old of the Amazon S3 object "inbox/app.zip" is gone`},
		{"key", allow, "S3_OBJECT_KEY", "other.zip", "", "other.zip"},
		{"key and version", of(allow, helloVersion), "S3_OBJECT_KEY", "other.zip", "", "other.zip"},
		{"version of that key is gone", of(allow, "old"), "S3_OBJECT_KEY", "other.zip", action.RevisionUnavailable, `Version old of the Amazon S3 object "inbox/other.zip" is gone`},
		{"key outside", allow, "S3_OBJECT_KEY", "../../etc/passwd", action.ConfigurationError, "cannot be a file: a part of it is . or .."},
		{"key not permitted", source("app.zip"), "S3_OBJECT_KEY", "other.zip", action.ConfigurationError, "does not permit another object key"},
		{"commit", source("app.zip"), "COMMIT_ID", "1", action.ConfigurationError, "cannot take a revision of type COMMIT_ID"},
		{"missing", source("none.zip"), "", "", action.ConfigurationError, `Could not access the Amazon S3 object: "inbox/none.zip". Make sure that the names of the bucket and object are both correct. It would be the file ` + dir},
		{"folder", source("folder"), "", "", action.ConfigurationError, "folder is not a file."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.job.Revision.Type, tt.job.Revision.Value = tt.kind, tt.pin
			res := wholetest.Start(t, s3.NewSource(m, "", &wholetest.Blobs{}), tt.job)
			if tt.code == "" {
				if res.Variables["ObjectKey"] != tt.want {
					t.Errorf("%+v", res)
				}
				return
			}
			if res.Error == nil || res.Error.Code != tt.code || !strings.Contains(res.Error.Message, tt.want) {
				t.Errorf("%+v; want %s: %s", res, tt.code, tt.want)
			}
		})
	}
}
