package standin_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/e2e/standin"
)

const assetBucket = "cdk-hnb659fds-assets-" + standin.Account + "-" + standin.Region

// An app is the example in one of its versions: testdata/app with these values,
// as a cloud assembly that the CDK can deploy.
type app struct {
	version string // of function and machine
	fail    string // reason for the custom resource to fail, or ""
	auth    string // of the function URL
}

// write writes the assembly to a new folder and returns it.
func (a app) write(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	code := asset(t, dir, "zip", build(t, a.version))
	machine := asset(t, dir, "json", bytes.ReplaceAll(read(t, "machine.json"), []byte("TEXT"), []byte("text "+a.version)))
	arch := map[string]string{"amd64": "x86_64", "arm64": "arm64"}[runtime.GOARCH]
	values := strings.NewReplacer("${code}", code, "${machine}", machine, "${fail}", a.fail, "${auth}", a.auth, "${arch}", arch)
	template := asset(t, dir, "template.json", []byte(values.Replace(string(read(t, "template.json")))))
	files := map[string]any{}
	for _, name := range []string{code, machine, template} {
		hash, _, _ := strings.Cut(name, ".")
		files[hash] = map[string]any{
			"displayName":  name,
			"source":       map[string]string{"path": name, "packaging": "file"},
			"destinations": map[string]any{"here": map[string]string{"bucketName": assetBucket, "objectKey": name, "region": standin.Region}},
		}
	}
	writeJSON(t, dir, "Example.assets.json", map[string]any{"version": "48.0.0", "files": files})
	writeJSON(t, dir, "manifest.json", map[string]any{"version": "48.0.0", "artifacts": map[string]any{
		"Example.assets": map[string]any{"type": "cdk:asset-manifest", "properties": map[string]string{"file": "Example.assets.json"}},
		"Example": map[string]any{
			"type":         "aws:cloudformation:stack",
			"environment":  "aws://" + standin.Account + "/" + standin.Region,
			"properties":   map[string]any{"templateFile": template, "stackTemplateAssetObjectUrl": "s3://" + assetBucket + "/" + template},
			"dependencies": []string{"Example.assets"},
		},
	}})
	return dir
}

// build returns the archive of the example's function.
func build(t *testing.T, version string) []byte {
	t.Helper()
	program := filepath.Join(t.TempDir(), "bootstrap")
	cmd := exec.Command("go", "build", "-tags", "lambda.norpc", "-ldflags", "-s -w -X main.version="+version, "-o", program, "./testdata/function")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	data, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	z := zip.NewWriter(&archive)
	w, err := z.CreateHeader(&zip.FileHeader{Name: "bootstrap", Method: zip.Deflate})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return archive.Bytes()
}

// asset writes a file named by its content and returns the name.
func asset(t *testing.T, dir, extension string, data []byte) string {
	t.Helper()
	sum := sha256.Sum256(data)
	name := hex.EncodeToString(sum[:8]) + "." + extension
	write(t, dir, name, data)
	return name
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "app", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func write(t *testing.T, dir, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func writeJSON(t *testing.T, dir, name string, v any) {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, name, data)
}
