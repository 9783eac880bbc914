package deploys

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/cloud/work"
)

// readable is how long CloudFormation may read a template: it does so during
// the call that names it.
const readable = 15 * time.Minute

// templates returns what puts a template too long for a call beside the
// artifacts of its pipeline and signs a URL for it, in the function's own role.
// Its name has its digest, so one that is put twice is one object.
func templates(b *work.Bench) func(context.Context, action.Job, []byte) (string, error) {
	signer := s3.NewPresignClient(b.Objects)
	return func(ctx context.Context, job action.Job, template []byte) (string, error) {
		sum := sha256.Sum256(template)
		key := fmt.Sprintf("%.20s/templates/%s", job.Pipeline, hex.EncodeToString(sum[:]))
		if _, err := b.Blobs.Create(ctx, b.Bucket, key, bytes.NewReader(template)); err != nil && !errors.Is(err, blob.ErrExists) {
			return "", fmt.Errorf("put the template of action %s into the artifact bucket: %w", job.Action.Name, err)
		}
		signed, err := signer.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: &b.Bucket, Key: &key}, s3.WithPresignExpires(readable))
		if err != nil {
			return "", fmt.Errorf("sign the URL of the template of action %s: %w", job.Action.Name, err)
		}
		return signed.URL, nil
	}
}
