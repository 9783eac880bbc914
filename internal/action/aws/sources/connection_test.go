package sources_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/actiontest"
	"github.com/sluice-ci/sluice/internal/action/aws/awsfake"
	"github.com/sluice-ci/sluice/internal/action/aws/credentials"
	"github.com/sluice-ci/sluice/internal/action/aws/githttp/githttptest"
	"github.com/sluice-ci/sluice/internal/action/aws/sources"
	"github.com/sluice-ci/sluice/internal/action/whole/wholetest"
	"github.com/sluice-ci/sluice/internal/git"
	"github.com/sluice-ci/sluice/internal/git/gittest"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

const (
	arn     = "arn:aws:codeconnections:eu-west-1:111122223333:connection/c0ffee00-1111-2222-3333-444455556666"
	gitPath = "/git-http/111122223333/eu-west-1/c0ffee00-1111-2222-3333-444455556666/acme/web.git"
)

// A conn is the service of a connection: git's own server behind AWS's login,
// and the operations that tell of the connection.
type conn struct {
	repo   *gittest.Repo
	server *httptest.Server
	blobs  awsfake.S3
	keys   aws.Credentials

	mu      sync.Mutex
	calls   []string          // guarded by mu
	answers map[string]string // of operations, by name; guarded by mu
	trouble int               // status of whatever is asked of git; guarded by mu
}

func newConn(t *testing.T) *conn {
	t.Helper()
	c := &conn{repo: gittest.New(t), keys: aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret", SessionToken: "token/with+odd=signs%"},
		answers: map[string]string{
			"GetConnection": `{"Connection":{"ConnectionArn":"` + arn + `","ProviderType":"GitHub","ConnectionStatus":"AVAILABLE"}}`,
		}}
	c.blobs.Bucket("b", false)
	backend := githttptest.Handler(t, c.repo)
	c.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, operation, ok := strings.Cut(r.Header.Get("X-Amz-Target"), "CodeConnections_20231201.")
		if !ok {
			operation = strings.TrimPrefix(r.URL.Path, gitPath)
		}
		c.mu.Lock()
		c.calls = append(c.calls, operation)
		answer, trouble := c.answers[operation], c.trouble
		c.mu.Unlock()
		switch {
		case ok && !strings.Contains(r.Header.Get("Authorization"), "/eu-west-1/codeconnections/aws4_request"):
			t.Errorf("%s is signed %q", operation, r.Header.Get("Authorization"))
		case ok:
			if strings.Contains(answer, "__type") {
				w.WriteHeader(http.StatusBadRequest)
			}
			io.WriteString(w, answer)
		case trouble != 0:
			w.WriteHeader(trouble)
		case !strings.HasPrefix(r.URL.Path, gitPath+"/"):
			http.NotFound(w, r)
		case !c.permits(r):
			w.WriteHeader(http.StatusForbidden)
			io.WriteString(w, "<UnrecognizedClientException/>")
		default:
			backend.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(c.server.Close)
	return c
}

// permits checks the name and the password of a request as AWS does: it makes
// the signature again, of what was written down of the credential helper.
func (c *conn) permits(r *http.Request) bool {
	name, password, ok := r.BasicAuth()
	at, signature, split := strings.Cut(password, "Z")
	when, err := time.Parse("20060102T150405", at)
	if !ok || !split || err != nil || time.Since(when).Abs() > time.Minute || name != c.keys.AccessKeyID+"%"+c.keys.SessionToken {
		return false
	}
	sum := func(key []byte, text string) []byte {
		mac := hmac.New(sha256.New, key)
		io.WriteString(mac, text)
		return mac.Sum(nil)
	}
	hashed := sha256.Sum256([]byte("GIT\n" + gitPath + "\n\nhost:127.0.0.1\n\nhost\n"))
	scope := at[:8] + "/eu-west-1/codecommit/aws4_request"
	key := sum(sum(sum(sum([]byte("AWS4"+c.keys.SecretAccessKey), at[:8]), "eu-west-1"), "codecommit"), "aws4_request")
	want := sum(key, "AWS4-HMAC-SHA256\n"+at+"\n"+scope+"\n"+hex.EncodeToString(hashed[:]))
	return signature == hex.EncodeToString(want)
}

func (c *conn) open() action.Provider {
	return sources.NewConnection(credentials.Fixed(aws.Config{
		Region: "us-east-1", BaseEndpoint: &c.server.URL,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return c.keys, nil }),
	}), &c.blobs)
}

func (c *conn) answer(operation, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answers[operation] = text
}

func (c *conn) asked() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string{}, c.calls...)
}

// connJob returns a job behind the connection.
func connJob(pairs ...string) action.Job {
	return job("CodeStarSourceConnection", append([]string{"ConnectionArn", arn, "FullRepositoryId", "acme/web", "BranchName", "main"}, pairs...)...)
}

func TestConnectionContract(t *testing.T) {
	actiontest.Run(t, func(t *testing.T) actiontest.Harness {
		c := newConn(t)
		c.repo.Commit("one", "a", "1")
		return actiontest.Harness{
			Open:     func(*testing.T, func(string)) action.Provider { return c.open() },
			Succeeds: func(*testing.T) action.Job { return connJob() },
			Fails:    func(*testing.T) action.Job { return connJob("BranchName", "none") },
			Blobs:    &c.blobs,
		}
	})
}

func TestConnection(t *testing.T) {
	c := newConn(t)
	c.repo.Commit("one", "a", "1")
	c.repo.Write("run", "#!")
	if err := os.Chmod(filepath.Join(c.repo.Path, "run"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../a", filepath.Join(c.repo.Path, "run.link")); err != nil {
		t.Fatal(err)
	}
	c.repo.Git("update-index", "--add", "--cacheinfo", "160000,"+strings.Repeat("ab", 20)+",vendor")
	id := c.repo.Commit("Two\n\nmore", "a", "2", "deep/er/x", "x", "deep.txt", "d", "empty", "", ".gitattributes", "* text eol=crlf export-ignore\n")
	res := wholetest.Start(t, c.open(), connJob())
	link := "https://eu-west-1.console.aws.amazon.com/codesuite/settings/connections/redirect?connectionArn=" +
		strings.NewReplacer(":", "%3A", "/", "%2F").Replace(arn) + "&referenceType=COMMIT&FullRepositoryId=acme%2Fweb&Commit=" + id
	want := action.Result{
		Status: pipeline.Succeeded, Summary: "Two\n\nmore", ExternalID: id, ExternalURL: link,
		Variables: map[string]string{
			"AuthorDate": "2026-01-01T00:00:02Z", "AuthorDisplayName": "Ada", "AuthorEmail": "ada@example.com", "AuthorId": "ada@example.com",
			"BranchName": "main", "CommitId": id, "CommitMessage": "Two\n\nmore", "ConnectionArn": arn, "FullRepositoryName": "acme/web", "ProviderType": "GitHub",
		},
		Outputs:  res.Outputs,
		Revision: &action.Revision{ID: id, Summary: "Two\n\nmore", URL: link, Created: time.Date(2026, 1, 1, 1, 0, 2, 0, time.UTC)},
	}
	if diff := cmp.Diff(want, res); diff != "" {
		t.Fatal(diff)
	}
	content := c.blobs.Object("b", res.Outputs[0].Ref.Key).Content
	if diff := cmp.Diff([]string{
		"-rw-r--r-- .gitattributes: * text eol=crlf export-ignore\n",
		"-rw-r--r-- a: 2",
		"-rw-r--r-- deep.txt: d",
		"-rw-r--r-- deep/er/x: x",
		"-rw-r--r-- empty: ",
		"-rwxr-xr-x run: #!",
		"Lrwxrwxrwx run.link: ../a",
	}, entries(t, content)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"GetConnection", "/info/refs", "/git-upload-pack"}, c.asked()); diff != "" {
		t.Error(diff)
	}
	wholetest.Repeat(t, c.open, connJob(), res)
}

// TestConnectionAsLaptop pins that the artifact has the bytes that the laptop's
// git source makes of the same commit.
func TestConnectionAsLaptop(t *testing.T) {
	c := newConn(t)
	id := c.repo.Commit("one", "b/c", "1", "b.c", "2", "a", strings.Repeat("long ", 10_000))
	res := wholetest.Start(t, c.open(), connJob())
	want := laptopArchive(t, c.repo.Path, id)
	if got := c.blobs.Object("b", res.Outputs[0].Ref.Key).Content; string(got) != string(want) {
		t.Errorf("%d bytes; want the laptop's %d", len(got), len(want))
	}
}

func TestConnectionAt(t *testing.T) {
	c := newConn(t)
	old := c.repo.Commit("one", "a", "1")
	c.repo.Commit("two", "a", "2")
	side := c.repo.Git("commit-tree", "-m", "on no branch", "HEAD^{tree}")
	tests := []struct {
		name, id, branch, tag string
		want                  map[string]string // of BranchName and TagName
	}{
		{"of the branch", old, "", "", map[string]string{"BranchName": "main"}},
		{"on no branch", side, "", "", map[string]string{"BranchName": "main"}},
		{"of another branch", old, "dev", "", map[string]string{"BranchName": "dev"}},
		{"of a tag", old, "", "v1", map[string]string{"TagName": "v1"}},
	}
	for i, tt := range tests {
		j := at(connJob(), "COMMIT_ID", tt.id)
		j.ID, j.Outputs[0].Ref.Key = fmt.Sprint(i), fmt.Sprint(i)
		j.Revision.Branch, j.Revision.Tag = tt.branch, tt.tag
		res := wholetest.Start(t, c.open(), j)
		got := map[string]string{}
		for _, key := range []string{"BranchName", "TagName"} {
			if v, ok := res.Variables[key]; ok {
				got[key] = v
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" || res.Revision == nil || res.Revision.ID != tt.id {
			t.Errorf("%s: %+v %+v %s", tt.name, res, res.Error, diff)
		}
	}
}

func TestConnectionCloneRef(t *testing.T) {
	tests := []struct{ provider, want string }{
		{"GitHub", `{"type":"GITHUB","url":"https://github.com/acme/web.git"`},
		{"Bitbucket", `{"type":"BITBUCKET","url":"https://bitbucket.org/acme/web.git"`},
		{"GitLab", `{"type":"GITLAB","url":"https://gitlab.com/acme/web.git"`},
		{"GitHubEnterpriseServer", `{"type":"GITHUB_ENTERPRISE","url":"https://git.example.com/acme/web.git"`},
		{"GitLabSelfManaged", `{"type":"GITLAB_SELF_MANAGED","url":"https://git.example.com/acme/web.git"`},
		{"AzureDevOps", ""},
		{"", ""},
	}
	for _, tt := range tests {
		c := newConn(t)
		id := c.repo.Commit("one", "a", "1")
		c.answer("GetConnection", `{"Connection":{"ProviderType":"`+tt.provider+`","HostArn":"arn:h"}}`)
		c.answer("GetHost", `{"ProviderEndpoint":"https://git.example.com/"}`)
		res := wholetest.Start(t, c.open(), connJob("OutputArtifactFormat", "CODEBUILD_CLONE_REF"))
		if tt.want == "" {
			if res.Status != pipeline.Failed {
				t.Errorf("%q: %+v", tt.provider, res)
			}
			continue
		}
		want := "-rw-r--r-- codebuild-clone-ref.json: " + tt.want + `,"commit":"` + id + `","branch":"main","connection":"` + arn + `"}`
		if diff := cmp.Diff([]string{want}, entries(t, c.blobs.Object("b", res.Outputs[0].Ref.Key).Content)); diff != "" {
			t.Errorf("%s: %s", tt.provider, diff)
		}
	}
}

func TestConnectionFailures(t *testing.T) {
	refused := func(code string) func(*conn) {
		return func(c *conn) { c.answer("GetConnection", `{"__type":"com.amazonaws.x#`+code+`","message":"no"}`) }
	}
	status := func(n int) func(*conn) { return func(c *conn) { c.trouble = n } }
	tests := []struct {
		name    string
		job     action.Job
		change  func(*conn)
		code    string
		message string
	}{
		{"no branch", connJob("BranchName", "none"), nil, action.ConfigurationError, "no branch none"},
		{"no name", connJob("BranchName", ""), nil, action.ConfigurationError, "no BranchName"},
		{"no repository", connJob("FullRepositoryId", "acme/none"), nil, action.ConfigurationError, "acme/none"},
		{"no commit", at(connJob(), "COMMIT_ID", strings.Repeat("ab", 20)), nil, action.RevisionUnavailable, "not our ref"},
		{"no id", at(connJob(), "COMMIT_ID", "--upload-pack=touch canary"), nil, action.RevisionUnavailable, "no commit id"},
		{"odd revision", at(connJob(), "IMAGE_DIGEST", "x"), nil, action.ConfigurationError, "use COMMIT_ID"},
		{"odd format", connJob("OutputArtifactFormat", "TAR"), nil, action.ConfigurationError, "CODE_ZIP"},
		{"denied", connJob(), status(403), action.PermissionError, "Unable to use Connection: " + arn + ". The provided role does not have sufficient permissions"},
		{"redirected", connJob(), status(302), action.JobFailed, "elsewhere"},
		{"pending", connJob(), func(c *conn) { c.answer("GetConnection", `{"Connection":{"ConnectionStatus":"PENDING"}}`) }, action.ConfigurationError, "PENDING"},
		{"no connection", connJob(), refused("ResourceNotFoundException"), action.ConfigurationError, arn},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newConn(t)
			c.repo.Commit("one", "a", "1")
			if tt.change != nil {
				tt.change(c)
			}
			res := wholetest.Start(t, c.open(), tt.job)
			if res.Status != pipeline.Failed || res.Error == nil || res.Error.Code != tt.code || !strings.Contains(res.Error.Message, tt.message) {
				t.Errorf("%+v, %+v; want %s with %q", res, res.Error, tt.code, tt.message)
			}
			if keys := c.blobs.Keys("b"); len(keys) > 0 {
				t.Errorf("a failure left %v", keys)
			}
			if res.Error != nil && (strings.Contains(res.Error.Message, c.keys.SessionToken) || strings.Contains(res.Error.Message, "Basic")) {
				t.Errorf("the message holds credentials: %s", res.Error.Message)
			}
		})
	}
}

// TestConnectionSignature has the server refuse what another secret signed.
func TestConnectionSignature(t *testing.T) {
	c := newConn(t)
	c.repo.Commit("one", "a", "1")
	p := sources.NewConnection(credentials.Fixed(aws.Config{BaseEndpoint: &c.server.URL, Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		other := c.keys
		other.SecretAccessKey = "other"
		return other, nil
	})}), &c.blobs)
	if res := wholetest.Start(t, p, connJob()); res.Error == nil || res.Error.Code != action.PermissionError {
		t.Errorf("%+v; want PermissionError", res)
	}
}

// TestConnectionNotToBeSeen is that of a role that may use a connection and no
// more: it is used, and what it leads to is not made up.
func TestConnectionNotToBeSeen(t *testing.T) {
	c := newConn(t)
	c.repo.Commit("one", "a", "1")
	c.answer("GetConnection", `{"__type":"AccessDeniedException","Message":"no"}`)
	res := wholetest.Start(t, c.open(), connJob())
	if v, ok := res.Variables["ProviderType"]; res.Status != pipeline.Succeeded || ok {
		t.Errorf("%+v with ProviderType %q", res, v)
	}
}

// TestConnectionCannotTell pins what is no end of a job.
func TestConnectionCannotTell(t *testing.T) {
	for _, status := range []int{429, 500, 503} {
		c := newConn(t)
		c.repo.Commit("one", "a", "1")
		c.trouble = status
		p := c.open()
		if res, err := p.Start(t.Context(), connJob()); err == nil || res.Status != "" {
			t.Errorf("status %d: %+v, %v; want an error", status, res, err)
		}
		c.mu.Lock()
		c.trouble = 0
		c.mu.Unlock()
		if res := wholetest.Start(t, p, connJob()); res.Status != pipeline.Succeeded {
			t.Errorf("after status %d: %+v", status, res)
		}
	}
}

// TestConnectionNames are names that must not become part of a request, and
// branches that are options to git: none leads to a request of its own.
func TestConnectionNames(t *testing.T) {
	c := newConn(t)
	c.repo.Commit("one", "a", "1")
	bad := func(pairs ...string) {
		t.Helper()
		before := len(c.asked())
		res := wholetest.Start(t, c.open(), connJob(pairs...))
		if res.Status != pipeline.Failed || res.Error.Code != action.ConfigurationError {
			t.Errorf("%q: %+v", pairs, res)
		}
		for _, call := range c.asked()[before:] {
			if call != "GetConnection" && call != "/info/refs" {
				t.Errorf("%q: %s was called", pairs, call)
			}
		}
	}
	for _, name := range []string{
		"web", "/acme/web", "acme//web", "acme/web/", "../../x/y", "acme/..", "acme/.", "acme/web?x=y", "acme/web#x", "acme/we b", "acme/web\r\nX: y",
		"acme/web%2f..", `acme\web`, "http://169.254.169.254/x", "acme/web@host", "acme:web/x", "acme/wéb", "file:///etc/passwd", "ext::sh -c touch% canary",
	} {
		bad("FullRepositoryId", name)
	}
	for _, name := range []string{
		"arn:c", arn + "/x", arn + "?x", "arn:aws:codeconnections:eu-west-1.evil.example#:111122223333:connection/x", "arn:aws:codeconnections:evil.example/:111122223333:connection/x",
		"arn:aws:s3:eu-west-1:111122223333:connection/x", "arn:aws:codeconnections:eu-west-1:1:connection/x", "arn:aws:codeconnections:@evil:111122223333:connection/x", arn + "\n",
	} {
		bad("ConnectionArn", name)
	}
	for _, name := range []string{"-x", "--upload-pack=touch canary", "refs/heads/main", "main..main", "HEAD", "main\nx", "*", "main^", "@", "ma*"} {
		bad("BranchName", name)
	}
}

// TestConnectionUnsafePath packs a tree that no git would check out.
func TestConnectionUnsafePath(t *testing.T) {
	c := newConn(t)
	c.repo.Commit("one", "a", "1")
	blob := c.repo.Git("rev-parse", "HEAD:a")
	for _, name := range []string{"..", ".", ".git", ".GIT"} {
		tree := mktree(t, c.repo, "100644 "+name+"\x00", blob)
		id := c.repo.Git("commit-tree", "-m", "x", tree)
		res := wholetest.Start(t, c.open(), at(connJob(), "COMMIT_ID", id))
		if res.Error == nil || res.Error.Code != action.RevisionUnavailable || !strings.Contains(res.Error.Message, fmt.Sprintf("%q", name)) {
			t.Errorf("%s: %+v, %+v", name, res, res.Error)
		}
	}
}

// mktree writes a tree of one entry as it is, unchecked.
func mktree(t *testing.T, repo *gittest.Repo, head, id string) string {
	t.Helper()
	sum, err := hex.DecodeString(id)
	if err != nil {
		t.Fatal(err)
	}
	repo.Write(".tree", head+string(sum))
	return repo.Git("hash-object", "-t", "tree", "-w", "--literally", ".tree")
}

// laptopArchive returns what the laptop's source makes of a commit.
func laptopArchive(t *testing.T, path, id string) []byte {
	t.Helper()
	repo, err := git.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	if err := repo.Archive(t.Context(), &buf, id); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}
