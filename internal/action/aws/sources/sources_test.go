package sources_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/actiontest"
	"github.com/sluice-ci/sluice/internal/action/aws/awsfake"
	"github.com/sluice-ci/sluice/internal/action/aws/sources"
	"github.com/sluice-ci/sluice/internal/action/whole/wholetest"
	"github.com/sluice-ci/sluice/internal/archive"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

func TestContract(t *testing.T) {
	for provider := range configurations {
		t.Run(provider, func(t *testing.T) {
			actiontest.Run(t, func(*testing.T) actiontest.Harness {
				w := newWorld()
				return actiontest.Harness{
					Open:     func(*testing.T, func(string)) action.Provider { return w.open(provider) },
					Succeeds: func(*testing.T) action.Job { return job(provider) },
					Fails: func(*testing.T) action.Job {
						return job(provider, "RepositoryName", "none", "S3ObjectKey", "none")
					},
					Blobs: &w.blobs,
				}
			})
		})
	}
}

// entries returns "mode name: text" of the entries of a zip, in their order.
func entries(t *testing.T, content []byte) []string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%v %s: %s", f.Mode(), f.Name, text))
	}
	return all
}

func TestCodeCommit(t *testing.T) {
	w := newWorld()
	res := wholetest.Start(t, w.open("CodeCommit"), job("CodeCommit"))
	link := "https://eu-west-1.console.aws.amazon.com/codecommit/home?region=eu-west-1#/repository/web/commit/c2"
	want := action.Result{
		Status: pipeline.Succeeded, Summary: "Two\n\nmore", ExternalID: "c2", ExternalURL: link,
		Variables: map[string]string{
			"AuthorDate": "2026-01-01T00:00:02Z", "BranchName": "main", "CommitId": "c2", "CommitMessage": "Two\n\nmore",
			"CommitterDate": "2026-01-01T01:00:02Z", "RepositoryName": "web",
		},
		Outputs:  res.Outputs,
		Revision: &action.Revision{ID: "c2", Summary: "Two\n\nmore", URL: link, Created: time.Date(2026, 1, 1, 1, 0, 2, 0, time.UTC)},
	}
	if diff := cmp.Diff(want, res); diff != "" {
		t.Error(diff)
	}
	out := res.Outputs[0]
	if out.Name != "Src" || out.Revision != "c2" || out.Ref.Key != "p/Src/1" {
		t.Errorf("output %+v", out)
	}
	content := w.content(t, out.Ref)
	if diff := cmp.Diff([]string{
		"-rw-r--r-- a: 2",
		"Lrwxrwxrwx bin/link: ../a",
		"-rwxr-xr-x bin/run: #!",
		"-rw-r--r-- deep.txt: d",
		"-rw-r--r-- deep/er/x: x",
		"-rw-r--r-- empty: ",
	}, entries(t, content)); diff != "" {
		t.Error(diff)
	}
	if err := archive.Unzip(t.Context(), bytes.NewReader(content), int64(len(content)), t.TempDir(), archive.Limits{}); err != nil {
		t.Error(err)
	}
	wholetest.Repeat(t, func() action.Provider { return w.open("CodeCommit") }, job("CodeCommit"), res)
	w.git.mu.Lock()
	defer w.git.mu.Unlock()
	if diff := cmp.Diff([]string{"GetBranch main", "GetCommit c2", "GetFolder /"}, w.git.calls[:3]); diff != "" {
		t.Error(diff)
	}
}

func TestCodeCommitAtCommit(t *testing.T) {
	w := newWorld()
	res := wholetest.Start(t, w.open("CodeCommit"), at(job("CodeCommit"), "COMMIT_ID", "c1"))
	if res.Revision.ID != "c1" || res.Variables["BranchName"] != "main" || res.Variables["CommitMessage"] != "One" {
		t.Errorf("%+v", res)
	}
	if diff := cmp.Diff([]string{"-rw-r--r-- a: 1"}, entries(t, w.content(t, res.Outputs[0].Ref))); diff != "" {
		t.Error(diff)
	}
}

// TestManyFiles packs more files than calls are made at once, and pins that no
// more are.
func TestManyFiles(t *testing.T) {
	w := newWorld()
	files := map[string]string{}
	for i := range 300 {
		files[fmt.Sprintf("d%02d/f%03d", i%40, i)] = fmt.Sprint(i)
	}
	w.git.commits["c2"] = commit{"many", files}
	var now, most atomic.Int64
	w.git.Before = func(string) error {
		n := now.Add(1)
		for {
			if m := most.Load(); n <= m || most.CompareAndSwap(m, n) {
				return nil
			}
		}
	}
	w.git.After = func(string) error { now.Add(-1); return nil }
	res := wholetest.Start(t, w.open("CodeCommit"), job("CodeCommit"))
	all := entries(t, w.content(t, res.Outputs[0].Ref))
	if len(all) != 300 || all[0] != "-rw-r--r-- d00/f000: 0" || all[299] != "-rw-r--r-- d39/f279: 279" {
		t.Errorf("%d entries, from %s to %s", len(all), all[0], all[len(all)-1])
	}
	if most.Load() > 8 {
		t.Errorf("%d calls at once; want at most 8", most.Load())
	}
}

func TestCloneRef(t *testing.T) {
	w := newWorld()
	res := wholetest.Start(t, w.open("CodeCommit"), job("CodeCommit", "OutputArtifactFormat", "CODEBUILD_CLONE_REF"))
	content := w.content(t, res.Outputs[0].Ref)
	want := `-rw-r--r-- codebuild-clone-ref.json: {"type":"CODECOMMIT","url":"https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/web","commit":"c2","branch":"main"}`
	if diff := cmp.Diff([]string{want}, entries(t, content)); diff != "" {
		t.Error(diff)
	}
	ref, ok, err := sources.ReadCloneRef(bytes.NewReader(content), int64(len(content)))
	if err != nil || !ok || ref.Commit != "c2" || len(content) > sources.MaxCloneRef {
		t.Errorf("read back: %+v, %v, %v", ref, ok, err)
	}
	for _, other := range []string{"", "no zip"} {
		if _, ok, err := sources.ReadCloneRef(strings.NewReader(other), int64(len(other))); ok || err != nil {
			t.Errorf("%q is taken for a pointer: %v, %v", other, ok, err)
		}
	}
}

func TestS3(t *testing.T) {
	tests := []struct {
		name    string
		job     action.Job
		content string
		key     string
		version string
		summary string
	}{
		{"newest", job("S3"), "hello", "app.zip", "v2", "Amazon S3 version id: v2"},
		{"version", at(job("S3"), "S3_OBJECT_VERSION_ID", "v1"), "old", "app.zip", "v1", "Amazon S3 version id: v1"},
		{"key", at(job("S3", "AllowOverrideForS3ObjectKey", "true"), "S3_OBJECT_KEY", "other.zip"), "other", "other.zip", "v1", "Release 7"},
		{"key and version", of(at(job("S3", "AllowOverrideForS3ObjectKey", "true"), "S3_OBJECT_KEY", "app.zip"), "v1"), "old", "app.zip", "v1", "Amazon S3 version id: v1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			res := wholetest.Start(t, w.open("S3"), tt.job)
			want := action.Result{
				Status: pipeline.Succeeded, Summary: tt.summary, ExternalID: tt.version,
				ExternalURL: "https://console.aws.amazon.com/s3/home?region=eu-west-1",
				Variables:   map[string]string{"BucketName": "inbox", "ETag": res.Variables["ETag"], "ObjectKey": tt.key, "VersionId": tt.version},
				Outputs:     res.Outputs,
				Revision:    &action.Revision{ID: tt.version, Summary: tt.summary, Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
			}
			if diff := cmp.Diff(want, res); diff != "" {
				t.Fatal(diff)
			}
			if len(res.Variables["ETag"]) != 32 {
				t.Errorf("ETag %q", res.Variables["ETag"])
			}
			if got := string(w.content(t, res.Outputs[0].Ref)); got != tt.content || res.Outputs[0].Revision != tt.version {
				t.Errorf("%+v holds %q; want %q", res.Outputs[0], got, tt.content)
			}
			wholetest.Repeat(t, func() action.Provider { return w.open("S3") }, tt.job, res)
		})
	}
}

// TestNewerObject repeats a job whose object has changed since.
func TestNewerObject(t *testing.T) {
	w := newWorld()
	first := wholetest.Start(t, w.open("S3"), job("S3"))
	w.objects.Write("inbox", "app.zip", []byte("newer"), nil)
	again := wholetest.Start(t, w.open("S3"), job("S3"))
	if again.Revision.ID != "v3" || again.Outputs[0].Ref.Key == first.Outputs[0].Ref.Key || string(w.content(t, again.Outputs[0].Ref)) != "newer" {
		t.Errorf("%+v", again)
	}
}

func TestECR(t *testing.T) {
	uri := "111122223333.dkr.ecr.eu-west-1.amazonaws.com/app@" + digest
	tests := []struct {
		name string
		job  action.Job
		tags []string
		tag  string // the variable
	}{
		{"latest", job("ECR"), []string{"v1", "latest"}, "latest"},
		{"tag", job("ECR", "ImageTag", "v1"), []string{"v1", "latest"}, "v1"},
		{"digest", at(job("ECR"), "IMAGE_DIGEST", digest), []string{"v1"}, "v1"},
		{"digest without a tag", at(job("ECR"), "IMAGE_DIGEST", digest), nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			w.images.tags = tt.tags
			res := wholetest.Start(t, w.open("ECR"), tt.job)
			vars := map[string]string{"RegistryId": "111122223333", "RepositoryName": "app", "ImageDigest": digest, "ImageURI": uri}
			if tt.tag != "" {
				vars["ImageTag"] = tt.tag
			}
			if diff := cmp.Diff(vars, res.Variables); diff != "" {
				t.Error(diff)
			}
			if res.Revision.ID != digest || res.ExternalID != digest || res.Outputs[0].Revision != digest {
				t.Errorf("%+v", res)
			}
			tags := "[]"
			if len(tt.tags) == 1 {
				tags = `["v1"]`
			} else if len(tt.tags) == 2 {
				tags = `["latest","v1"]`
			}
			want := `-rw-r--r-- imageDetail.json: {"ImageSizeInBytes":"44728918","ImageDigest":"` + digest + `","Version":"1.0","ImagePushedAt":"Mon Jan 21 20:04:00 UTC 2019","RegistryId":"111122223333","RepositoryName":"app","ImageURI":"` + uri + `","ImageTags":` + tags + `}`
			if diff := cmp.Diff([]string{want}, entries(t, w.content(t, res.Outputs[0].Ref))); diff != "" {
				t.Error(diff)
			}
			wholetest.Repeat(t, func() action.Provider { return w.open("ECR") }, tt.job, res)
		})
	}
}

func TestFailures(t *testing.T) {
	refusing := func(code string) func(*world, string) {
		return func(w *world, provider string) {
			w.knobs(provider).Before = func(string) error { return awsfake.Error(code) }
		}
	}
	tests := []struct {
		name     string
		provider string
		job      action.Job
		change   func(*world, string)
		code     string
		message  string // a part of it
	}{
		{"no repository", "CodeCommit", job("CodeCommit", "RepositoryName", "none"), nil, action.ConfigurationError, "repository none"},
		{"no branch", "CodeCommit", job("CodeCommit", "BranchName", "none"), nil, action.ConfigurationError, "branch none"},
		{"no name", "CodeCommit", job("CodeCommit", "BranchName", ""), nil, action.ConfigurationError, "no BranchName"},
		{"no commit", "CodeCommit", at(job("CodeCommit"), "COMMIT_ID", "c9"), nil, action.RevisionUnavailable, "commit c9"},
		{"odd revision", "CodeCommit", at(job("CodeCommit"), "IMAGE_DIGEST", "x"), nil, action.ConfigurationError, "use COMMIT_ID"},
		{"odd format", "CodeCommit", job("CodeCommit", "OutputArtifactFormat", "TAR"), nil, action.ConfigurationError, "CODE_ZIP"},
		{"denied", "CodeCommit", job("CodeCommit"), refusing("AccessDeniedException"), action.PermissionError, "main"},
		{"key is off", "CodeCommit", job("CodeCommit"), refusing("EncryptionKeyDisabledException"), action.ConfigurationError, "main"},
		{"large file", "CodeCommit", job("CodeCommit"), func(w *world, _ string) {
			w.git.Before = func(call string) error {
				if call == "GetBlob" {
					return awsfake.Error("FileTooLargeException")
				}
				return nil
			}
		}, action.JobFailed, "CODEBUILD_CLONE_REF"},
		{"unsafe path", "CodeCommit", job("CodeCommit"), func(w *world, _ string) {
			w.git.commits["c2"] = commit{"x", map[string]string{"d/.GIT/hooks/x": "x"}}
		}, action.RevisionUnavailable, ".GIT"},

		{"no object", "S3", job("S3", "S3ObjectKey", "none"), nil, action.ConfigurationError, `Could not access the Amazon S3 object: "inbox/none". Make sure that the names of the bucket and object are both correct`},
		{"no bucket", "S3", job("S3", "S3Bucket", "none"), nil, action.ConfigurationError, `Could not access the Amazon S3 object: "none/app.zip".`},
		{"denied", "S3", job("S3"), refusing("AccessDenied"), action.PermissionError, "Could not access"},
		{"no versions", "S3", job("S3"), func(w *world, _ string) {
			w.objects.Bucket("inbox", false)
			w.objects.Write("inbox", "app.zip", nil, nil)
		}, action.ConfigurationError, "keeps no versions"},
		{"version is gone", "S3", at(job("S3"), "S3_OBJECT_VERSION_ID", "v9"), nil, action.RevisionUnavailable, "Version v9"},
		{"version of that key is gone", "S3", of(at(job("S3", "AllowOverrideForS3ObjectKey", "true"), "S3_OBJECT_KEY", "other.zip"), "v9"), nil, action.RevisionUnavailable, "Version v9"},
		{"key not permitted", "S3", at(job("S3"), "S3_OBJECT_KEY", "other.zip"), nil, action.ConfigurationError, "AllowOverrideForS3ObjectKey"},
		{"odd revision", "S3", at(job("S3"), "COMMIT_ID", "x"), nil, action.ConfigurationError, "S3_OBJECT_VERSION_ID"},

		{"no repository", "ECR", job("ECR", "RepositoryName", "none"), nil, action.ConfigurationError, "repository none"},
		{"no tag", "ECR", job("ECR", "ImageTag", "none"), nil, action.ConfigurationError, "tag none"},
		{"no digest", "ECR", at(job("ECR"), "IMAGE_DIGEST", "sha256:1"), nil, action.RevisionUnavailable, "sha256:1"},
		{"denied", "ECR", job("ECR"), refusing("AccessDeniedException"), action.PermissionError, "app"},
		{"odd revision", "ECR", at(job("ECR"), "COMMIT_ID", "x"), nil, action.ConfigurationError, "use IMAGE_DIGEST"},
	}
	for _, tt := range tests {
		t.Run(tt.provider+" "+tt.name, func(t *testing.T) {
			w := newWorld()
			if tt.change != nil {
				tt.change(w, tt.provider)
			}
			res := wholetest.Start(t, w.open(tt.provider), tt.job)
			if res.Status != pipeline.Failed || res.Error == nil || res.Error.Code != tt.code || !strings.Contains(res.Error.Message, tt.message) {
				t.Errorf("%+v, %+v; want %s with %q", res, res.Error, tt.code, tt.message)
			}
			if keys := w.blobs.Keys("b"); len(keys) > 0 {
				t.Errorf("a failure left %v", keys)
			}
		})
	}
}

func TestOutputs(t *testing.T) {
	for provider := range configurations {
		j := job(provider)
		j.Outputs = nil
		if res := wholetest.Start(t, newWorld().open(provider), j); res.Error == nil || res.Error.Code != action.ConfigurationError {
			t.Errorf("%s without an output: %+v", provider, res)
		}
	}
}

// TestCannotTell pins what is no end of a job: throttling, a service that is
// down, a network that fails, even after the call was done. The next attempt
// comes to the same artifact.
func TestCannotTell(t *testing.T) {
	trouble := map[string]error{
		"throttled":       awsfake.Error("ThrottlingException"),
		"down":            awsfake.Error("InternalFailure"),
		"expired":         awsfake.Error("ExpiredTokenException"),
		"network":         &net.OpError{Op: "read", Err: errors.New("connection reset")},
		"credential file": errors.New("no credentials"),
	}
	for provider := range configurations {
		for name, err := range trouble {
			for when := range 2 {
				w := newWorld()
				p, k := w.open(provider), w.knobs(provider)
				fail := func(string) error { return err }
				if when == 0 {
					k.Before = fail
				} else {
					k.After = fail
				}
				if res, got := p.Start(t.Context(), job(provider)); !errors.Is(got, err) || res.Status != "" {
					t.Errorf("%s, %s: %+v, %v; want the error", provider, name, res, got)
				}
				*k = awsfake.Knobs{}
				if res := wholetest.Start(t, p, job(provider)); res.Status != pipeline.Succeeded {
					t.Errorf("%s after %s: %+v", provider, name, res)
				}
			}
		}
	}
}
