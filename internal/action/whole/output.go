package whole

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/blob"
)

// Put writes content as the output artifact of a job and returns it with its
// digest.
//
// An object of that name is there when an earlier process wrote it and died
// before anybody recorded it. If it is the same, it is the artifact. If not,
// say because a branch moved in between, nobody will ever read it (readers go
// by the recorded name and digest), and the content goes beside it, under a
// name made from its own digest.
func Put(ctx context.Context, blobs blob.Store, out action.Artifact, content io.ReadSeeker) (action.Artifact, error) {
	hash := sha256.New()
	size, err := io.Copy(hash, content)
	if err != nil {
		return out, fmt.Errorf("artifact %s: %w", out.Name, err)
	}
	digest := hex.EncodeToString(hash.Sum(nil))
	for _, key := range []string{out.Ref.Key, out.Ref.Key + "-" + digest[:12]} {
		if _, err := content.Seek(0, io.SeekStart); err != nil {
			return out, fmt.Errorf("artifact %s: %w", out.Name, err)
		}
		ref := blob.Ref{Bucket: out.Ref.Bucket, Key: key, Digest: "sha256:" + digest, Size: size}
		switch _, err := blobs.Create(ctx, ref.Bucket, ref.Key, content); {
		case err == nil:
			out.Ref = ref
			return out, nil
		case !errors.Is(err, blob.ErrExists):
			return out, fmt.Errorf("artifact %s: %w", out.Name, err)
		}
		switch object, err := blobs.Open(ctx, ref); {
		case err == nil:
			out.Ref = ref
			return out, object.Close()
		case !errors.Is(err, blob.ErrDigest):
			return out, fmt.Errorf("artifact %s: %w", out.Name, err)
		}
	}
	return out, fmt.Errorf("artifact %s: %s/%s: %w, and not with what belongs there", out.Name, out.Ref.Bucket, out.Ref.Key, blob.ErrExists)
}

// PutBytes is Put for content in memory.
func PutBytes(ctx context.Context, blobs blob.Store, out action.Artifact, content []byte) (action.Artifact, error) {
	return Put(ctx, blobs, out, bytes.NewReader(content))
}

// Scratch calls use with an empty file that is gone afterwards.
func Scratch(use func(*os.File) error) (err error) {
	f, err := os.CreateTemp("", "sluice-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	return use(f)
}
