package simulation

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// line is a pipeline of a source and four builds.
func line(mode pipeline.Mode) pipeline.Declaration {
	d := pipeline.Declaration{
		Name: "p0", RoleARN: "arn:aws:iam::123456789012:role/pipe", Type: pipeline.V2, ExecutionMode: mode,
		ArtifactStore: &pipeline.ArtifactStore{Type: "S3", Location: "artifacts"},
	}
	d.Stages = []pipeline.Stage{{Name: "S0", Actions: []pipeline.Action{{
		Name: "Code", TypeID: typeID(pipeline.Source, "CodeCommit"), Configuration: map[string]string{"RepositoryName": "p0", "BranchName": "main"},
		OutputArtifacts: []pipeline.OutputArtifact{{Name: "Code"}},
	}}}}
	for i := range 4 {
		d.Stages = append(d.Stages, pipeline.Stage{Name: fmt.Sprintf("S%d", i+1), Actions: []pipeline.Action{{
			Name: "A0", TypeID: typeID(pipeline.Build, "CodeBuild"), Configuration: map[string]string{"ProjectName": "app"},
			InputArtifacts: []pipeline.InputArtifact{{Name: "Code"}},
		}}})
	}
	return d
}

// TestOrder starts many executions of five stages in bursts; their work takes
// long or short and fails at random. QUEUED, each stage is entered in the order
// of the starts; SUPERSEDED, no older one enters after a newer one, and the
// newest one comes to its own end (B13).
func TestOrder(t *testing.T) {
	n := 100
	if proving() {
		n = 1000
	}
	for _, mode := range []pipeline.Mode{pipeline.Superseded, pipeline.Queued} {
		began := time.Now()
		w := play(t, 13, func(w *world) {
			w.plan = plan{modes: []pipeline.Mode{mode}, failures: 10}
			w.defined = []pipeline.Declaration{line(mode)}
			w.script = func() { w.bursts(n) }
		})
		w.judged(t)
		ends := map[pipeline.Status]int{}
		for _, e := range w.audit.executions {
			ends[e.Status]++
		}
		if got := ends[pipeline.Succeeded] + ends[pipeline.SupersededExecution] + ends[pipeline.Failed] + ends[pipeline.Stopped]; got != n || len(w.audit.executions) != n {
			t.Errorf("%s: %d executions have ended of %d: %v", mode, got, n, ends)
		}
		if newest := w.audit.executions[w.audit.order[len(w.audit.order)-1]]; newest.Status != pipeline.Succeeded && newest.Status != pipeline.Failed {
			t.Errorf("%s: the newest execution is %s", mode, newest.Status)
		}
		if mode == pipeline.Superseded && ends[pipeline.SupersededExecution] == 0 || mode == pipeline.Queued && ends[pipeline.SupersededExecution] > 0 {
			t.Errorf("%s: %v", mode, ends)
		}
		entries := 0
		for stage, entered := range w.audit.entered {
			entries += len(entered)
			if !slices.IsSorted(entered) {
				t.Errorf("%s: %s was entered in the order %v", mode, stage, entered)
			}
		}
		t.Logf("%s: %v, %d entries", mode, ends, entries)
		bar(t, "B13", "mode=%s executions=%d ends=%v entries=%d events=%d seconds=%.0f", mode, n, ends, entries, w.events, time.Since(began).Seconds())
	}
}

// bursts starts n executions, up to 20 at once, and lets work end meanwhile.
func (w *world) bursts(n int) {
	for n > 0 && !w.over() {
		for range min(n, 1+w.rng.IntN(20), 50-w.audit.underWay()) { // the limit of QUEUED is 50
			n--
			svc, in := w.sys.Service, orchestrator.Start{Pipeline: "p0", Trigger: record.Trigger{Type: "StartPipelineExecution", Detail: itoa(n)}}
			w.user("start", func(ctx ctx, _ string) error {
				_, err := svc.StartExecution(ctx, in)
				if err != nil {
					w.violated("B13", "%v", err)
				}
				return err
			})
		}
		w.play(200 + w.rng.IntN(1500))
		w.quietly(func() bool { return w.busy > 0 })
	}
}

// play lets so many calls through, and work end now and then.
func (w *world) play(calls int) {
	for range calls {
		w.look()
		all := w.gate.waiting()
		switch {
		case w.over():
			return
		case len(all) > 0 && w.rng.IntN(20) > 0:
			w.let(all[w.rng.IntN(len(all))], done)
		case w.elsewhere():
		case len(all) == 0:
			w.pass(time.Second)
		}
	}
}

// underWay counts the executions that have not ended.
func (a *audit) underWay() int {
	n := 0
	for _, is := range a.active {
		if is {
			n++
		}
	}
	return n
}
