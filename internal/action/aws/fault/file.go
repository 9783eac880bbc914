package fault

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/blob"
)

// Split splits a place in an artifact, Artifact::path, as the configuration
// has it under key.
func Split(key, value string) (artifact, file string, err error) {
	artifact, file, ok := strings.Cut(value, "::")
	if !ok || artifact == "" || file == "" {
		return "", "", Refuse(action.ConfigurationError, "%s is %q; it has to be the name of an input artifact, two colons, and the path of a file in it", key, value)
	}
	return artifact, file, nil
}

// Input returns the input artifact of a job that is called name.
func Input(job action.Job, name string) (action.Artifact, error) {
	var names []string
	for _, in := range job.Inputs {
		if in.Name == name {
			return in, nil
		}
		names = append(names, in.Name)
	}
	if len(names) == 0 {
		return action.Artifact{}, Refuse(action.ConfigurationError, "Artifact %s is not an input of action %s, which has none", name, job.Action.Name)
	}
	return action.Artifact{}, Refuse(action.ConfigurationError, "Artifact %s is not an input of action %s; its inputs are %s", name, job.Action.Name, strings.Join(names, ", "))
}

// ReadFile returns a file of an artifact, which is a zip. A file of more than
// limit bytes is refused.
func ReadFile(ctx context.Context, blobs blob.Store, in action.Artifact, file string, limit int64) ([]byte, error) {
	object, err := blobs.Open(ctx, in.Ref)
	switch {
	case errors.Is(err, blob.ErrNotFound), errors.Is(err, blob.ErrDigest):
		return nil, Refuse(action.JobFailed, "Artifact %s cannot be read: %v", in.Name, err)
	case err != nil:
		return nil, fmt.Errorf("artifact %s: %w", in.Name, err)
	}
	defer object.Close()
	z, err := zip.NewReader(object, in.Ref.Size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // nothing is written by its name
		return nil, Refuse(action.JobFailed, "Artifact %s is no zip file: %v", in.Name, err)
	}
	name, alike := path.Clean(strings.TrimPrefix(file, "/")), []string{}
	for _, f := range z.File {
		switch {
		case f.Name == name:
			return content(in.Name, f, limit)
		case path.Base(f.Name) == path.Base(name) && len(alike) < 5:
			alike = append(alike, f.Name)
		}
	}
	hint := ""
	if len(alike) > 0 {
		hint = "; it has " + strings.Join(alike, ", ")
	}
	return nil, Refuse(action.ConfigurationError, "Artifact %s has no file %s%s", in.Name, file, hint)
}

func content(artifact string, f *zip.File, limit int64) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, Refuse(action.JobFailed, "File %s of artifact %s cannot be read: %v", f.Name, artifact, err)
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, limit+1))
	switch {
	case err != nil:
		return nil, Refuse(action.JobFailed, "File %s of artifact %s cannot be read: %v", f.Name, artifact, err)
	case int64(len(text)) > limit:
		return nil, Refuse(action.ConfigurationError, "File %s of artifact %s has more than %d bytes", f.Name, artifact, limit)
	}
	return text, nil
}
