package orchestrator

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
)

// A JobSuccess is what a function says that has done its job. With a
// Continuation it has done a part and is to be called again; then there are no
// Variables.
type JobSuccess struct {
	Job          string            `json:"job"` // id in the event the function got
	Continuation string            `json:"continuation,omitempty"`
	Variables    map[string]string `json:"variables,omitempty"`
	Revision     *action.Revision  `json:"revision,omitempty"`
	Summary      string            `json:"summary,omitempty"`
	ExternalID   string            `json:"externalId,omitempty"`
	Percent      int               `json:"percent,omitempty"`
}

// A JobFailure is what a function says that cannot do its job.
type JobFailure struct {
	Job        string `json:"job"`
	Type       string `json:"type"` // a failure type of package action
	Message    string `json:"message"`
	ExternalID string `json:"externalId,omitempty"`
}

// continued is how long after a continuation the function is called again
// (user guide, Invoke a Lambda function).
const continued = 30 * time.Second

// PutJobSuccess takes the answer of a function that was invoked. The first
// answer to a job counts; the same answer again is fine and changes nothing,
// any other is refused with InvalidJobState. A job that was given up, because
// its time was up or its execution was stopped, takes any answer and heeds none.
func (s *Service) PutJobSuccess(ctx context.Context, in JobSuccess) error {
	size := 0
	for k, v := range in.Variables {
		size += len(k) + len(v)
	}
	switch {
	case in.Continuation != "" && len(in.Variables) > 0:
		return pipeline.Errorf(pipeline.Validation, "A job can not contain both a continuation token and output variables.")
	case size > maxOutputVariables:
		return pipeline.Errorf(pipeline.OutputVariablesTooLarge, "The output variables of job '%s' have %d bytes; at most %d are allowed", in.Job, size, maxOutputVariables)
	}
	return s.answerJob(ctx, in.Job, told(pipeline.Succeeded, in), func(c *change, a *record.Action, call *record.Call) {
		if in.Continuation != "" {
			c.continueJob(a, call, in)
			return
		}
		call.Answer = &action.Result{
			Status: pipeline.Succeeded, Summary: in.Summary, ExternalID: in.ExternalID, Percent: in.Percent,
			Variables: in.Variables, Revision: in.Revision,
		}
	})
}

// PutJobFailure is PutJobSuccess for a function that has failed.
func (s *Service) PutJobFailure(ctx context.Context, in JobFailure) error {
	return s.answerJob(ctx, in.Job, told(pipeline.Failed, in), func(_ *change, _ *record.Action, call *record.Call) {
		r := action.Fail(in.Type, in.Message)
		r.ExternalID = in.ExternalID
		call.Answer = &r
	})
}

// told describes an answer.
func told(status pipeline.Status, answer any) record.Told {
	sum := sha256.Sum256(record.Encode(answer))
	return record.Told{Status: status, Digest: hex.EncodeToString(sum[:])}
}

// answerJob records an answer, and what take makes of it, if it is the first
// that counts. The provider tells the action's end, because only who may read
// the artifacts knows what the function made.
func (s *Service) answerJob(ctx context.Context, job string, answer record.Told, take func(*change, *record.Action, *record.Call)) error {
	return s.change(ctx, func(c *change) error {
		a, call, err := c.functionJob(job)
		if err != nil {
			return err
		}
		before, err := c.Records.Told(ctx, job)
		if err != nil {
			return err
		}
		if before.At > 0 {
			return repeated(job, before.Value, answer)
		}
		if a.Status.Final() || call.Value.Answer != nil {
			return c.givenUp(job, a)
		}
		if call.Value.ID != job {
			return terminated(job)
		}
		take(c, a, &call.Value)
		c.once(record.ToldKey(job), answer)
		c.extra = append(c.extra, store.Op{Key: record.CallKey(a.ID), Kind: store.Put, If: call.At, Value: record.Encode(call.Value)})
		c.out.Polls = append(c.out.Polls, record.Poll{Job: a.ID, Due: call.Value.Due})
		return nil
	})
}

// functionJob returns the action that a job belongs to and its newest call. A job
// exists once somebody has set out to invoke the function.
func (c *change) functionJob(job string) (*record.Action, record.Versioned[record.Call], error) {
	var call record.Versioned[record.Call]
	unknown := pipeline.Errorf(pipeline.JobNotFound, "Job with id '%s' does not exist", job)
	of, err := c.Records.Job(c.ctx, job)
	if pipeline.CodeOf(err) == pipeline.ActionExecutionNotFound {
		return nil, call, unknown
	}
	if err != nil {
		return nil, call, err
	}
	call, err = c.Records.Call(c.ctx, of.ID)
	if err == nil && call.At == 0 {
		err = unknown
	}
	if err != nil {
		return nil, call, err
	}
	a, err := c.action(of.Ref())
	return a, call, err
}

// continueJob replaces a call by the next one, with an id of its own.
func (c *change) continueJob(a *record.Action, call *record.Call, in JobSuccess) {
	*call = record.Call{
		ID: c.newID(), Continuation: in.Continuation, Due: c.at.Add(continued),
		Summary: in.Summary, ExternalID: in.ExternalID, Percent: in.Percent,
	}
	c.put(record.JobKey(call.ID), a.Ref())
	c.progress(a, action.Result{
		Status: pipeline.InProgress, Summary: in.Summary, Percent: in.Percent,
		ExternalID: cmp.Or(in.ExternalID, a.Result.ExternalID), ExternalURL: a.Result.ExternalURL,
	})
}

// repeated says what it means that a job is answered once more.
func repeated(job string, first, again record.Told) error {
	switch {
	case first == again:
		return nil
	case first.Status == again.Status:
		return pipeline.Errorf(pipeline.InvalidJobState, "The status of job with id %s is already set to the desired value. It cannot be updated with the same status, but different result or output variables.", job)
	}
	return terminated(job)
}

func terminated(job string) error {
	return pipeline.Errorf(pipeline.InvalidJobState, "Job with id %s has already terminated", job)
}

// givenUp says what it means that a job is answered whose action has ended
// without it. Once its stage was tried again the answer is to an old question.
func (c *change) givenUp(job string, a *record.Action) error {
	e, err := c.execution(a.Execution)
	if err == nil && a.Attempt < e.Attempt {
		return terminated(job)
	}
	return err
}
