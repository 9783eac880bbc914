// Package grant tells what an action may do in an AWS account: the statements
// of the policy of its pipeline's role, and whether a provider of it is there
// at all. It is data about the providers, and knows no SDK.
package grant

import (
	"fmt"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

// A Statement allows Actions on Resources.
type Statement struct {
	Actions   []string // "codebuild:StartBuild"
	Resources []string // ARNs
	PassedTo  string   // for iam:PassRole, the service that the role is passed to; else empty
}

// A Home is where the action runs. Its fields may be tokens of CDK.
type Home struct {
	Partition, Region, Account string
}

// For returns what a's role needs. An action that no provider can run in an
// account gives an error that says so; it is refused when it is deployed.
func For(a pipeline.Action, h Home) ([]Statement, error) {
	return nil, fmt.Errorf("action %s: provider %s of category %s does not run in an AWS account yet", a.Name, a.TypeID.Provider, a.TypeID.Category)
}
