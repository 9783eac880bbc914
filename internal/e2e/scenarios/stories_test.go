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
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/e2e/stories"
)

// TestStories plays the stories of package stories in one deployment of all
// their pipelines: the same scripts that TestStories there plays on a laptop.
func TestStories(t *testing.T) {
	stories.Need(t)
	const dir = "../stories"
	definitions := t.TempDir()
	names := stories.Names(t, dir)
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(dir, name, "pipeline.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(definitions, name+".yaml"), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c := deployed(t, definitions)
	code := c.servePushes()
	defer c.minutes()()
	t.Run("in an account", func(t *testing.T) {
		for _, name := range names {
			t.Run(name, func(t *testing.T) {
				if why, ok := stories.LaptopOnly[name]; ok {
					t.Skip("left out: " + why)
				}
				t.Parallel()
				c.git("init", "-q", "--bare", "-b", "main", filepath.Join(c.code, name))
				stories.Play(t, dir, name, stories.Place{Endpoint: c.endpoint, Repository: code + "/" + name, Env: c.aws.Env()})
			})
		}
	})
	if t.Failed() {
		c.logs()
	}
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
			c.pushed(repository, c.git("-C", filepath.Join(c.code, repository), "rev-parse", "main"))
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

// minutes lets minutes pass, one every two seconds, until it is told to stop.
func (c *cloud) minutes() (stop func()) {
	ctx, cancel := context.WithCancel(c.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(2 * time.Second):
			}
			if err := c.aws.Tick(ctx); err != nil && ctx.Err() == nil {
				c.t.Error(err)
			}
		}
	}()
	return func() { cancel(); <-done }
}
