package functions_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// maxZip is how large the code of a function may be as Lambda gets it.
const maxZip = 10 << 20

// optional are the variables of the environment that may be empty: what they
// name can be switched off.
var optional = []string{"SLUICE_ALERTS", "SLUICE_APPROVALS", "SLUICE_PAGES"}

// TestBuild builds every function in two copies of the sources, as make
// functions does, for the processor of this machine. Both are the same bytes,
// they are small, they read what their policies say, and the runtime can call
// them.
func TestBuild(t *testing.T) {
	if testing.Short() {
		t.Skip("builds every function twice, which takes half a minute; run without -short")
	}
	copied := copySources(t, "..")
	copiedAgain := copySources(t, copied)
	for _, name := range folders(t) {
		t.Run(name, func(t *testing.T) {
			here, there := build(t, copied, name), build(t, copiedAgain, name)
			code, err := os.ReadFile(here)
			if err != nil {
				t.Fatal(err)
			}
			again, err := os.ReadFile(there)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(code, again) {
				t.Errorf("the build depends on where it is made: %d and %d bytes differ", len(code), len(again))
			}
			if size := zipped(t, code); size > maxZip {
				t.Errorf("zipped it has %d bytes; at most %d", size, maxZip)
			} else {
				t.Logf("%d bytes, zipped %d", len(code), size)
			}
			reads(t, here, policyOf(t, name).Environment)
			serves(t, here, policyOf(t, name).Environment)
		})
	}
}

// build builds a function of the sources in root and returns the file.
func build(t *testing.T, root, name string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "bootstrap")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-tags", "lambda.norpc", "-trimpath", "-ldflags", "-s -w", "-o", out, "./functions/"+name)
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return out
}

// copySources copies what functions are made of into a folder of its own.
func copySources(t *testing.T, from string) string {
	t.Helper()
	root := t.TempDir()
	for _, part := range []string{"events", "functions", "internal"} {
		if err := os.CopyFS(filepath.Join(root, part), os.DirFS(filepath.Join(from, part))); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(from, file))
		if err == nil {
			err = os.WriteFile(filepath.Join(root, file), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// zipped returns the size of code as it is uploaded.
func zipped(t *testing.T, code []byte) int {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	w, err := z.Create("bootstrap")
	if err == nil {
		_, err = w.Write(code)
	}
	if err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	return out.Len()
}

// reads requires that a function without environment names all of it that it
// cannot do without, which is what its policy lists and what Lambda sets.
func reads(t *testing.T, bootstrap string, listed []string) {
	t.Helper()
	cmd := exec.Command(bootstrap)
	cmd.Env = []string{}
	text, err := cmd.CombinedOutput()
	var line struct{ Err string }
	if err == nil || json.Unmarshal(text, &line) != nil {
		t.Fatalf("without environment it says %v: %s", err, text)
	}
	got := strings.Split(strings.TrimPrefix(line.Err, "missing environment: "), ", ")
	want := []string{"AWS_ACCESS_KEY_ID", "AWS_REGION", "AWS_SECRET_ACCESS_KEY"}
	for _, name := range listed {
		if !slices.Contains(optional, name) {
			want = append(want, name)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("it needs %v; its policy and Lambda give it %v", got, want)
	}
}

// serves lets the runtime call a function with a payload that none takes. It
// refuses it by the name that machines do not repeat, and its log tells whose
// request that was.
func serves(t *testing.T, bootstrap string, listed []string) {
	t.Helper()
	answers, done := make(chan string, 1), make(chan struct{})
	mux := http.NewServeMux()
	calls := make(chan struct{}, 1)
	calls <- struct{}{}
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, _ *http.Request) {
		select {
		case <-calls:
		case <-done: // there is no second call
		}
		w.Header().Set("Lambda-Runtime-Aws-Request-Id", "request-1")
		w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(time.Minute).UnixMilli()))
		io.WriteString(w, "7")
	})
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/request-1/{what}", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		answers <- r.PathValue("what") + " " + string(body)
		w.WriteHeader(http.StatusAccepted)
	})
	runtime := httptest.NewServer(mux)
	defer runtime.Close()
	defer close(done)
	var log bytes.Buffer
	cmd := exec.Command(bootstrap)
	cmd.Stderr = &log
	cmd.Env = []string{"AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(runtime.URL, "http://"), "AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=b", "SLUICE_LOG=info"}
	for _, name := range listed {
		if name != "SLUICE_LOG" {
			cmd.Env = append(cmd.Env, name+"=x")
		}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case answer := <-answers:
		if !strings.HasPrefix(answer, "error ") || !strings.Contains(answer, `"errorType":"Sluice.Refused"`) {
			t.Errorf("answer %s", answer)
		}
		cmd.Process.Kill()
		<-ended
	case err := <-ended:
		t.Fatalf("it ended: %v\n%s", err, log.String())
	}
	if !strings.Contains(log.String(), `"request":"request-1"`) {
		t.Errorf("log %s", log.String())
	}
}
