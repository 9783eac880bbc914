package codepipeline

import (
	"cmp"
	"context"
	"slices"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// ListActionExecutionsInput asks for a page of action executions.
type ListActionExecutionsInput struct {
	PipelineName string                 `json:"pipelineName"`
	Filter       *ActionExecutionFilter `json:"filter,omitempty"`
	MaxResults   int                    `json:"maxResults,omitempty"`
	NextToken    string                 `json:"nextToken,omitempty"`
}

// An ActionExecutionFilter selects the actions of one execution. Two filters
// select what both do.
type ActionExecutionFilter struct {
	PipelineExecutionID       string                           `json:"pipelineExecutionId,omitempty"`
	LatestInPipelineExecution *LatestInPipelineExecutionFilter `json:"latestInPipelineExecution,omitempty"`
}

// A LatestInPipelineExecutionFilter selects the latest run of each action of
// an execution, or all of them.
type LatestInPipelineExecutionFilter struct {
	PipelineExecutionID string `json:"pipelineExecutionId"`
	StartTimeRange      string `json:"startTimeRange"` // Latest, All
}

// ListActionExecutionsOutput is a page of action executions.
type ListActionExecutionsOutput struct {
	Details   []ActionExecutionDetail `json:"actionExecutionDetails"`
	NextToken string                  `json:"nextToken,omitempty"`
}

// An ActionExecutionDetail is all there is to know of one run of an action.
type ActionExecutionDetail struct {
	PipelineExecutionID string                `json:"pipelineExecutionId"`
	ActionExecutionID   string                `json:"actionExecutionId"`
	PipelineVersion     int                   `json:"pipelineVersion"`
	StageName           string                `json:"stageName"`
	ActionName          string                `json:"actionName"`
	StartTime           Time                  `json:"startTime,omitzero"`
	LastUpdateTime      Time                  `json:"lastUpdateTime,omitzero"`
	UpdatedBy           string                `json:"updatedBy,omitempty"`
	Status              pipeline.Status       `json:"status"`
	Input               ActionExecutionInput  `json:"input"`
	Output              ActionExecutionOutput `json:"output"`
}

// An ActionExecutionInput is what an action was started with. Configuration is
// as declared, ResolvedConfiguration has the values of variables.
type ActionExecutionInput struct {
	ActionTypeID          pipeline.ActionTypeID `json:"actionTypeId"`
	Configuration         map[string]string     `json:"configuration"`
	ResolvedConfiguration map[string]string     `json:"resolvedConfiguration"`
	RoleARN               string                `json:"roleArn,omitempty"`
	Region                string                `json:"region,omitempty"`
	InputArtifacts        []ArtifactDetail      `json:"inputArtifacts"`
	Namespace             string                `json:"namespace,omitempty"`
}

// An ActionExecutionOutput is what came of an action.
type ActionExecutionOutput struct {
	OutputArtifacts []ArtifactDetail  `json:"outputArtifacts"`
	ExecutionResult *ExecutionResult  `json:"executionResult,omitempty"`
	OutputVariables map[string]string `json:"outputVariables"`
}

// An ArtifactDetail says where an artifact is.
type ArtifactDetail struct {
	Name       string      `json:"name"`
	S3Location *S3Location `json:"s3location,omitempty"`
}

// An S3Location names an object.
type S3Location struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
}

// An ExecutionResult is what the provider of an action said.
type ExecutionResult struct {
	ExternalExecutionID      string        `json:"externalExecutionId,omitempty"`
	ExternalExecutionSummary string        `json:"externalExecutionSummary,omitempty"`
	ExternalExecutionURL     string        `json:"externalExecutionUrl,omitempty"`
	ErrorDetails             *action.Error `json:"errorDetails,omitempty"`
}

var listActionExecutionsShape = structure{
	required("pipelineName", nameText),
	optional("filter", structure{
		optional("pipelineExecutionId", uuidText),
		optional("latestInPipelineExecution", structure{
			required("pipelineExecutionId", uuidText),
			required("startTimeRange", enum("Latest", "All")),
		}),
	}),
	optional("maxResults", pageSizes),
	optional("nextToken", tokenText),
}

// listActionExecutions lists the newest start first. Without a filter that
// holds among [window] neighbouring executions; runs of an older execution
// come after them, even if it was retried since.
func (c call) listActionExecutions(ctx context.Context, in ListActionExecutionsInput) (ListActionExecutionsOutput, error) {
	out := ListActionExecutionsOutput{Details: []ActionExecutionDetail{}}
	page, next, err := c.pageOf(ctx, "ListActionExecutions", c.read.Actions, in)
	for _, r := range page {
		out.Details = append(out.Details, r.detail())
	}
	out.NextToken = next
	return out, err
}

// A lister returns the actions, or the rules, that ran in an execution.
type lister func(ctx context.Context, execution string) ([]record.Action, error)

// pageOf returns the page of runs that in asks for, and the token of the next.
func (c call) pageOf(ctx context.Context, operation string, list lister, in ListActionExecutionsInput) (page []run, next string, err error) {
	if _, err := c.read.Pipeline(ctx, in.PipelineName); err != nil {
		return nil, "", err
	}
	query := fingerprint(operation, in.PipelineName, in.Filter)
	at, err := position[place](query, in.NextToken)
	if err != nil {
		return nil, "", err
	}
	if f := in.Filter; f != nil && (f.PipelineExecutionID != "" || f.LatestInPipelineExecution != nil) {
		page, err = c.filteredRuns(ctx, list, in.PipelineName, *f)
		if err == nil {
			page, err = behind(page, at.Action)
		}
	} else {
		page, err = c.runs(ctx, list, in.PipelineName, at, limit(in.MaxResults)+1)
	}
	if n := limit(in.MaxResults); err == nil && len(page) > n {
		page = page[:n]
		next = nextToken(query, place{page[n-1].top, page[n-1].ID})
	}
	return page, next, err
}

// A run is one run of an action, the mode of its execution, and the window in
// which it was found.
type run struct {
	record.Action
	mode pipeline.Mode
	top  int64
}

// A place is where a listing of runs goes on: behind an action execution, in
// the window of executions that start before the one with sequence number Top.
type place struct {
	Top    int64  `json:"top,omitempty"`
	Action string `json:"action"`
}

// window is how many executions are read and sorted together: as many as may
// run at the same time.
const window = 50

// runs returns at least n runs of a pipeline's actions behind at, or all there
// are.
func (c call) runs(ctx context.Context, list lister, name string, at place, n int) ([]run, error) {
	var found []run
	for len(found) < n {
		executions, err := c.read.Executions(ctx, name, at.Top, window)
		if err != nil || len(executions) == 0 {
			return found, err
		}
		if at.Top == 0 { // the window must not move when executions are started
			at.Top = executions[0].Seq + 1
		}
		var here []run
		for _, e := range executions {
			actions, err := list(ctx, e.ID)
			if err != nil {
				return nil, err
			}
			for _, a := range actions {
				here = append(here, run{a, e.Mode, at.Top})
			}
		}
		newestFirst(here)
		here, err = behind(here, at.Action)
		if err != nil {
			return nil, err
		}
		found = append(found, here...)
		at = place{Top: executions[len(executions)-1].Seq}
		if len(executions) < window || at.Top == 0 { // 0 would begin again
			return found, nil
		}
	}
	return found, nil
}

// filteredRuns returns the runs that f selects.
func (c call) filteredRuns(ctx context.Context, list lister, name string, f ActionExecutionFilter) ([]run, error) {
	id, latest := f.PipelineExecutionID, false
	if l := f.LatestInPipelineExecution; l != nil {
		if id != "" && id != l.PipelineExecutionID {
			return nil, nil
		}
		id, latest = l.PipelineExecutionID, l.StartTimeRange == "Latest"
	}
	e, err := c.read.Execution(ctx, name, id)
	if err != nil {
		return nil, err
	}
	actions, err := list(ctx, id)
	if err != nil {
		return nil, err
	}
	var found []run
	for _, a := range actions {
		found = append(found, run{a, e.Value.Mode, 0})
	}
	newestFirst(found)
	if !latest {
		return found, nil
	}
	seen := map[[3]string]bool{}
	return slices.DeleteFunc(found, func(r run) bool {
		key := [3]string{r.Stage, string(r.Gate), r.Name}
		older := seen[key]
		seen[key] = true
		return older
	}), nil
}

// newestFirst sorts by the time of the start. Those of one moment keep an
// order of their own, so that pages fit together.
func newestFirst(runs []run) {
	slices.SortFunc(runs, func(a, b run) int {
		return cmp.Or(b.Started.Compare(a.Started), cmp.Compare(b.Seq, a.Seq), cmp.Compare(b.Attempt, a.Attempt),
			cmp.Compare(b.Try, a.Try), cmp.Compare(a.ID, b.ID))
	})
}

// behind returns the runs after the one with id, all of them for "".
func behind(runs []run, id string) ([]run, error) {
	if id == "" {
		return runs, nil
	}
	i := slices.IndexFunc(runs, func(r run) bool { return r.ID == id })
	if i < 0 {
		return nil, pipeline.Errorf(pipeline.InvalidNextToken, "The next token names an action execution that is gone; ask again without it")
	}
	return runs[i+1:], nil
}

// detail shows r with its secrets masked.
func (r run) detail() ActionExecutionDetail {
	resolved := pipeline.Mask(r.Job.Action)
	declared := r.Job.Action
	declared.Configuration = r.Raw
	declared = pipeline.Mask(declared)
	region := resolved.Region
	if region == "" {
		region = r.Job.Region
	}
	return ActionExecutionDetail{
		PipelineExecutionID: r.Execution,
		ActionExecutionID:   r.ID,
		PipelineVersion:     r.Version,
		StageName:           r.Stage,
		ActionName:          r.Name,
		StartTime:           Time{r.Started},
		LastUpdateTime:      Time{r.Updated},
		UpdatedBy:           r.UpdatedBy,
		Status:              r.Status,
		Input: ActionExecutionInput{
			ActionTypeID:          resolved.TypeID,
			Configuration:         some(declared.Configuration),
			ResolvedConfiguration: some(resolved.Configuration),
			RoleARN:               resolved.RoleARN,
			Region:                region,
			InputArtifacts:        artifacts(r.Job.Inputs),
			Namespace:             resolved.Namespace,
		},
		Output: ActionExecutionOutput{
			OutputArtifacts: artifacts(r.Result.Outputs),
			ExecutionResult: r.result(),
			OutputVariables: some(r.Result.Variables),
		},
	}
}

// result shows what the provider said, nil if it said nothing. In PARALLEL
// mode the token of an approval is here, since the state does not show it.
func (r run) result() *ExecutionResult {
	result := ExecutionResult{
		ExternalExecutionID:      r.Result.ExternalID,
		ExternalExecutionSummary: r.Result.Summary,
		ExternalExecutionURL:     r.Result.ExternalURL,
		ErrorDetails:             r.Result.Error,
	}
	if r.mode == pipeline.Parallel && waits(r.Action) {
		result.ExternalExecutionID = r.Result.Token
	}
	if result == (ExecutionResult{}) {
		return nil
	}
	return &result
}

func artifacts(list []action.Artifact) []ArtifactDetail {
	details := []ArtifactDetail{}
	for _, a := range list {
		d := ArtifactDetail{Name: a.Name}
		if a.Ref.Key != "" {
			d.S3Location = &S3Location{a.Ref.Bucket, a.Ref.Key}
		}
		details = append(details, d)
	}
	return details
}
