package simulation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// works is what does the work of actions: sources and deployments at once,
// builds elsewhere, until the driver says how they end. It outlives the system,
// but for builds that are processes of it.
type works struct {
	w     *world
	jobs  map[string]*job // by id
	order []*job          // in the order of their starts
	tries map[string][]*job
}

// A job is work that was started.
type job struct {
	job     action.Job
	result  action.Result
	told    bool // an end was told
	process bool // it dies with the system
	silent  bool // nobody tells of its end
	stopped bool
	ended   time.Time
}

func newWorks(w *world) *works {
	return &works{w: w, jobs: map[string]*job{}, tries: map[string][]*job{}}
}

// Start implements action.Provider.
func (x *works) Start(_ context.Context, in action.Job) (action.Result, error) {
	if j := x.jobs[in.ID]; j != nil {
		return x.tell(j), nil
	}
	j := &job{job: in, result: action.Result{Status: pipeline.InProgress, ExternalID: "work-" + in.ID}}
	x.checkAlone(j)
	x.jobs[in.ID], x.order = j, append(x.order, j)
	rng := x.w.rng
	category := in.Action.TypeID.Category
	if category != pipeline.Build && category != pipeline.Test {
		j.result = x.end(in)
		return x.tell(j), nil
	}
	j.process, j.silent = rng.IntN(2) == 0, rng.IntN(8) == 0
	return j.result, nil
}

// errUnknownJob is what there is to say about work that never began.
var errUnknownJob = errors.New("nobody knows it")

// checkAlone holds that of one action no two works are under way (P3), and
// that no two write to one place (F43).
func (x *works) checkAlone(j *job) {
	in := j.job
	id := fmt.Sprintf("%s %s/%s%s", in.ExecutionID, in.Stage, in.Gate, in.Action.Name)
	for _, before := range x.tries[id] {
		if !x.w.audit.over(in.ID) && before.result.Status == pipeline.InProgress && !before.stopped && !x.w.audit.over(before.job.ID) {
			x.w.violated("P3", "job %s of %s starts while job %s of it is under way", in.ID, id, before.job.ID)
		}
		for _, out := range in.Outputs {
			x.w.cover("F43")
			if slices.ContainsFunc(before.job.Outputs, func(b action.Artifact) bool { return b.Ref == out.Ref }) {
				x.w.violated("F43", "job %s of %s writes where job %s wrote: %v", in.ID, id, before.job.ID, out.Ref)
			}
		}
	}
	x.tries[id] = append(x.tries[id], j)
}

// Poll implements action.Provider.
func (x *works) Poll(_ context.Context, in action.Job) (action.Result, error) {
	j := x.jobs[in.ID]
	if j == nil {
		return action.Result{}, fmt.Errorf("job %s was not started: %w", in.ID, errUnknownJob)
	}
	if j.result.Status == pipeline.InProgress && j.silent && x.w.rng.IntN(2) == 0 {
		j.result = x.end(j.job) // it ends, and nobody would have told
	}
	if x.w.plan.lying && j.told && x.w.rng.IntN(4) == 0 && j.result.Status == pipeline.Succeeded {
		x.w.cover("F26") // it tells another end than before
		return action.Fail(action.JobFailed, "failed after all"), nil
	}
	return x.tell(j), nil
}

func (x *works) tell(j *job) action.Result {
	j.told = j.told || j.result.Status != pipeline.InProgress
	return j.result
}

// Stop implements action.Provider.
func (x *works) Stop(_ context.Context, in action.Job) error {
	if j := x.jobs[in.ID]; j != nil && j.result.Status == pipeline.InProgress {
		j.stopped, j.result = true, action.Fail(action.JobFailed, "stopped")
	}
	return nil
}

// underWay returns what has not ended.
func (x *works) underWay() []*job {
	var all []*job
	for _, j := range x.order {
		if j.result.Status == pipeline.InProgress {
			all = append(all, j)
		}
	}
	return all
}

// crash ends what dies with the system.
func (x *works) crash() {
	for _, j := range x.underWay() {
		if j.process {
			j.result = action.Result{Status: action.Lost}
		}
	}
}

// end is how a job ends.
func (x *works) end(in action.Job) action.Result {
	if x.w.plan.failures > 0 && !x.w.settled && x.w.rng.IntN(100) < x.w.plan.failures {
		return action.Fail(action.JobFailed, "the work failed")
	}
	r := action.Result{Status: pipeline.Succeeded, Summary: "done", Variables: map[string]string{"Id": in.ID}}
	if x.w.plan.oversized && x.w.rng.IntN(40) == 0 {
		x.w.cover("F28")
		r.Variables["Id"] = strings.Repeat("x", 130_000)
	}
	for _, out := range in.Outputs {
		out.Ref.Digest = "sha256:" + in.ID
		r.Outputs = append(r.Outputs, out)
	}
	if in.Action.TypeID.Category == pipeline.Source {
		r.Revision = &action.Revision{ID: "rev-" + in.ID, Created: time.Now().UTC()}
	}
	return r
}
