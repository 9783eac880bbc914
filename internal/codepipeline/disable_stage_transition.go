package codepipeline

import (
	"context"

	"github.com/sluice-ci/sluice/internal/orchestrator"
)

// DisableStageTransitionInput closes the way into a stage, or out of it.
type DisableStageTransitionInput struct {
	PipelineName   string `json:"pipelineName"`
	StageName      string `json:"stageName"`
	TransitionType string `json:"transitionType"` // Inbound, Outbound
	Reason         string `json:"reason"`
}

var disableStageTransitionShape = structure{
	required("pipelineName", nameText),
	required("stageName", nameText),
	required("transitionType", transitionType),
	required("reason", matching(1, 300, `[a-zA-Z0-9!@ \(\)\.\*\?\-]+`)),
}

func (c call) disableStageTransition(ctx context.Context, in DisableStageTransitionInput) error {
	return c.orchestrator.SetTransition(ctx, orchestrator.Transition{
		Pipeline: in.PipelineName, Stage: in.StageName, Outbound: in.TransitionType == "Outbound", Reason: in.Reason, By: c.by,
	})
}
