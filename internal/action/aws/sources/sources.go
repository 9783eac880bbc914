// Package sources is the provider of source actions in an AWS account:
// CodeCommit, S3 and ECR.
//
// A job is done whole by Start, and comes to the same artifact when it is
// repeated after a crash: what is packed here has neither times nor an order
// of its own. Without a revision of its own a job takes the newest; if that
// is another one by then, its artifact goes under another name (see
// [whole.Put]).
//
// A connection (CodeStarSourceConnection) and GitHub version 1 are not here:
// AWS has no public call that hands out an archive through a connection.
//
// IAM actions, by provider:
//
//	CodeCommit  codecommit:GetBranch GetCommit GetFolder GetBlob
//	S3          s3:GetBucketVersioning GetObject GetObjectVersion;
//	            s3:ListBucket, without which a missing object is a missing
//	            permission; kms:Decrypt with a customer key
//	ECR         ecr:DescribeImages
package sources

import (
	"archive/zip"
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
)

// output returns the failure of a job that has not the one output of a source.
func output(job action.Job) (action.Result, bool) {
	if len(job.Outputs) == 1 {
		return action.Result{}, true
	}
	return action.Fail(action.ConfigurationError, fmt.Sprintf("Action %s declares %d output artifacts; a source has exactly one.", job.Action.Name, len(job.Outputs))), false
}

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

// stamp is the time of every entry of an archive: zip's first day.
var stamp = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// zipped returns a zip that holds one file.
func zipped(name string, text []byte) ([]byte, error) {
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	h := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: stamp}
	h.SetMode(0o644)
	w, err := z.CreateHeader(h)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

const (
	maxSummary = 2048    // bytes, of a revision's summary
	maxMessage = 100_000 // bytes; all variables of an action may take 122,880
)

// clip shortens text to at most n bytes, between two characters.
func clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "")
}

// domain returns the end of the names of a Region's endpoints.
func domain(region string) string {
	if strings.HasPrefix(region, "cn-") {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}
