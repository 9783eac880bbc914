package crash_test

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/local"
	"github.com/sluice-ci/sluice/internal/mapping"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// check reads the records of a folder that nobody serves.
func (l *load) check() tally {
	l.t.Helper()
	t := l.t
	m, err := mapping.Read(filepath.Join(l.folder, "sluice.local.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := local.Open(t.Context(), local.Options{Data: filepath.Join(l.folder, "data"), Mapping: m, Paused: true, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	f := &findings{load: l, read: s.Records, effects: map[string]int{}, order: map[string][]int64{}, actions: map[string]record.Action{}, executions: map[string]record.Execution{}, tally: tally{statuses: map[pipeline.Status]int{}}}
	for _, name := range append(names(), brief) {
		f.collect(name)
	}
	f.kept()
	f.happened()
	f.ordered()
	f.pushes()
	for _, dir := range []string{"work", "artifacts/.partial"} {
		if rest, err := os.ReadDir(filepath.Join(l.folder, "data", dir)); err != nil || len(rest) > 0 {
			t.Errorf("%d things are left in %s, such as %v; %v", len(rest), dir, rest[:min(1, len(rest))], err)
		}
	}
	return f.tally
}

// findings are the records of a folder, read once.
type findings struct {
	*load
	read       record.Reader
	executions map[string]record.Execution
	actions    map[string]record.Action // by id, rules too
	effects    map[string]int           // by action execution
	lines      []string                 // of effects, in their order
	order      map[string][]int64
	tally
}

// collect reads what a pipeline ran.
func (f *findings) collect(name string) {
	f.t.Helper()
	all, err := f.read.Executions(f.t.Context(), name, 0, 0)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, e := range all {
		f.executions[e.ID] = e
		actions, err := f.read.Actions(f.t.Context(), e.ID)
		if err != nil {
			f.t.Fatal(err)
		}
		rules, err := f.read.Rules(f.t.Context(), e.ID)
		if err != nil {
			f.t.Fatal(err)
		}
		for _, a := range append(actions, rules...) {
			f.actions[a.ID] = a
		}
		f.tally.executions++
		f.statuses[e.Status]++
		if !e.Status.Final() {
			f.t.Errorf("execution %s of %s has not ended: %s", e.ID, name, e.Status)
		}
	}
}

// kept compares what was acknowledged with what is there.
func (f *findings) kept() {
	f.t.Helper()
	ours := map[string]bool{}
	for token, s := range f.starts {
		if ours[s.id] {
			f.t.Errorf("execution %s was the answer to two starts, one of them %s", s.id, token)
		}
		ours[s.id] = true
		if e, ok := f.executions[s.id]; !ok || e.Pipeline != s.pipeline {
			f.t.Errorf("the acknowledged execution %s of %s is gone", s.id, s.pipeline)
		}
	}
	for id, e := range f.executions {
		if e.Trigger.Type == "StartPipelineExecution" && e.Type == record.Standard && !ours[id] {
			f.t.Errorf("execution %s of %s is not the answer to any start: a start happened twice", id, e.Pipeline)
		}
	}
	for key, a := range f.answers {
		want := map[bool]pipeline.Status{true: pipeline.Succeeded, false: pipeline.Failed}[a.approved]
		found := false
		for _, x := range f.actions {
			if x.Execution == a.execution && x.Name == "Gate" && (x.Result.Token == key || fmt.Sprint(x.Ref()) == key) {
				found = true
				if x.Status != want {
					f.t.Errorf("approval %s of execution %s is %s; it was acknowledged as %s", key, a.execution, x.Status, want)
				}
			}
		}
		if !found {
			f.t.Errorf("the approval %s of execution %s, which was answered, is gone", key, a.execution)
		}
	}
	for id, name := range f.stops {
		if e, ok := f.executions[id]; !ok || e.Stop == nil && e.Attempt == 1 {
			f.t.Errorf("execution %s of %s was stopped, and does not know it: %+v", id, name, e)
		}
	}
	for id, n := range f.retries {
		if e := f.executions[id]; e.Attempt < 1+n {
			f.t.Errorf("execution %s was retried %d times and is in attempt %d", id, n, e.Attempt)
		}
	}
	for id, target := range f.rollbacks {
		if e := f.executions[id]; e.Type != record.Rollback || e.Target != target {
			f.t.Errorf("the rollback %s to %s is %+v", id, target, e)
		}
	}
	for id := range f.overrides {
		if !f.overridden(f.executions[id]) {
			f.t.Errorf("a condition of execution %s was overridden, and no gate of it knows", id)
		}
	}
}

func (f *findings) overridden(e record.Execution) bool {
	for attempt := 1; attempt <= e.Attempt; attempt++ {
		g, err := f.read.Gate(f.t.Context(), e.ID, attempt, "Release", record.BeforeEntry)
		if err == nil && g.Value.Status == pipeline.Overridden {
			return true
		}
	}
	return false
}

// happened compares effects with what is recorded of them: an action that
// succeeded had its effect once, any other at most once, and nobody else had
// one. There is another try only of what was lost.
func (f *findings) happened() {
	f.t.Helper()
	text, err := os.ReadFile(filepath.Join(f.folder, "effects"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		_, id, _ := strings.Cut(strings.TrimSpace(line), ":")
		f.effects[id]++
		f.lines = append(f.lines, id)
	}
	for id := range f.effects {
		if _, ok := f.actions[id]; !ok {
			f.t.Errorf("an action execution %q that nobody knows had an effect", id)
		}
	}
	lost := map[string]bool{}
	for _, a := range f.actions {
		if isLost(a) {
			f.tally.lost++
			lost[place(a, a.Try)] = true
		}
	}
	for id, a := range f.actions {
		runs := a.Job.Action.TypeID.Provider == "Commands" || a.Job.Action.TypeID.Provider == "CodeBuild"
		if n := f.effects[id]; runs && (n > 1 || n == 0 && a.Status == pipeline.Succeeded) {
			f.t.Errorf("%s, which is %s, had its effect %d times", a.Ref(), a.Status, n)
		}
		if runs {
			f.tally.tries++
		}
		if a.Try > 1 && !lost[place(a, a.Try-1)] {
			f.t.Errorf("%s is another try of what was not lost", a.Ref())
		}
		if a.Name == "Copy" && a.Status == pipeline.Succeeded {
			if _, err := os.Stat(filepath.Join(f.folder, "deployed", a.Execution+".zip")); err != nil {
				f.t.Errorf("%s succeeded: %v", a.Ref(), err)
			}
		}
	}
}

func isLost(a record.Action) bool {
	return a.Result.Error != nil && a.Result.Error.Code == action.SystemUnavailable && strings.Contains(a.Result.Error.Message, "was lost")
}

func place(a record.Action, try int) string {
	return fmt.Sprint(a.Execution, a.Attempt, a.Stage, a.Gate, a.Name, try)
}

// ordered looks at pipelines nothing of which is ever repeated: the executions
// of a stage had their effects in the order of their starts, and one execution
// at a time. Those that were cut off may have one too late.
func (f *findings) ordered() {
	f.t.Helper()
	for _, id := range f.lines {
		a := f.actions[id]
		if e := f.executions[a.Execution]; shapeOf(a.Pipeline).plain && e.Stop == nil && e.Attempt == 1 && !strings.Contains(e.StatusSummary, "ended early") {
			key := a.Pipeline + "/" + a.Stage
			if seen := f.order[key]; len(seen) == 0 || seen[len(seen)-1] != e.Seq {
				f.order[key] = append(seen, e.Seq)
			}
		}
	}
	for key, seqs := range f.order {
		if !slices.IsSorted(seqs) || len(slices.Compact(slices.Clone(seqs))) != len(seqs) {
			f.t.Errorf("the executions of %s had their effects in the order %v", key, seqs)
		}
	}
}

// pushes checks that no push started more than one execution, and the last
// one did.
func (f *findings) pushes() {
	f.t.Helper()
	all, err := f.read.Decisions(f.t.Context(), pushed, 0)
	if err != nil {
		f.t.Fatal(err)
	}
	started := map[string]int{}
	for _, d := range all {
		if d.Started {
			started[d.Event]++
			if _, ok := f.executions[d.Execution]; !ok {
				f.t.Errorf("%s started execution %s, which is gone", d.Event, d.Execution)
			}
		}
	}
	for event, n := range started {
		if n > 1 {
			f.t.Errorf("%s started %d executions", event, n)
		}
	}
	if last := f.commits; len(last) > 0 && !slices.ContainsFunc(slices.Collect(maps.Keys(started)), func(e string) bool { return strings.Contains(e, last[len(last)-1]) }) {
		f.t.Errorf("the push of %s started nothing", last[len(last)-1])
	}
}
