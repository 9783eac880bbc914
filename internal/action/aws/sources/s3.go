package sources

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/credentials"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
	"github.com/sluice-ci/sluice/internal/action/whole"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// S3 is what an S3 source needs of *s3.Client.
type S3 interface {
	GetBucketVersioning(context.Context, *s3.GetBucketVersioningInput, ...func(*s3.Options)) (*s3.GetBucketVersioningOutput, error)
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
}

var _ S3 = (*s3.Client)(nil)

// NewS3 returns the provider of S3 sources.
func NewS3(client credentials.Client[S3], blobs blob.Store) action.Provider {
	return whole.Provider(objects{client, blobs}.fetch)
}

type objects struct {
	client credentials.Client[S3]
	blobs  blob.Store
}

// summaryKey is the metadata of an object that says what the revision is.
const summaryKey = "codepipeline-artifact-revision-summary"

// fetch does a job. It asks for the object itself and not for its head first:
// a refusal of the latter has no text, and in between the object may change.
func (s objects) fetch(ctx context.Context, job action.Job) (action.Result, error) {
	if failed, ok := output(job); !ok {
		return failed, nil
	}
	if failed, ok := required(job, "S3Bucket", "S3ObjectKey"); !ok {
		return failed, nil
	}
	conf := job.Action.Configuration
	bucket, get := conf["S3Bucket"], &s3.GetObjectInput{Bucket: aws.String(conf["S3Bucket"]), Key: aws.String(conf["S3ObjectKey"])}
	switch job.Revision.Type {
	case "":
	case "S3_OBJECT_VERSION_ID":
		get.VersionId = &job.Revision.Value
	case "S3_OBJECT_KEY":
		if conf["AllowOverrideForS3ObjectKey"] != "true" {
			return action.Fail(action.ConfigurationError, fmt.Sprintf("Action %s does not permit another object key; set AllowOverrideForS3ObjectKey to true.", job.Action.Name)), nil
		}
		get.Key = &job.Revision.Value
		if v := job.Revision.ObjectVersion; v != "" {
			get.VersionId = &v
		}
	default:
		return mistyped(job, "S3_OBJECT_VERSION_ID or S3_OBJECT_KEY"), nil
	}
	client, err := s.client(ctx, job)
	if err != nil {
		return inaccessible(bucket, *get.Key, err)
	}
	versioning, err := client.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &bucket})
	if err != nil {
		return inaccessible(bucket, *get.Key, err)
	}
	if versioning.Status != types.BucketVersioningStatusEnabled {
		return action.Fail(action.ConfigurationError, fmt.Sprintf("The Amazon S3 bucket %q of action %s keeps no versions; an S3 source needs a bucket whose versioning is enabled.", bucket, job.Action.Name)), nil
	}
	object, err := client.GetObject(ctx, get)
	if err != nil {
		if lacksVersion(get, err) {
			return action.Fail(action.RevisionUnavailable, fmt.Sprintf("Version %s of the Amazon S3 object %q is not available. %s", *get.VersionId, bucket+"/"+*get.Key, fault.Said(err))), nil
		}
		return inaccessible(bucket, *get.Key, err)
	}
	defer object.Body.Close()
	return s.copy(ctx, job, *get.Key, object)
}

// copy makes the artifact, whose bytes are the object's.
func (s objects) copy(ctx context.Context, job action.Job, key string, object *s3.GetObjectOutput) (res action.Result, err error) {
	bucket, version := job.Action.Configuration["S3Bucket"], aws.ToString(object.VersionId)
	if version == "" || version == "null" {
		return action.Fail(action.ConfigurationError, fmt.Sprintf("The Amazon S3 object %q has no version id: it was written before the versioning of its bucket was enabled. Write it again.", bucket+"/"+key)), nil
	}
	err = whole.Scratch(func(scratch *os.File) error {
		if _, err := io.Copy(scratch, object.Body); err != nil {
			return fmt.Errorf("read s3://%s/%s: %w", bucket, key, err)
		}
		if _, err := scratch.Seek(0, io.SeekStart); err != nil {
			return err
		}
		out, err := whole.Put(ctx, s.blobs, job.Outputs[0], scratch)
		if err != nil {
			return err
		}
		out.Revision = version
		summary := whole.Clip(object.Metadata[summaryKey], whole.MaxSummary)
		if summary == "" {
			summary = "Amazon S3 version id: " + version
		}
		res = action.Result{
			Status:      pipeline.Succeeded,
			Summary:     summary,
			ExternalID:  version,
			ExternalURL: "https://console.aws.amazon.com/s3/home?region=" + url.QueryEscape(job.Region),
			Variables:   map[string]string{"BucketName": bucket, "ETag": strings.Trim(aws.ToString(object.ETag), `"`), "ObjectKey": key, "VersionId": version},
			Outputs:     []action.Artifact{out},
			Revision:    &action.Revision{ID: version, Summary: summary, Created: aws.ToTime(object.LastModified).UTC()},
		}
		return nil
	})
	return res, err
}

// inaccessible is the failure of a source whose object cannot be had, in the
// service's words.
func inaccessible(bucket, key string, err error) (action.Result, error) {
	return fault.Result(s3Codes.Of(fmt.Sprintf("access the Amazon S3 object: %q. Make sure that the names of the bucket and object are both correct", bucket+"/"+key), err))
}

// lacksVersion reports whether err means that there is no such version as get
// asks for. An id that S3 could not have given out is an InvalidArgument.
func lacksVersion(get *s3.GetObjectInput, err error) bool {
	if get.VersionId == nil {
		return false
	}
	switch fault.Code(err) {
	case "NoSuchVersion", "InvalidArgument", "MethodNotAllowed":
		return true
	}
	return false
}
