// Package s3deploy is the provider of S3 deployments in an AWS account
// (reference 5.6).
//
// # In slices
//
// A function lives for 15 minutes, and thousands of files take longer. So
// Start and Poll write files until their caller's time is nearly up, and then
// tell with a cursor how many are written: the next Poll goes on there. The
// files of an archive have one order, so whoever has a cursor goes on with the
// same file. A slice that is cut short, repeated, or done by two at once writes
// the same objects to the same keys; in a bucket that keeps versions that
// makes new ones.
//
// An archive is unpacked, and so judged, before the first object is written:
// one that is refused changes nothing. Objects that are no longer in the
// archive stay. Stop ends a slice of this process; one of another process ends
// by itself, and nobody goes on after it.
//
// IAM actions: s3:PutObject on the bucket; s3:PutObjectAcl with CannedACL;
// kms:GenerateDataKey and kms:Decrypt with KMSEncryptionKeyARN.
package s3deploy

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/credentials"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
	"github.com/sluice-ci/sluice/internal/action/cloneref"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// S3 is what a deployment needs of *s3.Client.
type S3 interface {
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
}

var _ S3 = (*s3.Client)(nil)

type deployer struct {
	client credentials.Client[S3]
	blobs  blob.Store
	now    func() time.Time
}

// deploy does a slice of a job.
func (d deployer) deploy(ctx context.Context, job action.Job) (action.Result, error) {
	t, err := newTarget(job)
	var p progress
	if err == nil {
		p, err = d.write(ctx, job, t)
	}
	if err != nil {
		return fault.Result(err)
	}
	r := action.Result{Status: pipeline.Succeeded, Summary: "Deployment Succeeded", ExternalURL: t.url(job.Region)}
	if p.done < p.all {
		r.Status, r.Summary, r.Percent, r.Cursor = pipeline.InProgress, p.summary(), p.percent(), p.cursor()
	}
	return r, nil
}

// A target is where objects go, and what all of them have in common.
type target struct {
	bucket  string
	key     string // or prefix
	extract bool
	common  s3.PutObjectInput
}

// newTarget reads the configuration of a job.
func newTarget(job action.Job) (target, error) {
	c := job.Action.Configuration
	t := target{bucket: c["BucketName"], extract: c["Extract"] == "true"}
	t.common.Bucket = &t.bucket
	switch {
	case len(job.Inputs) != 1:
		return t, fault.Refuse(action.ConfigurationError, "Action %s has %d input artifacts; an S3 deployment has exactly one.", job.Action.Name, len(job.Inputs))
	case t.bucket == "":
		return t, fault.Refuse(action.ConfigurationError, "Action %s has no BucketName: write it into its configuration.", job.Action.Name)
	case !t.extract && c["Extract"] != "false":
		return t, fault.Refuse(action.ConfigurationError, "Extract is %q; it must be true or false.", c["Extract"])
	case !t.extract && c["ObjectKey"] == "":
		return t, fault.Refuse(action.ConfigurationError, "When the extract feature is disabled, you must provide an object key: write ObjectKey into the configuration of action %s.", job.Action.Name)
	}
	if control := c["CacheControl"]; control != "" {
		t.common.CacheControl = &control
	}
	if key := c["KMSEncryptionKeyARN"]; key != "" {
		t.common.ServerSideEncryption, t.common.SSEKMSKeyId = types.ServerSideEncryptionAwsKms, &key
	}
	if acl := types.ObjectCannedACL(c["CannedACL"]); acl != "" {
		if known := acl.Values(); !slices.Contains(known, acl) {
			return t, fault.Refuse(action.ConfigurationError, "CannedACL is %q; it must be one of %v.", acl, known)
		}
		t.common.ACL = acl
	}
	var err error
	t.key, err = fill(c["ObjectKey"], job)
	return t, err
}

// fill puts values into the placeholders of a key. Both are the same whenever
// the job is repeated: uuid is made from its id, and datetime is when it
// began, which is its deadline less the timeout of its type.
func fill(key string, job action.Job) (string, error) {
	if strings.Contains(key, "{datetime}") {
		if job.Deadline.IsZero() {
			return "", errors.New("a job without a deadline does not say when it began")
		}
		began := job.Deadline.Add(-pipeline.Timeout(job.Action))
		key = strings.ReplaceAll(key, "{datetime}", began.UTC().Format("2006-01-02_15-04-05"))
	}
	sum := sha256.Sum256([]byte("s3 deploy " + job.ID))
	sum[6], sum[8] = sum[6]&0x0f|0x40, sum[8]&0x3f|0x80 // the marks of a UUID of version 4
	uuid := fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
	return strings.ReplaceAll(key, "{uuid}", uuid), nil
}

// write deploys the input of job from its cursor on, and returns how far it
// has come.
func (d deployer) write(ctx context.Context, job action.Job, t target) (progress, error) {
	done, err := parse(job.Cursor)
	if err != nil {
		return done, err
	}
	if err := checkKey(t.key); t.key != "" && err != nil {
		return done, err
	}
	client, err := d.client(ctx, job)
	if err != nil {
		return done, t.refused(t.key, err)
	}
	left, err := d.budget(ctx, job)
	if err != nil {
		return done, err
	}
	input := job.Inputs[0].Ref
	artifact, err := d.blobs.Open(ctx, input)
	switch {
	case errors.Is(err, blob.ErrNotFound), errors.Is(err, blob.ErrDigest):
		return done, fault.Refuse(action.JobFailed, "Input artifact %s cannot be read: %v.", job.Inputs[0].Name, err)
	case err != nil:
		return done, err
	}
	defer artifact.Close()
	if cloneref.Is(artifact, input.Size) {
		return done, fault.Refuse(action.ConfigurationError, "%s", cloneref.Refusal(job.Inputs[0].Name))
	}
	if t.extract {
		return t.unpack(ctx, client, artifact, input.Size, done, left)
	}
	return progress{1, 1}, t.put(ctx, client, t.key, io.NewSectionReader(artifact, 0, input.Size), input.Size)
}

// checkKey refuses what S3 would not take as the key of an object.
func checkKey(key string) error {
	if len(key) > 1024 {
		return fault.Refuse(action.JobFailed, "The object key %.100q... has %d bytes; at most 1,024 are allowed.", key, len(key))
	}
	if !utf8.ValidString(key) {
		return fault.Refuse(action.JobFailed, "The object key %q is not UTF-8.", key)
	}
	return nil
}

// put writes one object.
func (t target) put(ctx context.Context, client S3, key string, body io.ReadSeeker, size int64) error {
	in, kind := t.common, contentType(key)
	in.Key, in.Body, in.ContentLength, in.ContentType = &key, body, &size, &kind
	if _, err := client.PutObject(ctx, &in); err != nil {
		return t.refused(key, err)
	}
	return nil
}

// url is the page of the bucket in the console.
func (t target) url(region string) string {
	return "https://s3.console.aws.amazon.com/s3/buckets/" + url.PathEscape(t.bucket) + "?region=" + url.QueryEscape(region) + "&prefix=" + url.QueryEscape(t.key)
}

// contentTypes are those of the service, by extension.
var contentTypes = map[string]string{
	".css":  "text/css",
	".html": "text/html",
	".jpg":  "image/jpeg",
	".js":   "application/x-javascript",
	".json": "application/json",
	".png":  "image/png",
	".svg":  "image/svg+xml",
	".txt":  "text/plain",
	".xml":  "application/xml",
}

func contentType(key string) string {
	if kind, ok := contentTypes[strings.ToLower(path.Ext(key))]; ok {
		return kind
	}
	return "application/octet-stream"
}
