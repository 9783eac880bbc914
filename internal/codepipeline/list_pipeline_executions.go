package codepipeline

import (
	"context"

	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// ListPipelineExecutionsInput asks for a page of executions, newest first.
type ListPipelineExecutionsInput struct {
	PipelineName string                   `json:"pipelineName"`
	MaxResults   int                      `json:"maxResults,omitempty"`
	Filter       *PipelineExecutionFilter `json:"filter,omitempty"`
	NextToken    string                   `json:"nextToken,omitempty"`
}

// A PipelineExecutionFilter selects what a stage could be rolled back to.
type PipelineExecutionFilter struct {
	SucceededInStage *SucceededInStageFilter `json:"succeededInStage,omitempty"`
}

// A SucceededInStageFilter names the stage.
type SucceededInStageFilter struct {
	StageName string `json:"stageName,omitempty"`
}

// ListPipelineExecutionsOutput is a page of executions.
type ListPipelineExecutionsOutput struct {
	Summaries []PipelineExecutionSummary `json:"pipelineExecutionSummaries"`
	NextToken string                     `json:"nextToken,omitempty"`
}

// A PipelineExecutionSummary is a line of the history.
type PipelineExecutionSummary struct {
	PipelineExecutionID string            `json:"pipelineExecutionId"`
	Status              pipeline.Status   `json:"status"`
	StatusSummary       string            `json:"statusSummary,omitempty"`
	StartTime           Time              `json:"startTime,omitzero"`
	LastUpdateTime      Time              `json:"lastUpdateTime,omitzero"`
	SourceRevisions     []SourceRevision  `json:"sourceRevisions"`
	Trigger             *record.Trigger   `json:"trigger,omitempty"`
	StopTrigger         *StopTrigger      `json:"stopTrigger,omitempty"`
	ExecutionMode       pipeline.Mode     `json:"executionMode,omitempty"`
	ExecutionType       string            `json:"executionType,omitempty"`
	Rollback            *RollbackMetadata `json:"rollbackMetadata,omitempty"`
}

// A SourceRevision is what a source action fetched.
type SourceRevision struct {
	ActionName      string `json:"actionName"`
	RevisionID      string `json:"revisionId,omitempty"`
	RevisionSummary string `json:"revisionSummary,omitempty"`
	RevisionURL     string `json:"revisionUrl,omitempty"`
}

// A StopTrigger is why an execution was stopped.
type StopTrigger struct {
	Reason string `json:"reason,omitempty"`
}

var listPipelineExecutionsShape = structure{
	required("pipelineName", nameText),
	optional("maxResults", pageSizes),
	optional("filter", structure{
		optional("succeededInStage", structure{optional("stageName", nameText)}),
	}),
	optional("nextToken", tokenText),
}

func (c call) listPipelineExecutions(ctx context.Context, in ListPipelineExecutionsInput) (ListPipelineExecutionsOutput, error) {
	out := ListPipelineExecutionsOutput{Summaries: []PipelineExecutionSummary{}}
	_, latest, err := c.read.Latest(ctx, in.PipelineName)
	if err != nil {
		return out, err
	}
	stage := ""
	if in.Filter != nil && in.Filter.SucceededInStage != nil {
		stage = in.Filter.SucceededInStage.StageName
	}
	query := fingerprint("ListPipelineExecutions", in.PipelineName, stage)
	before, err := position[int64](query, in.NextToken)
	if err != nil {
		return out, err
	}
	n := limit(in.MaxResults)
	var found []record.Execution
	if stage == "" {
		found, err = c.read.Executions(ctx, in.PipelineName, before, n+1)
	} else {
		found, err = c.succeeded(ctx, latest.Declaration, stage, before, n+1)
	}
	if err != nil {
		return out, err
	}
	if len(found) > n {
		found = found[:n]
		out.NextToken = nextToken(query, found[n-1].Seq)
	}
	for _, e := range found {
		out.Summaries = append(out.Summaries, summaryOf(e))
	}
	return out, nil
}

// succeeded returns up to n executions that a rollback of stage may go to,
// newest first: those of d's version that came past the stage and are not
// rollbacks themselves.
func (c call) succeeded(ctx context.Context, d pipeline.Declaration, stage string, before int64, n int) ([]record.Execution, error) {
	index, _, err := record.FindStage(d, stage)
	if err != nil {
		return nil, pipeline.Errorf(pipeline.Validation, "%w", err) // the operation has no StageNotFoundException
	}
	var found []record.Execution
	for len(found) < n {
		batch, err := c.read.Executions(ctx, d.Name, before, pageSize)
		if err != nil || len(batch) == 0 {
			return found, err
		}
		for _, e := range batch {
			if e.Version < d.Version { // and so is every execution before it
				return found, nil
			}
			if e.Passed(index, stage) && e.Version == d.Version && len(found) < n {
				found = append(found, e)
			}
		}
		if before = batch[len(batch)-1].Seq; before == 0 { // 0 would begin again
			break
		}
	}
	return found, nil
}

func summaryOf(e record.Execution) PipelineExecutionSummary {
	s := PipelineExecutionSummary{
		PipelineExecutionID: e.ID,
		Status:              e.Status,
		StatusSummary:       e.StatusSummary,
		StartTime:           Time{e.Started},
		LastUpdateTime:      Time{e.Updated},
		SourceRevisions:     []SourceRevision{},
		Trigger:             triggerOf(e),
		ExecutionMode:       e.Mode,
		ExecutionType:       e.Type,
		Rollback:            rollbackOf(e),
	}
	for _, r := range e.Revisions {
		s.SourceRevisions = append(s.SourceRevisions, SourceRevision{ActionName: r.Action, RevisionID: r.ID, RevisionSummary: r.Summary, RevisionURL: r.URL})
	}
	if e.Stop != nil {
		s.StopTrigger = &StopTrigger{e.Stop.Reason}
	}
	return s
}
