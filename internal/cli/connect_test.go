package cli_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sluice-ci/sluice/internal/cli"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// TestConnect leads the program's own client, and the AWS CLI where there is
// one, through sluice connect to a function that wants Lambda's signature.
func TestConnect(t *testing.T) {
	f := serve(t, pipeline.Succeeded, "Source/Fetch=Succeeded")
	var wrong atomic.Int32
	function := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Authorization"), "Credential=AKIDADA/") || !strings.Contains(r.Header.Get("Authorization"), "/eu-west-1/lambda/aws4_request") {
			wrong.Add(1)
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		f.ServeHTTP(w, r)
	}))
	defer function.Close()
	for key, value := range map[string]string{"AWS_ACCESS_KEY_ID": "AKIDADA", "AWS_SECRET_ACCESS_KEY": "secret-of-ada", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull} {
		t.Setenv(key, value)
	}
	var stdout, stderr tap
	ctx, stop := context.WithCancel(t.Context())
	exit := make(chan int, 1)
	go func() {
		exit <- cli.Main(ctx, cli.Env{
			Args:   []string{"connect", function.URL, "--region", "eu-west-1", "--listen", "127.0.0.1:0"},
			Stdout: &stdout, Stderr: &stderr, Getenv: func(string) string { return "" },
		})
	}()
	defer stop()
	stdout.await(t, "\n")
	url := strings.TrimSpace(strings.TrimPrefix(stdout.String(), "listening on "))

	if got := sluice(t, "list", "--endpoint", url); got.exit != 0 || !strings.Contains(got.stdout, "\nweb ") {
		t.Errorf("list: exit code %d: %s%s", got.exit, got.stdout, got.stderr)
	}
	if _, err := exec.LookPath("aws"); err == nil {
		cmd := exec.Command("aws", "codepipeline", "list-pipelines", "--endpoint-url", url, "--region", "us-east-1", "--output", "json")
		cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=AKIDOTHER", "AWS_PAGER=")
		text, err := cmd.Output()
		if err != nil || !json.Valid(text) || !strings.Contains(string(text), `"web"`) {
			t.Errorf("aws: %v: %s", err, text)
		}
	} else {
		t.Log("the AWS CLI is not installed, so it was not tried")
	}
	if page, err := http.Get(url + "/events"); err != nil || page.StatusCode != http.StatusNotFound {
		t.Errorf("GET /events: %v, %v; want 404", page, err)
	}
	if n := wrong.Load(); n > 0 {
		t.Errorf("%d requests were not signed for the function", n)
	}
	stop()
	if code := <-exit; code != 0 {
		t.Errorf("exit code %d: %s", code, stderr.String())
	}
	if all := stdout.String() + stderr.String(); strings.Contains(all, "secret-of-ada") || strings.Contains(all, "AKIDADA") {
		t.Errorf("credentials were printed:\n%s", all)
	}
}
