package trigger

import (
	"fmt"
	"strings"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// An Event is something that happened at a source: a [Push], a [PullRequest],
// an [ObjectCreated] or an [ImagePushed]. String is what happened, in a line.
type Event interface {
	fmt.Stringer
	// at reports whether source action a looks at the place of the event.
	at(a pipeline.Action) bool
	// judge says whether the event starts a pipeline by its source action a.
	// T is the trigger that names a, or nil.
	judge(a pipeline.Action, t *pipeline.Trigger) verdict
	// revision pins what the event brought; zero when that is not known.
	revision() action.Override
}

// RefType is the kind of name a push moved.
type RefType string

const (
	Branch RefType = "branch"
	Tag    RefType = "tag"
)

// A Push is a branch or tag that was created, moved or deleted.
type Push struct {
	Repository string // as a source action names it: repo, owner/repo, group/sub/project
	RefType    RefType
	Ref        string   // without refs/heads/ or refs/tags/
	Commit     string   // what it names now; only zeros when it was deleted
	OldCommit  string   // what it named before
	Files      []string // changed, in the order of the diff; nil without a diff, as for a new branch
	Author     Author
	Message    string // of the commit
}

// An Author is who made a commit or opened a pull request.
type Author struct {
	ID    string
	Name  string
	Email string
	Date  time.Time
}

// A PullRequest was opened, updated or closed. Not every provider tells of
// every closing: Bitbucket only of a merge.
type PullRequest struct {
	Repository string // as in Push
	Event      string // OPEN, UPDATED, CLOSED
	Branch     string // destination
	Source     string // branch to be merged
	Fork       bool   // Source is in another repository
	Commit     string // head of Source
	Files      []string
	Author     Author
	Message    string // of the commit
}

// The events of a pull request.
const (
	Open    = "OPEN"
	Updated = "UPDATED"
	Closed  = "CLOSED"
)

// An ObjectCreated is a new version of an object in a bucket.
type ObjectCreated struct {
	Bucket    string
	Key       string
	VersionID string // "" in a bucket without versions
}

// An ImagePushed is an image under a tag in a registry.
type ImagePushed struct {
	Repository string
	Tag        string // "" when it was pushed without
	Digest     string // sha256:<64 hex>
}

func (p Push) String() string {
	return fmt.Sprintf("push of %s %s in %s at %s", p.RefType, p.Ref, p.Repository, p.Commit)
}

func (p PullRequest) String() string {
	return fmt.Sprintf("pull request %s in %s from %s into %s at %s", p.Event, p.Repository, p.Source, p.Branch, p.Commit)
}

func (o ObjectCreated) String() string {
	return fmt.Sprintf("object %s/%s version %s", o.Bucket, o.Key, o.VersionID)
}

func (i ImagePushed) String() string {
	return fmt.Sprintf("image %s:%s %s", i.Repository, i.Tag, i.Digest)
}

func (p Push) at(a pipeline.Action) bool        { return reads(a, p.Repository) }
func (p PullRequest) at(a pipeline.Action) bool { return reads(a, p.Repository) }
func (o ObjectCreated) at(a pipeline.Action) bool {
	return a.TypeID.Provider == "S3" && a.Configuration["S3Bucket"] == o.Bucket
}
func (i ImagePushed) at(a pipeline.Action) bool {
	return a.TypeID.Provider == "ECR" && a.Configuration["RepositoryName"] == i.Repository
}

func (p Push) revision() action.Override {
	o := pin("COMMIT_ID", p.Commit)
	switch {
	case o.Type == "":
	case p.RefType == Tag:
		o.Tag = p.Ref
	default:
		o.Branch = p.Ref
	}
	return o
}
func (p PullRequest) revision() action.Override { return pin("COMMIT_ID", p.Commit) }
func (o ObjectCreated) revision() action.Override {
	return pin("S3_OBJECT_VERSION_ID", o.VersionID)
}
func (i ImagePushed) revision() action.Override { return pin("IMAGE_DIGEST", i.Digest) }

func pin(kind, value string) action.Override {
	if value == "" {
		return action.Override{}
	}
	return action.Override{Type: kind, Value: value}
}

// judge implements Event. A trigger replaces the default behaviour, unless it
// has no filter at all.
func (p Push) judge(a pipeline.Action, t *pipeline.Trigger) verdict {
	if p.Commit != "" && strings.Trim(p.Commit, "0") == "" {
		return no("%s %s was deleted", p.RefType, p.Ref)
	}
	if t == nil || len(t.Git.Push)+len(t.Git.PullRequest) == 0 {
		return p.judgeDefault(a, t != nil)
	}
	filters := t.Git.Push
	if len(filters) == 0 {
		return no("the trigger has no filter for pushes")
	}
	var vs []verdict
	for _, f := range filters {
		if f == (pipeline.PushFilter{}) {
			vs = append(vs, p.judgeDefault(a, true))
			continue
		}
		vs = append(vs, judgePush(f, p))
	}
	return anyOf("push filter", vs)
}

// judgeDefault is the behaviour without filters: a push to the configured
// branch starts the pipeline. PollForSourceChanges is not asked, because a
// push stands for whatever would have noticed it, a rule or a poll.
func (p Push) judgeDefault(a pipeline.Action, triggered bool) verdict {
	switch branch := branch(a); {
	case !triggered && strings.EqualFold(a.Configuration["DetectChanges"], "false"):
		return no("DetectChanges is false, and no trigger names the action")
	case p.RefType == Tag:
		return no("tag %s starts a pipeline only by a filter for tags", p.Ref)
	case p.Ref != branch:
		return no("branch %s is not the configured branch %s", p.Ref, branch)
	}
	return yes("branch %s is the configured branch", p.Ref)
}

// judge implements Event. Only a filter for pull requests starts a pipeline,
// and never for a fork: it would run a stranger's code with the pipeline's role.
func (p PullRequest) judge(_ pipeline.Action, t *pipeline.Trigger) verdict {
	if t == nil || len(t.Git.PullRequest) == 0 {
		return no("there is no filter for pull requests")
	}
	if p.Fork {
		return no("the pull request comes from a fork")
	}
	var vs []verdict
	for _, f := range t.Git.PullRequest {
		vs = append(vs, judgePullRequest(f, p))
	}
	return anyOf("pull request filter", vs)
}

func (o ObjectCreated) judge(a pipeline.Action, _ *pipeline.Trigger) verdict {
	if key := a.Configuration["S3ObjectKey"]; o.Key != key {
		return no("object %s is not the configured %s", o.Key, key)
	}
	return yes("object %s is the configured one", o.Key)
}

func (i ImagePushed) judge(a pipeline.Action, _ *pipeline.Trigger) verdict {
	tag := a.Configuration["ImageTag"]
	if tag == "" {
		tag = "latest"
	}
	switch i.Tag {
	case "":
		return no("the image has no tag")
	case tag:
		return yes("tag %s is the configured tag", tag)
	}
	return no("tag %s is not the configured tag %s", i.Tag, tag)
}

// reads reports whether source action a reads the git repository.
func reads(a pipeline.Action, repository string) bool {
	c := a.Configuration
	switch a.TypeID.Provider {
	case "CodeStarSourceConnection":
		return c["FullRepositoryId"] == repository
	case "CodeCommit":
		return c["RepositoryName"] == repository
	case "GitHub":
		return c["Owner"]+"/"+c["Repo"] == repository
	}
	return false
}

// branch is the branch source action a reads when nothing else is said.
func branch(a pipeline.Action) string {
	if a.TypeID.Provider == "GitHub" {
		return a.Configuration["Branch"]
	}
	return a.Configuration["BranchName"]
}
