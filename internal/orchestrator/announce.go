package orchestrator

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/sluice-ci/sluice/events"
	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/bus"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// states spells statuses as events do: with capitals, and CANCELED with one L
// (user guide, Monitoring CodePipeline events).
var states = map[pipeline.Status]events.State{
	pipeline.Stopping: events.Stopping, pipeline.Stopped: events.Stopped,
	pipeline.Succeeded: events.Succeeded, pipeline.Failed: events.Failed,
	pipeline.Cancelled: events.Canceled, pipeline.SupersededExecution: events.Superseded,
	pipeline.Abandoned: events.Abandoned,
}

// announcePipeline says what became of an execution.
func (c *change) announcePipeline(e *record.Execution, state events.State) {
	detail := events.PipelineStateChange{
		Pipeline: e.Pipeline, ExecutionID: e.ID, StartTime: events.Time{Time: e.Started}, State: state,
		Version: events.Number(e.Version), Attempt: events.Number(e.Attempt),
		Trigger: events.Trigger{Type: e.Trigger.Type, Detail: e.Trigger.Detail},
	}
	if e.Stop != nil {
		detail.StopComment = e.Stop.Reason
	}
	c.announce(e, detail)
	if state == events.Failed {
		c.failed = append(c.failed, e)
	}
}

// announceStage says what became of a stage of an execution.
func (c *change) announceStage(e *record.Execution, stageName string, state events.State) {
	detail := events.StageStateChange{
		Pipeline: e.Pipeline, ExecutionID: e.ID, StartTime: events.Time{Time: c.at}, Stage: stageName, State: state,
		Version: events.Number(e.Version), Attempt: events.Number(e.Attempt),
	}
	if state == events.Resumed {
		detail.LastRetryTime = &events.Time{Time: c.at}
	}
	c.announce(e, detail)
}

// announceAction says what became of an action.
func (c *change) announceAction(e *record.Execution, a *record.Action, state events.State) {
	id := a.Job.Action.TypeID
	detail := events.ActionStateChange{
		Pipeline: e.Pipeline, ExecutionID: e.ID, StartTime: events.Time{Time: a.Started},
		Stage: a.Stage, Action: a.Name, ActionExecutionID: a.ID, Region: a.Job.Region, State: state,
		Version: events.Number(e.Version), Attempt: events.Number(e.Attempt),
		Type:           events.ActionType{Owner: string(id.Owner), Category: string(id.Category), Provider: id.Provider, Version: id.Version},
		InputArtifacts: artifacts(a.Job.Inputs),
	}
	if state != events.Started {
		r := a.Result
		detail.Result = &events.ExecutionResult{URL: r.ExternalURL, Summary: r.Summary, ID: r.ExternalID}
		if r.Error != nil {
			detail.Result.ErrorCode = r.Error.Code
		}
	}
	if state == events.Succeeded {
		detail.OutputArtifacts = artifacts(a.Result.Outputs)
	}
	c.announce(e, detail)
}

func artifacts(all []action.Artifact) []events.Artifact {
	var out []events.Artifact
	for _, a := range all {
		out = append(out, events.Artifact{Name: a.Name, S3Location: events.S3Location{Bucket: a.Ref.Bucket, Key: a.Ref.Key}})
	}
	return out
}

// announce adds an event to the outbox, with the transaction that made it true.
func (c *change) announce(e *record.Execution, detail events.Detail) {
	b, err := json.Marshal(detail)
	if err != nil {
		panic(err) // types of ours always encode
	}
	c.out.Publishes = append(c.out.Publishes, bus.Event{
		ID: c.newID(), Source: detail.Source(), DetailType: detail.DetailType(),
		Time:   c.at.Add(time.Duration(len(c.out.Publishes)) * time.Microsecond), // keeps their order
		Region: c.home.Region, Account: c.home.Account,
		Resources: []string{fmt.Sprintf("arn:aws:codepipeline:%s:%s:%s", c.home.Region, c.home.Account, e.Pipeline)},
		Detail:    b,
	})
}
