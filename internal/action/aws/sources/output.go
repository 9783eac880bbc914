package sources

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
	"github.com/sluice-ci/sluice/internal/action/whole"
	"github.com/sluice-ci/sluice/internal/blob"
)

// output returns the failure of a job that has not the one output of a source.
func output(job action.Job) (action.Result, bool) {
	if len(job.Outputs) == 1 {
		return action.Result{}, true
	}
	return action.Fail(action.ConfigurationError, fmt.Sprintf("Action %s declares %d output artifacts; a source has exactly one.", job.Action.Name, len(job.Outputs))), false
}

// cloneInstead is the way out for a commit that is too large to be packed.
const cloneInstead = "With OutputArtifactFormat CODEBUILD_CLONE_REF the build clones the repository itself."

// write writes the output of a job in the format that its configuration asks
// for: what archive writes, or what pointer returns.
func write(ctx context.Context, blobs blob.Store, job action.Job, archive func(io.Writer) error, pointer func() (CloneRef, error)) (action.Artifact, error) {
	switch format := job.Action.Configuration["OutputArtifactFormat"]; format {
	case "", "CODE_ZIP":
		return pack(ctx, blobs, job, archive)
	case "CODEBUILD_CLONE_REF":
		ref, err := pointer()
		if err != nil {
			return action.Artifact{}, err
		}
		content, err := ref.Pack()
		if err != nil {
			return action.Artifact{}, err
		}
		return whole.PutBytes(ctx, blobs, job.Outputs[0], content)
	default:
		return action.Artifact{}, fault.Refuse(action.ConfigurationError, "OutputArtifactFormat %q of action %s is unknown; write CODE_ZIP or CODEBUILD_CLONE_REF.", format, job.Action.Name)
	}
}

// pack writes what archive writes as the output of a job.
func pack(ctx context.Context, blobs blob.Store, job action.Job, archive func(io.Writer) error) (out action.Artifact, err error) {
	err = whole.Scratch(func(file *os.File) error {
		if err := archive(file); err != nil {
			return err
		}
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return err
		}
		out, err = whole.Put(ctx, blobs, job.Outputs[0], file)
		return err
	})
	return out, full(err)
}

// full makes the end of a job of an error that says that the disk is full. A
// function has as much as it was given; the next attempt would find no more.
func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		return fault.Refuse(action.JobFailed, "The source is too large for the temporary files of the function that fetches it: %v.", err)
	}
	return err
}
