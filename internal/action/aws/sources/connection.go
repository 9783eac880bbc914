package sources

import (
	"archive/zip"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/credentials"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
	"github.com/sluice-ci/sluice/internal/action/aws/githttp"
	"github.com/sluice-ci/sluice/internal/action/whole"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// NewConnection returns the provider of sources behind a connection
// (CodeStarSourceConnection). config gives the configuration whose credentials
// sign a job's calls: [credentials.Roles.Config]. A base endpoint in it stands
// for the hosts of AWS, as it does for every client.
func NewConnection(config credentials.Client[aws.Config], blobs blob.Store) action.Provider {
	return whole.Provider(connected{config, blobs}.fetch)
}

// connected is the provider of sources behind a connection. AWS hands out
// neither an archive nor the token of the host, but it passes git's own
// protocol on to the host: so this asks for the one commit as git would (see
// package githttp and decision 0017).
type connected struct {
	config credentials.Client[aws.Config]
	blobs  blob.Store
}

// fetch does a job.
func (s connected) fetch(ctx context.Context, job action.Job) (action.Result, error) {
	if failed, ok := output(job); !ok {
		return failed, nil
	}
	if failed, ok := required(job, "ConnectionArn", "FullRepositoryId", "BranchName"); !ok {
		return failed, nil
	}
	if job.Revision.Type != "" && job.Revision.Type != "COMMIT_ID" {
		return mistyped(job, "COMMIT_ID"), nil
	}
	way, err := s.open(ctx, job)
	if err != nil {
		return fault.Result(err)
	}
	defer way.client.CloseIdleConnections()
	var res action.Result
	err = whole.Scratch(func(scratch *os.File) error {
		res, err = s.take(ctx, job, way, scratch)
		return err
	})
	if err != nil {
		return fault.Result(full(err))
	}
	return res, nil
}

// take fetches a job's commit and makes the artifact of it.
func (s connected) take(ctx context.Context, job action.Job, way *way, scratch *os.File) (action.Result, error) {
	conf := job.Action.Configuration
	host, err := way.about(ctx)
	if err != nil {
		return action.Result{}, err
	}
	within, cancel := context.WithTimeout(ctx, archivePatience)
	defer cancel()
	refs, err := way.remote.Refs(within)
	if err != nil {
		return action.Result{}, way.failed("read the branches of repository "+conf["FullRepositoryId"], action.ConfigurationError, err)
	}
	id, ok := refs.Branch(conf["BranchName"])
	if job.Revision.Type != "" {
		if id, err = githttp.ParseID(job.Revision.Value); err != nil {
			return action.Result{}, fault.Refuse(action.RevisionUnavailable, "Action %s: %v.", job.Action.Name, err)
		}
	} else if !ok {
		return action.Result{}, fault.Refuse(action.ConfigurationError, "Repository %s has no branch %s. Push it, or correct BranchName.", conf["FullRepositoryId"], conf["BranchName"])
	}
	doing := fmt.Sprintf("fetch commit %s of repository %s", id, conf["FullRepositoryId"])
	pack, err := way.remote.Fetch(within, refs, id, conf["OutputArtifactFormat"] != "CODEBUILD_CLONE_REF", scratch)
	if err != nil {
		return action.Result{}, way.failed(doing, action.RevisionUnavailable, err)
	}
	commit, err := pack.Commit(id)
	if err != nil {
		return action.Result{}, way.failed(doing, action.RevisionUnavailable, err)
	}
	out, err := write(ctx, s.blobs, job, func(w io.Writer) error {
		return way.failed(doing, action.RevisionUnavailable, zipCommit(ctx, w, pack, commit))
	}, func() (CloneRef, error) { return way.pointer(ctx, host, commit, conf["BranchName"]) })
	if err != nil {
		return action.Result{}, err
	}
	return way.result(job, host, commit, out), nil
}

// zipCommit writes the files of a commit as a zip.
func zipCommit(ctx context.Context, w io.Writer, pack *githttp.Pack, commit githttp.Commit) error {
	files, err := pack.Files(ctx, commit)
	if err != nil {
		return err
	}
	z := zip.NewWriter(w)
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !safe(f.Path) {
			return fmt.Errorf("%w: %q", errUnsafe, f.Path)
		}
		content, size, err := pack.Open(f)
		if err != nil {
			return err
		}
		if err := add(z, f.Path, f.Mode, content, size); err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
	}
	return z.Close()
}

// result is the end of a job that succeeded. What a host knows and git does
// not is filled in as on a laptop: AuthorId is the author's address.
func (w *way) result(job action.Job, host host, commit githttp.Commit, out action.Artifact) action.Result {
	conf, id := job.Action.Configuration, commit.ID.String()
	out.Revision = id
	vars := map[string]string{
		"AuthorDate":         date(commit.Author.Time),
		"AuthorDisplayName":  commit.Author.Name,
		"AuthorEmail":        commit.Author.Email,
		"AuthorId":           commit.Author.Email,
		"CommitId":           id,
		"CommitMessage":      whole.Clip(commit.Message, whole.MaxMessage),
		"ConnectionArn":      conf["ConnectionArn"],
		"FullRepositoryName": conf["FullRepositoryId"],
	}
	if host.ProviderType != "" {
		vars["ProviderType"] = host.ProviderType
	}
	switch {
	case job.Revision.Tag != "":
		vars["TagName"] = job.Revision.Tag
	case job.Revision.Branch != "":
		vars["BranchName"] = job.Revision.Branch
	default:
		vars["BranchName"] = conf["BranchName"]
	}
	link, message := w.connection.page(conf["FullRepositoryId"], id), whole.Clip(commit.Message, whole.MaxSummary)
	return action.Result{
		Status:      pipeline.Succeeded,
		Summary:     message,
		ExternalID:  id,
		ExternalURL: link,
		Variables:   vars,
		Outputs:     []action.Artifact{out},
		Revision:    &action.Revision{ID: id, Summary: message, URL: link, Created: commit.Committer.Time},
	}
}
