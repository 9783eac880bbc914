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
