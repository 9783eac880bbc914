package codepipeline

import (
	"context"

	"github.com/sluice-ci/sluice/internal/orchestrator"
)

// PutApprovalResultInput answers the request for an approval that Token names.
type PutApprovalResultInput struct {
	PipelineName string         `json:"pipelineName"`
	StageName    string         `json:"stageName"`
	ActionName   string         `json:"actionName"`
	Result       ApprovalResult `json:"result"`
	Token        string         `json:"token"`
}

// An ApprovalResult is somebody's answer.
type ApprovalResult struct {
	Summary string `json:"summary"`
	Status  string `json:"status"` // Approved, Rejected
}

// PutApprovalResultOutput says when the answer was taken, a rejection too.
type PutApprovalResultOutput struct {
	ApprovedAt Time `json:"approvedAt"`
}

var putApprovalResultShape = structure{
	required("pipelineName", nameText),
	required("stageName", nameText),
	required("actionName", nameText),
	required("result", structure{
		required("summary", length(0, 512)),
		required("status", enum("Approved", "Rejected")),
	}),
	required("token", uuidText),
}

func (c call) putApprovalResult(ctx context.Context, in PutApprovalResultInput) (PutApprovalResultOutput, error) {
	at, err := c.orchestrator.PutApproval(ctx, orchestrator.Approval{
		Pipeline: in.PipelineName,
		Stage:    in.StageName,
		Action:   in.ActionName,
		Token:    in.Token,
		Approved: in.Result.Status == "Approved",
		Summary:  in.Result.Summary,
		By:       c.by,
	})
	return PutApprovalResultOutput{Time{at}}, err
}
