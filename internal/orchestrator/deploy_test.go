package orchestrator_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/machine"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
)

func homeOf(n int) record.Home {
	return record.Home{Machine: fmt.Sprint("machine:", n), Role: fmt.Sprint("role-", n)}
}

// deployed deploys d and wants it to be done that way.
func (w *world) deployed(d pipeline.Declaration, home record.Home, want orchestrator.Deployed) {
	w.t.Helper()
	got, err := w.svc.Deploy(w.t.Context(), orchestrator.Deployment{Declaration: d, Home: home, By: "me"})
	if err != nil || got != want {
		w.t.Fatalf("deploy: %s, %v; want %s", got, err, want)
	}
}

// newest returns the newest version of the pipeline.
func (w *world) newest() record.Version {
	w.t.Helper()
	_, v, err := w.svc.Records.Latest(w.t.Context(), "app")
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// TestDeploy deploys one definition after another.
func TestDeploy(t *testing.T) {
	first, second := app(pipeline.Superseded), app(pipeline.Superseded)
	second.Stages[1].Actions[0].Configuration = map[string]string{"ProjectName": "other"}
	numbered := first // the number of a version is not part of what is defined
	numbered.Version = 7
	w := newWorld(t, 1)
	for _, step := range []struct {
		what    string
		d       pipeline.Declaration
		home    int
		want    orchestrator.Deployed
		version int
	}{
		{"new", first, 1, orchestrator.Created, 1},
		{"again", first, 1, orchestrator.Unchanged, 1},
		{"numbered", numbered, 1, orchestrator.Unchanged, 1},
		{"read back", w.normal(first), 1, orchestrator.Unchanged, 1},
		{"changed", second, 2, orchestrator.Updated, 2},
		{"changed again", second, 2, orchestrator.Unchanged, 2},
		{"a new home", second, 3, orchestrator.Unchanged, 2},
		{"changed back", first, 4, orchestrator.Updated, 3},
	} {
		w.deployed(step.d, homeOf(step.home), step.want)
		w.settle()
		v := w.newest()
		if v.Declaration.Version != step.version || v.Home != homeOf(step.home) {
			t.Errorf("%s: version %d at %+v; want %d at home %d", step.what, v.Declaration.Version, v.Home, step.version, step.home)
		}
		if project := v.Declaration.Stages[1].Actions[0].Configuration["ProjectName"]; project != step.d.Stages[1].Actions[0].Configuration["ProjectName"] {
			t.Errorf("%s: project %s", step.what, project)
		}
	}
	if started, err := w.svc.Records.Executions(t.Context(), "app", 0, 0); err != nil || len(started) > 0 {
		t.Errorf("deployments have started %+v, %v", started, err)
	}
	broken := first
	broken.Stages = broken.Stages[:1]
	if _, err := w.svc.Deploy(t.Context(), orchestrator.Deployment{Declaration: broken, Home: homeOf(5)}); pipeline.CodeOf(err) != pipeline.InvalidStructure {
		t.Errorf("a broken definition: %v", err)
	}
	if v := w.newest(); v.Declaration.Version != 3 || v.Home != homeOf(4) {
		t.Errorf("it has become version %d at %+v", v.Declaration.Version, v.Home)
	}
	if err := w.svc.DeletePipeline(t.Context(), "app", "me"); err != nil {
		t.Fatal(err)
	}
	w.deployed(first, homeOf(6), orchestrator.Created)
	if v := w.newest(); v.Declaration.Version != 4 || v.Home != homeOf(6) {
		t.Errorf("after it was deleted: version %d at %+v; want 4, so that no number is used twice", v.Declaration.Version, v.Home)
	}
}

// normal returns d as it is read back.
func (w *world) normal(d pipeline.Declaration) pipeline.Declaration { return pipeline.Normalize(d) }

// TestNewHome pins that an execution keeps the role it began with, and later
// ones have the new one.
func TestNewHome(t *testing.T) {
	w := newWorld(t, 2)
	d := app(pipeline.Parallel)
	w.deployed(d, homeOf(1), orchestrator.Created)
	old := w.start()
	w.settle() // to the approval
	w.deployed(d, homeOf(2), orchestrator.Unchanged)
	w.settle()
	young := w.start()
	w.settle()
	for range 2 {
		w.approveAny()
		w.settle()
	}
	for id, want := range map[string]string{old: "role-1", young: "role-2"} {
		w.want(id, pipeline.Succeeded)
		all, err := w.svc.Records.Actions(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range all {
			if a.Job.Role != want {
				t.Errorf("action %s of %s has %q; want %q", a.Name, id, a.Job.Role, want)
			}
		}
	}
}

// cut is a store whose writes fail once some are done.
type cut struct {
	store.Store
	left int
}

var errCut = errors.New("the process was killed")

func (c *cut) Write(ctx context.Context, ops ...store.Op) error {
	if c.left == 0 {
		return errCut
	}
	c.left--
	return c.Store.Write(ctx, ops...)
}

// cutAfter returns the service as a process has it that is killed after so many
// writes, and its store.
func (w *world) cutAfter(writes int) (*orchestrator.Service, *cut) {
	w.t.Helper()
	ports := w.svc.Ports
	c := &cut{ports.Store, writes}
	ports.Store = c
	svc, err := orchestrator.New(ports, orchestrator.Home{Account: "123456789012", Region: "eu-west-1"}, orchestrator.Options{Now: func() time.Time { return w.now }})
	if err != nil {
		w.t.Fatal(err)
	}
	return svc, c
}

// TestDeployAtOnce: of two that find no pipeline, whoever comes second finds
// the first one's, and not that its name is in use.
func TestDeployAtOnce(t *testing.T) {
	w := newWorld(t, 1)
	d := app(pipeline.Superseded)
	w.store.afterGet = func() { w.deployed(d, homeOf(1), orchestrator.Created) }
	w.deployed(d, homeOf(1), orchestrator.Unchanged)
}

// TestDeployCutShort cuts an update short at each of its writes. Whoever
// repeats it comes to the same end: one new version, the execution that waited
// for an approval of the old one cancelled, the stages in the new mode.
func TestDeployCutShort(t *testing.T) {
	d := app(pipeline.Queued)
	d.Stages[1].Actions[0].Configuration = map[string]string{"ProjectName": "other"}
	for left := 0; ; left++ {
		w := newWorld(t, 3)
		w.deployed(app(pipeline.Superseded), homeOf(1), orchestrator.Created)
		id := w.start()
		w.settle()
		svc, c := w.cutAfter(left)
		in := orchestrator.Deployment{Declaration: d, Home: homeOf(2), By: "me"}
		_, err := svc.Deploy(t.Context(), in)
		if err != nil && !errors.Is(err, errCut) {
			t.Fatal(err)
		}
		c.left = -1 // for ever
		want := orchestrator.Unchanged
		if left == 0 {
			want = orchestrator.Updated
		}
		if got, err := svc.Deploy(t.Context(), in); err != nil || got != want {
			t.Errorf("cut after %d writes, repeated: %s, %v; want %s", left, got, err, want)
		}
		w.settle()
		w.want(id, pipeline.Cancelled)
		if v := w.newest(); v.Declaration.Version != 2 || v.Home != homeOf(2) {
			t.Errorf("cut after %d writes: version %d at %+v", left, v.Declaration.Version, v.Home)
		}
		for _, st := range d.Stages {
			s, err := w.svc.Records.Stage(t.Context(), "app", st.Name)
			if err != nil || s.Value.Lock.Owner != "" || s.At > 0 && s.Value.Lock.Mode != pipeline.Queued {
				t.Errorf("cut after %d writes: stage %s is %+v, %v", left, st.Name, s.Value.Lock, err)
			}
		}
		if err == nil { // nothing was cut off any more
			if left < 3 {
				t.Errorf("an update is %d writes; the test has cut nothing", left)
			}
			return
		}
	}
}

// gone is a machine port on which no machine exists.
type gone struct{ machine.Machine }

func (gone) Start(context.Context, machine.Start) error {
	return fmt.Errorf("%w: version 1 was deleted", machine.ErrNoMachine)
}

// TestNoMachine starts an execution whose machine a deployment has taken away:
// it ends Failed, says why, and holds no stage.
func TestNoMachine(t *testing.T) {
	w := newWorld(t, 4)
	w.create(app(pipeline.Superseded))
	there := w.svc.Machine
	w.svc.Machine = gone{there}
	id := w.start()
	w.todo = append(w.todo, w.todo...) // everything is delivered twice
	w.settle()
	w.want(id, pipeline.Failed)
	if e := w.execution(id); !strings.Contains(e.StatusSummary, "the state machine does not exist: version 1 was deleted") {
		t.Errorf("the reason is %q", e.StatusSummary)
	}
	w.svc.Machine = there
	next := w.start()
	w.settle()
	if e := w.execution(next); e.Status != pipeline.InProgress || e.Stage != 3 {
		t.Errorf("the next execution is %s at stage %d", e.Status, e.Stage)
	}
}

// TestSend pins what is handed to others: the question how work stands, and
// the request to end it. The provider is not called for either.
func TestSend(t *testing.T) {
	w := newWorld(t, 5)
	var sent []orchestrator.Errand
	svc, err := orchestrator.New(w.svc.Ports, orchestrator.Home{Account: "123456789012", Region: "eu-west-1"}, orchestrator.Options{
		Now:  func() time.Time { return w.now },
		Send: func(_ context.Context, e orchestrator.Errand) error { sent = append(sent, e); return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	w.svc = svc
	w.create(app(pipeline.Superseded))
	id := w.start()
	for w.latest("Build", "Compile").ID == "" {
		w.happen()
	}
	compile := w.latest("Build", "Compile")
	end := w.jobs[compile.ID].result
	w.now = w.now.Add(time.Minute)
	if err := w.svc.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.svc.StopExecution(t.Context(), orchestrator.Stop{Pipeline: "app", Execution: id, Abandon: true}); err != nil {
		t.Fatal(err)
	}
	w.todo = w.todo[len(w.todo)-1:] // the build tells nobody of its end
	w.settle()
	want := []orchestrator.Errand{{Job: compile.ID}, {Job: compile.ID, Stop: true}}
	if diff := cmp.Diff(want, sent); diff != "" {
		t.Error(diff)
	}
	if got := w.jobs[compile.ID].result; !cmp.Equal(got, end) {
		t.Errorf("the provider was called: %+v", got)
	}
	for _, e := range sent {
		if err := w.svc.Run(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.jobs[compile.ID].result; got.Summary != "stopped" {
		t.Errorf("whoever ran the errands has not stopped the work: %+v", got)
	}
	w.want(id, pipeline.Stopped)
}
