package s3deploy_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/actiontest"
	"github.com/sluice-ci/sluice/internal/action/aws/awsfake"
	"github.com/sluice-ci/sluice/internal/action/aws/credentials"
	"github.com/sluice-ci/sluice/internal/action/aws/s3deploy"
	"github.com/sluice-ci/sluice/internal/action/whole/wholetest"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// An entry of an archive.
type entry struct {
	name, text string
	mode       fs.FileMode
}

var site = []entry{
	{"index.html", "<p>", 0o644},
	{"js/app.js", "1;", 0o644},
	{"js/", "", fs.ModeDir | 0o755},
	{"bin/run", "#!", 0o755},
	{"link.txt", "index.html", fs.ModeSymlink | 0o777},
}

func pack(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		h.SetMode(e.mode)
		w, err := z.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(e.text)); err != nil && e.mode.IsRegular() {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// A world is S3 with the bucket site, and the artifacts in the same fake.
type world struct{ awsfake.S3 }

func newWorld() *world {
	w := new(world)
	w.Bucket("site", true)
	w.Bucket("b", false)
	return w
}

func (w *world) open() action.Provider {
	return s3deploy.New(credentials.Fixed[s3deploy.S3](&w.S3), &w.S3, s3deploy.Options{})
}

// job returns a job that deploys content. Pairs of keys and values change its
// configuration.
func (w *world) job(t testing.TB, content []byte, pairs ...string) action.Job {
	t.Helper()
	c := map[string]string{"BucketName": "site", "Extract": "true"}
	for i := 0; i < len(pairs); i += 2 {
		c[pairs[i]] = pairs[i+1]
	}
	ref, err := w.Create(t.Context(), "b", fmt.Sprint("in", len(w.Keys("b"))), bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return action.Job{
		ID: "j1", Region: "eu-west-1", Inputs: []action.Artifact{{Name: "App", Ref: ref}},
		Action:   pipeline.Action{Name: "Deploy", TypeID: pipeline.ActionTypeID{Category: pipeline.Deploy, Owner: pipeline.AWS, Provider: "S3", Version: "1"}, Configuration: c},
		Deadline: time.Now().Add(time.Hour),
	}
}

// objects returns "type text" of the objects of the bucket site.
func (w *world) objects() map[string]string {
	all := map[string]string{}
	for _, key := range w.Keys("site") {
		o := w.Object("site", key)
		all[key] = aws.ToString(o.Put.ContentType) + " " + string(o.Content)
	}
	return all
}

func TestContract(t *testing.T) {
	actiontest.Run(t, func(*testing.T) actiontest.Harness {
		w := newWorld()
		return actiontest.Harness{
			Open:     func(*testing.T, func(string)) action.Provider { return w.open() },
			Succeeds: func(t *testing.T) action.Job { return w.job(t, pack(t, site...)) },
			Fails:    func(t *testing.T) action.Job { return w.job(t, nil, "Extract", "maybe") },
			Blobs:    &w.S3,
		}
	})
}

// TestExtract pins the keys, the slash behind a slash among them, the types,
// and that what was there stays.
func TestExtract(t *testing.T) {
	for key, prefix := range map[string]string{"": "", "p": "p/", "p/": "p//", "/a": "/a/"} {
		w := newWorld()
		w.Write("site", "stale", []byte("kept"), nil)
		j := w.job(t, pack(t, site...), "ObjectKey", key)
		res := wholetest.Start(t, w.open(), j)
		if res.Status != pipeline.Succeeded || res.Summary != "Deployment Succeeded" || !strings.HasPrefix(res.ExternalURL, "https://s3.console.aws.amazon.com/s3/buckets/site?region=eu-west-1") {
			t.Errorf("key %q: %+v", key, res)
		}
		want := map[string]string{
			"stale":               " kept",
			prefix + "index.html": "text/html <p>",
			prefix + "js/app.js":  "application/x-javascript 1;",
			prefix + "bin/run":    "application/octet-stream #!",
			prefix + "link.txt":   "text/plain <p>",
		}
		if diff := cmp.Diff(want, w.objects()); diff != "" {
			t.Errorf("key %q: %s", key, diff)
		}
		wholetest.Repeat(t, w.open, j, res)
		if diff := cmp.Diff(want, w.objects()); diff != "" {
			t.Errorf("key %q, repeated: %s", key, diff)
		}
	}
}

func TestFile(t *testing.T) {
	w := newWorld()
	j := w.job(t, []byte(`{"a":1}`), "Extract", "false", "ObjectKey", "cfg/app.JSON", "CacheControl", "max-age=60", "CannedACL", "public-read", "KMSEncryptionKeyARN", "arn:aws:kms:eu-west-1:1:key/k")
	if res := wholetest.Start(t, w.open(), j); res.Status != pipeline.Succeeded {
		t.Fatalf("%+v", res)
	}
	put := w.Object("site", "cfg/app.JSON").Put
	got := fmt.Sprint(*put.Bucket, " ", *put.Key, " ", *put.ContentType, " ", *put.ContentLength, " ", *put.CacheControl, " ", put.ACL, " ", put.ServerSideEncryption, " ", *put.SSEKMSKeyId)
	if want := "site cfg/app.JSON application/json 7 max-age=60 public-read aws:kms arn:aws:kms:eu-west-1:1:key/k"; got != want {
		t.Errorf("request %s; want %s", got, want)
	}
}

// TestPlaceholders pins that a repetition fills them in the same way, and
// another job in another.
func TestPlaceholders(t *testing.T) {
	w := newWorld()
	j := w.job(t, []byte("x"), "Extract", "false", "ObjectKey", "{datetime}/{uuid}/{uuid}")
	j.Deadline = time.Date(2026, 3, 4, 6, 30, 1, 5, time.UTC) // an S3 deployment has 90 minutes
	for range 2 {
		wholetest.Start(t, w.open(), j)
	}
	keys := w.Keys("site")
	match := regexp.MustCompile(`^2026-03-04_05-00-01/([0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})/(.*)$`).FindStringSubmatch(keys[0])
	if len(keys) != 1 || match == nil || match[1] != match[2] {
		t.Fatalf("keys %q", keys)
	}
	j.ID = "j2"
	wholetest.Start(t, w.open(), j)
	if keys := w.Keys("site"); len(keys) != 2 {
		t.Errorf("keys of two jobs: %q", keys)
	}
	j.Deadline = time.Time{}
	if res, err := w.open().Start(t.Context(), j); err == nil {
		t.Errorf("a job that began at no time: %+v", res)
	}
}

func TestFailures(t *testing.T) {
	refusing := func(code string) func(*world) {
		return func(w *world) { w.Before = func(string) error { return awsfake.Error(code) } }
	}
	good := pack(t, site...)
	damaged := bytes.Replace(good, []byte("PK\x05\x06"), []byte("PK\x05\x07"), 1)
	tests := []struct {
		name    string
		content []byte
		pairs   []string
		change  func(*world)
		code    string
		message string // a part of it
	}{
		{"odd Extract", good, []string{"Extract", "yes"}, nil, action.ConfigurationError, `Extract is "yes"`},
		{"no key", good, []string{"Extract", "false"}, nil, action.ConfigurationError, "When the extract feature is disabled, you must provide an object"},
		{"no bucket name", good, []string{"BucketName", ""}, nil, action.ConfigurationError, "BucketName"},
		{"odd ACL", good, []string{"CannedACL", "all"}, nil, action.ConfigurationError, "public-read"},
		{"no bucket", good, []string{"BucketName", "none"}, nil, action.ConfigurationError, "none/"},
		{"denied", good, nil, refusing("AccessDenied"), action.PermissionError, "Could not write"},
		{"no ACLs here", good, []string{"CannedACL", "private"}, refusing("AccessControlListNotSupported"), action.ConfigurationError, "Could not write"},
		{"odd refusal", good, nil, refusing("EntityTooLarge"), action.JobFailed, "EntityTooLarge"},
		{"no zip", []byte("text"), nil, nil, action.JobFailed, "The archive is malformed."},
		{"damaged zip", damaged, nil, nil, action.JobFailed, "The archive is malformed."},
		{"leads out", pack(t, entry{"a", "a", 0o644}, entry{"../x", "x", 0o644}), nil, nil, action.JobFailed, "leads out of the folder"},
		{"link out", pack(t, entry{"l", "../../etc/passwd", fs.ModeSymlink | 0o777}), nil, nil, action.JobFailed, "Nothing was deployed"},
		{"link to nothing", pack(t, entry{"a", "a", 0o644}, entry{"l", "none", fs.ModeSymlink | 0o777}), nil, nil, action.JobFailed, "does not point to a file"},
		{"long key", pack(t, entry{"a", "a", 0o644}), []string{"ObjectKey", strings.Repeat("k", 1023)}, nil, action.JobFailed, "1,024"},
		{"a reference", pack(t, entry{"codebuild-clone-ref.json", "{}", 0o644}), nil, nil, action.ConfigurationError, "CODE_ZIP"},
		{"a reference, whole", pack(t, entry{"codebuild-clone-ref.json", "{}", 0o644}), []string{"Extract", "false", "ObjectKey", "k"}, nil, action.ConfigurationError, "CODE_ZIP"},
		{"artifact is gone", good, nil, func(w *world) { w.Bucket("b", false) }, action.JobFailed, "Input artifact App cannot be read"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			j := w.job(t, tt.content, tt.pairs...)
			if tt.change != nil {
				tt.change(w)
			}
			res := wholetest.Start(t, w.open(), j)
			if res.Status != pipeline.Failed || res.Error == nil || res.Error.Code != tt.code || !strings.Contains(res.Error.Message, tt.message) {
				t.Errorf("%+v, %+v; want %s with %q", res, res.Error, tt.code, tt.message)
			}
			if w.Puts() > 0 {
				t.Errorf("a failure left %q", w.Keys("site"))
			}
		})
	}
}

// TestHalfWay lets the service fail in the middle of many objects, before or
// after it has written one. The next attempt writes all; never are more than
// eight on their way.
func TestHalfWay(t *testing.T) {
	var files []entry
	for i := range 100 {
		files = append(files, entry{fmt.Sprintf("f%03d.txt", i), "x", 0o644})
	}
	content := pack(t, files...)
	for _, after := range []bool{false, true} {
		w := newWorld()
		j, p := w.job(t, content), w.open()
		down := awsfake.Error("ServiceUnavailable")
		fail := func(call string) error {
			if call == "PutObject f050.txt" {
				return down
			}
			return nil
		}
		if after {
			w.After = fail
		} else {
			w.Before = fail
		}
		if res, err := p.Start(t.Context(), j); !errors.Is(err, down) {
			t.Errorf("%+v, %v; want %v", res, err, down)
		}
		var now, most atomic.Int64
		w.Before = func(string) error {
			most.Store(max(most.Load(), now.Add(1))) // good enough: it only ever says too little
			return nil
		}
		w.After = func(string) error { now.Add(-1); return nil }
		if res := wholetest.Start(t, p, j); res.Status != pipeline.Succeeded || len(w.Keys("site")) != 100 {
			t.Errorf("%+v with %d objects", res, len(w.Keys("site")))
		}
		if most.Load() > 8 {
			t.Errorf("%d objects at once; want at most 8", most.Load())
		}
	}
}
