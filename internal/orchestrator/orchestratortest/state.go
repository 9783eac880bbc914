package orchestratortest

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/sluice-ci/sluice/internal/machine"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
)

// chance is what differs between worlds that are the same: times, ids, and the
// keys of artifacts, which are made from ids.
var chance = regexp.MustCompile(`2026-\d\d-\d\dT[\d:.]+Z|[0a]{8}-0000-4000-8000-\d{12}|[\w.]+/[\w.]+/[0-9A-Za-z]{7}"`)

// State tells all that is remembered, of records, runs and work, but for times
// and for what ids happen to be. Two worlds with the same state behave alike.
func (w *World) State() string {
	names := w.names()
	known := func(raw string) string {
		return chance.ReplaceAllStringFunc(raw, func(found string) string {
			if strings.HasPrefix(found, "2026-") {
				return "then"
			}
			return names[found]
		})
	}
	var lines []string
	for _, it := range w.items.Items() {
		if record.IsOutbox(it.Key) {
			continue
		}
		l, ok := w.lines[it.Key]
		if !ok || l.version != it.Version {
			l = line{it.Version, known(it.PK + " " + it.SK + " " + string(it.Value))}
			w.lines[it.Key] = l
		}
		lines = append(lines, l.text)
	}
	for name, r := range w.Runs {
		lines = append(lines, known(fmt.Sprintf("run %s %s %s", name, r.State.Status, r.State.Error)))
	}
	for _, j := range w.Jobs {
		lines = append(lines, known(fmt.Sprintf("work %s %s begun %d times: %s %s", j.Job.ID, j.Job.Action.Name, j.Begun, j.Result.Status, j.Result.Summary)))
	}
	slices.Sort(lines)
	return strings.Join(slices.Compact(lines), "\n")
}

// A line is what State tells of one version of an item.
type line struct {
	version int64
	text    string
}

// names gives each id the name of what it is the id of.
func (w *World) names() map[string]string {
	names := map[string]string{}
	for id, e := range w.ledger.executions {
		names[id] = fmt.Sprintf("<%s %d>", e.Pipeline, e.Seq)
	}
	for _, a := range w.ledger.actions {
		name := fmt.Sprintf("<%s %d %s %s %s %d.%d>", a.Pipeline, a.Seq, a.Stage, a.Gate, a.Name, a.Attempt, a.Try)
		names[a.ID], names[ApprovalToken(a.ID)] = name, name
		for _, out := range a.Job.Outputs {
			names[out.Ref.Key+`"`] = name + " " + out.Name
		}
	}
	for _, it := range w.items.Items() { // the jobs of continuations
		job, isJob := strings.CutPrefix(it.PK, "JOB#")
		if isJob && it.SK == "JOB" && names[job] == "" {
			names[job] = "<another job>"
		}
	}
	return names
}

// Finish has everybody do what is asked of them until nothing is left to do:
// ways are opened, work ends, approvals are given. It returns what has not
// ended then.
func (w *World) Finish(ctx context.Context) error {
	clear(w.Failing)
	clear(w.Waiting)
	for range 100 {
		if err := w.Settle(ctx); err != nil {
			return err
		}
		more, err := w.push(ctx)
		if err != nil {
			return err
		}
		if !more {
			return w.Over()
		}
	}
	return fmt.Errorf("it never ends")
}

// push has something go on that waits for somebody, and reports whether there
// was anything.
func (w *World) push(ctx context.Context) (bool, error) {
	for key, s := range w.ledger.stages {
		part := strings.Split(key.PK, "#")
		if !s.Lock.Disabled || len(part) != 3 {
			continue
		}
		err := w.SetTransition(ctx, orchestrator.Transition{Pipeline: part[1], Stage: part[2], Enabled: true})
		if err == nil || pipeline.CodeOf(err) != pipeline.PipelineNotFound {
			return true, err
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(w.ledger.actions), store.Key.Compare) {
		a := w.ledger.actions[key]
		switch {
		case a.Status.Final() || w.ledger.executions[a.Execution].Status.Final():
		case a.Result.Token != "":
			return true, w.Report(ctx, a.Ref(), w.Result(a.Job, pipeline.Succeeded))
		default:
			return true, w.End(ctx, a.ID, pipeline.Succeeded)
		}
	}
	return false, nil
}

// Over returns what has not ended, or nil.
func (w *World) Over() error {
	for _, e := range w.ledger.executions {
		if !e.Status.Final() {
			return fmt.Errorf("execution %d of %s stays %s at stage %d, inside: %v", e.Seq, e.Pipeline, e.Status, e.Stage, e.Inside)
		}
	}
	for key, s := range w.ledger.stages {
		if s.Lock.Owner != "" || len(s.Lock.Waiting) > 0 {
			return fmt.Errorf("%s is left as %+v", key.PK, s.Lock)
		}
	}
	for name, r := range w.Runs {
		if r.State.Status == machine.Running {
			return fmt.Errorf("run %s never ends", name)
		}
	}
	return nil
}
