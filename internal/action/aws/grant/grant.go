// Package grant tells what an action may do in an AWS account: the statements
// of the policy of its pipeline's role, and whether a provider of it is there
// at all. It is data about the providers, and knows no SDK.
//
// What is granted is what the clients of the providers call and, where a call
// needs it, what AWS checks besides; TestEveryCall holds the two together. The
// resources are as narrow as the configuration of an action tells. A variable,
// which nobody knows before the action runs, is a wildcard in its place.
//
// # What is not here
//
// These are permissions of somebody else, and nobody grants them:
//
//   - Of the role of a CodeBuild project, which is not the pipeline's: reading
//     the input artifacts and writing the outputs (s3:GetObject,
//     s3:GetObjectVersion, s3:PutObject on the artifact bucket, kms:Decrypt and
//     kms:GenerateDataKey with its key), and codecommit:GitPull, or
//     codeconnections:UseConnection and codeconnections:GetConnection, where it
//     clones (CODEBUILD_CLONE_REF).
//   - Of the instances of a CodeDeploy group, and of the role that
//     CloudFormation works in: reading the artifacts they are given.
//   - Of whoever owns a key: a source bucket that is encrypted with a key of
//     the customer does not say which, so the key's own policy has to let the
//     role decrypt.
//   - Of a role that an action declares (roleArn): it is used instead of the
//     pipeline's and has to permit what For lists for the action.
//
// Artifacts and records, the secrets of sources and the notices of approvals
// are accessed by Sluice's functions with their own roles.
package grant

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

// A Statement allows Actions on Resources.
type Statement struct {
	Actions   []string // "codebuild:StartBuild"
	Resources []string // ARNs, or "*" for actions that know no resources
	PassedTo  string   // for iam:PassRole, the service that the role is passed to; else empty

	// Why says of an action that a run may never be seen to call what it is
	// for. All others are called whenever the action or rule runs, which a test
	// of whole pipelines holds (internal/e2e/scenarios, policies).
	Why map[string]string
}

// unseen returns s with the reason why it has actions that a run may never be
// seen to call.
func (s Statement) unseen(why string, actions ...string) Statement {
	service, _, _ := strings.Cut(s.Actions[0], ":")
	s.Why = maps.Clone(s.Why)
	if s.Why == nil {
		s.Why = map[string]string{}
	}
	for _, a := range actions {
		s.Why[service+":"+a] = why
	}
	return s
}

// A Home is where the action runs. Its fields may be tokens of CDK.
type Home struct {
	Partition, Region, Account string

	// Where the pipeline's artifacts are: the ARN of the objects, a pattern as
	// "arn:aws:s3:::artifacts/web/*", and the ARN of the key that encrypts
	// them, "" if none does. A function that an action invokes is given
	// credentials for them that are the role's, narrowed to the job.
	Artifacts, Key string
}

// For returns what a's role needs, which may be nothing. An action that no
// provider can run in an account gives an error that says so; it is refused
// when it is deployed.
func For(a pipeline.Action, h Home) ([]Statement, error) {
	permit, ok := providers[a.TypeID]
	if !ok {
		return nil, fmt.Errorf("action %s: provider %s (category %s, owner %s, version %s) does not run in an AWS account yet; those that do are %s. Take the action out, or run the pipeline on this machine with sluice up",
			a.Name, a.TypeID.Provider, a.TypeID.Category, a.TypeID.Owner, a.TypeID.Version, strings.Join(supported(), ", "))
	}
	if a.Region != "" {
		h.Region = a.Region
	}
	statements, err := permit(place{h, a.Configuration, len(a.InputArtifacts) > 0, len(a.OutputArtifacts) > 0})
	if err != nil {
		return nil, fmt.Errorf("action %s: %w", a.Name, err)
	}
	return statements, nil
}

// supported returns the providers as people write them: "Source/S3".
func supported() []string {
	var names []string
	for id := range maps.Keys(providers) {
		names = append(names, string(id.Category)+"/"+id.Provider)
	}
	return slices.Sorted(slices.Values(names))
}

// providers is the table: what a provider's actions need.
var providers = map[pipeline.ActionTypeID]func(place) ([]Statement, error){
	aws(pipeline.Source, "CodeCommit"):               codeCommit,
	aws(pipeline.Source, "S3"):                       s3Source,
	aws(pipeline.Source, "ECR"):                      ecrSource,
	aws(pipeline.Source, "CodeStarSourceConnection"): connection,
	{Category: pipeline.Source, Owner: pipeline.ThirdParty, Provider: "GitHub", Version: "1"}: nothing,

	aws(pipeline.Build, "CodeBuild"): codeBuild,
	aws(pipeline.Test, "CodeBuild"):  codeBuild,

	aws(pipeline.Approval, "Manual"): nothing,

	aws(pipeline.Deploy, "S3"):             s3Deploy,
	aws(pipeline.Deploy, "CloudFormation"): cloudFormation,
	aws(pipeline.Deploy, "Lambda"):         lambdaDeploy,
	aws(pipeline.Deploy, "ECS"):            ecs,
	aws(pipeline.Deploy, "CodeDeploy"):     codeDeploy,

	aws(pipeline.Invoke, "Lambda"):        lambdaInvoke,
	aws(pipeline.Invoke, "StepFunctions"): stepFunctions,
}

func aws(c pipeline.Category, provider string) pipeline.ActionTypeID {
	return pipeline.ActionTypeID{Category: c, Owner: pipeline.AWS, Provider: provider, Version: "1"}
}

// nothing is what a provider needs that calls nobody in the pipeline's role.
func nothing(place) ([]Statement, error) { return nil, nil }
