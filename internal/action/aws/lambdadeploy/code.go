package lambdadeploy

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
	"github.com/sluice-ci/sluice/internal/blob"
)

// A code is what a function is to run: a zip, or an image.
type code struct {
	zip    []byte
	image  *string
	digest string // CodeSha256, as Lambda tells it
}

const (
	maxZip      = 50 << 20 // of an archive that is sent in the call
	imageDetail = "imageDetail.json"
	maxDetail   = 1 << 20
)

// readCode reads the artifact of a job as the function takes it: the artifact
// itself is the archive, or its imageDetail.json names the image.
func readCode(ctx context.Context, blobs blob.Store, job action.Job, kind types.PackageType) (code, error) {
	in := job.Inputs[0]
	if kind == types.PackageTypeImage {
		return readImage(ctx, blobs, in)
	}
	if in.Ref.Size > maxZip {
		return code{}, fault.Refuse(action.ConfigurationError, "Artifact %s has %d bytes; code of a function that is deployed in this way has at most %d. Put the code into an image", in.Name, in.Ref.Size, maxZip)
	}
	object, err := blobs.Open(ctx, in.Ref)
	switch {
	case errors.Is(err, blob.ErrNotFound), errors.Is(err, blob.ErrDigest):
		return code{}, fault.Refuse(action.JobFailed, "Artifact %s cannot be read: %v", in.Name, err)
	case err != nil:
		return code{}, fmt.Errorf("artifact %s: %w", in.Name, err)
	}
	defer object.Close()
	text, err := io.ReadAll(object)
	if err != nil {
		return code{}, fmt.Errorf("artifact %s: %w", in.Name, err)
	}
	sum := sha256.Sum256(text)
	return code{zip: text, digest: base64.StdEncoding.EncodeToString(sum[:])}, nil
}

func readImage(ctx context.Context, blobs blob.Store, in action.Artifact) (code, error) {
	text, err := fault.ReadFile(ctx, blobs, in, imageDetail, maxDetail)
	if err != nil {
		return code{}, err
	}
	var detail struct{ ImageURI, ImageDigest string }
	if err := json.Unmarshal(text, &detail); err != nil {
		return code{}, fault.Refuse(action.ConfigurationError, "File %s of artifact %s is no JSON object", imageDetail, in.Name)
	}
	_, digest, ok := strings.Cut(detail.ImageURI, "@sha256:")
	if !ok {
		digest, ok = strings.CutPrefix(detail.ImageDigest, "sha256:")
	}
	if !ok || detail.ImageURI == "" {
		return code{}, fault.Refuse(action.ConfigurationError, "File %s of artifact %s names no image by its digest: it needs ImageURI, and the digest in it or in ImageDigest", imageDetail, in.Name)
	}
	return code{image: &detail.ImageURI, digest: digest}, nil
}
