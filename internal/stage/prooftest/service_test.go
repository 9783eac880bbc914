package prooftest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/engine"
	"github.com/sluice-ci/sluice/internal/machine"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// TestLikeTheService plays random moves on the model and on the service with
// its store and its compiled machine, and compares all that both know of
// executions, locks, runs and the outbox after each. A model that does not do
// what the code does would prove nothing about the code.
func TestLikeTheService(t *testing.T) {
	walks := 25
	if proving() {
		walks = 1000
	}
	seed, began := uint64(0), time.Now()
	var played tally
	for _, c := range strolls {
		for _, c.Mode = range modes {
			if c.AutoBack && c.Mode == pipeline.Parallel {
				continue // there is none
			}
			for range walks {
				seed++
				if diff := alike(t, &model{c, production}, seed, &played); diff != "" {
					t.Fatalf("%s, seed %d: %s", c.Mode, seed, diff)
				}
			}
		}
	}
	for k, n := range played {
		// In a stage of one action nothing runs beside one that has failed.
		if kind(k) != firstFault && kind(k) != loseAdmit && kind(k) != loseAnswer && kind(k) != retryBeside && n == 0 {
			t.Errorf("no walk had the move %q", kinds[k])
		}
	}
	t.Logf("%d walks: %s", seed, played)
	bar(t, "B4-model-is-the-code", "walks=%d moves=%d seconds=%.1f seed=1..%d", seed, played.total(), time.Since(began).Seconds(), seed)
}

// A tally counts moves by kind.
type tally [len(kinds)]int

func (y tally) total() (n int) {
	for _, k := range y {
		n += k
	}
	return n
}

func (y tally) String() string {
	s := fmt.Sprintf("%d moves", y.total())
	for k, n := range y {
		if n > 0 {
			s += fmt.Sprintf(", %d %s", n, kinds[k])
		}
	}
	return s
}

// TestLikenessBites: a model that differs in one rule is found to differ. In
// the short form those are left to the long one that take many walks.
func TestLikenessBites(t *testing.T) {
	differ := map[string]func(*rules){
		"noRewake": func(r *rules) { r.noRewake = true }, "deafWait": func(r *rules) { r.deafWait = true },
		"stopKeepsPlace": func(r *rules) { r.stopKeepsPlace = true }, "restoresByNumber": func(r *rules) { r.reduce = restoresByNumber },
		"successIsWell": func(r *rules) { r.successIsWell = false },
	}
	if proving() {
		maps.Copy(differ, map[string]func(*rules){
			"anyRun": func(r *rules) { r.anyRun = true }, "newestCallWaits": func(r *rules) { r.newestCallWaits = false },
			"newestCallActs": func(r *rules) { r.newestCallActs = false }, "repeatsAgain": func(r *rules) { r.repeatsAgain = false },
		})
	}
	for name, change := range differ {
		r := production
		change(&r)
		found := false
		for seed := uint64(1); seed <= 4000 && !found; seed++ {
			c := strolls[seed%5]
			c.Mode = ordered[seed/5%2]
			if found = alike(t, &model{c, r}, seed, new(tally)) != ""; found {
				t.Logf("%s: told after %d walks", name, seed)
			}
		}
		if !found {
			t.Errorf("%s: no walk told the model from the service", name)
		}
	}
}

// strolls are the worlds of the walks.
var strolls = []Config{
	{Executions: 3, Stages: 2, Faults: many},
	{Executions: 2, Stages: 3, Faults: many},
	{Executions: 2, Stages: 2, Faults: many, AutoRetry: true},
	{Executions: 3, Stages: 3, Faults: few, Rollback: 3},
	{Executions: 3, Stages: 2, Faults: few, Rollback: 2},
	{Executions: 3, Stages: 2, Faults: few, Rollback: 3, AutoBack: true},
}

// few faults, so that something succeeds and can be gone back to.
var few = Faults{Total: 3, Disable: 1, Stop: 1, Fail: 2, Retry: 2, Kill: 1, Recall: 2, Linger: 1, Twice: 1, GiveUp: 1}

// many faults for a random walk.
var many = Faults{Total: 8, Disable: 2, Stop: 2, Fail: 2, Retry: 3, Kill: 2, Recall: 3, Linger: 3, Twice: 2, GiveUp: 2}

// alike takes one walk and returns how the two differ after it, or "".
func alike(t *testing.T, m *model, seed uint64, played *tally) string {
	w, twin := m.begin(), newTwin(t, m)
	rng := rand.New(rand.NewPCG(seed, 0))
	w.left.Total = uint8(1 + rng.IntN(int(m.Faults.Total)))
	for _, n := range w.left.each() { // some kinds of fault, often
		if rng.IntN(3) > 0 {
			*n = 0
		}
	}
	var trace []string
	for {
		moves := m.moves(nil, &w)
		if len(moves) == 0 {
			return ""
		}
		mv := moves[rng.IntN(len(moves))]
		for range rng.IntN(4) { // faults are rare enough for something to come of it
			if other := moves[rng.IntN(len(moves))]; !mv.progress() && other.progress() {
				mv = other
			}
		}
		trace = append(trace, mv.describe(&w))
		played[mv.kind]++
		change, ok := m.play(&w, mv)
		if err := twin.play(&w, mv); (err == nil) != ok {
			return fmt.Sprintf("the model accepts: %v; the service: %v, after %s", ok, err, lines(trace))
		}
		if !ok {
			return "" // the model has forgotten that it was asked
		}
		w = change.w
		twin.noise(rng)
		if diff := twin.compare(&w); diff != "" {
			return fmt.Sprintf("%s, after %s", diff, lines(trace))
		}
	}
}

func lines(trace []string) string {
	s := ""
	for _, line := range trace {
		s += "\n\t" + line
	}
	return s
}

// play does on the service what mv, seen from w, does on the model.
func (w *twin) play(from *world, mv move) error {
	ctx, i, r := w.t.Context(), mv.a, mv.b
	switch mv.kind {
	case arrive:
		if w.m.rollback(int(i)) {
			_, err := w.svc.RollbackStage(ctx, orchestrator.Rollback{Pipeline: "app", Stage: stageName(1), Target: w.passed()})
			return err
		}
		_, err := w.svc.StartExecution(ctx, orchestrator.Start{Pipeline: "app"})
		return err
	case start:
		name := w.runName(i, r)
		return w.deliver(false, func(o record.Outbox) bool { return len(o.Starts) > 0 && o.Starts[0].Run == name })
	case callTask, callLingering:
		run := w.runs[w.runName(i, r)]
		if run.called = false; mv.kind == callLingering {
			task := run.task
			w.zombie = &task
		}
		return w.call(run.task)
	case comeLate:
		late := *w.zombie
		w.zombie = nil
		return w.call(late)
	case workEnds, workFails:
		return w.report(i, mv.kind == workEnds)
	case deliverAnswer:
		token := w.runs[w.runName(i, r>>4)].task.Token
		acts := from.executions[i].runs[r>>4].at.acts()
		return w.deliver(false, func(o record.Outbox) bool {
			return len(o.Answers) > 0 && o.Answers[0].Token == token && kindOf(o.Answers[0], acts) == answers(r&15)
		})
	case deliverAdmit, admitTwice:
		a := from.admits[i]
		want := record.Admit{Execution: w.ids[a.execution], Stage: stageName(a.stage), Entry: int(a.entry), Fence: int64(a.fence)}
		return w.deliver(mv.kind == admitTwice, func(o record.Outbox) bool { return len(o.Admits) > 0 && o.Admits[0] == want })
	case deliverStop:
		name := w.runName(i, r)
		return w.deliver(false, func(o record.Outbox) bool { return len(o.Stops) > 0 && o.Stops[0].Run == name })
	case sweep:
		return w.svc.Ended(ctx, w.execution(i).Run, "it died")
	case enable, disable:
		return w.svc.SetTransition(ctx, orchestrator.Transition{Pipeline: "app", Stage: stageName(i), Enabled: mv.kind == enable, Reason: "why"})
	case stopAndWait, stopNow:
		return w.svc.StopExecution(ctx, orchestrator.Stop{Pipeline: "app", Execution: w.ids[i], Abandon: mv.kind == stopNow})
	case retry, retryBeside:
		e := w.execution(i)
		mode := pipeline.AllActions
		if mv.kind == retryBeside {
			mode = pipeline.FailedActions
		}
		return w.svc.RetryStage(ctx, orchestrator.Retry{Pipeline: "app", Stage: stageName(uint8(e.Stage)), Execution: e.ID, Mode: mode})
	}
	return w.fault(from, mv)
}

// report ends the work of an action.
func (w *twin) report(who uint8, well bool) error {
	a := w.action(who)
	result := action.Fail(action.JobFailed, "by chance")
	if well {
		result = action.Result{Status: pipeline.Succeeded}
		for _, out := range a.Job.Outputs {
			out.Ref.Digest = "sha256:0"
			result.Outputs = append(result.Outputs, out)
		}
	}
	return w.svc.Report(w.t.Context(), record.ActionID{Execution: a.Execution, Attempt: a.Attempt, Stage: a.Stage, Name: a.Name, Try: a.Try}, result)
}

// action is that of an execution's stage, in its current attempt; nil when it
// has not begun.
func (w *twin) action(who uint8) *record.Action {
	e := w.execution(who)
	for attempt := e.Attempt; attempt >= e.Since; attempt-- {
		tries, err := w.svc.Records.Tries(w.t.Context(), e.ID, attempt, stageName(uint8(e.Stage)), "Act")
		if err != nil {
			w.t.Fatal(err)
		}
		if len(tries) == 0 {
			continue
		}
		if a := tries[len(tries)-1]; attempt == e.Attempt || a.Status == pipeline.Succeeded {
			return &a
		}
	}
	return nil
}

// identify gives the executions that have been started the places that they
// have in the model.
func (w *twin) identify() {
	all, err := w.svc.Records.Executions(w.t.Context(), "app", 0, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	w.ids, w.seqs = make([]string, w.m.Executions), map[int64]uint8{}
	next := 0
	for _, e := range slices.Backward(all) {
		i := w.m.Rollback - 1
		if e.Type != record.Rollback {
			if w.m.rollback(next) {
				next++
			}
			i = next
			next++
		}
		w.ids[i], w.seqs[e.Seq] = e.ID, uint8(i)+1
	}
}

// passed is an execution that has passed the second stage.
func (w *twin) passed() string {
	for i, id := range w.ids {
		if id != "" && w.execution(uint8(i)).Passed(1, stageName(1)) {
			return id
		}
	}
	return ""
}

// fault does what the adversary does.
func (w *twin) fault(from *world, mv move) error {
	name := w.runName(mv.a, mv.b)
	run := w.runs[name]
	lingers := mv.kind == recallLingering || (mv.kind == kill || mv.kind == giveUp) && run.called && !from.lingers
	if lingers {
		task := run.task
		w.zombie = &task
	}
	switch mv.kind {
	case kill:
		return w.step(name, engine.Stopped{Error: "Killed"})
	case giveUp:
		return w.step(name, engine.TaskFailed{Token: run.task.Token, Error: "States.Timeout"})
	}
	token := run.task.Token
	if err := w.step(name, engine.TaskFailed{Token: token, Error: "Lambda.Unknown"}); err != nil {
		return err
	}
	w.now = w.now.Add(time.Minute)
	if err := w.step(name, engine.Tick{}); err != nil {
		return err
	}
	if run.task.Token == token {
		return fmt.Errorf("task %s was not called again", token)
	}
	return nil
}

// noise delivers an answer again, or one whose task has gone: nothing may
// follow from either.
func (w *twin) noise(rng *rand.Rand) {
	var old []record.Answer
	for _, o := range w.outbox {
		for _, a := range o.Answers {
			if !w.live(a.Token) {
				old = append(old, a)
			}
		}
	}
	old = append(old, w.heard...)
	if len(old) == 0 {
		return
	}
	if err := w.svc.Act(w.t.Context(), record.Outbox{Answers: old[rng.IntN(len(old)):][:1]}); err != nil {
		w.t.Error(err)
	}
}

func (w *twin) live(token string) bool {
	for _, r := range w.runs {
		if token != "" && r.task.Token == token && r.state.Status == machine.Running {
			return true
		}
	}
	return false
}
