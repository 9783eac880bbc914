package sources

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/credentials"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
	"github.com/sluice-ci/sluice/internal/action/whole"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// ECR is what an ECR source needs of *ecr.Client.
type ECR interface {
	DescribeImages(context.Context, *ecr.DescribeImagesInput, ...func(*ecr.Options)) (*ecr.DescribeImagesOutput, error)
}

var _ ECR = (*ecr.Client)(nil)

// NewECR returns the provider of ECR sources.
func NewECR(client credentials.Client[ECR], blobs blob.Store) action.Provider {
	return whole.Provider(images{client, blobs}.fetch)
}

type images struct {
	client credentials.Client[ECR]
	blobs  blob.Store
}

// ImageDetailFile is the one file of an ECR source's artifact.
const ImageDetailFile = "imageDetail.json"

// An imageDetail is the content of ImageDetailFile (reference 5.2).
type imageDetail struct {
	ImageSizeInBytes string   `json:"ImageSizeInBytes"`
	ImageDigest      string   `json:"ImageDigest"`
	Version          string   `json:"Version"`
	ImagePushedAt    string   `json:"ImagePushedAt"`
	RegistryID       string   `json:"RegistryId"`
	RepositoryName   string   `json:"RepositoryName"`
	ImageURI         string   `json:"ImageURI"`
	ImageTags        []string `json:"ImageTags"`
}

// fetch does a job.
func (s images) fetch(ctx context.Context, job action.Job) (action.Result, error) {
	if failed, ok := output(job); !ok {
		return failed, nil
	}
	if failed, ok := required(job, "RepositoryName"); !ok {
		return failed, nil
	}
	repository, tag := job.Action.Configuration["RepositoryName"], job.Action.Configuration["ImageTag"]
	if tag == "" {
		tag = "latest"
	}
	id, what := types.ImageIdentifier{ImageTag: &tag}, "with tag "+tag
	switch job.Revision.Type {
	case "":
	case "IMAGE_DIGEST":
		id, what = types.ImageIdentifier{ImageDigest: &job.Revision.Value}, job.Revision.Value
	default:
		return mistyped(job, "IMAGE_DIGEST"), nil
	}
	doing := fmt.Sprintf("find the image %s of the Amazon ECR repository %s", what, repository)
	client, err := s.client(ctx, job)
	if err != nil {
		return fault.Result(ecrCodes.Of(doing, err))
	}
	answer, err := client.DescribeImages(ctx, &ecr.DescribeImagesInput{RepositoryName: &repository, ImageIds: []types.ImageIdentifier{id}})
	switch code := fault.Code(err); {
	case id.ImageDigest != nil && (code == "ImageNotFoundException" || code == "InvalidParameterException"):
		return action.Fail(action.RevisionUnavailable, "Could not "+doing+". "+fault.Said(err)), nil
	case err != nil:
		return fault.Result(ecrCodes.Of(doing, err))
	case len(answer.ImageDetails) == 0 || aws.ToString(answer.ImageDetails[0].ImageDigest) == "":
		return action.Fail(action.RevisionUnavailable, "Could not "+doing+"."), nil
	}
	return s.describe(ctx, job, tag, answer.ImageDetails[0])
}

// describe makes the artifact, which describes the image.
func (s images) describe(ctx context.Context, job action.Job, tag string, image types.ImageDetail) (action.Result, error) {
	repository, digest := job.Action.Configuration["RepositoryName"], *image.ImageDigest
	registry := aws.ToString(image.RegistryId)
	if registry == "" {
		registry = job.Account
	}
	uri := fmt.Sprintf("%s.dkr.ecr.%s.%s/%s@%s", registry, job.Region, domain(job.Region), repository, digest)
	tags := slices.Sorted(slices.Values(image.ImageTags))
	pushed := aws.ToTime(image.ImagePushedAt).UTC()
	text, err := json.Marshal(imageDetail{
		ImageSizeInBytes: strconv.FormatInt(aws.ToInt64(image.ImageSizeInBytes), 10),
		ImageDigest:      digest,
		Version:          "1.0",
		ImagePushedAt:    pushed.Format("Mon Jan 02 15:04:05 MST 2006"),
		RegistryID:       registry,
		RepositoryName:   repository,
		ImageURI:         uri,
		ImageTags:        append([]string{}, tags...),
	})
	if err != nil {
		return action.Result{}, err
	}
	content, err := zipped(ImageDetailFile, text)
	if err != nil {
		return action.Result{}, err
	}
	out, err := whole.PutBytes(ctx, s.blobs, job.Outputs[0], content)
	if err != nil {
		return action.Result{}, err
	}
	out.Revision = digest
	vars := map[string]string{"RegistryId": registry, "RepositoryName": repository, "ImageDigest": digest, "ImageURI": uri}
	switch { // an image that was asked for by its digest may have lost the tag, or have none
	case slices.Contains(tags, tag):
		vars["ImageTag"] = tag
	case len(tags) > 0:
		vars["ImageTag"] = tags[0]
	}
	link := fmt.Sprintf("%s/ecr/repositories/private/%s/%s/_/image/%s/details?region=%s", fault.Console(job.Region), registry, repository, digest, job.Region)
	summary := "Amazon ECR image digest: " + digest
	return action.Result{
		Status:      pipeline.Succeeded,
		Summary:     summary,
		ExternalID:  digest,
		ExternalURL: link,
		Variables:   vars,
		Outputs:     []action.Artifact{out},
		Revision:    &action.Revision{ID: digest, Summary: summary, URL: link, Created: pushed},
	}, nil
}
