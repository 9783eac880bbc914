package prooftest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/bus"
	"github.com/sluice-ci/sluice/internal/compile"
	"github.com/sluice-ci/sluice/internal/engine"
	"github.com/sluice-ci/sluice/internal/machine"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/orchestrator/orchestratortest"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
)

// A tester is a *testing.T or a *rapid.T.
type tester interface {
	rapid.TB
	Context() context.Context
	Cleanup(func())
}

// A twin is the real thing: the use cases over a store, the compiled machine in
// the interpreter, and an outbox of which every item is delivered by itself.
type twin struct {
	t        tester
	m        *model
	svc      *orchestrator.Service
	machines orchestratortest.Machines
	now      time.Time
	ids      []string        // of executions; "" is one that was never started
	seqs     map[int64]uint8 // the sequence numbers in the model
	outbox   []record.Outbox
	heard    []record.Answer      // answers that were delivered
	tasks    map[string]*openTask // by run
	zombie   *engine.Invoke
	update   *following
	former   *following // the update before, which goes on beside it
}

// An openTask is the call of the open task of a run.
type openTask struct {
	engine.Invoke
	called bool // it is on its way
}

func newTwin(t tester, m *model, s store.Store) *twin {
	w := &twin{t: t, m: m, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), tasks: map[string]*openTask{}}
	ports := orchestrator.Ports{Store: paused{store.Observe(s, w.observe)}, Machine: &w.machines, Catalog: w, Bus: w}
	var err error
	ids := 0
	w.svc, err = orchestrator.New(ports, orchestrator.Home{Account: "123456789012", Region: "eu-west-1"}, orchestrator.Options{
		Now:   w.tick,
		NewID: func() string { ids++; return fmt.Sprintf("%08d", ids) }, // those of executions are in the order of starts
	})
	if err != nil {
		t.Fatal(err)
	}
	w.machines = orchestratortest.Machines{
		Runs: map[string]*orchestratortest.Run{}, Text: w.svc.Records.Version, Now: w.tick, Follow: w.followRun,
	}
	if _, err := w.svc.CreatePipeline(t.Context(), orchestrator.Create{Declaration: declaration(m.Config, m.Mode)}); err != nil {
		t.Fatal(err)
	}
	return w
}

// tick returns the time, which is never the same twice: no two visits of states
// begin at one moment.
func (w *twin) tick() time.Time {
	w.now = w.now.Add(time.Millisecond)
	return w.now
}

// observe takes every committed outbox row apart.
func (w *twin) observe(ops []store.Op) {
	for _, row := range orchestrator.RowsOf(ops) {
		for _, x := range row.Answers {
			w.outbox = append(w.outbox, record.Outbox{Answers: []record.Answer{x}})
		}
		for _, x := range row.Starts {
			w.outbox = append(w.outbox, record.Outbox{Starts: []record.StartRun{x}})
		}
		for _, x := range row.Stops {
			w.outbox = append(w.outbox, record.Outbox{Stops: []record.StopRun{x}})
		}
		for _, x := range row.Admits {
			w.outbox = append(w.outbox, record.Outbox{Admits: []record.Admit{x}})
		}
	}
}

// deliver has the service act on the first item of the outbox that is as
// wanted, and takes it out, and all that are the same, unless it comes again.
func (w *twin) deliver(again bool, wanted func(record.Outbox) bool) error {
	i := slices.IndexFunc(w.outbox, wanted)
	if i < 0 {
		return errors.New("the outbox has nothing of the kind")
	}
	item := w.outbox[i]
	if !again {
		w.outbox = slices.DeleteFunc(w.outbox, wanted)
		w.heard = append(w.heard, item.Answers...)
	}
	return w.svc.Act(w.t.Context(), item)
}

func (w *twin) runName(who, r uint8) string {
	return fmt.Sprintf("%s-%d", w.ids[who], w.attempt(who, r))
}

// attempt is the number in the name of a run; an automatic retry counts one
// attempt and makes no run.
func (w *twin) attempt(who, r uint8) int {
	e := w.execution(who)
	last := 0
	if _, err := fmt.Sscanf(e.Run[len(e.ID):], "-%d", &last); err != nil {
		w.t.Fatal(err)
	}
	if r == 0 {
		return 1
	}
	return last
}

func (w *twin) execution(who uint8) record.Execution {
	e, err := w.svc.Records.Execution(w.t.Context(), "", w.ids[who])
	if err != nil {
		w.t.Fatal(err)
	}
	return e.Value
}

// followRun has a run call what its machine says, or nothing any more.
func (w *twin) followRun(name string, effect engine.Effect) {
	switch f := effect.(type) {
	case engine.Invoke:
		w.tasks[name] = &openTask{f, true}
	case engine.Ended:
		w.tasks[name] = &openTask{}
	}
}

// running reports whether a run goes on.
func (w *twin) running(name string) bool {
	r := w.machines.Runs[name]
	return r != nil && r.State.Status == machine.Running
}

// Provider implements action.Catalog. All work goes on until it is told to end.
func (w *twin) Provider(pipeline.ActionTypeID) action.Provider { return endless{} }

// Publish implements bus.Bus.
func (w *twin) Publish(context.Context, bus.Event) error { return nil }

type endless struct{}

func (endless) Start(context.Context, action.Job) (action.Result, error) {
	return action.Result{Status: pipeline.InProgress}, nil
}

func (e endless) Poll(ctx context.Context, j action.Job) (action.Result, error) {
	return e.Start(ctx, j)
}
func (endless) Stop(context.Context, action.Job) error { return nil }

// taskOf says which task of the model a call is of.
func taskOf(f engine.Invoke, stages int) task {
	var in struct{ Enter, Stage string }
	if err := json.Unmarshal(f.Payload, &in); err != nil {
		panic(err)
	}
	switch {
	case in.Stage != "":
		return acting(in.Stage[1] - '0')
	case in.Enter != "":
		return entering(in.Enter[1] - '0')
	}
	return entering(uint8(stages))
}

// kindOf says which answer of the model an answer is; to a task that acts, all
// are alike.
func kindOf(a record.Answer, acts bool) answers {
	switch {
	case a.Error == "" || acts:
		return goOn
	case a.Error == compile.ErrorRetry:
		return repeatHere
	case a.Error == compile.ErrorSkip:
		return skipStage
	case strings.HasPrefix(a.Error, compile.ErrorAt("")):
		return beginAt
	}
	return endRun
}
