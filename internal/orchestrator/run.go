package orchestrator

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"time"

	"github.com/sluice-ci/sluice/events"
	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// A RunRequest is the payload of the functions that run actions. The machine
// writes it; see compile.
type RunRequest struct {
	Token     string `json:"token"`
	Run       string `json:"run"`
	Execution string `json:"execution"`
	Stage     string `json:"stage"`
	Action    string `json:"action"`
	Call      int    `json:"call,omitempty"`  // grows when the machine gives a call up and calls again
	Visit     string `json:"visit,omitempty"` // of its state, the time of its beginning: the same for all calls of one visit
}

// RunAction starts an action, or goes on with one that was started before.
//
// The record is written before the work is started, with the token of the
// task, so a crash in between loses nothing: the call is repeated, finds the
// record, and the provider starts no work twice.
func (s *Service) RunAction(ctx context.Context, in RunRequest) error {
	var a *record.Action // to be worked on
	discard := func() {}
	err := s.change(ctx, func(c *change) error {
		discard() // of a change that came too late
		a, discard = nil, func() {}
		e, d, err := c.caller(in.Execution, in.Run, in.Token)
		if err != nil || e == nil {
			return err
		}
		if a, err = c.startAction(e, d, in); err == nil && a != nil {
			discard = c.prepare(a)
		}
		return err
	})
	if err == nil && a != nil {
		err = s.work(ctx, a)
	}
	if err != nil {
		discard()
	}
	return err
}

// prepare lets the provider of an action that c adds make ready while c is
// being written.
func (c *change) prepare(a *record.Action) (discard func()) {
	if c.actions[a.Key()].read == nil {
		if p, ok := c.Catalog.Provider(a.Job.Action.TypeID).(action.Preparer); ok {
			return p.Prepare(a.Job)
		}
	}
	return func() {}
}

// startAction makes or finds the record of the action that in asks for, and
// returns it if there is work to be done. Otherwise it has answered the task,
// or noted that it waits for its turn.
func (c *change) startAction(e *record.Execution, d pipeline.Declaration, in RunRequest) (*record.Action, error) {
	i, st, err := record.FindStage(d, in.Stage)
	if err != nil {
		return nil, err
	}
	if earlier(in.Visit, e.Repeated) { // it comes late: the task that waits now is of the stage's next attempt
		return nil, nil
	}
	cancelled, err := c.cancelled(e)
	if err != nil {
		return nil, err
	}
	prior, err := c.latestAction(e, in.Stage, in.Action)
	if err == nil && prior != nil {
		prior, err = c.action(prior.Ref()) // it may end at this moment; then its end is to be told
	}
	if err != nil {
		return nil, err
	}
	runs := prior != nil && prior.Status == pipeline.InProgress // and may finish, whoever waits for that
	if e.Stage != i || !e.Inside || !runs && (cancelled || e.Status == pipeline.Stopping) {
		c.answer(in.Token, errorOutdated, "no action may start any more")
		return nil, nil
	}
	switch {
	case prior == nil || prior.Attempt < e.Attempt && prior.Status != pipeline.Succeeded:
		if waits, err := c.waitsTurn(e, d, st, in); err != nil || waits {
			return nil, err
		}
		return c.newAction(e, d, st, in, 1)
	case prior.Status == pipeline.Succeeded: // told before, or kept by a retry of what failed
		c.answer(in.Token, "", "")
		return nil, nil
	case prior.Status.Final():
		c.answer(in.Token, errorFailed, prior.Result.Summary)
		return nil, nil
	}
	if prior.Run == in.Run && in.Call < prior.Call { // it was given up and comes late: the newer call waits
		return nil, nil
	}
	prior.Token, prior.Run, prior.Call = in.Token, in.Run, in.Call
	return prior, nil
}

// earlier reports whether a visit of a state began before another one. Whoever
// runs the machine writes when that was (RFC 3339).
func earlier(visit, other string) bool {
	at, err := time.Parse(time.RFC3339, visit)
	behind, err2 := time.Parse(time.RFC3339, other)
	return err == nil && err2 == nil && at.Before(behind)
}

// newAction adds a try of an action and returns it if there is work to be done.
// What can be known to fail fails here.
func (c *change) newAction(e *record.Execution, d pipeline.Declaration, st pipeline.Stage, in RunRequest, try int) (*record.Action, error) {
	declared, err := findAction(st, in.Action)
	if err != nil {
		return nil, err
	}
	a := record.Action{
		ID: c.newID(), Pipeline: e.Pipeline, Version: e.Version, Execution: e.ID, Seq: e.Seq,
		Stage: st.Name, Name: declared.Name, Attempt: e.Attempt, Try: try,
		Status: pipeline.InProgress, Run: in.Run, Token: in.Token, Call: in.Call,
		Raw: declared.Configuration, Started: c.at, Updated: c.at,
	}
	c.actions[a.Key()] = &tracked[record.Action]{value: a}
	added := &c.actions[a.Key()].value
	c.set(record.LatestKey(e.Pipeline, st.Name, a.Name), added.Ref())
	c.put(record.JobKey(a.ID), added.Ref())
	if err := c.takeTurn(e, d, st, added); err != nil {
		return nil, err
	}
	job, invalid, err := c.job(e, d, declared, added)
	if err != nil {
		return nil, err
	}
	added.Job = job
	c.announceAction(e, added, events.Started)
	if invalid != nil {
		c.endAction(e, added, pipeline.Failed, action.Fail(action.ConfigurationError, invalid.Error()))
		return nil, nil
	}
	return added, nil
}

func findAction(st pipeline.Stage, name string) (pipeline.Action, error) {
	for _, a := range st.Actions {
		if a.Name == name {
			return a, nil
		}
	}
	return pipeline.Action{}, pipeline.Errorf(pipeline.ActionNotFound, "The stage '%s' does not have an action named '%s'", st.Name, name)
}

// job collects everything a provider may know. If invalid is not nil the action
// cannot run, and the job is as complete as it could be made.
func (c *change) job(e *record.Execution, d pipeline.Declaration, declared pipeline.Action, a *record.Action) (job action.Job, invalid, err error) {
	region := declared.Region
	if region == "" {
		region = c.home.Region
	}
	job = action.Job{
		ID: a.ID, Pipeline: e.Pipeline, Version: e.Version, ExecutionID: e.ID, Stage: a.Stage,
		Action: declared, Region: region, Account: c.home.Account, Role: cmp.Or(declared.RoleARN, e.Role),
		Revision: e.Overrides[declared.Name],
		Begun:    c.at, Deadline: c.at.Add(pipeline.Timeout(declared)),
	}
	for _, out := range declared.OutputArtifacts {
		job.Outputs = append(job.Outputs, action.Artifact{Name: out.Name, Ref: blob.Ref{Bucket: bucket(d, region), Key: artifactKey(d.Name, out.Name, a.ID)}})
	}
	results := c.results(e, d)
	resolved, err := pipeline.ResolveAction(declared, results.variable)
	if err == nil {
		job.Action = resolved
	}
	missing := []error{err}
	for _, in := range declared.InputArtifacts {
		artifact, err := results.artifact(in.Name)
		missing = append(missing, err)
		job.Inputs = append(job.Inputs, artifact)
	}
	return job, errors.Join(missing...), results.err
}

// bucket returns the artifact bucket of a Region.
func bucket(d pipeline.Declaration, region string) string {
	if s, ok := d.ArtifactStores[region]; ok {
		return s.Location
	}
	if d.ArtifactStore != nil {
		return d.ArtifactStore.Location
	}
	for _, s := range d.ArtifactStores {
		return s.Location // a Region that pipeline.Validate did not ask a store for
	}
	return ""
}

// artifactKey returns <pipeline>/<artifact>/<7 characters>, cut as CodePipeline
// cuts (user guide, Input and output artifacts). The tail belongs to the action execution alone.
func artifactKey(name, artifact, id string) string {
	sum := sha256.Sum256([]byte(id + "/" + artifact))
	tail := "000000" + new(big.Int).SetBytes(sum[:8]).Text(62)
	return fmt.Sprintf("%.20s/%.10s/%s", name, artifact, tail[len(tail)-7:])
}

// work has the provider of an action, which is recorded, start its job and
// records what it says. The action may have ended before the work began; who
// ended it found nothing to stop then, so the work is stopped here.
func (s *Service) work(ctx context.Context, a *record.Action) error {
	if a.Result.Cursor != "" {
		return nil // it has come further than its start
	}
	provider := s.Catalog.Provider(a.Job.Action.TypeID)
	result, err := provider.Start(ctx, a.Job)
	if err != nil {
		return fmt.Errorf("start action %s: %w", a.Ref(), err)
	}
	if !reflect.DeepEqual(result, action.Result{Status: pipeline.InProgress}) || !reflect.ValueOf(a.Result).IsZero() { // else there is nothing to record
		if err := s.Report(ctx, a.Ref(), result); err != nil {
			return err
		}
	}
	if result.Status != pipeline.InProgress {
		return nil
	}
	now, err := s.Records.Action(ctx, a.Ref())
	if err != nil || !now.Value.Status.Final() {
		return err
	}
	return provider.Stop(ctx, a.Job)
}
