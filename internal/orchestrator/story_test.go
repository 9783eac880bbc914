package orchestrator_test

import (
	"testing"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

func act(name string, category pipeline.Category, provider string, order int) pipeline.Action {
	return pipeline.Action{Name: name, RunOrder: order, TypeID: pipeline.ActionTypeID{Category: category, Owner: pipeline.AWS, Provider: provider, Version: "1"}}
}

// app is a pipeline with everything that matters for the order of things.
func app(mode pipeline.Mode) pipeline.Declaration {
	source := act("Checkout", pipeline.Source, "CodeCommit", 1)
	source.Configuration = map[string]string{"RepositoryName": "app", "BranchName": "main"}
	source.Namespace = "Src"
	source.OutputArtifacts = []pipeline.OutputArtifact{{Name: "Code"}}
	build := act("Compile", pipeline.Build, "CodeBuild", 1)
	build.Configuration = map[string]string{"ProjectName": "app", "EnvironmentVariables": `[{"name":"SHA","value":"#{Src.Id}"}]`}
	build.InputArtifacts = []pipeline.InputArtifact{{Name: "Code"}}
	build.OutputArtifacts = []pipeline.OutputArtifact{{Name: "Bin"}}
	unit, lint := act("Unit", pipeline.Test, "CodeBuild", 1), act("Lint", pipeline.Test, "CodeBuild", 1)
	for _, a := range []*pipeline.Action{&unit, &lint} {
		a.Configuration = map[string]string{"ProjectName": "test"}
		a.InputArtifacts = []pipeline.InputArtifact{{Name: "Code"}}
	}
	gate := act("Gate", pipeline.Approval, "Manual", 1)
	deploy := act("Copy", pipeline.Deploy, "S3", 2)
	deploy.Configuration = map[string]string{"BucketName": "web", "Extract": "true"}
	deploy.InputArtifacts = []pipeline.InputArtifact{{Name: "Bin"}}
	return pipeline.Declaration{
		Name: "app", RoleARN: "arn:aws:iam::123456789012:role/pipe", Type: pipeline.V2, ExecutionMode: mode,
		ArtifactStore: &pipeline.ArtifactStore{Type: "S3", Location: "artifacts"},
		Stages: []pipeline.Stage{
			{Name: "Source", Actions: []pipeline.Action{source}},
			{Name: "Build", Actions: []pipeline.Action{build}},
			{Name: "Test", Actions: []pipeline.Action{unit, lint}},
			{Name: "Release", Actions: []pipeline.Action{gate, deploy}},
		},
	}
}

func (w *world) create(d pipeline.Declaration) {
	w.t.Helper()
	w.must(func() error {
		_, err := w.svc.CreatePipeline(w.t.Context(), orchestrator.Create{Declaration: d})
		return err
	})
}

func (w *world) start() string {
	w.t.Helper()
	var id string
	client := orchestrator.NewID() // a lost answer must not start a second execution
	w.must(func() (err error) {
		id, err = w.svc.StartExecution(w.t.Context(), orchestrator.Start{Pipeline: "app", ClientToken: client})
		return err
	})
	return id
}

// latest returns the latest execution of an action.
func (w *world) latest(stage, name string) record.Action {
	w.t.Helper()
	all, err := w.svc.Records.LatestActions(w.t.Context(), "app", stage)
	if err != nil {
		w.t.Fatal(err)
	}
	return all[name]
}

func (w *world) approve(approved bool) error {
	_, err := w.svc.PutApproval(w.t.Context(), orchestrator.Approval{
		Pipeline: "app", Stage: "Release", Action: "Gate", Approved: approved, Summary: "seen", By: "me",
		Token: w.latest("Release", "Gate").Result.Token,
	})
	return err
}

func (w *world) want(id string, status pipeline.Status) {
	w.t.Helper()
	if e := w.execution(id); e.Status != status {
		w.t.Errorf("execution %s is %s (%s); want %s", id, e.Status, e.StatusSummary, status)
	}
}

func TestRunToTheEnd(t *testing.T) {
	w := newWorld(t, 1)
	w.create(app(pipeline.Superseded))
	id := w.start()
	w.settle()
	w.want(id, pipeline.InProgress)
	if got := w.latest("Release", "Gate").Status; got != pipeline.InProgress {
		t.Fatalf("the approval is %q; want InProgress", got)
	}
	if err := w.approve(true); err != nil {
		t.Fatal(err)
	}
	w.settle()
	w.want(id, pipeline.Succeeded)
	if sha := w.latest("Build", "Compile").Job.Action.Configuration["EnvironmentVariables"]; sha != `[{"name":"SHA","value":"`+w.latest("Source", "Checkout").ID+`"}]` {
		t.Errorf("the variable was resolved to %s", sha)
	}
	if got := w.latest("Release", "Copy").Job.Inputs[0].Ref.Digest; got != "sha256:"+w.latest("Build", "Compile").ID {
		t.Errorf("the deployment got artifact %s; want the build's", got)
	}
	if pipeline.CodeOf(w.approve(true)) != pipeline.ApprovalAlreadyCompleted {
		t.Error("a second approval was taken")
	}
}

// TestCreateStarts starts the first execution with the pipeline, in one
// transaction: its version cannot be read back yet.
func TestCreateStarts(t *testing.T) {
	for _, d := range []pipeline.Declaration{app(pipeline.Superseded), behind(record.BeforeEntry, "FAIL")} {
		w := newWorld(t, 1)
		if _, err := w.svc.CreatePipeline(t.Context(), orchestrator.Create{Declaration: d, Start: true}); err != nil {
			t.Fatal(err)
		}
		w.settle()
		w.want(w.last().ID, pipeline.InProgress) // at the approval
		if w.latest("Release", "Gate").Status != pipeline.InProgress {
			t.Error("it did not come to the approval")
		}
	}
}

func TestNewestWaitsBehindApproval(t *testing.T) {
	w := newWorld(t, 2)
	w.create(app(pipeline.Superseded))
	first := w.start()
	w.settle()
	second := w.start()
	w.settle()
	third := w.start()
	w.settle()
	w.want(first, pipeline.InProgress)
	w.want(second, pipeline.SupersededExecution)
	w.want(third, pipeline.InProgress)
	if err := w.approve(true); err != nil {
		t.Fatal(err)
	}
	w.settle()
	w.want(first, pipeline.Succeeded)
	if e := w.execution(third); !e.Inside || e.Stage != 3 {
		t.Errorf("the third execution is at stage %d, inside %v; want inside 3", e.Stage, e.Inside)
	}
}

func TestFailAndRetry(t *testing.T) {
	for _, mode := range []pipeline.RetryMode{pipeline.FailedActions, pipeline.AllActions} {
		t.Run(string(mode), func(t *testing.T) {
			w := newWorld(t, 3)
			broken := true
			w.outcome = func(j action.Job) action.Result {
				if j.Action.Name == "Lint" && broken {
					return action.Fail(action.JobFailed, "lint found something")
				}
				return action.Result{}
			}
			w.create(app(pipeline.Superseded))
			id := w.start()
			w.settle()
			w.want(id, pipeline.Failed)
			retry := orchestrator.Retry{Pipeline: "app", Stage: "Test", Execution: id, Mode: mode}
			broken = false
			if err := w.svc.RetryStage(t.Context(), retry); err != nil {
				t.Fatal(err)
			}
			if code := pipeline.CodeOf(w.svc.RetryStage(t.Context(), retry)); code != pipeline.StageNotRetryable {
				t.Errorf("a second retry gave %q; want StageNotRetryableException", code)
			}
			w.settle()
			w.want(id, pipeline.InProgress) // at the approval
			units := map[pipeline.RetryMode]int{pipeline.FailedActions: 1, pipeline.AllActions: 2}
			if got := w.started[id+" Unit"]; got != units[mode] {
				t.Errorf("Unit ran %d times; want %d", got, units[mode])
			}
			if got := w.started[id+" Compile"]; got != 1 {
				t.Errorf("Compile ran %d times; want 1", got)
			}
		})
	}
}

func TestAutomaticRetry(t *testing.T) {
	w := newWorld(t, 4)
	fail := 1
	w.outcome = func(j action.Job) action.Result {
		if j.Action.Name == "Compile" && fail > 0 {
			fail--
			return action.Fail(action.JobFailed, "flaky")
		}
		return action.Result{}
	}
	d := app(pipeline.Superseded)
	d.Stages[1].OnFailure = &pipeline.OnFailure{Result: "RETRY"}
	w.create(d)
	id := w.start()
	w.settle()
	w.want(id, pipeline.InProgress)
	if got := w.started[id+" Compile"]; got != 2 {
		t.Errorf("Compile ran %d times; want 2", got)
	}
}

func TestStop(t *testing.T) {
	tests := []struct {
		name    string
		abandon bool
		before  pipeline.Status // of the execution, while the approval waits
		gate    pipeline.Status
	}{
		{"and wait", false, pipeline.Stopping, pipeline.InProgress},
		{"and abandon", true, pipeline.Stopped, pipeline.Abandoned},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, 5)
			w.create(app(pipeline.Superseded))
			id := w.start()
			w.settle()
			stop := orchestrator.Stop{Pipeline: "app", Execution: id, Abandon: tt.abandon, Reason: "enough"}
			if err := w.svc.StopExecution(t.Context(), stop); err != nil {
				t.Fatal(err)
			}
			w.settle()
			w.want(id, tt.before)
			if got := w.latest("Release", "Gate").Status; got != tt.gate {
				t.Errorf("the approval is %s; want %s", got, tt.gate)
			}
			again := pipeline.DuplicatedStopRequest
			if tt.abandon {
				again = pipeline.NotStoppable
			} else if err := w.approve(true); err != nil && tt.gate == pipeline.InProgress {
				t.Fatal(err)
			}
			if !tt.abandon {
				w.settle()
				again = pipeline.NotStoppable
			}
			w.want(id, pipeline.Stopped)
			if code := pipeline.CodeOf(w.svc.StopExecution(t.Context(), stop)); code != again {
				t.Errorf("stopping again gave %q; want %q", code, again)
			}
			if got := w.started[id+" Copy"]; got != 0 {
				t.Errorf("the deployment ran %d times after the stop", got)
			}
		})
	}
}

func TestUpdateCancelsApproval(t *testing.T) {
	w := newWorld(t, 6)
	w.create(app(pipeline.Superseded))
	id := w.start()
	w.settle()
	token := w.latest("Release", "Gate").Result.Token
	if _, err := w.svc.UpdatePipeline(t.Context(), app(pipeline.Superseded), "me"); err != nil {
		t.Fatal(err)
	}
	w.settle()
	w.want(id, pipeline.Cancelled)
	_, err := w.svc.PutApproval(t.Context(), orchestrator.Approval{Pipeline: "app", Stage: "Release", Action: "Gate", Token: token, Approved: true})
	if pipeline.CodeOf(err) != pipeline.InvalidApprovalToken {
		t.Errorf("the old token gave %v; want InvalidApprovalTokenException", err)
	}
}

// TestParallelGoesOnAfterUpdate: executions of a PARALLEL pipeline outlive a
// change of its mode, and each of their approvals can still be answered.
func TestParallelGoesOnAfterUpdate(t *testing.T) {
	w := newWorld(t, 9)
	w.create(app(pipeline.Parallel))
	ids := []string{w.start(), w.start()}
	w.settle()
	if _, err := w.svc.UpdatePipeline(t.Context(), app(pipeline.Queued), "me"); err != nil {
		t.Fatal(err)
	}
	w.settle()
	for _, id := range ids {
		w.want(id, pipeline.InProgress)
	}
	if !w.approveAny() {
		t.Error("no approval waits")
	}
	w.settle()
	for _, id := range ids {
		w.want(id, pipeline.Succeeded)
	}
}

func TestLostWorkIsTriedAgain(t *testing.T) {
	w := newWorld(t, 7)
	lose := 2
	w.outcome = func(j action.Job) action.Result {
		if j.Action.Name == "Compile" && lose > 0 {
			lose--
			return action.Result{Status: action.Lost}
		}
		return action.Result{}
	}
	w.create(app(pipeline.Superseded))
	id := w.start()
	w.settle()
	w.want(id, pipeline.InProgress)
	if a := w.latest("Build", "Compile"); a.Try != 3 || a.Status != pipeline.Succeeded {
		t.Errorf("try %d of Compile is %s; want try 3 Succeeded", a.Try, a.Status)
	}
}

// TestEndsWhileCalledAgain: the task of an action is called again, and the
// action ends between the two looks at its record. The new token is answered.
func TestEndsWhileCalledAgain(t *testing.T) {
	w := newWorld(t, 10)
	w.create(app(pipeline.Superseded))
	w.start()
	for w.latest("Build", "Compile").Status != pipeline.InProgress {
		w.happen()
	}
	a := w.latest("Build", "Compile")
	w.store.afterRead = func() {
		id := record.ActionID{Execution: a.Execution, Attempt: a.Attempt, Stage: a.Stage, Name: a.Name, Try: a.Try}
		if err := w.svc.Report(t.Context(), id, w.end(a.Job)); err != nil {
			t.Fatal(err)
		}
	}
	again := orchestrator.RunRequest{Token: "again", Run: a.Run, Execution: a.Execution, Stage: a.Stage, Action: a.Name}
	if err := w.svc.RunAction(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	rows, err := w.svc.Outbox(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		for _, answer := range row.Answers {
			if answer.Token == "again" && answer.Error == "" {
				return
			}
		}
	}
	t.Errorf("none of the %d rows to deliver answers the token", len(rows))
}

func TestTransition(t *testing.T) {
	w := newWorld(t, 8)
	w.create(app(pipeline.Superseded))
	set := func(enabled bool) {
		t.Helper()
		if err := w.svc.SetTransition(t.Context(), orchestrator.Transition{Pipeline: "app", Stage: "Build", Enabled: enabled, Reason: "freeze"}); err != nil {
			t.Fatal(err)
		}
		w.settle()
	}
	set(false)
	first := w.start()
	w.settle()
	second := w.start()
	w.settle()
	w.want(first, pipeline.SupersededExecution)
	if e := w.execution(second); e.Inside || e.Stage != 1 {
		t.Errorf("the second execution is at stage %d, inside %v; want in front of 1", e.Stage, e.Inside)
	}
	set(true)
	if got := w.latest("Release", "Gate").Execution; got != second {
		t.Errorf("the approval waits for %q; want %s", got, second)
	}
}

// TestFaults walks at random: things happen in any order, are delivered twice,
// and one write in ten loses its answer or fails. Whatever happens, everything
// that was accepted ends, no stage stays held, and no work is begun twice.
func TestFaults(t *testing.T) {
	seeds := uint64(40)
	if testing.Short() {
		seeds = 10
	}
	for _, mode := range []pipeline.Mode{pipeline.Superseded, pipeline.Queued, pipeline.Parallel} {
		for seed := range seeds {
			walk(t, mode, seed)
		}
	}
}

func walk(t *testing.T, mode pipeline.Mode, seed uint64) {
	w := newWorld(t, seed)
	fails := map[string]bool{}
	w.outcome = func(j action.Job) action.Result {
		if w.rng.IntN(8) == 0 {
			fails[j.ExecutionID] = true
			return action.Fail(action.JobFailed, "by chance")
		}
		return action.Result{}
	}
	w.create(app(mode))
	w.faults = true
	var ids []string
	for range 5 {
		ids = append(ids, w.start())
		for range w.rng.IntN(40) { // let some of it happen
			w.happen()
		}
		if w.rng.IntN(3) == 0 {
			stop := orchestrator.Stop{Pipeline: "app", Execution: ids[w.rng.IntN(len(ids))], Abandon: w.rng.IntN(2) == 0}
			w.must(func() error { return w.svc.StopExecution(t.Context(), stop) })
		}
	}
	for range 200 {
		w.settle()
		if !w.approveAny() {
			break
		}
	}
	newest := ids[len(ids)-1]
	for _, id := range ids {
		e := w.execution(id)
		if !e.Status.Final() {
			t.Errorf("%s seed %d: execution %d is %s at stage %d, inside %v", mode, seed, e.Seq, e.Status, e.Stage, e.Inside)
		}
		if id == newest && e.Status == pipeline.SupersededExecution {
			t.Errorf("%s seed %d: the newest execution was superseded", mode, seed)
		}
		if told, want := w.alertsOf(id), e.Status == pipeline.Failed; len(told) > 1 || (len(told) == 1) != want {
			t.Errorf("%s seed %d: execution %d is %s; %d alerts tell of it", mode, seed, e.Seq, e.Status, len(told))
		}
		if e.Status == pipeline.Failed && !fails[id] {
			t.Errorf("%s seed %d: execution %d failed although none of its work did: %s", mode, seed, e.Seq, e.StatusSummary)
		}
	}
	for what, n := range w.started {
		if n > 1 {
			t.Errorf("%s seed %d: %s was begun %d times", mode, seed, what, n)
		}
	}
	for _, st := range app(mode).Stages {
		s, err := w.svc.Records.Stage(t.Context(), "app", st.Name)
		if err != nil {
			t.Fatal(err)
		}
		if s.Value.Lock.Owner != "" || len(s.Value.Lock.Waiting) > 0 {
			t.Errorf("%s seed %d: stage %s is left as %+v", mode, seed, st.Name, s.Value.Lock)
		}
	}
	for name, r := range w.runs {
		if r.state.Status == "RUNNING" {
			t.Errorf("%s seed %d: machine run %s never ends", mode, seed, name)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
}

// approveAny answers the approvals that wait and reports whether there were any.
func (w *world) approveAny() bool {
	w.t.Helper()
	active, err := w.svc.Records.Active(w.t.Context(), "app", 0)
	if err != nil {
		w.t.Fatal(err)
	}
	any := false
	for _, e := range active {
		actions, err := w.svc.Records.Actions(w.t.Context(), e.ID)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, a := range actions {
			if a.Status != pipeline.InProgress || a.Result.Token == "" {
				continue
			}
			any = true
			if link := w.linkTo(a.ID); link != "" && w.rng.IntN(2) == 0 {
				w.must(func() error {
					_, err := w.svc.Decide(w.t.Context(), orchestrator.Decision{Secret: link, Pipeline: "app", Approved: true, Summary: "ok"})
					return err
				})
				continue
			}
			w.must(func() error {
				_, err := w.svc.PutApproval(w.t.Context(), orchestrator.Approval{
					Pipeline: "app", Stage: a.Stage, Action: a.Name, Token: a.Result.Token, Approved: true, Summary: "ok",
				})
				return err
			})
		}
	}
	return any
}

// TestRetryBesideOthers: what failed may be retried while its siblings run. It
// runs again when they have ended, and they do not.
func TestRetryBesideOthers(t *testing.T) {
	w := newWorld(t, 31)
	lints := 0
	w.outcome = func(j action.Job) action.Result {
		switch j.Action.Name {
		case "Unit":
			return action.Result{Status: pipeline.InProgress}
		case "Lint":
			if lints++; lints == 1 {
				return action.Fail(action.JobFailed, "lint found something")
			}
		}
		return action.Result{}
	}
	w.create(app(pipeline.Superseded))
	id := w.start()
	w.settle()
	if lint, unit := w.latest("Test", "Lint").Status, w.latest("Test", "Unit").Status; lint != pipeline.Failed || unit != pipeline.InProgress {
		t.Fatalf("Lint is %s and Unit %s; want Failed and InProgress", lint, unit)
	}
	retry := orchestrator.Retry{Pipeline: "app", Stage: "Test", Execution: id, Mode: pipeline.AllActions}
	if code := pipeline.CodeOf(w.svc.RetryStage(t.Context(), retry)); code != pipeline.StageNotRetryable {
		t.Errorf("ALL_ACTIONS beside a running action gave %q; want StageNotRetryableException", code)
	}
	retry.Mode = pipeline.FailedActions
	if err := w.svc.RetryStage(t.Context(), retry); err != nil {
		t.Fatal(err)
	}
	if code := pipeline.CodeOf(w.svc.RetryStage(t.Context(), retry)); code != pipeline.StageNotRetryable {
		t.Errorf("a second retry gave %q; want StageNotRetryableException", code)
	}
	unit := w.latest("Test", "Unit")
	w.jobs[unit.ID].result = action.Result{Status: pipeline.Succeeded}
	if err := w.svc.Resume(t.Context(), unit.ID); err != nil {
		t.Fatal(err)
	}
	w.settle()
	w.want(id, pipeline.InProgress) // at the approval
	if w.started[id+" Lint"] != 2 || w.started[id+" Unit"] != 1 {
		t.Errorf("Lint ran %d times and Unit %d; want 2 and 1", w.started[id+" Lint"], w.started[id+" Unit"])
	}
}
