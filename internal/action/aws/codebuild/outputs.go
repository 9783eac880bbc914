package codebuild

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
	"github.com/sluice-ci/sluice/internal/blob"
)

// outputs returns what a build has written of a job's outputs.
func (p *Provider) outputs(ctx context.Context, job action.Job, b *build) ([]action.Artifact, error) {
	if len(job.Outputs) == 0 || batch(job) && !combined(job) {
		return nil, nil
	}
	objects, err := p.Objects(ctx, job)
	if err != nil {
		return nil, fault.Of("read the output artifacts", err)
	}
	var written []action.Artifact
	for _, out := range job.Outputs {
		identifier := out.Name
		if len(job.Outputs) == 1 {
			identifier = ""
		}
		ref := located(out.Ref, b.places[identifier])
		ref, err := measure(ctx, objects, ref)
		if fault.Code(err) == "NoSuchKey" {
			continue
		}
		if err != nil {
			return nil, fault.Of("read the output artifact "+out.Name, err)
		}
		out.Ref = ref
		written = append(written, out)
	}
	return written, nil
}

// located returns where an output is: where the build says that it put it, an
// ARN, or else where it was told to.
func located(ref blob.Ref, arn string) blob.Ref {
	if _, place, ok := strings.Cut(arn, ":s3:::"); ok {
		if bucket, key, ok := strings.Cut(place, "/"); ok && key != "" {
			ref.Bucket, ref.Key = bucket, key
		}
	}
	return ref
}

// measure reads an object for its digest and size.
func measure(ctx context.Context, objects Objects, ref blob.Ref) (blob.Ref, error) {
	object, err := objects.GetObject(ctx, &s3.GetObjectInput{Bucket: &ref.Bucket, Key: &ref.Key})
	if err != nil {
		return ref, err
	}
	defer object.Body.Close()
	sum := sha256.New()
	if ref.Size, err = io.Copy(sum, object.Body); err != nil {
		return ref, err
	}
	ref.Digest = "sha256:" + hex.EncodeToString(sum.Sum(nil))
	return ref, nil
}
