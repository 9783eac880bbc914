// Package git is the provider of source actions whose repository is on this
// machine: CodeCommit, CodeStarSourceConnection and GitHub (version 1).
//
// A job is done whole by Start. The artifact is made of the commit alone, so
// that a repetition after a crash makes the same one. Without a revision of
// its own a job takes the newest commit; if the branch has moved since the
// crash, that is another commit, and its artifact goes under another name (see
// [whole.Put]).
//
// What a provider of git knows and a repository does not is filled in like
// this: AuthorId is the author's address, ProviderType is GitHub.
package git

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/whole"
	"github.com/sluice-ci/sluice/internal/blob"
	local "github.com/sluice-ci/sluice/internal/git"
	"github.com/sluice-ci/sluice/internal/mapping"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// CloneRefFile is the one file of an artifact in the format
// CODEBUILD_CLONE_REF.
const CloneRefFile = "codebuild-clone-ref.json"

// A CloneRef is the content of CloneRefFile: what a build clones.
type CloneRef struct {
	Path   string `json:"path"` // of the repository on this machine
	Commit string `json:"commit"`
	Branch string `json:"branch"`
}

// New returns the provider. It finds repositories through m.
func New(m mapping.Mapping, blobs blob.Store) action.Provider {
	s := source{mapping: m, blobs: blobs}
	return whole.Provider(s.fetch)
}

type source struct {
	mapping mapping.Mapping
	blobs   blob.Store
}

// fetch does a job.
func (s source) fetch(ctx context.Context, job action.Job) (action.Result, error) {
	if len(job.Outputs) != 1 {
		return action.Fail(action.ConfigurationError, fmt.Sprintf("Action %s declares %d output artifacts; a source has exactly one.", job.Action.Name, len(job.Outputs))), nil
	}
	mapped, err := s.mapping.Repository(job.Action)
	if err != nil {
		return action.Fail(action.ConfigurationError, err.Error()), nil
	}
	repo, err := local.Open(mapped.Path)
	if err != nil {
		return action.Fail(action.ConfigurationError, fmt.Sprintf("%v. Correct it in %s or pass --source %s=PATH.", err, mapping.File, job.Action.Name)), nil
	}
	found, failed, err := s.find(ctx, repo, job)
	if failed != nil || err != nil {
		return action.Result{Status: pipeline.Failed, Summary: summary(failed), Error: failed}, err
	}
	out, failed, err := s.write(ctx, repo, job, found)
	if failed != nil || err != nil {
		return action.Result{Status: pipeline.Failed, Summary: summary(failed), Error: failed}, err
	}
	out.Revision = found.ID
	vars := variables(job.Action, found)
	message := whole.Clip(found.Message, whole.MaxSummary)
	return action.Result{
		Status:      pipeline.Succeeded,
		Summary:     message,
		ExternalID:  found.ID,
		ExternalURL: (&url.URL{Scheme: "file", Path: repo.Path}).String(),
		Variables:   vars,
		Outputs:     []action.Artifact{out},
		Revision:    &action.Revision{ID: found.ID, Summary: message, URL: vars["CommitUrl"], Created: found.CommitterDate},
	}, nil
}

func summary(e *action.Error) string {
	if e == nil {
		return ""
	}
	return e.Message
}

// A finding is the commit a job takes. Branch is empty when the commit is on
// no branch that could be named.
type finding struct {
	local.Commit
	branch string
	tag    string // that started the run; there is no branch then
}

// find says which commit a job takes: the one of its revision, else the newest
// of its branch. An *action.Error is the job's failure.
func (s source) find(ctx context.Context, repo *local.Repository, job action.Job) (finding, *action.Error, error) {
	key, branch := branchOf(job.Action)
	if branch == "" {
		return finding{}, &action.Error{Code: action.ConfigurationError,
			Message: fmt.Sprintf("Source action %s names no branch: write %s into its configuration.", job.Action.Name, key)}, nil
	}
	f, id := finding{branch: branch}, job.Revision.Value
	switch job.Revision.Type {
	case "":
		ref, err := repo.Lookup(ctx, local.Branch, branch)
		if err != nil {
			return f, unavailable(ctx, action.ConfigurationError, err, "Push it, or correct "+key+"."), ctx.Err()
		}
		id = ref.Commit
	case "COMMIT_ID":
	default:
		return f, &action.Error{Code: action.ConfigurationError,
			Message: fmt.Sprintf("Source action %s cannot take a revision of type %s; use COMMIT_ID.", job.Action.Name, job.Revision.Type)}, nil
	}
	commit, err := repo.Commit(ctx, id)
	if err != nil {
		return f, unavailable(ctx, action.RevisionUnavailable, err, "Push it, or start with another commit."), ctx.Err()
	}
	f.Commit = commit
	switch {
	case job.Revision.Tag != "":
		f.branch, f.tag = "", job.Revision.Tag
	case job.Revision.Branch != "":
		f.branch = job.Revision.Branch
	case job.Revision.Type != "":
		f.branch, err = branchWith(ctx, repo, branch, id)
	}
	return f, nil, err
}

// unavailable is the failure of a job whose revision could not be had. There
// is none when the context ended: then nobody knows.
func unavailable(ctx context.Context, code string, err error, fix string) *action.Error {
	if ctx.Err() != nil {
		return nil
	}
	return &action.Error{Code: code, Message: err.Error() + ". " + fix}
}

// branchOf returns the configured branch and the key that names it.
func branchOf(a pipeline.Action) (key, branch string) {
	if a.TypeID.Provider == "GitHub" {
		return "Branch", a.Configuration["Branch"]
	}
	return "BranchName", a.Configuration["BranchName"]
}

// branchWith returns the branch a given commit came from: the configured one
// if the commit is part of it, else one whose head it is, else none.
func branchWith(ctx context.Context, repo *local.Repository, configured, id string) (string, error) {
	refs, err := repo.Refs(ctx)
	if err != nil {
		return "", err
	}
	other := ""
	for _, ref := range refs {
		if ref.Type != local.Branch {
			continue
		}
		if ref.Name == configured {
			if in, err := repo.Contains(ctx, ref.Commit, id); err != nil || in {
				return configured, err
			}
		} else if ref.Commit == id && other == "" {
			other = ref.Name
		}
	}
	return other, nil
}

// write writes the output artifact.
func (s source) write(ctx context.Context, repo *local.Repository, job action.Job, f finding) (out action.Artifact, failed *action.Error, err error) {
	switch format := job.Action.Configuration["OutputArtifactFormat"]; format {
	case "", "CODE_ZIP":
		err = whole.Scratch(func(file *os.File) error {
			if err := repo.Archive(ctx, file, f.ID); err != nil {
				return err
			}
			if _, err := file.Seek(0, 0); err != nil {
				return err
			}
			out, err = whole.Put(ctx, s.blobs, job.Outputs[0], file)
			return err
		})
		if errors.Is(err, local.ErrNotFound) || errors.Is(err, local.ErrIncomplete) {
			return out, &action.Error{Code: action.RevisionUnavailable, Message: err.Error()}, nil
		}
		return out, nil, err
	case "CODEBUILD_CLONE_REF":
		pointer, err := cloneRef(CloneRef{Path: repo.Path, Commit: f.ID, Branch: f.branch})
		if err != nil {
			return out, nil, err
		}
		out, err = whole.PutBytes(ctx, s.blobs, job.Outputs[0], pointer)
		return out, nil, err
	default:
		return out, &action.Error{Code: action.ConfigurationError,
			Message: fmt.Sprintf("OutputArtifactFormat %q of action %s is unknown; write CODE_ZIP or CODEBUILD_CLONE_REF.", format, job.Action.Name)}, nil
	}
}

// cloneRef returns a zip that holds ref.
func cloneRef(ref CloneRef) ([]byte, error) {
	text, err := json.Marshal(ref)
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	w, err := z.Create(CloneRefFile)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// variables are the output variables that the action's provider documents
// (user guide, Variables reference).
func variables(a pipeline.Action, f finding) map[string]string {
	c := a.Configuration
	vars := map[string]string{
		"AuthorDate":    date(f.AuthorDate),
		"CommitId":      f.ID,
		"CommitMessage": whole.Clip(f.Message, whole.MaxMessage),
	}
	if f.branch != "" {
		vars["BranchName"] = f.branch
	}
	switch a.TypeID.Provider {
	case "CodeStarSourceConnection":
		vars["AuthorDisplayName"] = f.AuthorName
		vars["AuthorEmail"] = f.AuthorEmail
		vars["AuthorId"] = f.AuthorEmail
		vars["ConnectionArn"] = c["ConnectionArn"]
		vars["FullRepositoryName"] = c["FullRepositoryId"]
		vars["ProviderType"] = "GitHub"
		if f.tag != "" {
			vars["TagName"] = f.tag
		}
	case "GitHub":
		vars["CommitterDate"] = date(f.CommitterDate)
		vars["CommitUrl"] = "https://github.com/" + c["Owner"] + "/" + c["Repo"] + "/commit/" + f.ID
		vars["RepositoryName"] = c["Repo"]
	default: // CodeCommit
		vars["CommitterDate"] = date(f.CommitterDate)
		vars["RepositoryName"] = c["RepositoryName"]
	}
	return vars
}

func date(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }
