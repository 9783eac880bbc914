package orchestrator

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/sluice-ci/sluice/events"
	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// PutApproval records somebody's answer to an approval and returns when it was
// given. The first answer counts. It never lands on a request that was
// abandoned, replaced or has expired; expiry is decided by the record.
func (s *Service) PutApproval(ctx context.Context, in Approval) (time.Time, error) {
	var at time.Time
	err := s.change(ctx, func(c *change) error {
		at = c.at
		id, err := c.approvalOf(in)
		if err != nil {
			return err
		}
		a, err := c.action(id)
		if err != nil {
			return err
		}
		if err := answerable(a, in, c.at); err != nil {
			return err
		}
		return c.settle(a, in.Approved, in.Summary, in.By)
	})
	return at, err
}

// settle ends an approval with somebody's answer.
func (c *change) settle(a *record.Action, approved bool, summary, by string) error {
	e, err := c.execution(a.Execution)
	if err != nil {
		return err
	}
	a.UpdatedBy = by
	if approved {
		c.endAction(e, a, pipeline.Succeeded, action.Result{Summary: summary})
		return nil
	}
	result := action.Fail(action.JobFailed, "Rejected by "+by)
	if summary != "" {
		result.Summary = summary
	}
	c.endAction(e, a, pipeline.Failed, result)
	return nil
}

// approvalOf returns the execution of the approval that in answers. The newest
// version of the pipeline may have no such stage any more: a PARALLEL execution
// goes on with its own.
func (c *change) approvalOf(in Approval) (record.ActionID, error) {
	_, v, err := c.Records.Latest(c.ctx, in.Pipeline)
	if err != nil {
		return record.ActionID{}, err
	}
	for _, find := range []func(Approval) (record.ActionID, error){c.latestApproval, c.approvalAmong} {
		if id, err := find(in); err != nil || id != (record.ActionID{}) {
			return id, err
		}
	}
	_, st, err := record.FindStage(v.Declaration, in.Stage)
	if err == nil {
		_, err = findAction(st, in.Action)
	}
	if err == nil {
		err = unknownToken(in)
	}
	return record.ActionID{}, err
}

// latestApproval returns the latest execution of the approval if it is the one
// that in answers.
func (c *change) latestApproval(in Approval) (record.ActionID, error) {
	all, err := c.Records.LatestActions(c.ctx, in.Pipeline, in.Stage)
	if a, ok := all[in.Action]; ok && a.Result.Token == in.Token {
		return a.Ref(), err
	}
	return record.ActionID{}, err
}

// approvalAmong seeks the approval with the token among all executions that
// are under way: in a PARALLEL pipeline, or one that was PARALLEL when they
// began, any number may wait.
func (c *change) approvalAmong(in Approval) (record.ActionID, error) {
	active, err := c.Records.Active(c.ctx, in.Pipeline, 0)
	if err != nil {
		return record.ActionID{}, err
	}
	for _, e := range active {
		all, err := c.Records.Actions(c.ctx, e.ID)
		if err != nil {
			return record.ActionID{}, err
		}
		for _, a := range all {
			if a.Stage == in.Stage && a.Name == in.Action && a.Result.Token == in.Token {
				return a.Ref(), nil
			}
		}
	}
	return record.ActionID{}, nil
}

func unknownToken(in Approval) error {
	return pipeline.Errorf(pipeline.InvalidApprovalToken, "The approval request of action '%s' in stage '%s' with that token is not, or no longer, open", in.Action, in.Stage)
}

// missed reports whether nobody has answered a in time. The record decides,
// not whoever swept last.
func missed(a *record.Action, now time.Time) bool {
	return a.UpdatedBy == "" && !now.Before(a.Job.Deadline)
}

// answerable says why a request takes no answer, or nil.
func answerable(a *record.Action, in Approval, now time.Time) error {
	switch {
	case a.Job.Action.TypeID.Category != pipeline.Approval || a.Result.Token == "" || a.Result.Token != in.Token:
		return unknownToken(in)
	case missed(a, now):
		return pipeline.Errorf(pipeline.InvalidApprovalToken, "The approval request of action '%s' in stage '%s' expired at %s", in.Action, in.Stage, a.Job.Deadline.Format(time.RFC3339))
	case a.Status.Final() && a.UpdatedBy == "":
		return pipeline.Errorf(pipeline.InvalidApprovalToken, "The pipeline %s has been updated, and the approval request you responded to is now out of date.", in.Pipeline)
	case a.Status.Final():
		return pipeline.Errorf(pipeline.ApprovalAlreadyCompleted, "The approval request of action '%s' in stage '%s' was already answered: %s", in.Action, in.Stage, a.Status)
	case a.Job.Action.Configuration["IsSummaryRequired"] == "true" && in.Summary == "":
		return pipeline.Errorf(pipeline.InvalidApprovalToken, "Action '%s' in stage '%s' requires a summary. Provide a summary in the approval result and try again.", in.Action, in.Stage)
	}
	return nil
}

// requestApproval tells people, and the action's topic, if it has one, that an
// answer is asked for. What the topic gets is CodePipeline's (user guide, JSON
// data format for manual approval notifications).
func (c *change) requestApproval(a *record.Action, token string) {
	c.askPeople(a)
	conf := a.Job.Action.Configuration
	if conf["NotificationArn"] == "" {
		return
	}
	console := fmt.Sprintf("https://console.aws.amazon.com/codepipeline/home?region=%s#/view/%s", c.home.Region, url.PathEscape(a.Pipeline))
	message, err := json.Marshal(events.ApprovalNotification{
		Region: c.home.Region, ConsoleLink: console,
		Approval: events.Approval{
			PipelineName: a.Pipeline, StageName: a.Stage, ActionName: a.Name,
			Token: token, Expires: a.Job.Deadline.UTC().Format("2006-01-02T15:04Z"),
			ExternalLink: conf["ExternalEntityLink"],
			ReviewLink:   fmt.Sprintf("%s/%s/%s/approve/%s", console, url.PathEscape(a.Stage), url.PathEscape(a.Name), token),
			CustomData:   conf["CustomData"],
		},
	})
	if err != nil {
		panic(err) // strings always encode
	}
	c.out.Notices = append(c.out.Notices, record.Notice{
		ID:      c.newID(),
		Topic:   conf["NotificationArn"],
		Subject: fmt.Sprintf("APPROVAL NEEDED: AWS CodePipeline %s for action %s", a.Pipeline, a.Name),
		Message: message,
	})
}
