package codepipeline

import (
	"context"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// StartPipelineExecutionInput asks for an execution.
type StartPipelineExecutionInput struct {
	Name               string                   `json:"name"`
	Variables          []record.Variable        `json:"variables,omitempty"`
	ClientRequestToken string                   `json:"clientRequestToken,omitempty"`
	SourceRevisions    []SourceRevisionOverride `json:"sourceRevisions,omitempty"`
}

// A SourceRevisionOverride pins the revision of a source action.
type SourceRevisionOverride struct {
	ActionName string `json:"actionName"`
	Type       string `json:"revisionType"`
	Value      string `json:"revisionValue"`
}

// StartPipelineExecutionOutput names the execution.
type StartPipelineExecutionOutput struct {
	PipelineExecutionID string `json:"pipelineExecutionId"`
}

var startPipelineExecutionShape = structure{
	required("name", nameText),
	optional("variables", list{1, 50, structure{
		required("name", matching(1, 128, `[A-Za-z0-9@\-_]+`)),
		required("value", matching(1, 1000, `.*`)),
	}}),
	optional("clientRequestToken", matching(1, 128, `^[a-zA-Z0-9-]+$`)),
	optional("sourceRevisions", list{0, 50, structure{
		required("actionName", nameText),
		required("revisionType", enum("COMMIT_ID", "IMAGE_DIGEST", "S3_OBJECT_VERSION_ID", "S3_OBJECT_KEY")),
		required("revisionValue", length(1, 1500)),
	}}),
}

func (c call) startPipelineExecution(ctx context.Context, in StartPipelineExecutionInput) (StartPipelineExecutionOutput, error) {
	if err := uniqueNames(in.Variables); err != nil {
		return StartPipelineExecutionOutput{}, err
	}
	overrides, err := byAction(in.SourceRevisions)
	if err != nil {
		return StartPipelineExecutionOutput{}, err
	}
	id, err := c.orchestrator.StartExecution(ctx, orchestrator.Start{
		Pipeline:    in.Name,
		Variables:   in.Variables,
		Overrides:   overrides,
		ClientToken: in.ClientRequestToken,
		Trigger:     record.Trigger{Type: "StartPipelineExecution", Detail: c.by},
	})
	return StartPipelineExecutionOutput{id}, err
}

// uniqueNames refuses a variable that is set twice.
func uniqueNames(variables []record.Variable) error {
	seen := map[string]bool{}
	for _, v := range variables {
		if seen[v.Name] {
			return pipeline.Errorf(pipeline.Validation, "Variable names must be unique. The following variable name is already in use: %s", v.Name)
		}
		seen[v.Name] = true
	}
	return nil
}

// byAction returns the override of each action. One of S3 may have the key of
// an object and the version of that object together.
func byAction(revisions []SourceRevisionOverride) (map[string]action.Override, error) {
	if len(revisions) == 0 {
		return nil, nil
	}
	overrides := make(map[string]action.Override, len(revisions))
	for _, r := range revisions {
		o := action.Override{Type: r.Type, Value: r.Value}
		if first, twice := overrides[r.ActionName]; twice {
			var ok bool
			if o, ok = together(first, o); !ok {
				return nil, pipeline.Errorf(pipeline.Validation, "The action '%s' has two source revisions, %s and %s; only S3_OBJECT_KEY and S3_OBJECT_VERSION_ID go together", r.ActionName, first.Type, r.Type)
			}
		}
		overrides[r.ActionName] = o
	}
	return overrides, nil
}

// together returns the override that two of one action make, if they may.
func together(a, b action.Override) (action.Override, bool) {
	if a.Type == "S3_OBJECT_VERSION_ID" {
		a, b = b, a
	}
	if a.Type != "S3_OBJECT_KEY" || b.Type != "S3_OBJECT_VERSION_ID" || a.ObjectVersion != "" {
		return a, false
	}
	a.ObjectVersion = b.Value
	return a, true
}
