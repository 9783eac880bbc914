package orchestrator

import (
	"context"
	"fmt"
	"slices"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
)

const (
	maxLost            = 5       // tries of an action whose work gets lost, in all
	maxOutputVariables = 122_880 // bytes, user guide, Quotas
)

// Report records how the work of an action stands. The first end that is
// reported stays; whatever is reported after it changes nothing.
//
// Work that was lost, because the process that did it is gone, is recorded as
// failed and tried again, so that a crash does not end an execution.
func (s *Service) Report(ctx context.Context, id record.ActionID, result action.Result) error {
	return s.report(ctx, id, "", result)
}

// report is Report for work that was at cursor before. If somebody else has
// brought it further meanwhile, what is told of its progress is old.
func (s *Service) report(ctx context.Context, id record.ActionID, cursor string, result action.Result) error {
	var again *record.Action
	err := s.change(ctx, func(c *change) error {
		again = nil
		a, err := c.action(id)
		if err != nil || a.Status.Final() {
			return err
		}
		e, err := c.execution(a.Execution)
		if err != nil {
			return err
		}
		switch {
		case !result.Status.Final() && a.Result.Cursor != cursor:
		case !result.Status.Final():
			c.progress(a, result)
		case result.Status == action.Lost && a.Try < maxLost && e.Status == pipeline.InProgress:
			again, err = c.tryAgain(e, a)
			return err
		case result.Status == action.Lost:
			c.endAction(e, a, pipeline.Failed, lost(a))
		default:
			end := checked(result)
			c.endAction(e, a, end.Status, end)
		}
		return nil
	})
	if err != nil || again == nil {
		return err
	}
	return s.work(ctx, again)
}

// progress notes what is known of work that goes on.
func (c *change) progress(a *record.Action, result action.Result) {
	if result.Token != "" && a.Result.Token == "" {
		c.requestApproval(a, result.Token)
	}
	if result.Cursor != a.Result.Cursor {
		c.out.Polls = append(c.out.Polls, record.Poll{Job: a.ID, Cursor: result.Cursor})
	}
	if a.Result.Cursor == result.Cursor && a.Result.ExternalID == result.ExternalID && a.Result.Percent == result.Percent && a.Result.Token == result.Token && a.Result.Summary == result.Summary && a.Result.Log == result.Log {
		return
	}
	c.noteExternal(a, result.ExternalID)
	a.Result, a.Updated = result, c.at
}

// noteExternal lets an action be found by what the service that does its work
// calls that, when it is first known. Of all services only those of builds
// tell of an end by that name.
func (c *change) noteExternal(a *record.Action, id string) {
	category := a.Job.Action.TypeID.Category
	if id == "" || id == a.Result.ExternalID || category != pipeline.Build && category != pipeline.Test {
		return
	}
	c.extra = append(c.extra, store.Op{Key: record.ExternalKey(id), Kind: store.Put, If: store.Any, Value: record.Encode(a.Ref()), Expires: c.at.Add(answered)})
}

// lost is the result of work whose process is gone.
func lost(a *record.Action) action.Result {
	r := action.Fail(action.SystemUnavailable, fmt.Sprintf("The work of action %s was lost: the process that did it is gone", a.Name))
	r.Log, r.ExternalID = a.Result.Log, a.Result.ExternalID
	return r
}

// tryAgain ends a lost try and adds the next one, for the same task.
func (c *change) tryAgain(e *record.Execution, a *record.Action) (*record.Action, error) {
	d, err := c.declaration(c.ctx, e)
	if err != nil {
		return nil, err
	}
	_, st, err := record.FindStage(d, a.Stage)
	if err != nil {
		return nil, err
	}
	if a.Gate != "" {
		return c.tryRuleAgain(e, d, st, a)
	}
	token := a.Token
	a.Token = "" // the task is handed on, not answered
	result := lost(a)
	result.Summary += "; it is tried again"
	c.endAction(e, a, pipeline.Failed, result)
	return c.newAction(e, d, st, RunRequest{Token: token, Run: a.Run, Call: a.Call, Execution: e.ID, Stage: a.Stage, Action: a.Name}, a.Try+1)
}

// tryRuleAgain is tryAgain for a rule. The lost try does not decide its gate.
func (c *change) tryRuleAgain(e *record.Execution, d pipeline.Declaration, st pipeline.Stage, a *record.Action) (*record.Action, error) {
	cond := conditionOf(st, a.Gate)
	i := slices.IndexFunc(cond.Rules, func(r pipeline.Rule) bool { return r.Name == a.Name })
	if i < 0 {
		return nil, fmt.Errorf("stage %s declares no rule %s", st.Name, a.Name)
	}
	result := lost(a)
	result.Summary += "; it is tried again"
	_, err := c.newRule(e, d, st, a.Gate, cond.Rules[i], a.Try+1)
	c.endAction(e, a, pipeline.Failed, result)
	return nil, err // it is begun from the outbox
}

// checked refuses a result that nobody could use.
func checked(r action.Result) action.Result {
	size := 0
	for k, v := range r.Variables {
		size += len(k) + len(v)
	}
	if size > maxOutputVariables {
		f := action.Fail(action.JobFailed, fmt.Sprintf("The output variables have %d bytes; at most %d are allowed", size, maxOutputVariables))
		f.Log, f.ExternalID = r.Log, r.ExternalID
		return f
	}
	return r
}

// endAction gives an action its end and answers the task that waits for it.
func (c *change) endAction(e *record.Execution, a *record.Action, status pipeline.Status, result action.Result) {
	if token := a.Result.Token; token != "" && result.Token == "" {
		result.Token = token
	}
	if result.ExternalID == "" {
		result.ExternalID, result.ExternalURL, result.Log = a.Result.ExternalID, a.Result.ExternalURL, result.Log || a.Result.Log
	}
	c.noteExternal(a, result.ExternalID)
	result.Status = status
	a.Status, a.Result, a.Updated = status, result, c.at
	if status == pipeline.Succeeded && result.Revision != nil && a.Job.Action.TypeID.Category == pipeline.Source {
		c.noteRevision(e, a)
	}
	if a.Gate != "" {
		c.ruled = append(c.ruled, a.Ref())
		return
	}
	c.ended = append(c.ended, a)
	c.announceAction(e, a, states[status])
	if a.Token == "" {
		return
	}
	if status == pipeline.Succeeded {
		c.answer(a.Token, "", "")
	} else {
		c.answer(a.Token, errorFailed, result.Summary)
	}
}

// noteRevision adds what a source action fetched to its execution.
func (c *change) noteRevision(e *record.Execution, a *record.Action) {
	r := record.Revision{Action: a.Name, Revision: *a.Result.Revision}
	if len(a.Result.Outputs) > 0 {
		r.Artifact = a.Result.Outputs[0].Name
	}
	e.Updated = c.at
	e.Revisions = slices.Clone(e.Revisions)
	if i := slices.IndexFunc(e.Revisions, func(known record.Revision) bool { return known.Action == a.Name }); i >= 0 {
		e.Revisions[i] = r
		return
	}
	e.Revisions = append(e.Revisions, r)
}

// Resume asks the provider of an action how its work stands and records the
// answer. jobID is the action execution id. It is called when a service says
// that something ended, or when nobody has said anything for a while; either
// may come first, or twice.
func (s *Service) Resume(ctx context.Context, jobID string) error { return s.poll(ctx, jobID, "") }

// poll is Resume by whoever's turn it is to go on from cursor. Work in pieces
// that has come further is somebody else's turn, and there is nobody to ask.
func (s *Service) poll(ctx context.Context, jobID, cursor string) error {
	a, err := s.Records.Job(ctx, jobID)
	if err != nil || a.Status.Final() || a.Result.Cursor != cursor {
		return err
	}
	a.Job.Cursor = cursor
	result, err := s.Catalog.Provider(a.Job.Action.TypeID).Poll(ctx, a.Job)
	if err != nil {
		return fmt.Errorf("poll action %s: %w", a.Ref(), err)
	}
	return s.report(ctx, a.Ref(), cursor, result)
}
