package codepipeline

import (
	"context"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// GetPipelineStateInput names a pipeline.
type GetPipelineStateInput struct {
	Name string `json:"name"`
}

// GetPipelineStateOutput is where the executions of a pipeline are.
type GetPipelineStateOutput struct {
	PipelineName    string       `json:"pipelineName"`
	PipelineVersion int          `json:"pipelineVersion"`
	StageStates     []StageState `json:"stageStates"`
	Created         Time         `json:"created,omitzero"`
	Updated         Time         `json:"updated,omitzero"`
}

// A StageState is what is in front of a stage and what is, or was last, inside.
type StageState struct {
	StageName          string           `json:"stageName"`
	InboundExecution   *StageExecution  `json:"inboundExecution,omitempty"`
	InboundExecutions  []StageExecution `json:"inboundExecutions"`
	InboundTransition  TransitionState  `json:"inboundTransitionState"`
	ActionStates       []ActionState    `json:"actionStates"`
	LatestExecution    *StageExecution  `json:"latestExecution,omitempty"`
	BeforeEntry        *ConditionsState `json:"beforeEntryConditionState,omitempty"`
	OnSuccess          *ConditionsState `json:"onSuccessConditionState,omitempty"`
	OnFailure          *ConditionsState `json:"onFailureConditionState,omitempty"`
	RetryStageMetadata *RetryMetadata   `json:"retryStageMetadata,omitempty"`
}

// A StageExecution is an execution in or in front of a stage.
type StageExecution struct {
	PipelineExecutionID string          `json:"pipelineExecutionId"`
	Status              pipeline.Status `json:"status"`
	Type                string          `json:"type,omitempty"`
}

// A TransitionState says whether executions may enter a stage.
type TransitionState struct {
	Enabled        bool   `json:"enabled"`
	LastChangedBy  string `json:"lastChangedBy,omitempty"`
	LastChangedAt  Time   `json:"lastChangedAt,omitzero"`
	DisabledReason string `json:"disabledReason,omitempty"`
}

// An ActionState is the latest execution of an action of a stage.
type ActionState struct {
	ActionName      string           `json:"actionName"`
	CurrentRevision *ActionRevision  `json:"currentRevision,omitempty"` // sources only
	LatestExecution *ActionExecution `json:"latestExecution,omitempty"`
	EntityURL       string           `json:"entityUrl,omitempty"`
	RevisionURL     string           `json:"revisionUrl,omitempty"`
}

// An ActionRevision is what a source action fetched last.
type ActionRevision struct {
	RevisionID       string `json:"revisionId"`
	RevisionChangeID string `json:"revisionChangeId"`
	Created          Time   `json:"created"`
}

// An ActionExecution is one run of an action.
type ActionExecution struct {
	ActionExecutionID    string          `json:"actionExecutionId"`
	Status               pipeline.Status `json:"status"`
	Summary              string          `json:"summary,omitempty"`
	LastStatusChange     Time            `json:"lastStatusChange,omitzero"`
	Token                string          `json:"token,omitempty"` // of an approval that waits
	LastUpdatedBy        string          `json:"lastUpdatedBy,omitempty"`
	ExternalExecutionID  string          `json:"externalExecutionId,omitempty"`
	ExternalExecutionURL string          `json:"externalExecutionUrl,omitempty"`
	PercentComplete      int             `json:"percentComplete,omitempty"`
	ErrorDetails         *action.Error   `json:"errorDetails,omitempty"`
}

// RetryMetadata counts the retries of a stage's latest execution.
type RetryMetadata struct {
	Auto   int    `json:"autoStageRetryAttempt,omitempty"`
	Manual int    `json:"manualStageRetryAttempt,omitempty"`
	Latest string `json:"latestRetryTrigger,omitempty"` // AutomatedStageRetry, ManualStageRetry
}

var getPipelineStateShape = structure{required("name", nameText)}

// getPipelineState shows the stages of the newest declaration. Executions in
// PARALLEL mode are in no particular stage: as in the service they show in the
// histories only.
func (c call) getPipelineState(ctx context.Context, in GetPipelineStateInput) (GetPipelineStateOutput, error) {
	p, latest, err := c.read.Latest(ctx, in.Name)
	if err != nil {
		return GetPipelineStateOutput{}, err
	}
	parallel := latest.Declaration.ExecutionMode == pipeline.Parallel
	running := map[string]record.Execution{}
	if !parallel {
		active, err := c.read.Active(ctx, in.Name, 0)
		if err != nil {
			return GetPipelineStateOutput{}, err
		}
		for _, e := range active {
			running[e.ID] = e
		}
	}
	out := GetPipelineStateOutput{
		PipelineName:    in.Name,
		PipelineVersion: p.Value.Version,
		StageStates:     []StageState{},
		Created:         Time{p.Value.Created},
		Updated:         Time{p.Value.Updated},
	}
	for _, s := range latest.Declaration.Stages {
		locked, err := c.read.Stage(ctx, in.Name, s.Name)
		if err != nil {
			return GetPipelineStateOutput{}, err
		}
		actions, err := c.read.LatestActions(ctx, in.Name, s.Name)
		if err != nil {
			return GetPipelineStateOutput{}, err
		}
		rec := locked.Value
		if parallel {
			rec.Latest, rec.Lock.Waiting, rec.Retries, actions = nil, nil, record.Retries{}, nil
		}
		state := c.stageState(s, rec, actions, running)
		if err := c.gates(ctx, s, rec, &state); err != nil {
			return GetPipelineStateOutput{}, err
		}
		out.StageStates = append(out.StageStates, state)
	}
	return out, nil
}

// stageState shows stage s with what is recorded of it. Running holds the
// executions of the pipeline that have not ended.
func (s *Server) stageState(stage pipeline.Stage, rec record.Stage, actions map[string]record.Action, running map[string]record.Execution) StageState {
	state := StageState{
		StageName:         stage.Name,
		InboundExecutions: []StageExecution{},
		InboundTransition: TransitionState{
			Enabled:       !rec.Lock.Disabled,
			LastChangedBy: rec.Transition.ChangedBy,
			LastChangedAt: Time{rec.Transition.ChangedAt},
		},
		ActionStates: []ActionState{},
	}
	if rec.Lock.Disabled {
		state.InboundTransition.DisabledReason = rec.Transition.Reason
	}
	if l := rec.Latest; l != nil {
		state.LatestExecution = &StageExecution{l.Execution, l.Status, l.Type}
	}
	if rec.Retries != (record.Retries{}) {
		state.RetryStageMetadata = &RetryMetadata{rec.Retries.Auto, rec.Retries.Manual, rec.Retries.Latest}
	}
	for _, w := range rec.Lock.Waiting {
		if w.Free { // it began in PARALLEL
			continue
		}
		in := StageExecution{w.Execution, pipeline.InProgress, record.Standard}
		if e, ok := running[w.Execution]; ok {
			in.Status, in.Type = e.Status, e.Type
		}
		state.InboundExecutions = append(state.InboundExecutions, in)
	}
	if len(state.InboundExecutions) > 0 {
		state.InboundExecution = &state.InboundExecutions[0]
	}
	for _, a := range stage.Actions {
		shown := ActionState{ActionName: a.Name, EntityURL: s.entityURL(pipeline.Mask(a))}
		if latest, ran := actions[a.Name]; ran {
			shown.show(a, latest)
		}
		state.ActionStates = append(state.ActionStates, shown)
	}
	return state
}

// show adds to s what is known of the latest execution of its action. The
// token of the task that waits for it is not shown: it answers the machine.
func (s *ActionState) show(a pipeline.Action, latest record.Action) {
	result := latest.Result
	s.LatestExecution = &ActionExecution{
		ActionExecutionID:    latest.ID,
		Status:               latest.Status,
		Summary:              result.Summary,
		LastStatusChange:     Time{latest.Updated},
		LastUpdatedBy:        latest.UpdatedBy,
		ExternalExecutionID:  result.ExternalID,
		ExternalExecutionURL: result.ExternalURL,
		PercentComplete:      result.Percent,
		ErrorDetails:         result.Error,
	}
	if waits(latest) {
		s.LatestExecution.Token = result.Token
	}
	if r := result.Revision; r != nil && a.TypeID.Category == pipeline.Source {
		s.RevisionURL = r.URL
		s.CurrentRevision = &ActionRevision{RevisionID: r.ID, RevisionChangeID: clip(r.ID, 100), Created: Time{r.Created}}
		if r.Created.IsZero() { // the model requires a time
			s.CurrentRevision.Created = Time{latest.Started}
		}
	}
}

// waits reports whether a is an approval nobody has answered.
func waits(a record.Action) bool { return a.Status == pipeline.InProgress && a.Result.Token != "" }

// clip returns the first n characters of s.
func clip(s string, n int) string {
	runes := []rune(s)
	return string(runes[:min(len(runes), n)])
}
