package s3_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/s3"
	"github.com/sluice-ci/sluice/internal/action/whole/wholetest"
	"github.com/sluice-ci/sluice/internal/mapping"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// An entry of an archive.
type entry struct {
	name, text string
	mode       fs.FileMode
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

// bomb returns an archive that says it unpacks to a gigabyte.
func bomb(t testing.TB) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	if _, err := z.CreateRaw(&zip.FileHeader{Name: "b", Method: zip.Deflate, UncompressedSize64: 1 << 30}); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// many returns an archive of more entries than are allowed.
func many(t testing.TB) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for i := range 100_001 {
		if _, err := z.CreateRaw(&zip.FileHeader{Name: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// deployment returns a job that deploys content, stored in blobs.
func deployment(t testing.TB, blobs *wholetest.Blobs, content []byte, pairs ...string) action.Job {
	t.Helper()
	c := map[string]string{"BucketName": "site", "Extract": "true"}
	for i := 0; i < len(pairs); i += 2 {
		c[pairs[i]] = pairs[i+1]
	}
	return action.Job{ID: "j1", Action: pipeline.Action{Name: "Deploy", Configuration: c}, Inputs: []action.Artifact{blobs.Put(t, "App", content)}}
}

// tree returns the files below dir, as "mode text".
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		text, readErr := os.ReadFile(path)
		rel, relErr := filepath.Rel(dir, path)
		files[rel] = fmt.Sprintf("%v %s", info.Mode(), text)
		return errors.Join(err, readErr, relErr)
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

var site = []entry{
	{"index.html", "<p>", 0o644},
	{"bin/", "", fs.ModeDir | 0o755},
	{"bin/run", "#!", 0o755},
	{"bin/link", "../index.html", fs.ModeSymlink | 0o777},
}

func TestExtract(t *testing.T) {
	want := map[string]string{"index.html": "-rw-r--r-- <p>", "bin/run": "-rwxr-xr-x #!", "bin/link": "-rw-r--r-- <p>"}
	for key, prefix := range map[string]string{"": "", "p": "p", "p/": "p", "/a//b/": "a/b"} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "stale"), "kept")
		write(t, filepath.Join(dir, prefix, "index.html"), "old")
		m := mapping.Mapping{Buckets: map[string]string{"site": dir}}
		var blobs wholetest.Blobs
		open := func() action.Provider { return s3.NewDeploy(m, "", &blobs) }
		job := deployment(t, &blobs, pack(t, site...), "ObjectKey", key)
		res := wholetest.Start(t, open(), job)
		if diff := cmp.Diff(action.Result{Status: pipeline.Succeeded, Summary: "Deployment Succeeded", ExternalURL: "file://" + filepath.Join(dir, prefix)}, res); diff != "" {
			t.Errorf("key %q: %s", key, diff)
		}
		all := map[string]string{"stale": "-rw-r--r-- kept"}
		for name, file := range want {
			all[filepath.Join(prefix, name)] = file
		}
		if diff := cmp.Diff(all, tree(t, dir)); diff != "" {
			t.Errorf("key %q: %s", key, diff)
		}
		wholetest.Repeat(t, open, job, res)
		if diff := cmp.Diff(all, tree(t, dir)); diff != "" {
			t.Errorf("key %q, repeated: %s", key, diff)
		}
	}
}

// TestPlaceholders pins that a repetition fills them in the same way.
func TestPlaceholders(t *testing.T) {
	data := t.TempDir()
	var blobs wholetest.Blobs
	open := func() action.Provider { return s3.NewDeploy(mapping.Mapping{}, data, &blobs) }
	job := deployment(t, &blobs, []byte("any"), "Extract", "false", "ObjectKey", "v/{datetime}-{uuid}.zip")
	res := wholetest.Start(t, open(), job)
	wholetest.Repeat(t, open, job, res)
	files := tree(t, filepath.Join(data, "buckets/site"))
	pattern := regexp.MustCompile(`^v/\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\.zip$`)
	for name, file := range files {
		if !pattern.MatchString(name) || file != "-rw-r--r-- any" {
			t.Errorf("%s: %s", name, file)
		}
	}
	if len(files) != 1 {
		t.Errorf("%d files", len(files))
	}
}

// TestUndone pins that settings a folder cannot keep are not passed over in
// silence.
func TestUndone(t *testing.T) {
	var blobs wholetest.Blobs
	job := deployment(t, &blobs, pack(t, site...), "CacheControl", "no-store", "CannedACL", "private")
	res := wholetest.Start(t, s3.NewDeploy(mapping.Mapping{}, t.TempDir(), &blobs), job)
	if want := "Deployment Succeeded (a folder keeps no CacheControl, CannedACL)"; res.Summary != want {
		t.Errorf("summary %q; want %q", res.Summary, want)
	}
}

// TestAfterCrash repeats a deployment of which a part was done.
func TestAfterCrash(t *testing.T) {
	dir := t.TempDir()
	m := mapping.Mapping{Buckets: map[string]string{"site": dir}}
	var blobs wholetest.Blobs
	job := deployment(t, &blobs, pack(t, site...))
	wholetest.Start(t, s3.NewDeploy(m, "", &blobs), job)
	want := tree(t, dir)
	// As if the process had died: one file is missing, another is old, and the
	// files on their way are still there.
	write(t, filepath.Join(dir, "index.html"), "old")
	if err := os.Remove(filepath.Join(dir, "bin/run")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, ".sluice-"+short, "0"), "half")
	write(t, filepath.Join(dir, ".sluice-"+short, "7"), "half")
	wholetest.Start(t, s3.NewDeploy(m, "", &blobs), job)
	if diff := cmp.Diff(want, tree(t, dir)); diff != "" {
		t.Error(diff)
	}
}

// short is what the job's id is in file names.
const short = "08243666f926aa4e"

// TestRefusals pins texts and codes, and that nothing is written.
func TestRefusals(t *testing.T) {
	good := pack(t, site...)
	broken := bytes.Replace(pack(t, entry{"a", strings.Repeat("x", 10), 0o644}), []byte("PK\x01\x02"), []byte("PK\x09\x09"), 1)
	flipped := pack(t, entry{"ok", "1", 0o644}, entry{"a", strings.Repeat("abcdefgh", 4), 0o644})
	flipped[bytes.LastIndex(flipped[:bytes.Index(flipped, []byte("PK\x01\x02"))], []byte("PK\x07\x08"))-3] ^= 0xff
	one := func(name string) []byte {
		return pack(t, entry{"ok", "1", 0o644}, entry{name, "2", 0o644})
	}
	tests := []struct {
		name       string
		content    []byte
		pairs      []string
		code, want string
	}{
		{"Extract", good, []string{"Extract", "yes"}, action.ConfigurationError, `Extract is "yes"; it must be true or false.`},
		{"no key", good, []string{"Extract", "false"}, action.ConfigurationError, "When the extract feature is disabled, you must provide an object"},
		{"key outside", good, []string{"Extract", "false", "ObjectKey", "../x"}, action.ConfigurationError, "cannot be a file"},
		{"key of a folder", good, []string{"Extract", "false", "ObjectKey", "x/"}, action.ConfigurationError, "cannot be a file"},
		{"prefix outside", good, []string{"ObjectKey", "../x"}, action.JobFailed, "cannot be a file"},
		{"bucket", good, []string{"BucketName", "../x"}, action.ConfigurationError, "no lawful name of a bucket"},
		{"no zip", []byte("hello"), nil, action.JobFailed, "The archive is malformed."},
		{"empty", nil, nil, action.JobFailed, "The archive is malformed."},
		{"cut off", good[:len(good)-30], nil, action.JobFailed, "The archive is malformed."},
		{"broken directory", broken, nil, action.JobFailed, "The archive is malformed."},
		{"flipped bits", flipped, nil, action.JobFailed, "The archive is malformed."},
		{"zip slip", one("../evil"), nil, action.JobFailed, `archive entry "../evil" leads out of the folder`},
		{"zip slip inside", one("a/../../evil"), nil, action.JobFailed, "leads out of the folder"},
		{"absolute", one("/etc/evil"), nil, action.JobFailed, "has an absolute path"},
		{"backslash", one(`..\evil`), nil, action.JobFailed, "has a backslash"},
		{"zero byte", one("a\x00b"), nil, action.JobFailed, "has a control character"},
		{"dot", one("./a"), nil, action.JobFailed, `has the part "."`},
		{"deep", one(strings.Repeat("a/", 70) + "b"), nil, action.JobFailed, "folders deep"},
		{"twice", one("ok"), nil, action.JobFailed, "is in the archive twice"},
		{"twice in other case", one("OK"), nil, action.JobFailed, "in case only"},
		{"below a file", one("ok/a"), nil, action.JobFailed, `lies below "ok"`},
		{"link outside", pack(t, entry{"l", "../../etc/passwd", fs.ModeSymlink | 0o777}), nil, action.JobFailed, "leads out of the folder"},
		{"absolute link", pack(t, entry{"etc/passwd", "x", 0o644}, entry{"l", "/etc/passwd", fs.ModeSymlink | 0o777}), nil, action.JobFailed, "to the absolute path"},
		{"link to a link", pack(t, entry{"l", "m", fs.ModeSymlink | 0o777}, entry{"m", "l", fs.ModeSymlink | 0o777}), nil, action.JobFailed, "in circles"},
		{"link to a folder", pack(t, entry{"d/a", "1", 0o644}, entry{"l", "d", fs.ModeSymlink | 0o777}), nil, action.JobFailed, "the link l of the archive does not point to a file of it"},
		{"link to nothing", pack(t, entry{"l", "d", fs.ModeSymlink | 0o777}), nil, action.JobFailed, "the link l of the archive"},
		{"too many", many(t), nil, action.JobFailed, "more than 100000 entries"},
		{"device", pack(t, entry{"d", "", fs.ModeDevice | 0o666}), nil, action.JobFailed, "only files, folders and links"},
		{"pipe", pack(t, entry{"p", "", fs.ModeNamedPipe | 0o666}), nil, action.JobFailed, "only files, folders and links"},
		{"reference", pack(t, entry{"codebuild-clone-ref.json", "{}", 0o644}), nil, action.ConfigurationError, "holds no files: it says what a build clones. Set OutputArtifactFormat"},
		{"reference, whole", pack(t, entry{"codebuild-clone-ref.json", "{}", 0o644}), []string{"Extract", "false", "ObjectKey", "k"}, action.ConfigurationError, "holds no files"},
		{"bomb", bomb(t), nil, action.JobFailed, "times its size"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			data := t.TempDir()
			var blobs wholetest.Blobs
			res := wholetest.Start(t, s3.NewDeploy(mapping.Mapping{}, data, &blobs), deployment(t, &blobs, tt.content, tt.pairs...))
			if res.Error == nil || res.Error.Code != tt.code || !strings.Contains(res.Error.Message, tt.want) {
				t.Errorf("%+v; want %s: %s", res, tt.code, tt.want)
			}
			if files := tree(t, data); len(files) > 0 {
				t.Errorf("written: %v", files)
			}
		})
	}
}

// TestLinkInBucket must not write through a link of the folder itself.
func TestLinkInBucket(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "bin")); err != nil {
		t.Fatal(err)
	}
	var blobs wholetest.Blobs
	m := mapping.Mapping{Buckets: map[string]string{"site": dir}}
	res := wholetest.Start(t, s3.NewDeploy(m, "", &blobs), deployment(t, &blobs, pack(t, site...)))
	if res.Status != pipeline.Failed || !strings.Contains(res.Summary, "bin") {
		t.Errorf("%+v", res)
	}
	if files := tree(t, outside); len(files) > 0 {
		t.Errorf("written: %v", files)
	}
}

// TestArtifactGone names what is missing.
func TestArtifactGone(t *testing.T) {
	var blobs wholetest.Blobs
	job := deployment(t, &blobs, pack(t, site...))
	res := wholetest.Start(t, s3.NewDeploy(mapping.Mapping{}, t.TempDir(), &wholetest.Blobs{}), job)
	if res.Status != pipeline.Failed || !strings.Contains(res.Summary, "Input artifact App cannot be read: artifacts/in/App") {
		t.Errorf("%+v", res)
	}
}

func FuzzDeploy(f *testing.F) {
	f.Add(pack(f, site...))
	f.Add(pack(f, entry{"../a", "1", 0o644}))
	f.Fuzz(func(t *testing.T, content []byte) {
		outer := t.TempDir()
		var blobs wholetest.Blobs
		m := mapping.Mapping{Buckets: map[string]string{"site": filepath.Join(outer, "in")}}
		res := wholetest.Start(t, s3.NewDeploy(m, "", &blobs), deployment(t, &blobs, content))
		for name := range tree(t, outer) {
			if !strings.HasPrefix(name, "in/") || res.Status == pipeline.Failed && !strings.Contains(res.Summary, "cannot be written") {
				t.Errorf("%s after %+v", name, res)
			}
		}
	})
}
