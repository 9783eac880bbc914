package cost_test

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/compile"
	"github.com/sluice-ci/sluice/internal/engine"
	"github.com/sluice-ci/sluice/internal/machine"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// machines is Step Functions: the pure interpreter, whose calls of functions
// happen a moment later.
type machines struct{ w *world }

func (m machines) Start(ctx context.Context, s machine.Start) error {
	v, err := m.w.service().Records.Version(ctx, s.Pipeline, s.Version) // where the adapter finds the machine's ARN
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
	state, effects := engine.Start(loaded, engine.Begin{Name: s.Name, Pipeline: s.Pipeline, Input: s.Input}, m.w.now)
	m.w.runs[s.Name] = &run{loaded, state}
	m.follow(effects)
	return nil
}

func (m machines) follow(effects []engine.Effect) {
	for _, effect := range effects {
		f, ok := effect.(engine.Invoke)
		if !ok {
			continue // only runs that fail are told of
		}
		m.w.in(0, func() {
			m.w.call(f.Function, func(ctx context.Context, s *orchestrator.Service) error {
				if f.Function == compile.Local.Stage {
					return decoded(f.Payload, func(in orchestrator.EnterRequest) error { return s.Enter(ctx, in) })
				}
				return decoded(f.Payload, func(in orchestrator.RunRequest) error { return s.RunAction(ctx, in) })
			})
		})
	}
}

func decoded[In any](payload []byte, use func(In) error) error {
	var in In
	if err := json.Unmarshal(payload, &in); err != nil {
		return err
	}
	return use(in)
}

func (m machines) step(name string, ev engine.Event) error {
	r := m.w.runs[name]
	state, effects, err := engine.Step(r.machine, r.state, ev, m.w.now)
	if err != nil {
		return err
	}
	r.state = state
	m.follow(effects)
	return nil
}

func runOf(token string) string { return token[:strings.LastIndexByte(token, '.')] }

func (m machines) Succeed(_ context.Context, token string, output []byte) error {
	return m.step(runOf(token), engine.TaskSucceeded{Token: token, Output: output})
}

func (m machines) Fail(_ context.Context, token, errorName, cause string) error {
	return m.step(runOf(token), engine.TaskFailed{Token: token, Error: errorName, Cause: cause})
}

func (m machines) Stop(_ context.Context, name, errorName, cause string) error {
	return m.step(name, engine.Stopped{Error: errorName, Cause: cause})
}

func (m machines) Describe(ctx context.Context, name string) (machine.Status, error) {
	records := m.w.service().Records // where the adapter finds the run's ARN
	e, err := records.Execution(ctx, "", name[:strings.LastIndexByte(name, '-')])
	if err != nil {
		return "", err
	}
	if _, err := records.Version(ctx, e.Value.Pipeline, e.Value.Version); err != nil {
		return "", err
	}
	return m.w.runs[name].state.Status, nil
}

// takes is how long the work of an action goes on, as in the run that
// CodePipeline is compared with.
var takes = map[pipeline.Category]time.Duration{
	pipeline.Source: time.Minute, pipeline.Build: 5 * time.Minute, pipeline.Test: 2 * time.Minute,
	pipeline.Compute: 5 * time.Minute, pipeline.Deploy: 2 * time.Minute, pipeline.Invoke: time.Minute,
}

// told names the providers whose end an event tells. The ends of others are
// found by a sweep.
var told = map[string]bool{"CodeBuild": true, "Commands": true}

// whole names the providers whose work is done by one call of the function.
func whole(id pipeline.ActionTypeID) bool {
	return id.Category == pipeline.Source || id.Provider == "S3"
}

// catalog has one provider for everything.
type catalog struct{ w *world }

type job struct {
	ends    time.Time
	written bool // its outputs
}

func (c catalog) Provider(pipeline.ActionTypeID) action.Provider { return c }

func (c catalog) Start(ctx context.Context, in action.Job) (action.Result, error) {
	w, id := c.w, in.Action.TypeID
	if id.Category == pipeline.Approval {
		token := "1a2b3c4d-573f-4ea7-a67e-" + in.ID[24:]
		w.in(w.person, func() {
			w.call("api", func(ctx context.Context, s *orchestrator.Service) error {
				_, err := s.PutApproval(ctx, orchestrator.Approval{Pipeline: in.Pipeline, Stage: in.Stage, Action: in.Action.Name, Token: token, Approved: true, Summary: "fine", By: "arn:aws:iam::111122223333:user/mary"})
				return err
			})
		})
		return action.Result{Status: pipeline.InProgress, Token: token}, nil
	}
	w.used.gets += len(in.Inputs) // whoever does the work reads them
	w.jobs[in.ID] = &job{ends: w.now.Add(takes[id.Category])}
	if whole(id) {
		w.jobs[in.ID].ends = w.now
		return c.state(in), nil
	}
	if told[id.Provider] {
		w.in(takes[id.Category], func() {
			w.call("resume", func(ctx context.Context, s *orchestrator.Service) error { return s.Resume(ctx, in.ID) })
		})
	}
	return c.known(ctx, in)
}

// known reads what is recorded of a job, as the providers of builds and
// deployments do before they begin anything.
func (c catalog) known(ctx context.Context, in action.Job) (action.Result, error) {
	_, err := c.w.service().Records.Job(ctx, in.ID)
	return c.state(in), err
}

func (c catalog) Poll(ctx context.Context, in action.Job) (action.Result, error) {
	if in.Action.TypeID.Category == pipeline.Approval {
		return action.Result{Status: pipeline.InProgress, Token: "1a2b3c4d-573f-4ea7-a67e-" + in.ID[24:]}, nil
	}
	return c.known(ctx, in)
}

func (c catalog) Stop(context.Context, action.Job) error { return nil }

// state is how a job stands, with what its provider tells of it.
func (c catalog) state(in action.Job) action.Result {
	name := in.Action.TypeID.Provider
	r := action.Result{
		Status: pipeline.InProgress, ExternalID: name + ":8745a7a9-c340-456a-9166-edf953571b00",
		ExternalURL: "https://us-east-1.console.aws.amazon.com/" + name + "/home?region=us-east-1#/runs/8745a7a9-c340-456a-9166-edf953571b00",
	}
	j := c.w.jobs[in.ID]
	if c.w.now.Before(j.ends) {
		return r
	}
	if !j.written { // each is written, and read once to know its digest
		j.written = true
		c.w.used.puts, c.w.used.gets = c.w.used.puts+len(in.Outputs), c.w.used.gets+len(in.Outputs)
	}
	r.Status, r.Summary = pipeline.Succeeded, "Build terminated with state: SUCCEEDED"
	r.Variables = map[string]string{"CommitId": "0123456789abcdef0123456789abcdef01234567", "FILES": "12", "IMAGE": "shop:0123456789ab"}
	for _, out := range in.Outputs {
		out.Ref.Digest, out.Ref.Size = "sha256:"+strings.Repeat("0", 64), 1<<20
		r.Outputs = append(r.Outputs, out)
	}
	if in.Action.TypeID.Category == pipeline.Source {
		r.Revision = &action.Revision{ID: r.Variables["CommitId"], Summary: "Fix the door", Created: c.w.now}
	}
	return r
}
