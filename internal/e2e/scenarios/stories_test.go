package scenarios_test

import (
	"context"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/e2e/stories"
)

// told is where the stories lie that are told in scripts.
const told = "../stories"

// withStories returns a folder of the definitions in pipelines and of those of
// the stories.
func withStories(t *testing.T, pipelines string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(pipelines)); err != nil {
		t.Fatal(err)
	}
	for _, name := range stories.Names(t, told) {
		text, err := os.ReadFile(filepath.Join(told, name, "pipeline.yaml"))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name+".yaml"), text, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// stories plays the very scripts in the deployment that TestStories of package
// stories plays on a laptop.
func (c *cloud) stories(t *testing.T) {
	stories.Need(t)
	here := c.on(t)
	here.sweeps()
	code := here.servePushes()
	for _, name := range stories.Names(t, told) {
		t.Run(name, func(t *testing.T) {
			if why, ok := stories.LaptopOnly[name]; ok {
				t.Skip("left out: " + why)
			}
			t.Parallel()
			h := c.on(t)
			h.git("init", "-q", "--bare", "-b", "main", filepath.Join(c.code, name))
			stories.Play(t, told, name, stories.Place{Endpoint: c.endpoint, Repository: code + "/" + name, Env: c.aws.Env()})
			if t.Failed() {
				h.logs()
			}
		})
	}
}

// sweeps lets minutes pass until the test and its parts have ended. Builds end
// here in no time: if one has told of its end before anybody knew its id, the
// sweep is who asks.
func (c *cloud) sweeps() {
	ctx, stop := context.WithCancel(c.t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(5 * time.Second):
			}
			if err := c.aws.Tick(ctx); err != nil && ctx.Err() == nil {
				c.t.Error(err)
			}
		}
	})
	c.t.Cleanup(func() {
		stop()
		all.Wait()
	})
}

// servePushes serves the repositories to git, and returns where. Of a push that
// was taken the world hears as from CodeCommit.
func (c *cloud) servePushes() string {
	c.t.Helper()
	backend := &cgi.Handler{
		Path: filepath.Join(c.git("--exec-path"), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + c.code, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=ada", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null"},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		backend.ServeHTTP(w, r)
		if repository, ok := strings.CutSuffix(strings.Trim(r.URL.Path, "/"), "/git-receive-pack"); ok {
			commit, err := exec.Command("git", "-C", filepath.Join(c.code, repository), "rev-parse", "main").Output()
			if err == nil {
				err = c.tellOf(repository, strings.TrimSpace(string(commit)))
			}
			if err != nil {
				c.t.Errorf("a push to %s: %v", repository, err)
			}
		}
	}))
	c.t.Cleanup(server.Close)
	return server.URL
}

// git returns what git says.
func (c *cloud) git(args ...string) string {
	c.t.Helper()
	out, err := exec.Command("git", args...).CombinedOutput()
	if err != nil {
		c.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}
