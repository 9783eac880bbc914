package trigger

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

// lookedAt is how many changed files of a diff are looked at.
const lookedAt = 100

// A verdict is an answer and the reason for it.
type verdict struct {
	ok  bool
	why string
}

func yes(format string, args ...any) verdict { return verdict{true, fmt.Sprintf(format, args...)} }
func no(format string, args ...any) verdict  { return verdict{false, fmt.Sprintf(format, args...)} }

// and is v, or what next says if v agrees.
func (v verdict) and(next verdict) verdict {
	switch {
	case !v.ok || next.why == "":
		return v
	case !next.ok || v.why == "":
		return next
	}
	return verdict{true, v.why + ", " + next.why}
}

// anyOf returns the first verdict that agrees, or else the reasons of all that
// do not. What names a verdict when there is more than one.
func anyOf(what string, vs []verdict) verdict {
	var whys []string
	for i, v := range vs {
		if len(vs) > 1 {
			v.why = fmt.Sprintf("%s %d: %s", what, i+1, v.why)
		}
		if v.ok {
			return v
		}
		whys = append(whys, v.why)
	}
	return verdict{false, strings.Join(whys, "; ")}
}

// judgePush says what filter f makes of a push.
func judgePush(f pipeline.PushFilter, p Push) verdict {
	if p.RefType == Tag {
		if f.Tags == nil {
			return no("tag %s starts a pipeline only by a filter for tags", p.Ref)
		}
		return matchName("tag", p.Ref, f.Tags)
	}
	if f.Branches == nil && f.FilePaths == nil {
		return no("branch %s: the filter is for tags", p.Ref)
	}
	return matchName("branch", p.Ref, f.Branches).and(matchFiles(p.Files, f.FilePaths))
}

// judgePullRequest says what filter f makes of an event of a pull request.
func judgePullRequest(f pipeline.PullRequestFilter, p PullRequest) verdict {
	if len(f.Events) > 0 && !slices.Contains(f.Events, p.Event) {
		return no("event %s is not one of %v", p.Event, f.Events)
	}
	return yes("pull request is %s", p.Event).
		and(matchName("destination branch", p.Branch, f.Branches)).
		and(matchFiles(p.Files, f.FilePaths))
}

// matchName tests one name. No patterns match every name, without a reason.
func matchName(what, name string, ps *pipeline.Patterns) verdict {
	if ps == nil {
		return verdict{ok: true}
	}
	includes, excludes, err := compile(*ps)
	if err != nil {
		return no("%v", err)
	}
	switch {
	case len(includes)+len(excludes) == 0:
		return yes("any %s will do", what)
	case matches(excludes, name):
		return no("%s %s matches excludes %v", what, name, ps.Excludes)
	case len(includes) == 0:
		return yes("%s %s does not match excludes %v", what, name, ps.Excludes)
	case !matches(includes, name):
		return no("%s %s does not match includes %v", what, name, ps.Includes)
	}
	return yes("%s %s matches includes %v", what, name, ps.Includes)
}

// matchFiles tests each of the first changed files alone; one that counts is
// enough. Without a diff none does.
func matchFiles(files []string, ps *pipeline.Patterns) verdict {
	if ps == nil {
		return verdict{ok: true}
	}
	includes, excludes, err := compile(*ps)
	switch {
	case err != nil:
		return no("%v", err)
	case files == nil:
		return no("there is no diff to look for file paths in, as for a new branch")
	}
	for _, file := range files[:min(len(files), lookedAt)] {
		if !matches(excludes, file) && (len(includes) == 0 || matches(includes, file)) {
			return yes("file %s counts", file)
		}
	}
	rule := "matches"
	if len(ps.Includes) > 0 {
		rule += fmt.Sprintf(" includes %v", ps.Includes)
	}
	if len(ps.Excludes) > 0 {
		rule += fmt.Sprintf(" but not excludes %v", ps.Excludes)
	}
	if len(files) > lookedAt {
		return no("none of the first %d of %d changed files %s", lookedAt, len(files), rule)
	}
	return no("none of the %d changed files %s", len(files), rule)
}

func matches(globs []Glob, name string) bool {
	return slices.ContainsFunc(globs, func(g Glob) bool { return g.Match(name) })
}

// compile reads all patterns of ps: one that is malformed makes the filter
// match nothing, because an exclude nobody understands may be a guard.
func compile(ps pipeline.Patterns) (includes, excludes []Glob, err error) {
	if includes, err = compileAll(ps.Includes); err != nil {
		return nil, nil, err
	}
	excludes, err = compileAll(ps.Excludes)
	return includes, excludes, err
}

func compileAll(patterns []string) ([]Glob, error) {
	var globs []Glob
	for _, pattern := range patterns {
		g, err := Compile(pattern)
		if err != nil {
			return nil, err
		}
		globs = append(globs, g)
	}
	return globs, nil
}
