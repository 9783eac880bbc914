package git_test

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/git"
	"github.com/sluice-ci/sluice/internal/action/whole/wholetest"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/git/gittest"
	"github.com/sluice-ci/sluice/internal/mapping"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// configurations of the three providers, all on one repository.
var configurations = map[string]map[string]string{
	"CodeCommit":               {"RepositoryName": "web", "BranchName": "main"},
	"CodeStarSourceConnection": {"FullRepositoryId": "acme/web", "BranchName": "main", "ConnectionArn": "arn:c"},
	"GitHub":                   {"Owner": "acme", "Repo": "web", "Branch": "main", "OAuthToken": "t"},
}

// job returns a job of provider. Pairs of keys and values change its
// configuration.
func job(provider string, pairs ...string) action.Job {
	a := pipeline.Action{Name: "Source", TypeID: pipeline.ActionTypeID{Category: pipeline.Source, Provider: provider}, Configuration: map[string]string{}}
	for key, value := range configurations[provider] {
		a.Configuration[key] = value
	}
	for i := 0; i < len(pairs); i += 2 {
		a.Configuration[pairs[i]] = pairs[i+1]
	}
	return action.Job{ID: "j1", Action: a, Outputs: []action.Artifact{{Name: "Src", Ref: blob.Ref{Bucket: "b", Key: "p/Src/1"}}}}
}

func mapped(path string) mapping.Mapping {
	return mapping.Mapping{Repositories: map[string]mapping.Repository{"web": {Path: path}, "acme/web": {Path: path}}}
}

func TestSource(t *testing.T) {
	src := gittest.New(t)
	src.Commit("one", "a", "1")
	id := src.Commit("Two\n\nmore", "a", "2")
	common := map[string]string{"AuthorDate": "2026-01-01T00:00:02Z", "BranchName": "main", "CommitId": id, "CommitMessage": "Two\n\nmore"}
	tests := map[string]map[string]string{
		"CodeCommit": {"CommitterDate": "2026-01-01T01:00:02Z", "RepositoryName": "web"},
		"CodeStarSourceConnection": {"AuthorDisplayName": "Ada", "AuthorEmail": "ada@example.com", "AuthorId": "ada@example.com",
			"ConnectionArn": "arn:c", "FullRepositoryName": "acme/web", "ProviderType": "GitHub"},
		"GitHub": {"CommitterDate": "2026-01-01T01:00:02Z", "RepositoryName": "web", "CommitUrl": "https://github.com/acme/web/commit/" + id},
	}
	for provider, want := range tests {
		t.Run(provider, func(t *testing.T) {
			for key, value := range common {
				want[key] = value
			}
			var blobs wholetest.Blobs
			open := func() action.Provider { return git.New(mapped(src.Path), &blobs) }
			res := wholetest.Start(t, open(), job(provider))
			if res.Status != pipeline.Succeeded {
				t.Fatalf("%+v", res)
			}
			if diff := cmp.Diff(want, res.Variables); diff != "" {
				t.Error(diff)
			}
			if r := res.Revision; r == nil || r.ID != id || r.Summary != "Two\n\nmore" || r.Created.IsZero() || r.URL != want["CommitUrl"] {
				t.Errorf("revision %+v", r)
			}
			if res.ExternalID != id || res.Summary != "Two\n\nmore" || res.ExternalURL != "file://"+src.Path || res.Simulated {
				t.Errorf("result %+v", res)
			}
			if out := res.Outputs[0]; out.Name != "Src" || out.Revision != id || out.Ref.Key != "p/Src/1" {
				t.Errorf("output %+v", out)
			}
			if diff := cmp.Diff(map[string]string{"a": "2"}, blobs.Files(t, res.Outputs[0].Ref)); diff != "" {
				t.Error(diff)
			}
			wholetest.Repeat(t, open, job(provider), res)
		})
	}
}

// TestBranchMovesAfterCrash repeats a job after its branch has moved: the
// newer commit is taken, under another name.
func TestBranchMovesAfterCrash(t *testing.T) {
	src := gittest.New(t)
	src.Commit("one", "a", "1")
	var blobs wholetest.Blobs
	first := wholetest.Start(t, git.New(mapped(src.Path), &blobs), job("CodeCommit"))
	id := src.Commit("two", "a", "2")
	second := wholetest.Start(t, git.New(mapped(src.Path), &blobs), job("CodeCommit"))
	if second.Revision.ID != id || second.Outputs[0].Ref.Key == first.Outputs[0].Ref.Key {
		t.Errorf("second %+v", second)
	}
	if got := blobs.Files(t, second.Outputs[0].Ref)["a"]; got != "2" {
		t.Errorf("second archive holds %q", got)
	}
}

func TestCloneRef(t *testing.T) {
	src := gittest.New(t)
	id := src.Commit("one", "a", "1")
	var blobs wholetest.Blobs
	res := wholetest.Start(t, git.New(mapped(src.Path), &blobs), job("CodeCommit", "OutputArtifactFormat", "CODEBUILD_CLONE_REF"))
	files := blobs.Files(t, res.Outputs[0].Ref)
	var got git.CloneRef
	if err := json.Unmarshal([]byte(files[git.CloneRefFile]), &got); err != nil || len(files) != 1 {
		t.Fatalf("%v: %v", files, err)
	}
	if want := (git.CloneRef{Path: src.Path, Commit: id, Branch: "main"}); got != want {
		t.Errorf("%+v; want %+v", got, want)
	}
}

// TestRevision pins commits: what BranchName says depends on where they are.
func TestRevision(t *testing.T) {
	src := gittest.New(t)
	one := src.Commit("one", "a", "1")
	src.Commit("two", "a", "2")
	src.Git("checkout", "--quiet", "-b", "feature")
	feature := src.Commit("feature", "a", "3")
	src.Git("checkout", "--quiet", "--detach")
	loose := src.Commit("loose", "a", "4")
	src.Git("tag", "v1")
	for id, branch := range map[string]string{one: "main", feature: "feature", loose: ""} {
		var blobs wholetest.Blobs
		j := job("CodeStarSourceConnection")
		j.Revision = action.Override{Type: "COMMIT_ID", Value: id}
		res := wholetest.Start(t, git.New(mapped(src.Path), &blobs), j)
		if res.Status != pipeline.Succeeded || res.Revision.ID != id {
			t.Errorf("%s: %+v", id, res)
			continue
		}
		if got, ok := res.Variables["BranchName"]; got != branch || ok != (branch != "") {
			t.Errorf("%s: BranchName %q; want %q", res.Summary, got, branch)
		}
	}
}

// TestPushed: a run that a push started tells what was pushed, whatever other
// branches hold the commit.
func TestPushed(t *testing.T) {
	src := gittest.New(t)
	commit := src.Commit("one", "a", "1")
	for _, tt := range []struct {
		pushed       action.Override
		branch, tag  string
		noBranchName bool
	}{
		{action.Override{Branch: "feature/x"}, "feature/x", "", false},
		{action.Override{Tag: "v1"}, "", "v1", true},
	} {
		var blobs wholetest.Blobs
		j := job("CodeStarSourceConnection")
		j.Revision = tt.pushed
		j.Revision.Type, j.Revision.Value = "COMMIT_ID", commit
		vars := wholetest.Start(t, git.New(mapped(src.Path), &blobs), j).Variables
		if _, ok := vars["BranchName"]; vars["BranchName"] != tt.branch || vars["TagName"] != tt.tag || ok == tt.noBranchName {
			t.Errorf("%+v gave %v", tt.pushed, vars)
		}
	}
}

func TestFailures(t *testing.T) {
	src := gittest.New(t)
	src.Commit("one", "a", "1")
	missing := strings.Repeat("d", 40)
	pinned := func(kind, value string) action.Job {
		j := job("CodeCommit")
		j.Revision = action.Override{Type: kind, Value: value}
		return j
	}
	none := job("CodeCommit")
	none.Outputs = nil
	empty := t.TempDir()
	tests := []struct {
		name       string
		job        action.Job
		path       string
		code, want string
	}{
		{"unmapped", job("CodeCommit", "RepositoryName", "other"), src.Path, action.ConfigurationError, "repository other of source action Source is not mapped"},
		{"no repository", job("CodeCommit"), empty, action.ConfigurationError, empty + " is not a git repository"},
		{"folder is gone", job("CodeCommit"), filepath.Join(empty, "gone"), action.ConfigurationError, "gone is not a git repository"},
		{"no branch", job("CodeCommit", "BranchName", "dev"), src.Path, action.ConfigurationError, "branch dev of repository " + src.Path + " does not exist; it has main. Push it, or correct BranchName."},
		{"no branch, GitHub", job("GitHub", "Branch", ""), src.Path, action.ConfigurationError, "names no branch: write Branch into its configuration"},
		{"option for a branch", job("CodeCommit", "BranchName", "--all"), src.Path, action.ConfigurationError, "begins with a hyphen"},
		{"no commit", pinned("COMMIT_ID", missing), src.Path, action.RevisionUnavailable, "commit " + missing + " of repository " + src.Path + " does not exist"},
		{"no id", pinned("COMMIT_ID", "main"), src.Path, action.RevisionUnavailable, `"main" is no commit id`},
		{"other revision", pinned("IMAGE_DIGEST", "sha256:0"), src.Path, action.ConfigurationError, "cannot take a revision of type IMAGE_DIGEST; use COMMIT_ID"},
		{"format", job("CodeCommit", "OutputArtifactFormat", "TAR"), src.Path, action.ConfigurationError, `OutputArtifactFormat "TAR"`},
		{"no output", none, src.Path, action.ConfigurationError, "declares 0 output artifacts"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res := wholetest.Start(t, git.New(mapped(tt.path), &wholetest.Blobs{}), tt.job)
			if res.Status != pipeline.Failed || res.Error == nil || res.Error.Code != tt.code || !strings.Contains(res.Error.Message, tt.want) || res.Summary != res.Error.Message {
				t.Errorf("%+v, error %+v; want %s: %s", res, res.Error, tt.code, tt.want)
			}
		})
	}
}

// TestCancelled pins that a job that was interrupted has no end.
func TestCancelled(t *testing.T) {
	src := gittest.New(t)
	src.Commit("one", "a", "1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if res, err := git.New(mapped(src.Path), &wholetest.Blobs{}).Start(ctx, job("CodeCommit")); !errors.Is(err, context.Canceled) {
		t.Errorf("%+v, %v; want context.Canceled", res, err)
	}
}
