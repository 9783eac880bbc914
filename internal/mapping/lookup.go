package mapping

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

// Merge returns m with the names of over put in; where both know a name, over
// wins. Neither is changed.
func (m Mapping) Merge(over Mapping) Mapping {
	m.Repositories = merged(m.Repositories, over.Repositories)
	m.Buckets = merged(m.Buckets, over.Buckets)
	m.Projects = merged(m.Projects, over.Projects)
	m.Sources = merged(m.Sources, over.Sources)
	if over.Secrets != "" {
		m.Secrets = over.Secrets
	}
	return m
}

func merged[V any](under, over map[string]V) map[string]V {
	if len(under) == 0 && len(over) == 0 {
		return nil
	}
	all := make(map[string]V, len(under)+len(over))
	maps.Copy(all, under)
	maps.Copy(all, over)
	return all
}

// WithSource returns m with one source action put on a local path. The flag
// reads ACTION=PATH, and a relative PATH starts at the working directory.
func (m Mapping) WithSource(flag string) (Mapping, error) {
	name, path, ok := strings.Cut(flag, "=")
	if !ok || name == "" || path == "" {
		return m, pipeline.Errorf(pipeline.Validation, "--source %q: write ACTION=PATH, the name of a source action and a repository or folder", flag)
	}
	dir, err := os.Getwd()
	if err != nil {
		return m, fmt.Errorf("--source %s: %w", flag, err)
	}
	abs, err := resolve(dir, path)
	if err == nil {
		_, err = os.Stat(abs)
	}
	if err != nil {
		return m, pipeline.Errorf(pipeline.Validation, "--source %s: %w", name, explain(path, abs, err))
	}
	return m.Merge(Mapping{Sources: map[string]string{name: abs}}), nil
}

// Repository returns the local repository that a git source action reads: the
// one a flag gave to the action, else the one its repository's name is mapped
// to. The error says what to write into the mapping.
func (m Mapping) Repository(a pipeline.Action) (Repository, error) {
	if path, ok := m.Sources[a.Name]; ok {
		return Repository{Path: path}, nil
	}
	name := RepositoryName(a)
	if name == "" {
		return Repository{}, pipeline.Errorf(pipeline.Validation, "source action %s names no repository: %s", a.Name, nameKeys(a))
	}
	if repo, ok := m.Repositories[name]; ok {
		return repo, nil
	}
	return Repository{}, pipeline.Errorf(pipeline.Validation,
		"repository %s of source action %s is not mapped to one on this machine: write\n\n    repositories:\n      %s: PATH\n\ninto %s, or pass --source %s=PATH",
		name, a.Name, name, File, a.Name)
}

// RepositoryName returns what a git source action calls its repository:
// RepositoryName, FullRepositoryId, or Owner/Repo. It is empty for an action
// that has none.
func RepositoryName(a pipeline.Action) string {
	c := a.Configuration
	switch {
	case c["RepositoryName"] != "":
		return c["RepositoryName"]
	case c["FullRepositoryId"] != "":
		return c["FullRepositoryId"]
	case c["Owner"] != "" && c["Repo"] != "":
		return c["Owner"] + "/" + c["Repo"]
	}
	return ""
}

// nameKeys says which keys of its configuration name the repository of a.
func nameKeys(a pipeline.Action) string {
	switch a.TypeID.Provider {
	case "CodeStarSourceConnection":
		return "write FullRepositoryId: owner/repository into its configuration"
	case "GitHub":
		return "write Owner and Repo into its configuration"
	}
	return "write RepositoryName into its configuration"
}

// bucketName is S3's rule for names, less strict about dots. It keeps a name
// from leaving the folder of buckets.
var bucketName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]{1,61}[a-zA-Z0-9]$`)

// Bucket returns the folder that stands for an S3 bucket: the mapped one, else
// buckets/NAME below data. That one need not exist yet.
func (m Mapping) Bucket(name, data string) (string, error) {
	if folder, ok := m.Buckets[name]; ok {
		return folder, nil
	}
	if !bucketName.MatchString(name) {
		return "", pipeline.Errorf(pipeline.Validation, "bucket %q: no lawful name of a bucket; write 3 to 63 letters, digits, dots and hyphens", name)
	}
	return filepath.Join(data, "buckets", name), nil
}
