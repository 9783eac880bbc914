package crash_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sluice-ci/sluice/internal/codepipeline"
	"github.com/sluice-ci/sluice/internal/definition"
	"github.com/sluice-ci/sluice/internal/local"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// A load uses a system as people would and remembers what was acknowledged. It
// outlives the children it talks to.
type load struct {
	t      *testing.T
	folder string

	only sync.Mutex // held by who changes what has one state: a transition, a definition, a repository

	mu           sync.Mutex
	acknowledged int               // guarded by mu, as all below
	starts       map[string]*begun // by client token
	answers      map[string]answer // to approvals, by token or, by a link, by action
	stops        map[string]string // executions, and whose pipeline they are
	retries      map[string]int    // by execution
	rollbacks    map[string]string // executions, and what they go back to
	overrides    map[string]string // executions, and the pipeline
	transitions  map[string]claim  // by pipeline/stage: whether it is closed
	exists       claim             // the pipeline brief
	version      int               // of the pipeline updated, at least
	revision     int               // of its definition
	commits      []string          // that were pushed
	active       map[string]int    // executions by pipeline, when it was last looked at
}

type begun struct {
	pipeline string
	id       string // empty: not acknowledged
}

type answer struct {
	execution string
	approved  bool
}

// A claim is what was acknowledged about something that has one state. After a
// change whose outcome is unknown nothing is claimed.
type claim struct{ sure, holds bool }

func newLoad(t *testing.T) *load {
	return &load{
		t: t, folder: newFolder(t), starts: map[string]*begun{}, answers: map[string]answer{}, stops: map[string]string{}, retries: map[string]int{},
		rollbacks: map[string]string{}, overrides: map[string]string{}, transitions: map[string]claim{}, active: map[string]int{},
	}
}

// note keeps what was acknowledged.
func (l *load) note(what func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acknowledged++
	what()
}

// A user does one thing after the other until its child is gone.
type user struct {
	*load
	c    *child
	ctx  context.Context
	rng  *rand.Rand
	over bool // everything is to come to its end
}

// run has three users work on c until ctx ends or c is gone.
func (l *load) run(ctx context.Context, c *child, rng *rand.Rand) {
	var wg sync.WaitGroup
	for range 3 {
		u := &user{load: l, c: c, ctx: ctx, rng: rand.New(rand.NewPCG(rng.Uint64(), 0))}
		wg.Go(func() {
			for u.ctx.Err() == nil && !u.c.dead() {
				u.step()
			}
		})
	}
	wg.Wait()
}

// chance is true in p of 100 cases.
func (u *user) chance(p int) bool { return u.rng.IntN(100) < p }

// do calls the API. Refused says that nothing was done; after any other error
// nobody knows.
func (u *user) do(operation string, in, out any) (refused bool, err error) {
	err = u.c.api.Do(u.ctx, operation, in, out)
	code := pipeline.CodeOf(err)
	return err != nil && code != pipeline.ServiceUnavailable && code != pipeline.InternalFailure && u.ctx.Err() == nil, err
}

// step does something that people do.
func (u *user) step() {
	name := names()[u.rng.IntN(pipelines)]
	switch n := u.rng.IntN(100); {
	case n < 15 && !u.over:
		u.mu.Lock()
		room := u.active[name] < 3
		u.mu.Unlock()
		if room {
			u.start(name, "")
		}
	case n < 17 && !u.over:
		u.push()
	case n < 19 && !u.over:
		u.update()
	case n < 21 && !u.over:
		u.brief()
	case n < 25:
		u.repeat()
	default:
		u.look(name)
	}
}

// start starts an execution; token is that of a request to repeat, if it is.
func (u *user) start(name, token string) {
	if token == "" {
		token = orchestrator.NewID()
		u.mu.Lock()
		u.starts[token] = &begun{pipeline: name}
		u.mu.Unlock()
	}
	var out codepipeline.StartPipelineExecutionOutput
	refused, err := u.do("StartPipelineExecution", codepipeline.StartPipelineExecutionInput{Name: name, ClientRequestToken: token}, &out)
	switch {
	case refused:
		u.mu.Lock()
		if s := u.starts[token]; s.id != "" {
			u.t.Errorf("the start of %s was acknowledged, and is refused when it is repeated: %v", s.id, err)
		}
		delete(u.starts, token)
		u.mu.Unlock()
	case err == nil:
		u.note(func() {
			if s := u.starts[token]; s.id != "" && s.id != out.PipelineExecutionID {
				u.t.Errorf("one start gave two executions, %s and %s", s.id, out.PipelineExecutionID)
			}
			u.starts[token].id = out.PipelineExecutionID
			u.active[name]++
		})
	}
}

// repeat repeats a start nobody has acknowledged.
func (u *user) repeat() {
	token, name := "", ""
	u.mu.Lock()
	for k, s := range u.starts {
		if s.id == "" {
			token, name = k, s.pipeline
		}
	}
	u.mu.Unlock()
	if token != "" {
		u.start(name, token)
	}
}

// push pushes a commit or puts a new object in its place.
func (u *user) push() {
	u.only.Lock()
	defer u.only.Unlock()
	if u.chance(50) {
		write(u.t, filepath.Join(u.folder, "drop", "new.zip"), "")
		git(u.t, filepath.Join(u.folder, "repo"), "archive", "-o", filepath.Join(u.folder, "drop", "new.zip"), fmt.Sprintf("--prefix=%d/", u.rng.IntN(1e9)), "HEAD")
		rename(u.t, filepath.Join(u.folder, "drop", "new.zip"), filepath.Join(u.folder, "drop", "code.zip"))
		return
	}
	id := commit(u.t, filepath.Join(u.folder, "pushed"), orchestrator.NewID())
	u.mu.Lock()
	u.commits = append(u.commits, id)
	u.mu.Unlock()
}

// update changes a declaration, by its file and the API or by its file alone.
func (u *user) update() {
	u.only.Lock()
	defer u.only.Unlock()
	u.mu.Lock()
	u.revision++
	revision := u.revision
	u.mu.Unlock()
	write(u.t, filepath.Join(u.folder, "pipelines", updated+".yaml"), text(u.folder, updated, revision))
	if u.chance(50) {
		u.post("/register", nil)
		return
	}
	var out codepipeline.UpdatePipelineOutput
	if _, err := u.do("UpdatePipeline", codepipeline.UpdatePipelineInput{Pipeline: u.declared(updated).Declaration}, &out); err == nil {
		u.note(func() { u.version = max(u.version, out.Pipeline.Version) })
	}
}

func (u *user) declared(name string) definition.Definition {
	defs, err := definitions(u.folder)
	if err != nil {
		u.t.Fatal(err)
	}
	return defs[slices.IndexFunc(defs, func(d definition.Definition) bool { return d.Declaration.Name == name })]
}

// brief creates or deletes the pipeline that is there for it.
func (u *user) brief() {
	u.only.Lock()
	defer u.only.Unlock()
	create := u.chance(50)
	d := u.declared("p03").Declaration
	d.Name = brief
	var refused bool
	var err error
	if create {
		refused, err = u.do("CreatePipeline", codepipeline.CreatePipelineInput{Pipeline: d}, nil)
	} else {
		refused, err = u.do("DeletePipeline", codepipeline.DeletePipelineInput{Name: brief}, nil)
	}
	switch {
	case err == nil:
		u.note(func() { u.exists = claim{true, create} })
	case !refused:
		u.mu.Lock()
		u.exists = claim{}
		u.mu.Unlock()
	}
}

// post uses the backdoor.
func (u *user) post(path string, form url.Values) (string, error) {
	req, err := http.NewRequestWithContext(u.ctx, http.MethodPost, u.c.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		u.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return read(u.c.http.Do(req))
}

func (u *user) get(path string) (string, error) {
	req, err := http.NewRequestWithContext(u.ctx, http.MethodGet, u.c.url+path, nil)
	if err != nil {
		u.t.Fatal(err)
	}
	return read(u.c.http.Do(req))
}

// read returns the body of a response that says that all went well.
func read(resp *http.Response, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, body)
	}
	return string(body), err
}

// look looks at a pipeline and does some of what there is to do.
func (u *user) look(name string) {
	var list codepipeline.ListPipelineExecutionsOutput
	if _, err := u.do("ListPipelineExecutions", codepipeline.ListPipelineExecutionsInput{PipelineName: name, MaxResults: 30}, &list); err != nil {
		return
	}
	active := 0
	for _, e := range list.Summaries {
		if !e.Status.Final() {
			active++
			u.interfere(name, e)
		}
	}
	u.mu.Lock()
	u.active[name] = active
	u.mu.Unlock()
	if shapeOf(name).mode == pipeline.Parallel {
		u.lookEverywhere(name, list.Summaries)
		return
	}
	var state codepipeline.GetPipelineStateOutput
	if _, err := u.do("GetPipelineState", codepipeline.GetPipelineStateInput{Name: name}, &state); err != nil {
		return
	}
	for _, s := range state.StageStates {
		u.attend(name, s)
	}
}

// interfere stops or aborts an execution, rarely.
func (u *user) interfere(name string, e codepipeline.PipelineExecutionSummary) {
	switch n := u.rng.IntN(100); {
	case u.over:
	case n < 4 && e.Status == pipeline.InProgress, n < 20 && e.Status == pipeline.Stopping:
		in := codepipeline.StopPipelineExecutionInput{PipelineName: name, PipelineExecutionID: e.PipelineExecutionID, Abandon: u.chance(50) || e.Status == pipeline.Stopping, Reason: "why not"}
		if _, err := u.do("StopPipelineExecution", in, nil); err == nil {
			u.note(func() { u.stops[e.PipelineExecutionID] = name })
		}
	case n == 99:
		u.post("/abort?execution="+e.PipelineExecutionID, nil)
	}
}

// attend does what a stage wants.
func (u *user) attend(name string, s codepipeline.StageState) {
	for _, a := range s.ActionStates {
		if x := a.LatestExecution; x != nil && x.Token != "" && s.LatestExecution != nil {
			u.answer(name, s.StageName, a.ActionName, s.LatestExecution.PipelineExecutionID, x.Token)
		}
	}
	closed := !s.InboundTransition.Enabled
	if s.StageName != "Source" && (closed && (u.over || u.chance(40)) || !closed && !u.over && u.chance(2)) {
		u.toggle(name, s.StageName, closed)
	}
	x := s.LatestExecution
	if x == nil {
		return
	}
	if s.BeforeEntry != nil && s.BeforeEntry.LatestExecution != nil && s.BeforeEntry.LatestExecution.Status == pipeline.InProgress && shapeOf(name).window {
		u.override(name, s.StageName, x.PipelineExecutionID)
	}
	switch {
	case u.over || shapeOf(name).plain:
	case x.Status == pipeline.Failed && u.chance(50):
		u.retry(name, s.StageName, x.PipelineExecutionID)
	case x.Status.Final() && s.StageName != "Source" && u.chance(10):
		u.rollback(name, s.StageName)
	}
}

// lookEverywhere finds what waits in a pipeline whose stages show nothing.
func (u *user) lookEverywhere(name string, all []codepipeline.PipelineExecutionSummary) {
	var list codepipeline.ListActionExecutionsOutput
	if _, err := u.do("ListActionExecutions", codepipeline.ListActionExecutionsInput{PipelineName: name}, &list); err != nil {
		return
	}
	for _, a := range list.Details {
		if r := a.Output.ExecutionResult; a.ActionName == "Gate" && a.Status == pipeline.InProgress && r != nil && r.ExternalExecutionID != "" {
			u.answer(name, a.StageName, a.ActionName, a.PipelineExecutionID, r.ExternalExecutionID)
		}
	}
	for _, e := range all {
		switch {
		case shapeOf(name).window && e.Status == pipeline.InProgress:
			u.override(name, "Release", e.PipelineExecutionID)
		case e.Status == pipeline.Failed && !u.over && u.chance(20):
			u.retry(name, "Test", e.PipelineExecutionID)
		}
	}
}

// answer answers an approval, by the API or by its link.
func (u *user) answer(name, stage, action, execution, token string) {
	if !u.over && u.chance(50) {
		return
	}
	approved := u.over || u.chance(85)
	if u.chance(30) {
		u.follow(name, execution, approved)
		return
	}
	in := codepipeline.PutApprovalResultInput{PipelineName: name, StageName: stage, ActionName: action, Token: token}
	in.Result.Status = map[bool]string{true: "Approved", false: "Rejected"}[approved]
	if _, err := u.do("PutApprovalResult", in, nil); err == nil {
		u.note(func() { u.answers[token] = answer{execution, approved} })
	}
}

// follow answers an approval through the link of its mail.
func (u *user) follow(name, execution string, approved bool) {
	body, err := u.get("/links/" + execution)
	if err != nil {
		return
	}
	mails, err := decode[[]local.Mail](body)
	if err != nil || len(mails) == 0 || mails[0].Asks == nil {
		return
	}
	at, err := url.Parse(mails[0].Link)
	if err != nil {
		u.t.Fatal(err)
	}
	form := url.Values{"pipeline": {name}, "comment": {"by link"}, "decision": {map[bool]string{true: "approve", false: "reject"}[approved]}}
	if _, err := u.post(at.Path, form); err == nil {
		u.note(func() { u.answers[fmt.Sprint(*mails[0].Asks)] = answer{execution, approved} })
	}
}

func (u *user) toggle(name, stage string, enable bool) {
	u.only.Lock()
	defer u.only.Unlock()
	var refused bool
	var err error
	if enable {
		refused, err = u.do("EnableStageTransition", codepipeline.EnableStageTransitionInput{PipelineName: name, StageName: stage, TransitionType: "Inbound"}, nil)
	} else {
		refused, err = u.do("DisableStageTransition", codepipeline.DisableStageTransitionInput{PipelineName: name, StageName: stage, TransitionType: "Inbound", Reason: "a test"}, nil)
	}
	switch {
	case err == nil:
		u.note(func() { u.transitions[name+"/"+stage] = claim{true, !enable} })
	case !refused:
		u.mu.Lock()
		u.transitions[name+"/"+stage] = claim{}
		u.mu.Unlock()
	}
}

func (u *user) override(name, stage, execution string) {
	in := codepipeline.OverrideStageConditionInput{PipelineName: name, StageName: stage, PipelineExecutionID: execution, ConditionType: "BEFORE_ENTRY"}
	if _, err := u.do("OverrideStageCondition", in, nil); err == nil {
		u.note(func() { u.overrides[execution] = name })
	}
}

func (u *user) retry(name, stage, execution string) {
	mode := []pipeline.RetryMode{pipeline.FailedActions, pipeline.AllActions}[u.rng.IntN(2)]
	in := codepipeline.RetryStageExecutionInput{PipelineName: name, StageName: stage, PipelineExecutionID: execution, RetryMode: mode}
	if _, err := u.do("RetryStageExecution", in, nil); err == nil {
		u.note(func() { u.retries[execution]++ })
	}
}

// rollback goes back to what succeeded in a stage before.
func (u *user) rollback(name, stage string) {
	var list codepipeline.ListPipelineExecutionsOutput
	in := codepipeline.ListPipelineExecutionsInput{PipelineName: name, MaxResults: 3,
		Filter: &codepipeline.PipelineExecutionFilter{SucceededInStage: &codepipeline.SucceededInStageFilter{StageName: stage}}}
	if _, err := u.do("ListPipelineExecutions", in, &list); err != nil || len(list.Summaries) == 0 {
		return
	}
	target := list.Summaries[u.rng.IntN(len(list.Summaries))].PipelineExecutionID
	var out codepipeline.RollbackStageOutput
	if _, err := u.do("RollbackStage", codepipeline.RollbackStageInput{PipelineName: name, StageName: stage, TargetPipelineExecutionID: target}, &out); err == nil {
		u.note(func() { u.rollbacks[out.PipelineExecutionID] = target })
	}
}
