package trigger_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/trigger"
)

const (
	connection = "arn:aws:codestar-connections:eu-west-1:111122223333:connection/c1"
	commit     = "0123456789abcdef0123456789abcdef01234567"
	deleted    = "0000000000000000000000000000000000000000"
)

// source is a source action named name, with a configuration of pairs.
func source(name, provider string, pairs ...string) pipeline.Action {
	a := pipeline.Action{Name: name, Configuration: map[string]string{}}
	a.TypeID = pipeline.ActionTypeID{Category: pipeline.Source, Owner: pipeline.AWS, Provider: provider, Version: "1"}
	for pair := range slices.Chunk(pairs, 2) {
		a.Configuration[pair[0]] = pair[1]
	}
	return a
}

// git is a connection source of o/web, branch main.
func git(pairs ...string) pipeline.Action {
	pairs = append([]string{"ConnectionArn", connection, "FullRepositoryId", "o/web", "BranchName", "main"}, pairs...)
	return source("Source", "CodeStarSourceConnection", pairs...)
}

func declare(sources ...pipeline.Action) pipeline.Declaration {
	return pipeline.Declaration{Name: "p", Stages: []pipeline.Stage{{Name: "Source", Actions: sources}}}
}

// triggered is a pipeline whose source action Source has a trigger.
func triggered(push []pipeline.PushFilter, pull ...pipeline.PullRequestFilter) pipeline.Declaration {
	p := declare(git("DetectChanges", "false")) // which a trigger makes irrelevant
	p.Triggers = []pipeline.Trigger{{
		ProviderType: "CodeStarSourceConnection",
		Git:          pipeline.GitConfiguration{SourceActionName: "Source", Push: push, PullRequest: pull},
	}}
	return p
}

func pushed(filters ...pipeline.PushFilter) pipeline.Declaration { return triggered(filters) }

func pulled(filters ...pipeline.PullRequestFilter) pipeline.Declaration {
	return triggered(nil, filters...)
}

// globs reads "a b !c" as includes a and b, excludes c.
func globs(s string) *pipeline.Patterns {
	ps := &pipeline.Patterns{}
	for p := range strings.FieldsSeq(s) {
		if rest, ok := strings.CutPrefix(p, "!"); ok {
			ps.Excludes = append(ps.Excludes, rest)
		} else {
			ps.Includes = append(ps.Includes, p)
		}
	}
	return ps
}

func branches(s string) pipeline.PushFilter { return pipeline.PushFilter{Branches: globs(s)} }
func tags(s string) pipeline.PushFilter     { return pipeline.PushFilter{Tags: globs(s)} }
func paths(branches, files string) pipeline.PushFilter {
	return pipeline.PushFilter{Branches: globs(branches), FilePaths: globs(files)}
}

func branch(name string, files ...string) trigger.Push {
	return trigger.Push{Repository: "o/web", RefType: trigger.Branch, Ref: name, Commit: commit, Files: files}
}

func tag(name string) trigger.Push {
	return trigger.Push{Repository: "o/web", RefType: trigger.Tag, Ref: name, Commit: commit}
}

func pull(event, into string, files ...string) trigger.PullRequest {
	return trigger.PullRequest{Repository: "o/web", Event: event, Branch: into, Source: "feature/x", Commit: commit, Files: files}
}

func many(n int, last string) []string {
	var files []string
	for i := range n - 1 {
		files = append(files, fmt.Sprintf("docs/%d.md", i))
	}
	return append(files, last)
}

func with(ev trigger.PullRequest, change func(*trigger.PullRequest)) trigger.PullRequest {
	change(&ev)
	return ev
}

// TestDecide has a row for every rule. want is "" when the pipeline has
// nothing to do with the event, else "start" or "no" and the reason.
func TestDecide(t *testing.T) {
	s3 := declare(source("Source", "S3", "S3Bucket", "b", "S3ObjectKey", "app.zip", "PollForSourceChanges", "false"))
	ecr := declare(source("Source", "ECR", "RepositoryName", "web"))
	v1 := declare(source("Source", "ECR", "RepositoryName", "web", "ImageTag", "v1"))
	codecommit := func(pairs ...string) pipeline.Declaration {
		return declare(source("Source", "CodeCommit", append(pairs, "RepositoryName", "web", "BranchName", "main")...))
	}
	github := declare(source("Source", "GitHub", "Owner", "o", "Repo", "web", "Branch", "main", "PollForSourceChanges", "false"))
	web := func(p trigger.Push) trigger.Push { p.Repository = "web"; return p }
	events := func(names ...string) pipeline.PullRequestFilter {
		return pipeline.PullRequestFilter{Events: names}
	}
	into := func(s string) pipeline.PullRequestFilter { return pipeline.PullRequestFilter{Branches: globs(s)} }

	tests := []struct {
		name string
		p    pipeline.Declaration
		ev   trigger.Event
		want string
	}{
		// Without a trigger.
		{"configured branch", declare(git()), branch("main"), "start: branch main is the configured branch"},
		{"another branch", declare(git()), branch("dev"), "no: branch dev is not the configured branch main"},
		{"DetectChanges off", declare(git("DetectChanges", "false")), branch("main"), "no: DetectChanges is false, and no trigger names the action"},
		{"DetectChanges on", declare(git("DetectChanges", "true")), branch("main"), "start: branch main is the configured branch"},
		{"tag of the configured branch's name", declare(git()), tag("main"), "no: tag main starts a pipeline only by a filter for tags"},
		{"branch deleted", declare(git()), trigger.Push{Repository: "o/web", RefType: trigger.Branch, Ref: "main", Commit: deleted}, "no: branch main was deleted"},
		{"pull request", declare(git()), pull(trigger.Open, "main"), "no: there is no filter for pull requests"},
		{"repository is case sensitive", declare(git()), trigger.Push{Repository: "O/web", RefType: trigger.Branch, Ref: "main"}, ""},
		{"CodeCommit that polls", codecommit("PollForSourceChanges", "true"), web(branch("main")), "start: branch main is the configured branch"},
		{"CodeCommit that does not", codecommit("PollForSourceChanges", "false"), web(branch("main")), "start: branch main is the configured branch"},
		{"CodeCommit new branch", codecommit(), web(branch("main")), "start: branch main is the configured branch"},
		{"CodeCommit another repository", codecommit(), branch("main"), ""},
		{"GitHub v1", github, branch("main"), "start: branch main is the configured branch"},
		{"GitHub v1 another branch", github, branch("dev"), "no: branch dev is not the configured branch main"},
		{"no source action", pipeline.Declaration{Name: "p"}, branch("main"), ""},

		// Objects and images.
		{"object", s3, trigger.ObjectCreated{Bucket: "b", Key: "app.zip"}, "start: object app.zip is the configured one"},
		{"another object", s3, trigger.ObjectCreated{Bucket: "b", Key: "x/app.zip"}, "no: object x/app.zip is not the configured app.zip"},
		{"another bucket", s3, trigger.ObjectCreated{Bucket: "c", Key: "app.zip"}, ""},
		{"image", ecr, trigger.ImagePushed{Repository: "web", Tag: "latest"}, "start: tag latest is the configured tag"},
		{"another tag", ecr, trigger.ImagePushed{Repository: "web", Tag: "v1"}, "no: tag v1 is not the configured tag latest"},
		{"configured tag", v1, trigger.ImagePushed{Repository: "web", Tag: "v1"}, "start: tag v1 is the configured tag"},
		{"no tag", ecr, trigger.ImagePushed{Repository: "web"}, "no: the image has no tag"},
		{"another image", ecr, trigger.ImagePushed{Repository: "api", Tag: "latest"}, ""},
		{"image for a repository of that name", ecr, web(branch("main")), ""},

		// A trigger without a filter is the default behaviour.
		{"no filter", pushed(), branch("main"), "start: branch main is the configured branch"},
		{"no filter, another branch", pushed(), branch("dev"), "no: branch dev is not the configured branch main"},
		{"an empty filter", pushed(pipeline.PushFilter{}), branch("dev"), "no: branch dev is not the configured branch main"},
		{"no filter, pull request", pushed(), pull(trigger.Open, "main"), "no: there is no filter for pull requests"},

		// A trigger replaces the default behaviour.
		{"configured branch not included", pushed(branches("release/*")), branch("main"), "no: branch main does not match includes [release/*]"},
		{"only pull requests", pulled(into("main")), branch("main"), "no: the trigger has no filter for pushes"},

		// Branches.
		{"included", pushed(branches("feature/*")), branch("feature/x"), "start: branch feature/x matches includes [feature/*]"},
		{"not included", pushed(branches("main")), branch("feature/x"), "no: branch feature/x does not match includes [main]"},
		{"one pattern of two", pushed(branches("main dev")), branch("dev"), "start: branch dev matches includes [main dev]"},
		{"excludes win", pushed(branches("** !wip/*")), branch("wip/x"), "no: branch wip/x matches excludes [wip/*]"},
		{"only excludes, others match", pushed(branches("!wip/*")), branch("any/thing"), "start: branch any/thing does not match excludes [wip/*]"},
		{"star stays in its folder", pushed(branches("*")), branch("feature/x"), "no: branch feature/x does not match includes [*]"},
		{"no patterns", pushed(branches("")), branch("x/y"), "start: any branch will do"},
		{"new branch", pushed(branches("feature/**")), branch("feature/x"), "start: branch feature/x matches includes [feature/**]"},
		{"deleted under a filter", pushed(branches("**")), trigger.Push{Repository: "o/web", RefType: trigger.Branch, Ref: "x", Commit: deleted}, "no: branch x was deleted"},
		{"malformed", pushed(branches("** ![")), branch("main"), "no: pattern [: '[' is not closed"},
		{"malformed include", pushed(branches("{")), branch("main"), "no: pattern {: '{' is not closed"},

		// Tags.
		{"tag included", pushed(tags("v*")), tag("v1.0"), "start: tag v1.0 matches includes [v*]"},
		{"tag not included", pushed(tags("v*")), tag("nightly"), "no: tag nightly does not match includes [v*]"},
		{"tag excluded", pushed(tags("v* !v0*")), tag("v0.1"), "no: tag v0.1 matches excludes [v0*]"},
		{"branch under a filter for tags", pushed(tags("**")), branch("main"), "no: branch main: the filter is for tags"},
		{"tag under a filter for branches", pushed(branches("**")), tag("v1"), "no: tag v1 starts a pipeline only by a filter for tags"},

		// Filters are alternatives.
		{"second filter", pushed(branches("main"), tags("v*")), tag("v1"), "start: push filter 2: tag v1 matches includes [v*]"},
		{"neither filter", pushed(branches("main"), tags("v*")), branch("dev"),
			"no: push filter 1: branch dev does not match includes [main]; push filter 2: branch dev: the filter is for tags"},

		// Fields of one filter must all match.
		{"branch and path", pushed(paths("main", "src/**")), branch("main", "README.md", "src/a.go"),
			"start: branch main matches includes [main], file src/a.go counts"},
		{"branch but no path", pushed(paths("main", "src/**")), branch("main", "README.md"),
			"no: none of the 1 changed files matches includes [src/**]"},
		{"path but no branch", pushed(paths("main", "src/**")), branch("dev", "src/a.go"), "no: branch dev does not match includes [main]"},
		{"path alone", pushed(pipeline.PushFilter{FilePaths: globs("src/**")}), branch("dev", "src/a.go"), "start: file src/a.go counts"},

		// Each file is tested alone.
		{"included and excluded file", pushed(paths("main", "** !**.md")), branch("main", "a.md"),
			"no: none of the 1 changed files matches includes [**] but not excludes [**.md]"},
		{"one counting file", pushed(paths("main", "** !**.md")), branch("main", "a.md", "b.go"),
			"start: branch main matches includes [main], file b.go counts"},
		{"only excluded files", pushed(paths("main", "!docs/**")), branch("main", "docs/a"),
			"no: none of the 1 changed files matches but not excludes [docs/**]"},
		{"only excludes, another file", pushed(paths("main", "!docs/**")), branch("main", "docs/a", "b"),
			"start: branch main matches includes [main], file b counts"},
		{"no changed file", pushed(paths("main", "**")), trigger.Push{Repository: "o/web", RefType: trigger.Branch, Ref: "main", Commit: commit, Files: []string{}},
			"no: none of the 0 changed files matches includes [**]"},
		{"100th file", pushed(paths("main", "src/*")), branch("main", many(100, "src/a")...),
			"start: branch main matches includes [main], file src/a counts"},
		{"101st file", pushed(paths("main", "src/*")), branch("main", many(101, "src/a")...),
			"no: none of the first 100 of 101 changed files matches includes [src/*]"},
		{"new branch has no diff", pushed(paths("feature/**", "**")), branch("feature/x"),
			"no: there is no diff to look for file paths in, as for a new branch"},
		{"malformed path", pushed(paths("main", "[")), branch("main", "a"), "no: pattern [: '[' is not closed"},

		// Pull requests.
		{"any event", pulled(into("main")), pull(trigger.Updated, "main"),
			"start: pull request is UPDATED, destination branch main matches includes [main]"},
		{"closed", pulled(into("main")), pull(trigger.Closed, "main"),
			"start: pull request is CLOSED, destination branch main matches includes [main]"},
		{"destination, not source", pulled(into("feature/**")), pull(trigger.Open, "main"),
			"no: destination branch main does not match includes [feature/**]"},
		{"listed event", pulled(events(trigger.Open, trigger.Closed)), pull(trigger.Open, "main"), "start: pull request is OPEN"},
		{"event not listed", pulled(events(trigger.Closed)), pull(trigger.Open, "main"), "no: event OPEN is not one of [CLOSED]"},
		{"pull request path", pulled(pipeline.PullRequestFilter{Branches: globs("main"), FilePaths: globs("src/**")}),
			pull(trigger.Open, "main", "src/a"), "start: pull request is OPEN, destination branch main matches includes [main], file src/a counts"},
		{"pull request no path", pulled(pipeline.PullRequestFilter{Branches: globs("main"), FilePaths: globs("src/**")}),
			pull(trigger.Open, "main", "a"), "no: none of the 1 changed files matches includes [src/**]"},
		{"second pull request filter", pulled(events(trigger.Closed), into("main")), pull(trigger.Open, "main"),
			"start: pull request filter 2: pull request is OPEN, destination branch main matches includes [main]"},
		{"fork", pulled(into("main")), with(pull(trigger.Open, "main"), func(p *trigger.PullRequest) { p.Fork = true }), "no: the pull request comes from a fork"},
		{"push or pull request: push", triggered([]pipeline.PushFilter{branches("main")}, events(trigger.Closed)), branch("main"),
			"start: branch main matches includes [main]"},
		{"push or pull request: the merge closes, too", triggered([]pipeline.PushFilter{branches("main")}, events(trigger.Closed)), pull(trigger.Closed, "main"),
			"start: pull request is CLOSED"},
		{"no filter for pull requests", pushed(branches("**")), pull(trigger.Open, "main"), "no: there is no filter for pull requests"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			for _, d := range trigger.Decide([]pipeline.Declaration{tt.p}, tt.ev) {
				got += map[bool]string{true: "start: ", false: "no: "}[d.Start] + d.Reason
			}
			if got != tt.want {
				t.Errorf("%s\ngot  %s\nwant %s", tt.ev, got, tt.want)
			}
		})
	}
}

// TestDecisions compares whole decisions.
func TestDecisions(t *testing.T) {
	two := declare(git(), git())
	two.Stages[0].Actions[1].Name, two.Stages[0].Actions[1].Configuration["BranchName"] = "Dev", "dev"
	apart := pushed(branches("main"))
	apart.Stages = append(apart.Stages, pipeline.Stage{Actions: []pipeline.Action{{Name: "B", TypeID: pipeline.ActionTypeID{Category: pipeline.Build, Provider: "CodeBuild"}}}})
	noCommit := branch("main")
	noCommit.Commit = ""
	id := func(kind, value string) map[string]action.Override {
		return map[string]action.Override{"Source": {Type: kind, Value: value}}
	}

	tests := []struct {
		name string
		p    pipeline.Declaration
		ev   trigger.Event
		want trigger.Decision
	}{
		{"branch under a filter overrides BranchName", pushed(branches("feature/*")), branch("feature/x"), trigger.Decision{
			Start: true, Reason: "branch feature/x matches includes [feature/*]",
			Type: trigger.WebhookV2, Detail: connection, Overrides: id("COMMIT_ID", commit),
		}},
		{"tag", pushed(tags("**")), tag("v1"), trigger.Decision{
			Start: true, Reason: "tag v1 matches includes [**]",
			Type: trigger.WebhookV2, Detail: connection, Overrides: id("COMMIT_ID", commit),
		}},
		{"head of a pull request", pulled(pipeline.PullRequestFilter{}), pull(trigger.Open, "main"), trigger.Decision{
			Start: true, Reason: "pull request is OPEN",
			Type: trigger.WebhookV2, Detail: connection, Overrides: id("COMMIT_ID", commit),
		}},
		{"refusal", pushed(branches("main")), branch("feature/x"), trigger.Decision{
			Reason: "branch feature/x does not match includes [main]", Type: trigger.WebhookV2, Detail: connection,
		}},
		{"other actions do not listen", apart, branch("main"), trigger.Decision{
			Start: true, Reason: "branch main matches includes [main]",
			Type: trigger.WebhookV2, Detail: connection, Overrides: id("COMMIT_ID", commit),
		}},
		{"commit unknown", declare(git()), noCommit, trigger.Decision{
			Start: true, Reason: "branch main is the configured branch", Type: trigger.WebhookV2, Detail: connection,
		}},
		{"GitHub v1", declare(source("Source", "GitHub", "Owner", "o", "Repo", "web", "Branch", "main")), branch("main"), trigger.Decision{
			Start: true, Reason: "branch main is the configured branch",
			Type: trigger.Webhook, Detail: "push of branch main in o/web at " + commit, Overrides: id("COMMIT_ID", commit),
		}},
		{"object", declare(source("Source", "S3", "S3Bucket", "b", "S3ObjectKey", "k")), trigger.ObjectCreated{Bucket: "b", Key: "k", VersionID: "v"}, trigger.Decision{
			Start: true, Reason: "object k is the configured one",
			Type: trigger.CloudWatchEvent, Detail: "object b/k version v", Overrides: id("S3_OBJECT_VERSION_ID", "v"),
		}},
		{"image", declare(source("Source", "ECR", "RepositoryName", "web")), trigger.ImagePushed{Repository: "web", Tag: "latest", Digest: "sha256:1"}, trigger.Decision{
			Start: true, Reason: "tag latest is the configured tag",
			Type: trigger.CloudWatchEvent, Detail: "image web:latest sha256:1", Overrides: id("IMAGE_DIGEST", "sha256:1"),
		}},
		{"two sources, one agrees", two, branch("dev"), trigger.Decision{
			Start: true, Reason: "action Dev: branch dev is the configured branch", Action: "Dev",
			Type: trigger.WebhookV2, Detail: connection, Overrides: map[string]action.Override{"Dev": {Type: "COMMIT_ID", Value: commit}},
		}},
		{"two sources, the first agrees", two, branch("main"), trigger.Decision{
			Start: true, Reason: "action Source: branch main is the configured branch",
			Type: trigger.WebhookV2, Detail: connection, Overrides: id("COMMIT_ID", commit),
		}},
		{"two sources, none agrees", two, branch("x"), trigger.Decision{
			Reason: "action Source: branch x is not the configured branch main; action Dev: branch x is not the configured branch dev",
			Type:   trigger.WebhookV2, Detail: connection,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.want.Pipeline = "p"
			if tt.want.Action == "" {
				tt.want.Action = "Source"
			}
			for name, o := range tt.want.Overrides { // a push also says what was pushed
				if p, ok := tt.ev.(trigger.Push); ok && p.RefType == trigger.Tag {
					o.Tag = p.Ref
				} else if ok {
					o.Branch = p.Ref
				}
				tt.want.Overrides[name] = o
			}
			got := trigger.Decide([]pipeline.Declaration{tt.p}, tt.ev)
			if diff := cmp.Diff([]trigger.Decision{tt.want}, got); diff != "" {
				t.Errorf("decisions (-want +got):\n%s", diff)
			}
		})
	}
}

// TestDecideAll keeps the order of the pipelines and leaves out those that
// have nothing to do with the event.
func TestDecideAll(t *testing.T) {
	named := func(name string, p pipeline.Declaration) pipeline.Declaration { p.Name = name; return p }
	elsewhere := declare(source("Source", "CodeCommit", "RepositoryName", "web", "BranchName", "main"))
	ps := []pipeline.Declaration{
		named("c", pushed(branches("main"))), named("a", declare(git())), named("x", elsewhere), named("b", pushed(tags("*"))),
	}
	var got []string
	for _, d := range trigger.Decide(ps, branch("main")) {
		got = append(got, fmt.Sprint(d.Pipeline, " ", d.Start))
	}
	if want := []string{"c true", "a true", "b false"}; !slices.Equal(got, want) {
		t.Errorf("decisions %v; want %v", got, want)
	}
}
