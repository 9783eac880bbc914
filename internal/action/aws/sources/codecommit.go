package sources

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codecommit"
	"github.com/aws/aws-sdk-go-v2/service/codecommit/types"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/credentials"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
	"github.com/sluice-ci/sluice/internal/action/whole"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// CodeCommit is what a CodeCommit source needs of *codecommit.Client.
type CodeCommit interface {
	GetBranch(context.Context, *codecommit.GetBranchInput, ...func(*codecommit.Options)) (*codecommit.GetBranchOutput, error)
	GetCommit(context.Context, *codecommit.GetCommitInput, ...func(*codecommit.Options)) (*codecommit.GetCommitOutput, error)
	GetFolder(context.Context, *codecommit.GetFolderInput, ...func(*codecommit.Options)) (*codecommit.GetFolderOutput, error)
	GetBlob(context.Context, *codecommit.GetBlobInput, ...func(*codecommit.Options)) (*codecommit.GetBlobOutput, error)
}

var _ CodeCommit = (*codecommit.Client)(nil)

// NewCodeCommit returns the provider of CodeCommit sources.
func NewCodeCommit(client credentials.Client[CodeCommit], blobs blob.Store) action.Provider {
	return whole.Provider(codeCommit{client, blobs}.fetch)
}

type codeCommit struct {
	client credentials.Client[CodeCommit]
	blobs  blob.Store
}

// fetch does a job.
func (s codeCommit) fetch(ctx context.Context, job action.Job) (action.Result, error) {
	if failed, ok := output(job); !ok {
		return failed, nil
	}
	if failed, ok := required(job, "RepositoryName", "BranchName"); !ok {
		return failed, nil
	}
	conf := job.Action.Configuration
	repository, branch, id := conf["RepositoryName"], conf["BranchName"], job.Revision.Value
	client, err := s.client(ctx, job)
	if err != nil {
		return fault.Result(codeCommitCodes.Of("call CodeCommit for the repository "+repository, err))
	}
	switch job.Revision.Type {
	case "":
		found, err := client.GetBranch(ctx, &codecommit.GetBranchInput{RepositoryName: &repository, BranchName: &branch})
		if err != nil {
			return fault.Result(codeCommitCodes.Of(fmt.Sprintf("read branch %s of the CodeCommit repository %s", branch, repository), err))
		}
		if found.Branch == nil || aws.ToString(found.Branch.CommitId) == "" {
			return action.Fail(action.ConfigurationError, fmt.Sprintf("Branch %s of the CodeCommit repository %s has no commit.", branch, repository)), nil
		}
		id = *found.Branch.CommitId
	case "COMMIT_ID":
	default:
		return mistyped(job, "COMMIT_ID"), nil
	}
	answer, err := client.GetCommit(ctx, &codecommit.GetCommitInput{RepositoryName: &repository, CommitId: &id})
	if err != nil {
		return fault.Result(codeCommitCodes.Of(fmt.Sprintf("read commit %s of the CodeCommit repository %s", id, repository), err))
	}
	if answer.Commit == nil {
		return action.Result{}, fmt.Errorf("commit %s of the CodeCommit repository %s: the answer holds none", id, repository)
	}
	out, failed, err := s.write(ctx, client, job, id)
	if err != nil || failed.Error != nil {
		return failed, err
	}
	out.Revision = id
	message := strings.TrimRight(aws.ToString(answer.Commit.Message), "\r\n")
	link := commitURL(job, id)
	authored, committed := when(answer.Commit.Author), when(answer.Commit.Committer)
	return action.Result{
		Status:      pipeline.Succeeded,
		Summary:     whole.Clip(message, whole.MaxSummary),
		ExternalID:  id,
		ExternalURL: link,
		Variables: map[string]string{
			"AuthorDate":     date(authored),
			"BranchName":     branch,
			"CommitId":       id,
			"CommitMessage":  whole.Clip(message, whole.MaxMessage),
			"CommitterDate":  date(committed),
			"RepositoryName": repository,
		},
		Outputs:  []action.Artifact{out},
		Revision: &action.Revision{ID: id, Summary: whole.Clip(message, whole.MaxSummary), URL: link, Created: committed},
	}, nil
}

// write writes the output artifact.
func (s codeCommit) write(ctx context.Context, client CodeCommit, job action.Job, id string) (out action.Artifact, failed action.Result, err error) {
	conf := job.Action.Configuration
	var refused error
	out, err = write(ctx, s.blobs, job, func(w io.Writer) error {
		refused = tree{client, conf["RepositoryName"], id}.archive(ctx, w)
		return refused
	}, func() (CloneRef, error) {
		return CloneRef{Type: "CODECOMMIT", URL: cloneURL(job), Commit: id, Branch: conf["BranchName"]}, nil
	})
	switch {
	case err == nil:
	case refused != nil && ctx.Err() == nil:
		failed, err = unpackable(conf["RepositoryName"], id, err)
	default:
		failed, err = fault.Result(err)
	}
	return out, failed, err
}

// unpackable says what it means that a commit could not be packed.
func unpackable(repository, id string, err error) (action.Result, error) {
	doing := fmt.Sprintf("pack commit %s of the CodeCommit repository %s", id, repository)
	if errors.Is(err, errUnsafe) {
		return action.Fail(action.RevisionUnavailable, fmt.Sprintf("Could not %s. It holds %v.", doing, err)), nil
	}
	failed, err := fault.Result(codeCommitCodes.Of(doing, err))
	if failed.Error != nil && failed.Error.Code == action.JobFailed { // something is too large to be handed out
		return action.Fail(action.JobFailed, failed.Error.Message+". "+cloneInstead), nil
	}
	return failed, err
}

// commitURL is the page of a commit in the console.
func commitURL(job action.Job, id string) string {
	return fmt.Sprintf("%s/codecommit/home?region=%s#/repository/%s/commit/%s", fault.Console(job.Region), job.Region, url.PathEscape(job.Action.Configuration["RepositoryName"]), id)
}

// when returns the time of an author or committer, which CodeCommit writes as
// git keeps it: seconds and an offset, "1508280564 -0800". It is zero when the
// text is none.
func when(who *types.UserInfo) time.Time {
	if who == nil {
		return time.Time{}
	}
	seconds, _, _ := strings.Cut(aws.ToString(who.Date), " ")
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}

// date writes a time as the variables hold it.
func date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}
