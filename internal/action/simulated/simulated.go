// Package simulated is the provider of everything that cannot run on this
// machine. A job succeeds at once and says in its summary, its result and its
// artifacts that nothing was done.
package simulated

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/whole"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/mapping"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// File is what every artifact of a simulated job holds.
const File = "sluice-simulated.json"

// Options say how jobs end. The zero value is what a person wants.
type Options struct {
	// Sources lets sources succeed that read a repository or an object. Without
	// it they fail and say how to map them: what a pipeline is fed with is
	// never invented unasked. ECR sources are always simulated.
	Sources bool

	// Fail lists actions that fail, by name, with their messages. It is for
	// tests and demonstrations of what follows a failure.
	Fail map[string]string
}

// New returns the provider.
func New(blobs blob.Store, opts Options) action.Provider {
	opts.Fail = maps.Clone(opts.Fail)
	s := simulation{blobs: blobs, opts: opts}
	return whole.Provider(s.simulate)
}

type simulation struct {
	blobs blob.Store
	opts  Options
}

// consequences say what did not happen, by category.
var consequences = map[pipeline.Category]string{
	pipeline.Source:   "nothing was fetched",
	pipeline.Build:    "nothing was built",
	pipeline.Test:     "nothing was tested",
	pipeline.Compute:  "nothing was run",
	pipeline.Deploy:   "nothing was deployed",
	pipeline.Invoke:   "nothing was invoked",
	pipeline.Approval: "nobody was asked",

	pipeline.RuleCategory: "nothing was looked at",
}

// simulate does a job.
func (s simulation) simulate(ctx context.Context, job action.Job) (action.Result, error) {
	id := job.Action.TypeID
	if message, ok := s.opts.Fail[job.Action.Name]; ok {
		res := action.Fail(action.JobFailed, message)
		res.Simulated = true
		return res, nil
	}
	if id.Category == pipeline.Source && id.Provider != "ECR" && !s.opts.Sources {
		return unmapped(job.Action), nil
	}
	summary := fmt.Sprintf("Simulated: %s %s does not run on a laptop; %s", id.Category, id.Provider, consequences[id.Category])
	vars := variables(job)
	res := action.Result{Status: pipeline.Succeeded, Summary: summary, ExternalID: "simulated-" + job.ID, Variables: vars, Simulated: true}
	if id.Category == pipeline.Source {
		res.Revision = &action.Revision{ID: revision(vars), Summary: summary}
	}
	for _, out := range job.Outputs {
		content, err := artifact(job, out.Name, summary, vars)
		if err != nil {
			return action.Result{}, err
		}
		if out, err = whole.PutBytes(ctx, s.blobs, out, content); err != nil {
			return action.Result{}, err
		}
		if res.Revision != nil {
			out.Revision = res.Revision.ID
		}
		res.Outputs = append(res.Outputs, out)
	}
	return res, nil
}

// unmapped is the failure of a source that nothing on this machine stands for.
func unmapped(a pipeline.Action) action.Result {
	message := fmt.Sprintf("Source %s of action %s is not on this machine; pass --source %s=PATH.", a.TypeID.Provider, a.Name, a.Name)
	switch name := mapping.RepositoryName(a); {
	case a.TypeID.Provider == "S3":
		message = fmt.Sprintf("Bucket %s of source action %s is not on this machine: write it under buckets in %s, or pass --source %s=PATH.", a.Configuration["S3Bucket"], a.Name, mapping.File, a.Name)
	case name != "":
		message = fmt.Sprintf("Repository %s of source action %s is not on this machine: write it under repositories in %s, or pass --source %s=PATH.", name, a.Name, mapping.File, a.Name)
	}
	return action.Fail(action.ConfigurationError, message)
}

// revision is the id of what a simulated source fetched.
func revision(vars map[string]string) string {
	for _, key := range []string{"CommitId", "VersionId", "ImageDigest"} {
		if v := vars[key]; v != "" {
			return v
		}
	}
	return prefix + "revision"
}

// artifact returns a zip that says what it stands for, so that a later action
// has an input that it can open.
func artifact(job action.Job, name, summary string, vars map[string]string) ([]byte, error) {
	files := map[string]any{File: map[string]string{
		"artifact":  name,
		"pipeline":  job.Pipeline,
		"execution": job.ExecutionID,
		"stage":     job.Stage,
		"action":    job.Action.Name,
		"provider":  job.Action.TypeID.Provider,
		"note":      summary,
	}}
	if job.Action.TypeID.Category == pipeline.Source && job.Action.TypeID.Provider == "ECR" {
		files["imageDetail.json"] = imageDetail(vars)
	}
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for _, file := range slices.Sorted(maps.Keys(files)) {
		text, err := json.MarshalIndent(files[file], "", "  ")
		if err != nil {
			return nil, err
		}
		w, err := z.Create(file)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(append(text, '\n')); err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// imageDetail is the file an ECR source hands on (user guide, ECR source action reference).
func imageDetail(vars map[string]string) any {
	return struct {
		ImageSizeInBytes, ImageDigest, Version, ImagePushedAt, RegistryId, RepositoryName, ImageURI string
		ImageTags                                                                                   []string
	}{
		"0", vars["ImageDigest"], "1.0", "Thu Jan 01 00:00:00 UTC 1970", vars["RegistryId"], vars["RepositoryName"], vars["ImageURI"],
		[]string{vars["ImageTag"]},
	}
}
