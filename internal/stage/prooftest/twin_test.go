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
	t      tester
	m      *model
	svc    *orchestrator.Service
	now    time.Time
	ids    []string        // of executions; "" is one that was never started
	seqs   map[int64]uint8 // the sequence numbers in the model
	outbox []record.Outbox
	heard  []record.Answer // answers that were delivered
	runs   map[string]*twinRun
	zombie *engine.Invoke
	update *following
	former *following // the update before, which goes on beside it
}

// A twinRun is a run and the call of its open task.
type twinRun struct {
	machine *engine.Machine
	state   engine.Run
	task    engine.Invoke
	called  bool
}

func newTwin(t tester, m *model, s store.Store) *twin {
	w := &twin{t: t, m: m, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), runs: map[string]*twinRun{}}
	ports := orchestrator.Ports{Store: paused{store.Observe(s, w.observe)}, Machine: w, Catalog: w, Bus: w}
	var err error
	ids := 0
	w.svc, err = orchestrator.New(ports, orchestrator.Home{Account: "123456789012", Region: "eu-west-1"}, orchestrator.Options{
		Now:   func() time.Time { w.now = w.now.Add(time.Millisecond); return w.now },
		NewID: func() string { ids++; return fmt.Sprintf("%08d", ids) }, // those of executions are in the order of starts
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.svc.CreatePipeline(t.Context(), orchestrator.Create{Declaration: declaration(m.Config, m.Mode)}); err != nil {
		t.Fatal(err)
	}
	return w
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

// call calls a function as the machine does.
func (w *twin) call(f engine.Invoke) error {
	if f.Function == compile.Local.Stage {
		var in orchestrator.EnterRequest
		if err := json.Unmarshal(f.Payload, &in); err != nil {
			return err
		}
		return w.svc.Enter(w.t.Context(), in)
	}
	var in orchestrator.RunRequest
	if err := json.Unmarshal(f.Payload, &in); err != nil {
		return err
	}
	return w.svc.RunAction(w.t.Context(), in)
}

// step lets ev happen to a run.
func (w *twin) step(name string, ev engine.Event) error {
	r := w.runs[name]
	if r == nil {
		return machine.ErrTaskGone
	}
	state, effects, err := engine.Step(r.machine, r.state, ev, w.now)
	if err == nil {
		r.state = state
		r.follow(effects)
	}
	return err
}

func (r *twinRun) follow(effects []engine.Effect) {
	for _, effect := range effects {
		switch f := effect.(type) {
		case engine.Invoke:
			r.task, r.called = f, true
		case engine.Ended:
			r.task, r.called = engine.Invoke{}, false
		}
	}
}

// Start implements machine.Machine.
func (w *twin) Start(ctx context.Context, s machine.Start) error {
	if w.runs[s.Name] != nil {
		return nil
	}
	v, err := w.svc.Records.Version(ctx, s.Pipeline, s.Version)
	if err != nil {
		return err
	}
	text, err := json.Marshal(compile.Machine(v.Declaration, compile.Local))
	if err != nil {
		return err
	}
	loaded, err := engine.Load(text)
	if err != nil {
		return err
	}
	state, effects := engine.Start(loaded, engine.Begin{Name: s.Name, Pipeline: s.Pipeline, Input: s.Input}, w.now)
	w.runs[s.Name] = &twinRun{machine: loaded, state: state}
	w.runs[s.Name].follow(effects)
	return nil
}

// Stop implements machine.Machine.
func (w *twin) Stop(_ context.Context, name, errorName, cause string) error {
	if w.runs[name] == nil {
		return nil
	}
	return w.step(name, engine.Stopped{Error: errorName, Cause: cause})
}

// Describe implements machine.Machine.
func (w *twin) Describe(context.Context, string) (machine.Status, error) { return machine.Running, nil }

// Succeed implements machine.Machine.
func (w *twin) Succeed(_ context.Context, token string, output []byte) error {
	return w.step(token[:strings.LastIndexByte(token, '.')], engine.TaskSucceeded{Token: token, Output: output})
}

// Fail implements machine.Machine.
func (w *twin) Fail(_ context.Context, token, errorName, cause string) error {
	return w.step(token[:strings.LastIndexByte(token, '.')], engine.TaskFailed{Token: token, Error: errorName, Cause: cause})
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
