// Package githttptest serves repositories over HTTP, as git itself does it, for
// tests of what fetches from them.
package githttptest

import (
	"net/http"
	"net/http/cgi"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/git/gittest"
)

// Handler serves repo at /<anything>/<name>.git/ with git http-backend. Any
// commit of it may be asked for, and a commit without its files. Without git
// the test is left out.
func Handler(t testing.TB, repo *gittest.Repo) http.Handler {
	t.Helper()
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skipf("a real git server is not tested: %v", err)
	}
	where, err := exec.Command(git, "--exec-path").Output()
	if err != nil {
		t.Skipf("a real git server is not tested: %v", err)
	}
	repo.Git("config", "uploadpack.allowAnySHA1InWant", "true")
	repo.Git("config", "uploadpack.allowFilter", "true")
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(where)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + repo.Path, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null"},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, rest, ok := strings.Cut(r.URL.Path, ".git/")
		if !ok {
			http.NotFound(w, r)
			return
		}
		r = r.Clone(r.Context())
		r.URL.Path = "/.git/" + rest
		backend.ServeHTTP(w, r)
	})
}
