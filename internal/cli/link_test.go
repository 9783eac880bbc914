package cli_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/cli"
)

// The server prints the link of an approval, status shows it, the page at the
// link takes the answer, and sluice events has the mail.
func TestApproveByLink(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	var stdout, stderr tap
	ctx, stop := context.WithCancel(t.Context())
	exit := make(chan int, 1)
	go func() {
		exit <- cli.Main(ctx, cli.Env{
			Args:   []string{"up", "testdata/pipelines", "--listen", "127.0.0.1:0", "--data", data, "--simulate"},
			Stdout: &stdout, Stderr: &stderr, Getenv: func(string) string { return "" },
		})
	}()
	defer func() { stop(); <-exit }()
	stdout.await(t, "\n")
	server := strings.TrimPrefix(strings.TrimSpace(stdout.String()), "listening on ")
	if got := sluice(t, "start", "web", "--watch", "--endpoint", server); got.exit != cli.ExitWaiting {
		t.Fatalf("start: exit code %d: %s%s", got.exit, got.stdout, got.stderr)
	}
	stderr.await(t, "open: ")
	link := regexp.MustCompile(`open: (\S+/approve/[0-9a-f]{64})\n`).FindStringSubmatch(stderr.String())
	if link == nil || !strings.HasPrefix(link[1], server+"/") || !strings.Contains(stderr.String(), "APPROVAL NEEDED: web at ") {
		t.Fatalf("the server printed %s", stderr.String())
	}
	for _, command := range [][]string{{"status", "web"}, {"watch", "web"}} {
		if got := sluice(t, append(command, "--data", data)...); !strings.Contains(got.stderr, link[0]) {
			t.Errorf("%v does not show the link:\n%s%s", command, got.stdout, got.stderr)
		}
	}
	if got := sluice(t, "events", "--data", data); !strings.Contains(got.stdout, "APPROVAL NEEDED: web at ") {
		t.Errorf("events does not show the mail:\n%s", got.stdout)
	}
	if code, page := fetch(t, http.MethodGet, link[1], nil); code != http.StatusOK || !strings.Contains(page, "Approve <span class=\"name\">web</span>?") {
		t.Errorf("the page: %d\n%s", code, page)
	}
	answer := url.Values{"pipeline": {"web"}, "comment": {"by link"}, "decision": {"approve"}}
	if code, page := fetch(t, http.MethodPost, link[1], answer); code != http.StatusOK || !strings.Contains(page, "<h1>Approved</h1>") {
		t.Errorf("the answer: %d\n%s", code, page)
	}
	if got := sluice(t, "watch", "web", "--data", data); got.exit != 0 {
		t.Errorf("after the answer: exit code %d\n%s%s", got.exit, got.stdout, got.stderr)
	}
	if got := sluice(t, "status", "web", "--data", data); strings.Contains(got.stderr, "open:") {
		t.Errorf("status shows a link that is used up:\n%s", got.stderr)
	}
}

func fetch(t *testing.T, method, at string, form url.Values) (code int, page string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, at, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}
