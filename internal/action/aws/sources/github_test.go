package sources_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/actiontest"
	"github.com/sluice-ci/sluice/internal/action/aws/awsfake"
	"github.com/sluice-ci/sluice/internal/action/aws/credentials"
	"github.com/sluice-ci/sluice/internal/action/aws/sources"
	"github.com/sluice-ci/sluice/internal/action/whole/wholetest"
	"github.com/sluice-ci/sluice/internal/archive"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/secret"
)

const (
	ghToken = "ghp_0123456789abcdefghijABCDEFGHIJ012345"
	ghOne   = "1111111111111111111111111111111111111111"
	ghTwo   = "2222222222222222222222222222222222222222"
)

// A hub is GitHub, as far as a source needs it, in the shapes that it really
// answers with: an API, and another host that archives come from.
type hub struct {
	api, archives *httptest.Server
	blobs         awsfake.S3
	secrets       vault
	token         string // that is accepted

	mu      sync.Mutex
	calls   []string          // guarded by mu
	trees   map[string][]file // of commits
	trouble func(http.ResponseWriter, *http.Request) bool
	send    string // where the API sends to for an archive; "" is the other host
}

// A file of an archive; one whose name ends in a slash is a folder, and one
// whose name begins with ^ is outside the folder around everything.
type file struct {
	name, text string
	mode       fs.FileMode
}

// vault is a store of secrets.
type vault map[string]string

var errNoSecret = errors.New("secret is not there")

func (v vault) Secret(_ context.Context, ref string) (string, error) {
	if text, ok := v[ref]; ok {
		return text, nil
	}
	return "", fmt.Errorf("secret %s: %w", ref, errNoSecret)
}

func (v vault) Parameter(ctx context.Context, name string) (string, error) {
	return v.Secret(ctx, "ssm "+name)
}

func newHub(t *testing.T) *hub {
	t.Helper()
	h := &hub{token: ghToken, secrets: vault{}, trees: map[string][]file{
		ghOne: {{"a", "1", 0o644}},
		ghTwo: {
			{"a", "2", 0o644}, {"bin/", "", fs.ModeDir | 0o755}, {"bin/run", "#!", 0o755}, {"bin/link", "../a", fs.ModeSymlink | 0o777},
			{"empty", "", 0o644}, {"vendor/", "", fs.ModeDir | 0o755},
		},
	}}
	h.blobs.Bucket("b", false)
	h.archives = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.note("archive " + r.URL.Path)
		if r.Header.Get("Authorization") != "" {
			t.Error("the host of archives was given the token")
		}
		if r.URL.Query().Get("token") != "of-archive" {
			http.NotFound(w, r)
			return
		}
		_, id, _ := strings.Cut(r.URL.Path, "/legacy.zip/")
		w.Write(ball(t, "acme-web-"+id[:7]+"/", h.trees[id]))
	}))
	h.api = httptest.NewServer(http.HandlerFunc(h.serve))
	t.Cleanup(h.archives.Close)
	t.Cleanup(h.api.Close)
	return h
}

func (h *hub) note(call string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, call)
}

func (h *hub) serve(w http.ResponseWriter, r *http.Request) {
	rest, ok := strings.CutPrefix(r.URL.Path, "/repos/acme/web/")
	h.note(rest)
	say := func(status int, message string) {
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"message":%q,"documentation_url":"https://docs.github.com/rest","status":"%d"}`, message, status)
	}
	what, id, _ := strings.Cut(strings.TrimPrefix(rest, "git/"), "/")
	switch {
	case h.trouble != nil && h.trouble(w, r):
	case r.Header.Get("Authorization") != "Bearer "+h.token:
		say(401, "Bad credentials")
	case r.URL.Path == "/repos/acme/renamed/git/ref/heads/main":
		http.Redirect(w, r, h.api.URL+"/repos/acme/web/git/ref/heads/main", http.StatusMovedPermanently)
	case !ok:
		say(404, "Not Found")
	case rest == "git/ref/heads/main" || rest == "git/ref/heads/feature/x":
		fmt.Fprintf(w, `{"ref":"refs/heads/%s","node_id":"x","url":"x","object":{"sha":"%s","type":"commit","url":"x"}}`, strings.TrimPrefix(id, "heads/"), ghTwo)
	case what == "commits" && h.trees[id] != nil:
		fmt.Fprintf(w, `{"sha":"%s","node_id":"x","url":"x","html_url":"https://github.com/acme/web/commit/%[1]s",
			"author":{"name":"Ada","email":"ada@example.com","date":"2026-01-01T00:00:02Z"},
			"committer":{"name":"GitHub","email":"noreply@github.com","date":"2026-01-01T01:00:02Z"},
			"tree":{"sha":"x","url":"x"},"message":"Two\n\nmore","parents":[],"verification":{"verified":false,"reason":"unsigned","signature":null,"payload":null}}`, id)
	case what == "zipball" && h.trees[id] != nil:
		to := h.send
		if to == "" {
			to = h.archives.URL + "/acme/web/legacy.zip/" + id + "?token=of-archive"
		}
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusFound)
	default:
		say(404, "Not Found")
	}
}

// ball returns a zip as GitHub makes it.
func ball(t *testing.T, top string, files []file) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for _, f := range append([]file{{"", "", fs.ModeDir | 0o755}}, files...) {
		h := &zip.FileHeader{Name: top + f.name, Method: zip.Deflate, Modified: time.Now()}
		if name, outside := strings.CutPrefix(f.name, "^"); outside {
			h.Name = name
		}
		h.SetMode(f.mode)
		w, err := z.CreateHeader(h)
		if err == nil {
			_, err = io.WriteString(w, f.text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func (h *hub) open() action.Provider {
	return sources.NewGitHub(credentials.Fixed[secret.Store](h.secrets), &h.blobs, sources.GitHubOptions{
		API: h.api.URL, Archives: []string{strings.TrimPrefix(h.archives.URL, "http://")},
	})
}

func ghJob(pairs ...string) action.Job {
	return job("GitHub", append([]string{"Owner", "acme", "Repo", "web", "Branch", "main", "OAuthToken", ghToken}, pairs...)...)
}

func TestGitHubContract(t *testing.T) {
	actiontest.Run(t, func(t *testing.T) actiontest.Harness {
		h := newHub(t)
		return actiontest.Harness{
			Open:     func(*testing.T, func(string)) action.Provider { return h.open() },
			Succeeds: func(*testing.T) action.Job { return ghJob() },
			Fails:    func(*testing.T) action.Job { return ghJob("Branch", "none") },
			Blobs:    &h.blobs,
		}
	})
}

func TestGitHub(t *testing.T) {
	h := newHub(t)
	res := wholetest.Start(t, h.open(), ghJob())
	link := "https://github.com/acme/web/commit/" + ghTwo
	want := action.Result{
		Status: pipeline.Succeeded, Summary: "Two\n\nmore", ExternalID: ghTwo, ExternalURL: link,
		Variables: map[string]string{
			"AuthorDate": "2026-01-01T00:00:02Z", "BranchName": "main", "CommitId": ghTwo, "CommitMessage": "Two\n\nmore",
			"CommitterDate": "2026-01-01T01:00:02Z", "CommitUrl": link, "RepositoryName": "web",
		},
		Outputs:  res.Outputs,
		Revision: &action.Revision{ID: ghTwo, Summary: "Two\n\nmore", URL: link, Created: time.Date(2026, 1, 1, 1, 0, 2, 0, time.UTC)},
	}
	if diff := cmp.Diff(want, res); diff != "" {
		t.Fatal(diff)
	}
	content := h.blobs.Object("b", res.Outputs[0].Ref.Key).Content
	if diff := cmp.Diff([]string{"-rw-r--r-- a: 2", "Lrwxrwxrwx bin/link: ../a", "-rwxr-xr-x bin/run: #!", "-rw-r--r-- empty: "}, entries(t, content)); diff != "" {
		t.Error(diff)
	}
	if err := archive.Unzip(t.Context(), bytes.NewReader(content), int64(len(content)), t.TempDir(), archive.Limits{}); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"git/ref/heads/main", "git/commits/" + ghTwo, "zipball/" + ghTwo, "archive /acme/web/legacy.zip/" + ghTwo}, h.calls); diff != "" {
		t.Error(diff)
	}
	wholetest.Repeat(t, h.open, ghJob(), res)
}

func TestGitHubAt(t *testing.T) {
	pinned := at(ghJob(), "COMMIT_ID", ghOne)
	tagged := at(ghJob(), "COMMIT_ID", ghOne)
	tagged.Revision.Tag = "v1"
	tests := []struct {
		name   string
		job    action.Job
		id     string
		branch string
	}{
		{"pinned", pinned, ghOne, "main"},
		{"by a tag", tagged, ghOne, ""},
		{"branch with a slash", ghJob("Branch", "feature/x"), ghTwo, "feature/x"},
		{"renamed", ghJob("Repo", "renamed"), "", ""},
	}
	for _, tt := range tests {
		h := newHub(t)
		res := wholetest.Start(t, h.open(), tt.job)
		if tt.name == "renamed" { // the branch was found, under the other name; nothing else is there
			if res.Error == nil || res.Error.Code != action.RevisionUnavailable {
				t.Errorf("renamed: %+v", res)
			}
			continue
		}
		if res.Revision == nil || res.Revision.ID != tt.id || res.Variables["BranchName"] != tt.branch {
			t.Errorf("%s: %+v, %+v", tt.name, res, res.Error)
		}
	}
}

func TestGitHubToken(t *testing.T) {
	id := "arn:aws:secretsmanager:eu-west-1:111122223333:secret:gh-AbCdEf"
	stored := vault{"gh": ghToken, "gh:key": ghToken + "\n", "gh:key::v7": ghToken, "gh::AWSPREVIOUS": ghToken, id: ghToken, id + ":key": ghToken, "ssm /gh": ghToken, "ssm /gh:3": ghToken}
	for _, token := range []string{
		ghToken, "{{resolve:secretsmanager:gh}}", "{{resolve:secretsmanager:gh:SecretString:key}}", "{{resolve:secretsmanager:gh::key::v7}}",
		"{{resolve:secretsmanager:gh:SecretString::AWSPREVIOUS}}", "{{resolve:secretsmanager:" + id + "}}", "{{resolve:secretsmanager:" + id + ":SecretString:key}}",
		"{{resolve:ssm-secure:/gh:3}}", "{{resolve:ssm:/gh}}",
	} {
		h := newHub(t)
		h.secrets = stored
		if res := wholetest.Start(t, h.open(), ghJob("OAuthToken", token)); res.Status != pipeline.Succeeded {
			t.Errorf("%s: %+v", token, res.Error)
		}
	}
	for token, want := range map[string]string{
		"****": "masked", "{{resolve:secretsmanager:gh": "}}", "{{resolve:secretsmanager:none}}": "not there", "{{resolve:kms:gh}}": "secretsmanager",
		"{{resolve:secretsmanager:gh:SecretBinary:key}}": "SecretString", "{{resolve:secretsmanager:json}}": "name the key", ghToken + "\r\nX-Other: y": "characters",
	} {
		h := newHub(t)
		h.secrets = vault{"json": `{"key": "` + ghToken + `"}`}
		res := wholetest.Start(t, h.open(), ghJob("OAuthToken", token))
		if res.Error == nil || res.Error.Code != action.ConfigurationError || !strings.Contains(res.Error.Message, want) || strings.Contains(res.Error.Message, ghToken) {
			t.Errorf("%q: %+v; want ConfigurationError with %q", token, res.Error, want)
		}
	}
}

func TestGitHubFailures(t *testing.T) {
	answer := func(status int, header, value, message string) func(*hub) {
		return func(h *hub) {
			h.trouble = func(w http.ResponseWriter, r *http.Request) bool {
				if header != "" {
					w.Header().Set(header, value)
				}
				w.WriteHeader(status)
				fmt.Fprintf(w, `{"message":%q}`, message)
				return true
			}
		}
	}
	files := func(f ...file) func(*hub) { return func(h *hub) { h.trees[ghTwo] = f } }
	tests := []struct {
		name    string
		job     action.Job
		change  func(*hub)
		code    string
		message string
	}{
		{"no branch", ghJob("Branch", "none"), nil, action.ConfigurationError, "branch none"},
		{"no repository", ghJob("Repo", "none"), nil, action.ConfigurationError, "acme/none"},
		{"no name", ghJob("Branch", ""), nil, action.ConfigurationError, "no Branch"},
		{"no commit", at(ghJob(), "COMMIT_ID", strings.Repeat("9", 40)), nil, action.RevisionUnavailable, "commit 9999"},
		{"no id", at(ghJob(), "COMMIT_ID", "main/../x"), nil, action.RevisionUnavailable, "no commit id"},
		{"odd revision", at(ghJob(), "IMAGE_DIGEST", "x"), nil, action.ConfigurationError, "use COMMIT_ID"},
		{"other token", ghJob("OAuthToken", "ghp_other"), nil, action.PermissionError, "Bad credentials"},
		{"forbidden", ghJob(), answer(403, "", "", "Resource not accessible by personal access token"), action.PermissionError, "not accessible"},
		{"empty repository", ghJob(), answer(409, "", "", "Git Repository is empty."), action.ConfigurationError, "is empty"},
		{"odd status", ghJob(), answer(418, "", "", "teapot"), action.JobFailed, "418"},
		{"redirects for ever", ghJob(), func(h *hub) { h.send = h.api.URL + "/repos/acme/web/zipball/" + ghTwo }, action.JobFailed, "more than 3 times"},
		{"climbs out", ghJob(), files(file{"../../x", "x", 0o644}), action.JobFailed, "../../x"},
		{"link that leads out", ghJob(), files(file{"l", "../../etc/passwd", fs.ModeSymlink | 0o777}), action.JobFailed, "leads out"},
		{"link that leads above the top", ghJob(), files(file{"l", "../x", fs.ModeSymlink | 0o777}), action.JobFailed, "link"},
		{"absolute link", ghJob(), files(file{"l", "/etc/passwd", fs.ModeSymlink | 0o777}), action.JobFailed, "absolute"},
		{"device", ghJob(), files(file{"d", "", fs.ModeDevice | 0o644}), action.JobFailed, "only files"},
		{"twice", ghJob(), files(file{"d", "1", 0o644}, file{"d", "2", 0o644}), action.JobFailed, "twice"},
		{"bomb", ghJob(), files(file{"d", strings.Repeat("0", 64<<20), 0o644}), action.JobFailed, "times its size"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHub(t)
			if tt.change != nil {
				tt.change(h)
			}
			res := wholetest.Start(t, h.open(), tt.job)
			if res.Status != pipeline.Failed || res.Error == nil || res.Error.Code != tt.code || !strings.Contains(res.Error.Message, tt.message) {
				t.Errorf("%+v, %+v; want %s with %q", res, res.Error, tt.code, tt.message)
			}
			if keys := h.blobs.Keys("b"); len(keys) > 0 {
				t.Errorf("a failure left %v", keys)
			}
			if text := fmt.Sprintf("%+v %+v", res, res.Error); strings.Contains(text, ghToken) || strings.Contains(text, "of-archive") {
				t.Errorf("the result holds a token: %s", text)
			}
		})
	}
}

// TestGitHubCannotTell pins what is no end of a job, and that what is told of
// it holds no token: not the job's, and not that of the URL of an archive.
func TestGitHubCannotTell(t *testing.T) {
	limited := func(status int, header, value string) func(*hub) {
		return func(h *hub) {
			h.trouble = func(w http.ResponseWriter, _ *http.Request) bool {
				if header != "" {
					w.Header().Set(header, value)
				}
				w.WriteHeader(status)
				return true
			}
		}
	}
	for name, change := range map[string]func(*hub){
		"rate":         limited(403, "X-RateLimit-Remaining", "0"),
		"second rate":  limited(403, "Retry-After", "60"),
		"too many":     limited(429, "", ""),
		"down":         limited(502, "", ""),
		"archive down": func(h *hub) { h.archives.Close() },
		"two tops":     func(h *hub) { h.trees[ghTwo] = []file{{"^other", "x", 0o644}} },
	} {
		h := newHub(t)
		change(h)
		p := h.open()
		res, err := p.Start(t.Context(), ghJob())
		if err == nil || res.Status != "" {
			t.Errorf("%s: %+v, %v; want an error", name, res, err)
			continue
		}
		if text := err.Error(); strings.Contains(text, ghToken) || strings.Contains(text, "of-archive") {
			t.Errorf("%s: the error holds a token: %s", name, text)
		}
		if h.trouble == nil { // it stays
			continue
		}
		h.trouble = nil
		if res := wholetest.Start(t, p, ghJob()); res.Status != pipeline.Succeeded {
			t.Errorf("after %s: %+v", name, res)
		}
	}
	h := newHub(t)
	down := &smithy.OperationError{ServiceID: "Secrets Manager", OperationName: "GetSecretValue", Err: errors.New("connection reset")}
	p := sources.NewGitHub(func(context.Context, action.Job) (secret.Store, error) { return failing{down}, nil }, &h.blobs, sources.GitHubOptions{API: h.api.URL})
	if res, err := p.Start(t.Context(), ghJob("OAuthToken", "{{resolve:secretsmanager:gh}}")); !errors.Is(err, down) {
		t.Errorf("secrets are down: %+v, %v; want the error", res, err)
	}
	denied := awsfake.Error("AccessDeniedException")
	p = sources.NewGitHub(func(context.Context, action.Job) (secret.Store, error) { return failing{denied}, nil }, &h.blobs, sources.GitHubOptions{API: h.api.URL})
	if res := wholetest.Start(t, p, ghJob("OAuthToken", "{{resolve:secretsmanager:gh}}")); res.Error == nil || res.Error.Code != action.PermissionError {
		t.Errorf("secret denied: %+v; want PermissionError", res.Error)
	}
}

// failing is a store of secrets that fails.
type failing struct{ err error }

func (f failing) Secret(context.Context, string) (string, error)    { return "", f.err }
func (f failing) Parameter(context.Context, string) (string, error) { return "", f.err }

// TestGitHubRedirects has the API send on to places that no archive is at.
// None of them is asked, the machine's own servers among them.
func TestGitHubRedirects(t *testing.T) {
	var asked int
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer other.Close()
	for _, to := range append(lines(t, "../egress/testdata/urls.txt"), other.URL) {
		if !strings.Contains(to, ":") { // relative: back to the API, which has nothing there
			continue
		}
		h := newHub(t)
		h.send = to
		res, err := h.open().Start(t.Context(), ghJob())
		if err == nil && (res.Error == nil || res.Error.Code != action.JobFailed) {
			t.Errorf("%s: %+v", to, res)
		}
		h.mu.Lock()
		if n := len(h.calls); n != 3 {
			t.Errorf("%s: %d calls; want 3: %v", to, n, h.calls)
		}
		h.mu.Unlock()
	}
	if asked > 0 {
		t.Errorf("a server of this machine was asked %d times", asked)
	}
}

// TestGitHubNames are names that must not become part of a request.
func TestGitHubNames(t *testing.T) {
	h := newHub(t)
	for key, names := range map[string][]string{
		"Owner":  {"a/b", "..", "acme?x", "acme#", "acme@host", "-x", "ac me", "acme\r\nX: y", "%2e%2e", "acmé"},
		"Repo":   {"a/b", "..", ".", "web?x", "web#x", "we b", "web\nx", "%2e%2e", `a\b`},
		"Branch": {"-x", "--upload-pack=x", "..", "a/../b", "a..b", "a b", "a\nb", "a?b", "a*", "@{x", "a~1", "a^", "a:b", `a\b`, "/a", "a/", "a//b", ".a", "a.lock"},
	} {
		for _, name := range names {
			if res := wholetest.Start(t, h.open(), ghJob(key, name)); res.Error == nil || res.Error.Code != action.ConfigurationError {
				t.Errorf("%s %q: %+v", key, name, res)
			}
		}
	}
	if len(h.calls) > 0 {
		t.Errorf("calls %v", h.calls)
	}
}

// lines returns the lines of a file that are no remarks.
func lines(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "# ") {
			all = append(all, line)
		}
	}
	return all
}
