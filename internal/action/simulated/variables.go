package simulated

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// prefix marks every invented value.
const prefix = "simulated-"

// A provider names an action type; the same name may deploy and invoke.
type provider struct {
	category pipeline.Category
	name     string
}

// documented lists the variables providers emit (user guide, Variables reference). Those that
// the configuration decides are in variables.
var documented = map[provider][]string{
	{pipeline.Source, "S3"}:                       {"BucketName", "ETag", "ObjectKey", "VersionId"},
	{pipeline.Source, "CodeCommit"}:               {"AuthorDate", "BranchName", "CommitId", "CommitMessage", "CommitterDate", "RepositoryName"},
	{pipeline.Source, "ECR"}:                      {"RegistryId", "RepositoryName", "ImageTag", "ImageDigest", "ImageURI"},
	{pipeline.Source, "CodeStarSourceConnection"}: {"AuthorDate", "AuthorDisplayName", "AuthorEmail", "AuthorId", "BranchName", "CommitId", "CommitMessage", "ConnectionArn", "FullRepositoryName", "ProviderType"},
	{pipeline.Source, "GitHub"}:                   {"AuthorDate", "BranchName", "CommitId", "CommitMessage", "CommitterDate", "CommitUrl", "RepositoryName"},

	{pipeline.Deploy, "CloudFormationStackSet"}:       {"StackSetId", "OperationId"},
	{pipeline.Deploy, "CloudFormationStackInstances"}: {"StackSetId", "OperationId"},
	{pipeline.Deploy, "EKS"}:                          {"EKSClusterName"},
	{pipeline.Deploy, "Lambda"}:                       {"FunctionVersion"},
	{pipeline.Build, "ECRBuildAndPublish"}:            {"ECRImageDigestId", "ECRRepositoryName"},
	{pipeline.Invoke, "InspectorScan"}:                {"HighestScannedSeverity"},
	{pipeline.Invoke, "StepFunctions"}:                {"StateMachineArn", "ExecutionArn"},
}

// configured maps variables to the configuration keys they repeat.
var configured = map[string]string{
	"BucketName":         "S3Bucket",
	"ObjectKey":          "S3ObjectKey",
	"RepositoryName":     "RepositoryName",
	"BranchName":         "BranchName",
	"ImageTag":           "ImageTag",
	"ConnectionArn":      "ConnectionArn",
	"FullRepositoryName": "FullRepositoryId",
	"EKSClusterName":     "ClusterName",
	"ECRRepositoryName":  "ECRRepositoryName",
	"StateMachineArn":    "StateMachineArn",
}

// variables returns what a job would have emitted: what its configuration says
// as it is there, all else marked as simulated. What a real run alone can know
// (the outputs of a stack, of a build) is not there.
func variables(job action.Job) map[string]string {
	a := job.Action
	vars := make(map[string]string)
	for _, name := range append(documented[provider{a.TypeID.Category, a.TypeID.Provider}], a.OutputVariables...) {
		vars[name] = prefix + name
		if v := a.Configuration[configured[name]]; v != "" {
			vars[name] = v
		}
	}
	if a.TypeID.Category == pipeline.Source {
		sourceVariables(job, vars)
	}
	if len(vars) == 0 {
		return nil
	}
	return vars
}

// sourceVariables corrects what a revision, or another variable, decides.
func sourceVariables(job action.Job, vars map[string]string) {
	c := job.Action.Configuration
	revisions := map[string]string{"COMMIT_ID": "CommitId", "S3_OBJECT_VERSION_ID": "VersionId", "S3_OBJECT_KEY": "ObjectKey", "IMAGE_DIGEST": "ImageDigest"}
	switch job.Action.TypeID.Provider {
	case "GitHub":
		vars["BranchName"], vars["RepositoryName"] = c["Branch"], c["Repo"]
	case "ECR":
		sum := sha256.Sum256([]byte(prefix + c["RepositoryName"]))
		vars["ImageDigest"] = "sha256:" + hex.EncodeToString(sum[:])
		vars["RegistryId"] = job.Account
		if c["ImageTag"] == "" {
			vars["ImageTag"] = "latest"
		}
	}
	if name, ok := revisions[job.Revision.Type]; ok && job.Revision.Value != "" {
		if _, emitted := vars[name]; emitted {
			vars[name] = job.Revision.Value
		}
		if v := job.Revision.ObjectVersion; v != "" {
			vars["VersionId"] = v
		}
	}
	if _, image := vars["ImageURI"]; image {
		vars["ImageURI"] = prefix + job.Account + ".dkr.ecr." + job.Region + ".amazonaws.com/" + c["RepositoryName"] + "@" + vars["ImageDigest"]
	}
}
