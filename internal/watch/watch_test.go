package watch_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/git/gittest"
	"github.com/sluice-ci/sluice/internal/mapping"
	"github.com/sluice-ci/sluice/internal/trigger"
	"github.com/sluice-ci/sluice/internal/watch"
)

// memory is a Seen.
type memory struct {
	mu     sync.Mutex
	states map[string]watch.State
}

func (m *memory) Load(_ context.Context, target string) (watch.State, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	state, ok := m.states[target]
	return maps.Clone(state), ok, nil
}

func (m *memory) Save(_ context.Context, target string, changed watch.State) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.states == nil {
		m.states = make(map[string]watch.State)
	}
	if m.states[target] == nil {
		m.states[target] = make(watch.State)
	}
	for key, value := range changed {
		m.states[target][key] = value
		if value == "" {
			delete(m.states[target], key)
		}
	}
	return nil
}

// A rig watches targets and keeps the events that were not refused.
type rig struct {
	t       *testing.T
	targets []watch.Target
	seen    memory
	opts    watch.Options
	w       *watch.Watcher
	refuse  error
	events  []trigger.Event
}

func newRig(t *testing.T, opts watch.Options, targets ...watch.Target) *rig {
	opts.Settle = -1
	r := &rig{t: t, targets: targets, opts: opts}
	r.restart()
	return r
}

// restart forgets everything that was not saved.
func (r *rig) restart() {
	r.w = watch.New(r.targets, &r.seen, func(_ context.Context, e trigger.Event) error {
		if r.refuse == nil {
			r.events = append(r.events, e)
		}
		return r.refuse
	}, r.opts)
}

// scan looks once and returns what is new, in a line each.
func (r *rig) scan() []string {
	r.t.Helper()
	if err := r.w.Scan(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	return r.told()
}

func (r *rig) told() []string {
	var lines []string
	for _, e := range r.events {
		switch e := e.(type) {
		case trigger.Push:
			line := string(e.RefType) + " " + e.Ref + " " + e.Message + " <" + strings.Join(e.Files, " ") + ">"
			if strings.Trim(e.OldCommit, "0") == "" {
				line += " new"
			}
			lines = append(lines, line)
		case trigger.ObjectCreated:
			lines = append(lines, e.Bucket+"/"+e.Key+" "+e.VersionID)
		}
	}
	r.events = nil
	return lines
}

func (r *rig) wants(what string, want ...string) {
	r.t.Helper()
	if diff := cmp.Diff(want, r.scan()); diff != "" {
		r.t.Errorf("%s: %s", what, diff)
	}
}

func repo(src *gittest.Repo) watch.Target { return watch.Target{Repository: "web", Path: src.Path} }

// TestPushes goes through everything that can happen to refs, in a repository
// with a work tree.
func TestPushes(t *testing.T) {
	src := gittest.New(t)
	r := newRig(t, watch.Options{}, repo(src))
	r.wants("empty repository")
	src.Commit("one", "a", "1")
	r.wants("first push of all", "branch main one <> new")
	r.wants("nothing")
	src.Commit("two", "a", "2", "b", "1")
	r.wants("push", "branch main two <a b>")
	src.Git("checkout", "--quiet", "-b", "feature/x")
	src.Commit("three", "c", "1")
	r.wants("new branch", "branch feature/x three <> new")
	src.Git("tag", "v1")
	src.Git("tag", "--annotate", "--message=m", "v2", "main")
	r.wants("tags", "tag v1 three <> new", "tag v2 two <> new")
	src.Git("pack-refs", "--all", "--prune")
	r.wants("packing changes nothing")
	src.Commit("four", "c", "2")
	r.wants("push to a packed ref", "branch feature/x four <c>")
	src.Git("checkout", "--quiet", "main")
	src.Git("branch", "-D", "feature/x")
	src.Git("tag", "--delete", "v1")
	r.wants("deletions")
	src.Git("branch", "feature/x")
	r.wants("made again", "branch feature/x two <> new")
	src.Git("reset", "--quiet", "--hard", "HEAD~1")
	r.wants("forced back", "branch main one <a b>")
	src.Git("tag", "file", src.Git("rev-parse", "HEAD:a"))
	src.Git("update-ref", "refs/remotes/origin/x", "HEAD")
	src.Git("symbolic-ref", "refs/heads/alias", "refs/heads/main")
	r.wants("a symbolic ref is a branch; files and remotes are nothing", "branch alias one <> new")
	src.Commit("five", "a", "5")
	src.Commit("six", "a", "6")
	r.wants("two at once are one", "branch alias six <a>", "branch main six <a>")
	r.restart()
	r.wants("restart")
}

// TestForms pushes to the other forms a repository has on disk.
func TestForms(t *testing.T) {
	src := gittest.New(t)
	src.Commit("one", "a", "1")
	bare, linked := filepath.Join(t.TempDir(), "bare.git"), filepath.Join(t.TempDir(), "linked")
	src.Git("clone", "--quiet", "--bare", ".", bare)
	src.Git("worktree", "add", "--quiet", "--detach", linked)
	r := newRig(t, watch.Options{}, watch.Target{Repository: "bare", Path: bare}, watch.Target{Repository: "linked", Path: linked})
	r.wants("first look")
	src.Commit("two", "a", "2")
	r.wants("commit seen in the linked work tree", "branch main two <a>")
	src.Git("push", "--quiet", bare, "main")
	r.wants("push to the bare one", "branch main two <a>")
}

// TestMissed pins that what happened while nobody watched is noticed.
func TestMissed(t *testing.T) {
	src := gittest.New(t)
	src.Commit("one", "a", "1")
	r := newRig(t, watch.Options{}, repo(src))
	r.wants("first look records")
	src.Commit("two", "a", "2")
	r.restart()
	r.wants("after a restart", "branch main two <a>")
}

func TestFirst(t *testing.T) {
	src := gittest.New(t)
	src.Commit("one", "a", "1")
	r := newRig(t, watch.Options{First: true}, repo(src))
	r.wants("first look tells", "branch main one <> new")
	r.restart()
	r.wants("once")
}

// TestRefusedEventIsRepeated holds "at least once": neither an error of the
// handler nor a crash after it loses an event, and what was handled before it
// is not told again.
func TestRefusedEventIsRepeated(t *testing.T) {
	src := gittest.New(t)
	src.Commit("one", "a", "1")
	r := newRig(t, watch.Options{}, repo(src))
	r.wants("first look")
	src.Commit("two", "a", "2")
	src.Git("branch", "zoo")
	r.refuse = errors.New("full")
	for range 2 {
		if err := r.w.Scan(t.Context()); err == nil || !strings.Contains(err.Error(), "watch git:web: ") || !errors.Is(err, r.refuse) {
			t.Errorf("error %v", err)
		}
	}
	r.restart()
	r.refuse = nil
	r.wants("repeated", "branch main two <a>", "branch zoo two <> new")
	r.wants("once")
}

// TestSameTick writes a ref again without any change of its time or size.
func TestSameTick(t *testing.T) {
	src := gittest.New(t)
	src.Commit("one", "a", "1")
	two := src.Commit("two", "a", "2")
	src.Git("reset", "--quiet", "--hard", "HEAD~1")
	r := newRig(t, watch.Options{}, repo(src))
	r.wants("first look")
	file := filepath.Join(src.Path, ".git/refs/heads/main")
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(two+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(file, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	r.wants("same time, other commit", "branch main two <a>")
}

// TestTornRef looks while somebody writes a ref in place.
func TestTornRef(t *testing.T) {
	src := gittest.New(t)
	src.Commit("one", "a", "1")
	two := src.Commit("two", "a", "2")
	src.Git("reset", "--quiet", "--hard", "HEAD~1")
	r := newRig(t, watch.Options{}, repo(src))
	r.wants("first look")
	file := filepath.Join(src.Path, ".git/refs/heads/main")
	for _, torn := range []string{"", two[:20]} {
		if err := os.WriteFile(file, []byte(torn), 0o644); err != nil {
			t.Fatal(err)
		}
		r.wants("half a ref is none")
	}
	if err := os.WriteFile(file, []byte(two), 0o644); err != nil {
		t.Fatal(err)
	}
	r.wants("whole", "branch main two <a>")
}

// TestRepositoryGone must not take a folder that is away for deleted branches.
func TestRepositoryGone(t *testing.T) {
	src := gittest.New(t)
	src.Commit("one", "a", "1")
	r := newRig(t, watch.Options{}, repo(src))
	r.wants("first look")
	away := src.Path + ".away"
	if err := os.Rename(src.Path, away); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := r.w.Scan(t.Context()); err == nil {
			t.Error("a missing repository was read")
		}
	}
	if err := os.Rename(away, src.Path); err != nil {
		t.Fatal(err)
	}
	r.wants("back again")
}

func TestObjects(t *testing.T) {
	file := filepath.Join(t.TempDir(), "app.zip")
	r := newRig(t, watch.Options{}, watch.Target{Bucket: "in", Key: "app.zip", File: file})
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// of "1" and "2"
	one, two := mapping.VersionID("6b86b273ff34fce19d6b804eff5a3f57"), mapping.VersionID("d4735e3a265e16eee03f59718b9b5d03")
	r.wants("no object")
	write("1")
	r.wants("created", "in/app.zip "+one)
	write("2")
	r.wants("another, at the same time and of the same size", "in/app.zip "+two)
	write("2")
	r.wants("written, but the same")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	r.wants("removed")
	write("2")
	r.wants("there again", "in/app.zip "+two)
	r.restart()
	r.wants("restart")
	write("1")
	r.restart()
	r.wants("missed", "in/app.zip "+one)
}

// TestUnsettled pins that a file is not taken while it is being copied.
func TestUnsettled(t *testing.T) {
	file := filepath.Join(t.TempDir(), "app.zip")
	r := newRig(t, watch.Options{}, watch.Target{Bucket: "in", Key: "k", File: file})
	r.opts.Settle = time.Hour
	r.restart()
	r.wants("no object")
	if err := os.WriteFile(file, []byte("1"), 0o644); err != nil {
		t.Fatal(err)
	}
	r.wants("just written")
	r.restart()
	r.wants("just written, and restarted")
	old := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(file, old, old); err != nil {
		t.Fatal(err)
	}
	if got := r.scan(); len(got) != 1 {
		t.Errorf("settled: %v", got)
	}
}

// TestRun pins the promise of a second, and that one bad target does not hold
// up another.
func TestRun(t *testing.T) {
	src := gittest.New(t)
	src.Commit("one", "a", "1")
	events, reports := make(chan trigger.Event, 9), make(chan string, 9)
	w := watch.New([]watch.Target{{Repository: "gone", Path: filepath.Join(t.TempDir(), "gone")}, repo(src)}, &memory{},
		func(_ context.Context, e trigger.Event) error { events <- e; return nil },
		watch.Options{Report: func(t watch.Target, err error) { reports <- t.ID() + " " + err.Error() }})
	if err := w.Scan(t.Context()); err == nil {
		t.Error("no error of the target that is gone")
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- w.Run(ctx) }()
	if report := <-reports; !strings.HasPrefix(report, "git:gone watch git:gone: ") {
		t.Errorf("report %q", report)
	}
	id := src.Commit("two", "a", "2")
	select {
	case e := <-events:
		if push, ok := e.(trigger.Push); !ok || push.Commit != id || push.Author.Name != "Ada" {
			t.Errorf("event %+v", e)
		}
	case <-time.After(5 * time.Second): // a second on a machine that has time
		t.Error("no event")
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Run returned %v", err)
	}
	if len(reports) != 0 {
		t.Errorf("reported again: %s", <-reports)
	}
}

// BenchmarkIdle is what a look costs when nothing has happened.
func BenchmarkIdle(b *testing.B) {
	src := gittest.New(b)
	src.Commit("one", "a", "1")
	old := time.Now().Add(-time.Hour)
	if err := filepath.WalkDir(src.Path, func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Chtimes(path, old, old))
	}); err != nil {
		b.Fatal(err)
	}
	w := watch.New([]watch.Target{repo(src)}, &memory{}, func(context.Context, trigger.Event) error { return nil }, watch.Options{})
	for b.Loop() {
		if err := w.Scan(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
