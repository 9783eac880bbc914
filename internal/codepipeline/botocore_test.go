package codepipeline_test

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/codepipeline"
)

// python returns python3 if it has boto3, or skips the test.
func python(t *testing.T) string {
	t.Helper()
	bin, err := exec.LookPath("python3")
	if err != nil {
		t.Skipf("no conformance check against botocore: %v", err)
	}
	if out, err := exec.Command(bin, "-c", "import boto3").CombinedOutput(); err != nil {
		t.Skipf("no conformance check against botocore: %s", bytes.TrimSpace(out))
	}
	return bin
}

// TestBotocore checks every sample against botocore's model of the service.
func TestBotocore(t *testing.T) {
	bin := python(t)
	type answer struct {
		Name      string            `json:"name"`
		Operation string            `json:"operation"`
		Status    int               `json:"status"`
		Headers   map[string]string `json:"headers"`
		Body      string            `json:"body"`
	}
	var answers []answer
	h := serve(t, new(orchestrated), codepipeline.Options{})
	for _, s := range samples {
		w := post(h, s.operation, s.body)
		headers := map[string]string{}
		for name := range w.Header() {
			headers[strings.ToLower(name)] = w.Header().Get(name)
		}
		answers = append(answers, answer{s.name, s.operation, w.Code, headers, w.Body.String()})
	}
	in, err := json.Marshal(answers)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "testdata/conformance.py")
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestBoto3 lets an unmodified client work with a server on the loopback
// address.
func TestBoto3(t *testing.T) {
	bin := python(t)
	o := new(orchestrated)
	srv := httptest.NewUnstartedServer(nil)
	port := srv.Listener.Addr().(*net.TCPAddr).Port
	srv.Config.Handler = codepipeline.Loopback(serve(t, o, codepipeline.Options{}), port)
	srv.Start()
	defer srv.Close()
	out, err := exec.Command(bin, "testdata/client.py", srv.URL, execution(3), approval).CombinedOutput()
	if err != nil || string(out) != "ok\n" {
		t.Errorf("%v\n%s", err, out)
	}
	if o.by != "arn:aws:iam::111122223333:user/AKIDEXAMPLE" {
		t.Errorf("called by %s", o.by)
	}
}

// TestOperations holds that every operation of the API is offered or refused
// by name.
func TestOperations(t *testing.T) {
	bin := python(t)
	out, err := exec.Command(bin, "-c", "import botocore.session as s; print(*s.get_session().get_service_model('codepipeline').operation_names)").Output()
	if err != nil {
		t.Fatal(err)
	}
	h := serve(t, new(orchestrated), codepipeline.Options{})
	for _, operation := range strings.Fields(string(out)) {
		if body := post(h, operation, `{}`).Body.String(); strings.Contains(body, "is not an operation") {
			t.Errorf("%s is unknown: %s", operation, body)
		}
	}
	if w := post(h, "GetPipelinez", `{}`); w.Code != http.StatusBadRequest {
		t.Errorf("answer %d %s", w.Code, w.Body)
	}
}
