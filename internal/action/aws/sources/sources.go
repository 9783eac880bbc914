// Package sources is the provider of source actions in an AWS account:
// CodeCommit, S3, ECR, whatever a connection leads to
// (CodeStarSourceConnection), and GitHub version 1.
//
// A job is done whole by Start, and comes to the same artifact when it is
// repeated after a crash: what is packed here has neither times nor an order
// of its own. Without a revision of its own a job takes the newest; if that
// is another one by then, its artifact goes under another name (see
// [whole.Put]).
//
// What comes from outside AWS is somebody else's: hosts are named beforehand
// (package egress), names of repositories and branches are checked before they
// are part of a request, a commit is held against its id (package githttp) or
// unpacked under the rules of package archive, and all of it has a limit. A
// submodule is not fetched, and the content of Git LFS neither. GitHub leaves
// out of its archives what .gitattributes marks export-ignore.
//
// IAM actions, by provider:
//
//	CodeCommit  codecommit:GetBranch GetCommit GetFolder GetBlob
//	S3          s3:GetBucketVersioning GetObject GetObjectVersion;
//	            s3:ListBucket, without which a missing object is a missing
//	            permission; kms:Decrypt with a customer key
//	ECR         ecr:DescribeImages
//	connection  codeconnections:UseConnection on the connection, or
//	            codestar-connections:UseConnection, as its ARN says; a condition
//	            on ProviderAction has to permit GitPull. GetConnection on it, for
//	            the variable ProviderType and for CODEBUILD_CLONE_REF, and
//	            GetHost on its host for the latter on somebody's own host
//	GitHub      what the secret takes that the token is in, if it is in one:
//	            secretsmanager:GetSecretValue or ssm:GetParameter
package sources

import (
	"fmt"
	"strings"

	"github.com/sluice-ci/sluice/internal/action"
)

// required returns the failure of a job whose configuration lacks one of keys.
func required(job action.Job, keys ...string) (action.Result, bool) {
	for _, key := range keys {
		if job.Action.Configuration[key] == "" {
			return action.Fail(action.ConfigurationError, fmt.Sprintf("Source action %s has no %s: write it into its configuration.", job.Action.Name, key)), false
		}
	}
	return action.Result{}, true
}

// mistyped is the failure of a job that is given a revision of a type its
// source does not have.
func mistyped(job action.Job, use string) action.Result {
	return action.Fail(action.ConfigurationError, fmt.Sprintf("Source action %s cannot take a revision of type %s; use %s.", job.Action.Name, job.Revision.Type, use))
}

// domain returns the end of the names of a Region's endpoints.
func domain(region string) string {
	if strings.HasPrefix(region, "cn-") {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}
