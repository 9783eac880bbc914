package crash_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite" // to look at the file with other eyes

	"github.com/sluice-ci/sluice/internal/action/background"
	"github.com/sluice-ci/sluice/internal/codepipeline"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/process"
)

// patience is how long anything may take to come to its end once nobody
// disturbs it any more.
const patience = time.Minute

// await polls until what holds.
func await(t testing.TB, missing func() string, what func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for !what() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited %s for %s", patience, missing())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func decode[T any](text string) (v T, err error) {
	return v, json.Unmarshal([]byte(text), &v)
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// A tally is what was found when all had come to its end.
type tally struct {
	executions, tries, lost int
	statuses                map[pipeline.Status]int
}

// settle has everything in c come to its end, without a fault, kills c once more
// and checks what is there.
func (l *load) settle(c *child, rng *rand.Rand) tally {
	l.t.Helper()
	u := &user{load: l, c: c, ctx: l.t.Context(), rng: rng, over: true}
	u.claims()
	for end := time.Now().Add(10 * patience); u.busy(); {
		if time.Now().After(end) {
			l.t.Fatalf("%s were not enough for all to end: %v", 10*patience, u.left())
		}
	}
	mark := l.mark()
	await(l.t, func() string { return fmt.Sprintf("processes to end: %v", marked(mark)) }, func() bool { return len(marked(mark)) == 0 })
	c.kill()
	integrity(l.t, l.folder)
	return l.check()
}

// busy works until something has changed. It is false when nothing is left to
// do. Not everything may stand still for as long as patience lasts.
func (u *user) busy() bool {
	u.t.Helper()
	now := u.left()
	if u.idle(now) {
		return false
	}
	before := now
	await(u.t, func() string {
		return fmt.Sprintf("one of %d to go on, and %d outbox rows: %s", len(now.Active), now.Outbox, strings.Join(now.Active, "\n"))
	}, func() bool {
		for range 20 {
			u.step()
		}
		now = u.left()
		return u.idle(now) || now.Outbox < before.Outbox || !slices.Equal(now.Active, before.Active)
	})
	return true
}

// left asks what is left to do.
func (u *user) left() left {
	u.t.Helper()
	if u.c.dead() {
		u.t.Fatal("the child ended")
	}
	body, err := u.get("/left")
	if err != nil {
		u.t.Fatal(err)
	}
	now, err := decode[left](body)
	if err != nil {
		u.t.Fatal(err)
	}
	return now
}

// idle reports whether nothing is left to do.
func (u *user) idle(now left) bool {
	return len(now.Active) == 0 && now.Outbox == 0 && !u.pending() && u.noticed()
}

// claims checks what has one state: nobody has changed it since.
func (u *user) claims() {
	u.t.Helper()
	for key, said := range u.transitions {
		name, stage, _ := strings.Cut(key, "/")
		var state codepipeline.GetPipelineStateOutput
		if _, err := u.do("GetPipelineState", codepipeline.GetPipelineStateInput{Name: name}, &state); err != nil {
			u.t.Fatal(err)
		}
		i := slices.IndexFunc(state.StageStates, func(s codepipeline.StageState) bool { return s.StageName == stage })
		if closed := !state.StageStates[i].InboundTransition.Enabled; said.sure && closed != said.holds {
			u.t.Errorf("the transition into %s is closed: %v; it was acknowledged as %v", key, closed, said.holds)
		}
	}
	_, err := u.do("GetPipeline", codepipeline.GetPipelineInput{Name: brief}, nil)
	if u.exists.sure && (err == nil) != u.exists.holds {
		u.t.Errorf("pipeline %s: %v; that it exists was acknowledged as %v", brief, err, u.exists.holds)
	}
	var out codepipeline.GetPipelineOutput
	if _, err := u.do("GetPipeline", codepipeline.GetPipelineInput{Name: updated}, &out); err != nil || out.Pipeline.Version < u.version {
		u.t.Errorf("pipeline %s is at version %d, %v; version %d was acknowledged", updated, out.Pipeline.Version, err, u.version)
	}
}

// pending reports whether a start is still to be repeated.
func (l *load) pending() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.starts {
		if s.id == "" {
			return true
		}
	}
	return false
}

// noticed reports whether the last push was decided upon.
func (u *user) noticed() bool {
	if len(u.commits) == 0 {
		return true
	}
	body, err := u.get("/decisions/" + pushed)
	return err == nil && strings.Contains(body, u.commits[len(u.commits)-1])
}

// integrity looks at a copy of the database.
func integrity(t *testing.T, folder string) {
	t.Helper()
	to := t.TempDir()
	for _, name := range []string{"sluice.db", "sluice.db-wal"} {
		b, err := os.ReadFile(filepath.Join(folder, "data", name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	db, err := sql.Open("sqlite", filepath.Join(to, "sluice.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	said := ""
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&said); err != nil || said != "ok" {
		t.Fatalf("integrity_check: %s, %v", said, err)
	}
}

// mark is what the processes of a folder's builds bear.
func (l *load) mark() string {
	l.t.Helper()
	r, err := background.New(filepath.Join(l.folder, "data"), background.Options{})
	if err != nil {
		l.t.Fatal(err)
	}
	defer r.Close()
	return process.MarkName + "=" + r.Mark("")
}

// marked lists the processes that bear a mark.
func marked(mark string) []string {
	var found []string
	all, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range all {
		if env, err := os.ReadFile(file); err == nil && strings.Contains(string(env), mark) {
			line, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
			found = append(found, fmt.Sprintf("%s %q", filepath.Base(filepath.Dir(file)), line))
		}
	}
	return found
}
