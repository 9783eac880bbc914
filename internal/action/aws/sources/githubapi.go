package sources

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/egress"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
	"github.com/sluice-ci/sluice/internal/action/whole"
)

// A gitHubAPI asks GitHub with the token of one job.
type gitHubAPI struct {
	base   *url.URL
	client *http.Client
	token  string
}

// newGitHubAPI returns an API that reaches GitHub's hosts and no others.
func newGitHubAPI(options GitHubOptions, token string) (*gitHubAPI, error) {
	given := options.API
	if given == "" {
		base := &url.URL{Scheme: "https", Host: "api.github.com"}
		return &gitHubAPI{base, egress.New(egress.Hosts{Public: []string{base.Host, "codeload.github.com"}}), token}, nil
	}
	base, err := url.Parse(strings.TrimRight(given, "/"))
	if err != nil || base.Host == "" {
		return nil, fmt.Errorf("API of GitHub %q: no URL with a host (%v)", given, err)
	}
	return &gitHubAPI{base, egress.New(egress.Hosts{Given: append([]string{base.Host}, options.Archives...)}), token}, nil
}

// A gitHubCommit is what GitHub tells of a commit.
type gitHubCommit struct {
	SHA       string          `json:"sha"`
	URL       string          `json:"html_url"`
	Message   string          `json:"message"`
	Author    gitHubSignature `json:"author"`
	Committer gitHubSignature `json:"committer"`
}

type gitHubSignature struct {
	Date time.Time `json:"date"`
}

// commit returns the commit that a job takes.
func (g *gitHubAPI) commit(ctx context.Context, job action.Job) (gitHubCommit, error) {
	conf, id := job.Action.Configuration, job.Revision.Value
	name := conf["Owner"] + "/" + conf["Repo"]
	if job.Revision.Type == "" {
		var branch struct {
			Object struct{ Type, SHA string }
		}
		doing := fmt.Sprintf("read branch %s of the GitHub repository %s", conf["Branch"], name)
		if err := g.read(ctx, doing, action.ConfigurationError, &branch, "repos", conf["Owner"], conf["Repo"], "git", "ref", "heads", conf["Branch"]); err != nil {
			return gitHubCommit{}, err
		}
		id = branch.Object.SHA
	}
	doing := fmt.Sprintf("read commit %s of the GitHub repository %s", id, name)
	var c gitHubCommit
	if err := g.read(ctx, doing, action.RevisionUnavailable, &c, "repos", conf["Owner"], conf["Repo"], "git", "commits", id); err != nil {
		return gitHubCommit{}, err
	}
	if c.SHA != id {
		return gitHubCommit{}, fmt.Errorf("%s: the answer is about commit %.50q", doing, c.SHA)
	}
	if !strings.HasPrefix(c.URL, "https://") {
		c.URL = "https://github.com/" + name + "/commit/" + id
	}
	return c, nil
}

// apiPatience and archivePatience are how long an answer may take, whole.
const (
	apiPatience     = time.Minute
	archivePatience = 10 * time.Minute
)

// read reads the JSON at a path into out. absent is the failure type of what is
// not there.
func (g *gitHubAPI) read(ctx context.Context, doing, absent string, out any, path ...string) error {
	ctx, cancel := context.WithTimeout(ctx, apiPatience)
	defer cancel()
	answer, err := g.get(ctx, doing, absent, path...)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxAnswer)).Decode(out); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// maxArchive is the most bytes that an archive has, as CodePipeline allows.
const maxArchive = 1 << 30

// archive writes the artifact of a commit.
func (g *gitHubAPI) archive(ctx context.Context, job action.Job, id string, w io.Writer) error {
	conf := job.Action.Configuration
	doing := fmt.Sprintf("fetch commit %s of the GitHub repository %s/%s", id, conf["Owner"], conf["Repo"])
	within, cancel := context.WithTimeout(ctx, archivePatience)
	defer cancel()
	answer, err := g.get(within, doing, action.RevisionUnavailable, "repos", conf["Owner"], conf["Repo"], "zipball", id)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	return whole.Scratch(func(file *os.File) error {
		n, err := io.Copy(file, io.LimitReader(answer.Body, maxArchive+1))
		if err != nil {
			return fmt.Errorf("%s: %w", doing, err)
		}
		if n > maxArchive {
			return fault.Refuse(action.JobFailed, "Could not %s: its archive has more than %d bytes.", doing, maxArchive)
		}
		return repack(ctx, file, n, doing, w)
	})
}

// maxRedirects is how often one request is sent on: a repository that was
// renamed, and an archive, once each.
const maxRedirects = 3

// get asks for a path. It follows redirects to the hosts that the client
// reaches, and gives the token to none but the API's.
func (g *gitHubAPI) get(ctx context.Context, doing, absent string, path ...string) (*http.Response, error) {
	for i, part := range path {
		path[i] = (&url.URL{Path: part}).EscapedPath() // a slash of a branch stays one
	}
	at := g.base.JoinPath(path...)
	for range maxRedirects + 1 {
		answer, err := g.ask(ctx, at)
		if err != nil {
			return nil, g.failed(doing, err)
		}
		if answer.StatusCode == http.StatusOK {
			return answer, nil
		}
		to, err := answer.Location()
		said := words(answer)
		answer.Body.Close()
		if answer.StatusCode < 300 || answer.StatusCode >= 400 || err != nil {
			return nil, judge(answer, doing, absent, said)
		}
		at = to
	}
	return nil, fault.Refuse(action.JobFailed, "Could not %s: GitHub sends the request on more than %d times.", doing, maxRedirects)
}

func (g *gitHubAPI) ask(ctx context.Context, at *url.URL) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "sluice") // GitHub answers nobody without a name
	req.Header.Set("Accept", "application/vnd.github+json")
	if at.Host == g.base.Host && at.Scheme == g.base.Scheme {
		req.Header.Set("Authorization", "Bearer "+g.token)
		req.Header.Set("X-GitHub-Api-Version", "2022-11-28")
	}
	return g.client.Do(req)
}

// failed says what it means that there was no answer. The URL is left out of
// it: that of an archive holds a token.
func (g *gitHubAPI) failed(doing string, err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if errors.Is(err, egress.ErrRefused) {
		return fault.Refuse(action.JobFailed, "Could not %s: %v.", doing, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// judge says what an answer means that is neither what was asked for nor leads
// to it.
func judge(answer *http.Response, doing, absent, said string) error {
	status := answer.StatusCode
	limited := status == http.StatusTooManyRequests || answer.Header.Get("Retry-After") != "" || answer.Header.Get("X-RateLimit-Remaining") == "0"
	switch {
	case status >= 500 || status == http.StatusRequestTimeout || limited && (status == http.StatusForbidden || status == http.StatusTooManyRequests):
		return fmt.Errorf("%s: HTTP status %d: %s", doing, status, said)
	case status == http.StatusUnauthorized:
		return fault.Refuse(action.PermissionError, "Could not %s: GitHub does not accept the OAuthToken: %s.", doing, said)
	case status == http.StatusForbidden:
		return fault.Refuse(action.PermissionError, "Could not %s: %s.", doing, said)
	case status == http.StatusNotFound || status == http.StatusConflict || status == http.StatusUnprocessableEntity || status == http.StatusGone || status == http.StatusUnavailableForLegalReasons:
		return fault.Refuse(absent, "Could not %s: %s. Make sure that it is there, and that the OAuthToken has the scope repo for it.", doing, said)
	}
	return fault.Refuse(action.JobFailed, "Could not %s: HTTP status %d: %s.", doing, status, said)
}

// words returns what GitHub says of an answer, as a quotation.
func words(answer *http.Response) string {
	var told struct{ Message string }
	text, _ := io.ReadAll(io.LimitReader(answer.Body, maxAnswer)) // its own error does not matter here
	if json.Unmarshal(text, &told) != nil || told.Message == "" {
		told.Message = answer.Status
	}
	return fmt.Sprintf("%.300q", told.Message)
}

// below returns the files and links below a folder, by their names in it.
func below(root string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, file)
		files = append(files, filepath.ToSlash(name))
		return err
	})
	return files, err
}
