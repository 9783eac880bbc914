package codepipeline

import (
	"context"

	"github.com/sluice-ci/sluice/internal/orchestrator"
)

// EnableStageTransitionInput opens the way into a stage, or out of it.
type EnableStageTransitionInput struct {
	PipelineName   string `json:"pipelineName"`
	StageName      string `json:"stageName"`
	TransitionType string `json:"transitionType"` // Inbound, Outbound
}

var enableStageTransitionShape = structure{
	required("pipelineName", nameText),
	required("stageName", nameText),
	required("transitionType", transitionType),
}

func (c call) enableStageTransition(ctx context.Context, in EnableStageTransitionInput) error {
	return c.orchestrator.SetTransition(ctx, orchestrator.Transition{
		Pipeline: in.PipelineName, Stage: in.StageName, Outbound: in.TransitionType == "Outbound", Enabled: true, By: c.by,
	})
}
