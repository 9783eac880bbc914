package sources

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/credentials"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
	"github.com/sluice-ci/sluice/internal/action/aws/githttp"
	"github.com/sluice-ci/sluice/internal/action/whole"
	"github.com/sluice-ci/sluice/internal/archive"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/git"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/secret"
)

// GitHubOptions are what differs between github.com and a server of somebody's
// own. The zero value is github.com.
type GitHubOptions struct {
	API      string   // URL in front of /repos; default https://api.github.com
	Archives []string // hosts, with a port if need be, that the API sends to for an archive; default codeload.github.com, or none if API is given
}

// NewGitHub returns the provider of GitHub sources, version 1. A job's token is
// taken as it is, or, if it is a reference to a secret (see [readToken]), read
// from what secrets returns.
func NewGitHub(secrets credentials.Client[secret.Store], blobs blob.Store, options GitHubOptions) action.Provider {
	return whole.Provider(gitHub{secrets, blobs, options}.fetch)
}

type gitHub struct {
	secrets credentials.Client[secret.Store]
	blobs   blob.Store
	options GitHubOptions
}

// ownerName and repoName are of what GitHub allows in names.
var (
	ownerName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_-]*$`)
	repoName  = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)
)

// fetch does a job.
func (s gitHub) fetch(ctx context.Context, job action.Job) (action.Result, error) {
	if failed, ok := output(job); !ok {
		return failed, nil
	}
	if failed, ok := required(job, "Owner", "Repo", "Branch", "OAuthToken"); !ok {
		return failed, nil
	}
	if job.Revision.Type != "" && job.Revision.Type != "COMMIT_ID" {
		return mistyped(job, "COMMIT_ID"), nil
	}
	if err := checkNames(job); err != nil {
		return fault.Result(err)
	}
	token, err := readToken(ctx, s.secrets, job)
	if err != nil {
		return fault.Result(err)
	}
	api, err := newGitHubAPI(s.options, token)
	if err != nil {
		return action.Result{}, err
	}
	defer api.client.CloseIdleConnections()
	commit, err := api.commit(ctx, job)
	if err != nil {
		return fault.Result(err)
	}
	out, err := pack(ctx, s.blobs, job, func(w io.Writer) error { return api.archive(ctx, job, commit.SHA, w) })
	if err != nil {
		return fault.Result(err)
	}
	return commit.result(job, out), nil
}

// checkNames refuses names that are none, which keeps them from being anything
// else in a URL.
func checkNames(job action.Job) error {
	conf := job.Action.Configuration
	switch owner, repo, branch := conf["Owner"], conf["Repo"], conf["Branch"]; {
	case !ownerName.MatchString(owner):
		return fault.Refuse(action.ConfigurationError, "Owner %.100q of action %s is no name of a user or an organization.", owner, job.Action.Name)
	case !repoName.MatchString(repo) || repo == "." || repo == "..":
		return fault.Refuse(action.ConfigurationError, "Repo %.100q of action %s is no name of a repository; write it without its owner.", repo, job.Action.Name)
	case git.ValidRef(branch) != nil:
		return fault.Refuse(action.ConfigurationError, "Branch %.100q of action %s: %v.", branch, job.Action.Name, git.ValidRef(branch))
	}
	if job.Revision.Type == "" {
		return nil
	}
	if _, err := githttp.ParseID(job.Revision.Value); err != nil {
		return fault.Refuse(action.RevisionUnavailable, "Action %s: %v.", job.Action.Name, err)
	}
	return nil
}

// result is the end of a job that succeeded.
func (c gitHubCommit) result(job action.Job, out action.Artifact) action.Result {
	conf, message := job.Action.Configuration, whole.Clip(c.Message, whole.MaxSummary)
	out.Revision = c.SHA
	vars := map[string]string{
		"AuthorDate":     date(c.Author.Date),
		"CommitId":       c.SHA,
		"CommitMessage":  whole.Clip(c.Message, whole.MaxMessage),
		"CommitterDate":  date(c.Committer.Date),
		"CommitUrl":      c.URL,
		"RepositoryName": conf["Repo"],
	}
	switch {
	case job.Revision.Tag != "":
	case job.Revision.Branch != "":
		vars["BranchName"] = job.Revision.Branch
	default:
		vars["BranchName"] = conf["Branch"]
	}
	return action.Result{
		Status:      pipeline.Succeeded,
		Summary:     message,
		ExternalID:  c.SHA,
		ExternalURL: c.URL,
		Variables:   vars,
		Outputs:     []action.Artifact{out},
		Revision:    &action.Revision{ID: c.SHA, Summary: message, URL: c.URL, Created: c.Committer.Date.UTC()},
	}
}

// unpackLimits are as much as a commit may be that comes as an archive.
var unpackLimits = archive.Limits{Bytes: 4 << 30, Entries: 500_000, Depth: 65}

// repack writes the archive in file, of size bytes, as an artifact: without the
// folder that GitHub puts around everything, and without the empty folders that
// stand for submodules.
func repack(ctx context.Context, file *os.File, size int64, doing string, w io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "sluice-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := archive.Unzip(ctx, file, size, dir, unpackLimits); err != nil {
		return unusable(doing, err)
	}
	top, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(top) != 1 || !top[0].IsDir() {
		return fmt.Errorf("%s: the archive has %d entries on top, not one folder", doing, len(top))
	}
	root := dir + string(os.PathSeparator) + top[0].Name()
	files, err := below(root)
	if err != nil {
		return err
	}
	return unusable(doing, archive.Zip(w, root, files))
}

// unusable makes the end of a job of an error that says what is wrong with an
// entry of an archive.
func unusable(doing string, err error) error {
	if bad, ok := errors.AsType[*archive.EntryError](err); ok {
		return fault.Refuse(action.JobFailed, "Could not %s: %v. Such a repository can be fetched through a connection (CodeStarSourceConnection).", doing, bad)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}
