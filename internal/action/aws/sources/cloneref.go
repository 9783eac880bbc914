package sources

import (
	"archive/zip"
	"encoding/json"
	"errors"
	"io"

	"github.com/sluice-ci/sluice/internal/action"
)

// CloneRefFile is the one file of an artifact in the format
// CODEBUILD_CLONE_REF.
const CloneRefFile = "codebuild-clone-ref.json"

// A CloneRef is the content of CloneRefFile: what a build clones. Type and
// URL are the type and the location of the source in CodeBuild's words.
type CloneRef struct {
	Type       string `json:"type"` // CODECOMMIT, GITHUB, ...
	URL        string `json:"url"`
	Commit     string `json:"commit"`
	Branch     string `json:"branch"`
	Connection string `json:"connection,omitempty"` // ARN of what the build clones through
}

// MaxCloneRef is the most bytes an artifact has that holds a CloneRef.
const MaxCloneRef = 8 << 10

// Pack returns the artifact that holds ref.
func (ref CloneRef) Pack() ([]byte, error) {
	text, err := json.Marshal(ref)
	if err != nil {
		return nil, err
	}
	return zipped(CloneRefFile, text)
}

// ReadCloneRef returns what the artifact r of size bytes tells to clone. It
// reports false when the artifact is itself the source.
func ReadCloneRef(r io.ReaderAt, size int64) (CloneRef, bool, error) {
	z, err := zip.NewReader(r, size)
	if errors.Is(err, zip.ErrFormat) || err == nil && (len(z.File) != 1 || z.File[0].Name != CloneRefFile) {
		return CloneRef{}, false, nil
	}
	if err != nil {
		return CloneRef{}, false, err
	}
	f, err := z.File[0].Open()
	if err != nil {
		return CloneRef{}, false, err
	}
	defer f.Close()
	var ref CloneRef
	if err := json.NewDecoder(io.LimitReader(f, MaxCloneRef)).Decode(&ref); err != nil {
		return CloneRef{}, false, err
	}
	return ref, ref.Type != "" && ref.URL != "" && ref.Commit != "", nil
}

// cloneURL is where the repository of a job is cloned from.
func cloneURL(job action.Job) string {
	return "https://git-codecommit." + job.Region + "." + domain(job.Region) + "/v1/repos/" + job.Action.Configuration["RepositoryName"]
}
