// Package cloneref tells an artifact that holds files from one that only says
// what to clone (OutputArtifactFormat CODEBUILD_CLONE_REF), which nobody but a
// build can use.
package cloneref

import (
	"archive/zip"
	"fmt"
	"io"
)

// File is the one file of an artifact that says what to clone.
const File = "codebuild-clone-ref.json"

// Is reports whether the artifact r of size bytes says what to clone. What is
// no zip does not.
func Is(r io.ReaderAt, size int64) bool {
	z, err := zip.NewReader(r, size)
	return err == nil && len(z.File) == 1 && z.File[0].Name == File
}

// Refusal says to whoever deploys an artifact of that name that it is one.
func Refusal(artifact string) string {
	return fmt.Sprintf("Input artifact %s holds no files: it says what a build clones. Set OutputArtifactFormat of its source to CODE_ZIP, or deploy what a build makes of it.", artifact)
}
