package s3

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/cloneref"
	"github.com/sluice-ci/sluice/internal/action/whole"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/mapping"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// NewDeploy returns the provider of S3 deployments. Buckets that m does not
// know are folders below data.
func NewDeploy(m mapping.Mapping, data string, blobs blob.Store) action.Provider {
	d := deploy{mapping: m, data: data, blobs: blobs}
	return whole.Provider(d.deploy)
}

type deploy struct {
	mapping mapping.Mapping
	data    string
	blobs   blob.Store
}

// A refusal is why a deployment cannot be done, however often it is tried.
type refusal struct{ code, message string }

func (r *refusal) Error() string { return r.message }

func refuse(code, format string, args ...any) error {
	return &refusal{code: code, message: fmt.Sprintf(format, args...)}
}

// deploy does a job. A refusal on the way is its failure.
func (d deploy) deploy(ctx context.Context, job action.Job) (action.Result, error) {
	where, err := d.write(ctx, job)
	if r, ok := errors.AsType[*refusal](err); ok {
		return action.Fail(r.code, r.message), nil
	}
	if err != nil {
		return action.Result{}, fmt.Errorf("deploy to %s: %w", job.Action.Configuration["BucketName"], err)
	}
	return action.Result{Status: pipeline.Succeeded, Summary: "Deployment Succeeded" + undone(job.Action.Configuration), ExternalURL: fileURL(where)}, nil
}

// undone says what of a configuration means nothing to a folder.
func undone(c map[string]string) string {
	var keys []string
	for _, key := range []string{"CacheControl", "CannedACL", "KMSEncryptionKeyARN"} {
		if c[key] != "" {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return ""
	}
	return " (a folder keeps no " + strings.Join(keys, ", ") + ")"
}

// write deploys the input and returns the folder or file it is in now.
func (d deploy) write(ctx context.Context, job action.Job) (string, error) {
	c := job.Action.Configuration
	if len(job.Inputs) != 1 {
		return "", refuse(action.ConfigurationError, "Action %s has %d input artifacts; an S3 deployment has exactly one.", job.Action.Name, len(job.Inputs))
	}
	extract, key := c["Extract"], c["ObjectKey"]
	switch {
	case extract != "true" && extract != "false":
		return "", refuse(action.ConfigurationError, "Extract is %q; it must be true or false.", extract)
	case extract == "false" && key == "":
		return "", refuse(action.ConfigurationError, "When the extract feature is disabled, you must provide an object key: write ObjectKey into the configuration of action %s.", job.Action.Name)
	}
	folder, err := d.mapping.Bucket(c["BucketName"], d.data)
	if err != nil {
		return "", refuse(action.ConfigurationError, "%v", err)
	}
	if key, err = d.fill(key, job.ID); err != nil {
		return "", err
	}
	input := job.Inputs[0].Ref
	artifact, err := d.blobs.Open(ctx, input)
	switch {
	case errors.Is(err, blob.ErrNotFound), errors.Is(err, blob.ErrDigest):
		return "", refuse(action.JobFailed, "Input artifact %s cannot be read: %v.", job.Inputs[0].Name, err)
	case err != nil:
		return "", err
	}
	defer artifact.Close()
	if cloneref.Is(artifact, input.Size) {
		return "", refuse(action.ConfigurationError, "%s", cloneref.Refusal(job.Inputs[0].Name))
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", refuse(action.ConfigurationError, "Bucket %s: %v.", c["BucketName"], err)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return "", err
	}
	defer root.Close()
	t := target{root: root, folder: folder, staging: ".sluice-" + short(job.ID)}
	if extract == "false" {
		rel, err := mapping.ObjectPath(key)
		if err != nil {
			return "", refuse(action.ConfigurationError, "%v", err)
		}
		return filepath.Join(folder, rel), t.put(ctx, rel, artifact)
	}
	return filepath.Join(folder, filepath.FromSlash(path.Clean("/"+key))), t.extract(ctx, key, artifact, input.Size)
}

// fill puts values into the placeholders of a key. Both are the same whenever
// the job is repeated: uuid is made from its id, datetime is written down when
// it is first asked for.
func (d deploy) fill(key, id string) (string, error) {
	if strings.Contains(key, "{datetime}") {
		at, err := d.began(id)
		if err != nil {
			return "", err
		}
		key = strings.ReplaceAll(key, "{datetime}", at.UTC().Format("2006-01-02_15-04-05"))
	}
	sum := sha256.Sum256([]byte("s3 deploy " + id))
	sum[6], sum[8] = sum[6]&0x0f|0x40, sum[8]&0x3f|0x80 // the marks of a UUID of version 4
	uuid := fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
	return strings.ReplaceAll(key, "{uuid}", uuid), nil
}

// began returns when the deployment of a job first began.
func (d deploy) began(id string) (time.Time, error) {
	file := filepath.Join(d.data, "deployments", short(id))
	if text, err := os.ReadFile(file); err == nil {
		return time.Parse(time.RFC3339, string(text))
	} else if !errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, err
	}
	now := time.Now().UTC().Truncate(time.Second)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return now, err
	}
	if err := os.WriteFile(file+".new", []byte(now.Format(time.RFC3339)), 0o600); err != nil {
		return now, err
	}
	return now, os.Rename(file+".new", file)
}

// short makes a file name of a job's id.
func short(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:8])
}
