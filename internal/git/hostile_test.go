package git_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/git"
	"github.com/sluice-ci/sluice/internal/git/gittest"
)

// TestRunsNothing asks every question of a repository in which everything that
// can name a program names one that leaves a file behind: no file may appear.
func TestRunsNothing(t *testing.T) {
	src, far := gittest.New(t), gittest.New(t)
	far.Commit("far", "far", "1")
	one := src.Commit("one", "a", "1")
	two := src.Commit("two", "a", "2",
		".gitattributes", "* filter=evil diff=evil text eol=crlf\n",
		".gitmodules", "[submodule \"s\"]\npath = s\nurl = ext::sh -c canary\n")
	canary := filepath.Join(t.TempDir(), "canary")
	program := filepath.Join(t.TempDir(), "evil.sh")
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho ran $0 $* >> "+canary+"\ncat\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{
		"filter.evil.smudge", "filter.evil.clean", "filter.evil.process", "diff.evil.command", "diff.evil.textconv",
		"core.fsmonitor", "core.sshCommand", "core.pager", "core.editor", "core.askPass", "core.gitProxy",
		"core.alternateRefsCommand", "diff.external", "gpg.program", "tar.zip.command", "credential.helper",
		"alias.rev-list", "remote.origin.uploadpack", "uploadpack.packObjectsHook",
	} {
		src.Git("config", key, program)
	}
	src.Git("config", "filter.evil.required", "true")
	src.Git("config", "log.showSignature", "true")
	src.Git("config", "remote.origin.url", far.Path)
	src.Git("config", "remote.origin.promisor", "true") // a missing object asks the remote
	src.Git("config", "protocol.file.allow", "always")
	src.Git("config", "protocol.ext.allow", "always")
	hooks := filepath.Join(src.Path, ".git/hooks")
	if err := os.MkdirAll(hooks, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, hook := range []string{"reference-transaction", "post-index-change", "post-checkout"} {
		if err := os.Symlink(program, filepath.Join(hooks, hook)); err != nil {
			t.Fatal(err)
		}
	}

	r := open(t, src.Path)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second) // a program that runs may also hang
	defer cancel()
	if _, err := r.Refs(ctx); err != nil {
		t.Error(err)
	}
	if _, err := r.Lookup(ctx, git.Branch, "main"); err != nil {
		t.Error(err)
	}
	if _, err := r.Commit(ctx, two); err != nil {
		t.Error(err)
	}
	if _, err := r.Commit(ctx, strings.Repeat("d", 40)); err == nil {
		t.Error("a missing commit was found")
	}
	if _, err := r.Changed(ctx, one, two); err != nil {
		t.Error(err)
	}
	if _, err := r.Contains(ctx, two, one); err != nil {
		t.Error(err)
	}
	if err := r.Archive(ctx, io.Discard, two); err != nil {
		t.Error(err)
	}
	if ran, err := os.ReadFile(canary); err == nil {
		t.Errorf("a program ran:\n%s", ran)
	}
}

// badRefs are names that git refuses, or takes for something else.
var badRefs = []string{
	"", "-x", "--upload-pack=evil", "-", "@", "a..b", "a@{1}", "a b", "a~1", "a^", "a:b", "a?", "a*", "a[", `a\b`, "a\x00b", "a\nb",
	"a\x7f", "/a", "a/", "a//b", ".a", "a/.b", "a.lock", "a.lock/b", "a.", strings.Repeat("a", 1025),
}

func TestValidRef(t *testing.T) {
	for _, name := range badRefs {
		if git.ValidRef(name) == nil {
			t.Errorf("%q is lawful", name)
		}
	}
	for _, name := range []string{"main", "feature/a", "v1.2.3", "a-b", "ü", "a@b", "a{b}", "refs/heads/x", "HEAD", "a'b", "$(touch)", "a;b"} {
		if err := git.ValidRef(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestLookupBadName(t *testing.T) {
	src := gittest.New(t)
	src.Commit("one", "a", "1")
	r := open(t, src.Path)
	for _, name := range badRefs {
		if ref, err := r.Lookup(t.Context(), git.Branch, name); err == nil {
			t.Errorf("%q gave %+v", name, ref)
		}
	}
}

// FuzzValidRef asks git itself.
func FuzzValidRef(f *testing.F) {
	for _, name := range badRefs {
		f.Add(name)
	}
	src := gittest.New(f)
	src.Commit("one", "a", "1")
	r, err := git.Open(src.Path)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if git.ValidRef(name) != nil {
			return
		}
		if _, err := r.Lookup(t.Context(), git.Branch, name); err == nil && name != "main" {
			t.Errorf("%q was found", name)
		} else if err != nil && !strings.Contains(err.Error(), "does not exist") {
			t.Errorf("%q is lawful here, but: %v", name, err)
		}
	})
}
