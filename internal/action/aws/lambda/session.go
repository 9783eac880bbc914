package lambda

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
)

// An Assumer is what Narrowed needs of *sts.Client.
type Assumer = stscreds.AssumeRoleAPIClient

var _ Assumer = (*sts.Client)(nil)

// lasting is how long the credentials of a function last: as long as a
// function can run, and as short as STS makes them.
const lasting = 15 * time.Minute

// Narrowed returns the port Credentials: sessions of the role of a job that
// may do no more than read its inputs and write its outputs, with the key that
// encryptionKey returns ("" for none). What the role itself may not do with
// the artifacts the session may not do either; package grant lists it.
func Narrowed(client Assumer, encryptionKey func(action.Job) string) func(context.Context, action.Job) (Credentials, error) {
	return func(ctx context.Context, job action.Job) (Credentials, error) {
		if job.Role == "" {
			return Credentials{}, fault.Refuse(action.ConfigurationError, "Action %s has no role whose credentials the function could be given: its pipeline was deployed without one. Deploy the pipeline again.", job.Action.Name)
		}
		policy, err := json.Marshal(narrow(job, encryptionKey(job)))
		if err != nil {
			return Credentials{}, err
		}
		out, err := client.AssumeRole(ctx, &sts.AssumeRoleInput{
			RoleArn: &job.Role, RoleSessionName: aws.String("sluice-job-" + job.ID), Policy: aws.String(string(policy)),
			DurationSeconds: aws.Int32(int32(lasting / time.Second)),
		})
		if err != nil {
			return Credentials{}, fault.Of("assume role "+job.Role, err)
		}
		c := out.Credentials
		return Credentials{aws.ToString(c.AccessKeyId), aws.ToString(c.SecretAccessKey), aws.ToString(c.SessionToken), aws.ToTime(c.Expiration)}, nil
	}
}

// A policy is that of a session. It has at most 2,048 characters, which ten
// artifacts do not reach.
type policy struct {
	Version   string      `json:"Version"`
	Statement []statement `json:"Statement"`
}

type statement struct {
	Effect   string   `json:"Effect"`
	Action   []string `json:"Action"`
	Resource []string `json:"Resource"`
}

// narrow returns the policy of the session of a job.
func narrow(job action.Job, key string) policy {
	p := policy{Version: "2012-10-17"}
	allow := func(artifacts []action.Artifact, call string, uses ...string) {
		if len(artifacts) == 0 {
			return
		}
		p.Statement = append(p.Statement, statement{"Allow", []string{call}, arns(job, artifacts)})
		if key != "" {
			p.Statement = append(p.Statement, statement{"Allow", uses, []string{key}})
		}
	}
	allow(job.Inputs, "s3:GetObject", "kms:Decrypt")
	allow(job.Outputs, "s3:PutObject", "kms:GenerateDataKey", "kms:Decrypt") // the latter for uploads in parts
	if p.Statement == nil {                                                  // no policy at all would narrow nothing
		p.Statement = []statement{{"Deny", []string{"*"}, []string{"*"}}}
	}
	return p
}

// literally spells the characters that mean something in a policy's resource.
var literally = strings.NewReplacer("*", "${*}", "?", "${?}", "$", "${$}")

// arns returns the ARNs of artifacts, in the partition of the job's role.
func arns(job action.Job, artifacts []action.Artifact) []string {
	partition := "aws"
	if parts := strings.Split(job.Role, ":"); len(parts) > 1 && parts[1] != "" {
		partition = parts[1]
	}
	var all []string
	for _, a := range artifacts {
		all = append(all, "arn:"+partition+":s3:::"+literally.Replace(a.Ref.Bucket+"/"+a.Ref.Key))
	}
	return all
}
