// Package codebuild is the provider of CodeBuild's Build and Test actions on
// this machine: it runs the buildspec of the action's project in a shell
// (user guide, CodeBuild action reference).
//
// A project is what sluice.local.yaml says it is. One that is not there is
// taken to be a project without settings, as long as there is a buildspec.
// It is no sandbox; see package process.
package codebuild

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/background"
	"github.com/sluice-ci/sluice/internal/action/workspace"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/buildspec"
	"github.com/sluice-ci/sluice/internal/mapping"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/process"
	"github.com/sluice-ci/sluice/internal/secret"
)

// image is what CODEBUILD_BUILD_IMAGE says of a project without an image.
const image = "aws/codebuild/standard:7.0"

// Options holds what has a sensible default. The zero value is valid.
type Options struct {
	Projects    map[string]mapping.Project
	Secrets     secret.Store // default: none can be looked up
	Environment []string     // names of this process's variables to pass on, besides the usual ones
}

// A Provider does CodeBuild actions.
type Provider struct {
	runner *background.Runner
	blobs  blob.Store
	opts   Options
}

var _ action.Provider = (*Provider)(nil)

// New returns a provider that runs its jobs in runner and keeps artifacts in
// blobs.
func New(runner *background.Runner, blobs blob.Store, opts Options) (*Provider, error) {
	if runner == nil || blobs == nil {
		return nil, errors.New("codebuild.New: a runner and a blob store are required")
	}
	return &Provider{runner, blobs, opts}, nil
}

func externalID(job action.Job) string { return job.Action.Configuration["ProjectName"] + ":" + job.ID }

// Start implements action.Provider.
func (p *Provider) Start(_ context.Context, job action.Job) (action.Result, error) {
	minutes := p.opts.Projects[job.Action.Configuration["ProjectName"]].Timeout
	if minutes == 0 {
		minutes = 60
	}
	return p.runner.Start(background.Task{
		Job: job, ExternalID: externalID(job), Timeout: time.Duration(minutes) * time.Minute, Durable: true,
		Run:   func(ctx context.Context) action.Result { return p.run(ctx, job) },
		Clean: func() { p.runner.RemoveWork(job.ID) },
	})
}

// Poll implements action.Provider.
func (p *Provider) Poll(_ context.Context, job action.Job) (action.Result, error) {
	return p.runner.Poll(job, externalID(job))
}

// Stop implements action.Provider.
func (p *Provider) Stop(ctx context.Context, job action.Job) error { return p.runner.Stop(ctx, job) }

// A build is one job on its way.
type build struct {
	*Provider
	*workspace.Workspace
	project mapping.Project
	primary *action.Artifact
}

func (p *Provider) run(ctx context.Context, job action.Job) action.Result {
	name := job.Action.Configuration["ProjectName"]
	w, err := workspace.New(p.runner, p.blobs, p.opts.Secrets, job, name)
	if err != nil {
		return action.Fail(action.SystemUnavailable, err.Error())
	}
	b := &build{Provider: p, Workspace: w, project: p.opts.Projects[name]}
	result := b.work(ctx)
	if result.Error != nil {
		result.Error.Message = w.Masker.String(result.Error.Message)
		result.Summary = w.Masker.String(result.Summary)
		w.Log.Printf("%s", result.Error.Message)
	}
	// A container would be gone now, with whatever still ran in it.
	_, sweepErr := process.Sweep(w.Mark())
	if err := errors.Join(sweepErr, w.Close()); err != nil && result.Status != pipeline.Failed {
		return action.Fail(action.SystemUnavailable, err.Error())
	}
	return result
}

// failed is the result of a build that ended badly.
func failed(format string, args ...any) action.Result {
	r := action.Fail(action.JobFailed, fmt.Sprintf(format, args...))
	r.Summary = "Build terminated with state: FAILED"
	return r
}

func (b *build) work(ctx context.Context) action.Result {
	conf := b.Job.Action.Configuration
	if strings.EqualFold(conf["BatchEnabled"], "true") {
		return workspace.ConfigurationError("BatchEnabled: batch builds cannot run on this machine; give each build an action of its own, or run this action in an AWS account")
	}
	if result, ok := b.choosePrimary(); !ok {
		return result
	}
	if b.primary != nil {
		if err := b.Fetch(ctx, b.primary.Name); err != nil {
			return failed("DOWNLOAD_SOURCE: %v", err)
		}
	}
	text, file, err := b.buildspec()
	if err != nil {
		return workspace.ConfigurationError("%v", err)
	}
	spec, err := buildspec.Parse(text, file)
	if err != nil {
		return failed("YAML_FILE_ERROR: %v", err)
	}
	vs, err := b.variables(spec)
	if err != nil {
		return workspace.ConfigurationError("%v", err)
	}
	own, hidden, err := b.Resolve(ctx, vs)
	if err != nil {
		return workspace.ConfigurationError("%v", err)
	}
	b.Log.Printf("CODEBUILD_SRC_DIR=%s", b.Source)
	b.Log.Printf("YAML location is %s", file)
	for _, ignored := range spec.Ignored {
		b.Log.Printf("Not done on this machine: %s", ignored)
	}
	cache := b.cache(spec)
	cache.restore()
	img := b.project.Image
	if img == "" {
		img = image
	}
	run := buildspec.Build{
		Spec: spec, Dir: b.Source, Env: b.Environment(img, b.primary, own, b.opts.Environment),
		Mark: b.Mark(), Log: b.Log, Scratch: b.Root, Hidden: hidden,
	}
	ended, err := run.Run(ctx)
	if err != nil {
		return failed("%v", err)
	}
	if f := ended.Failure; f != nil {
		cache.save()
		return failed("%s: %v", f.Phase.Upper(), f)
	}
	result := action.Result{Status: pipeline.Succeeded, Variables: b.Mask(ended.Variables)}
	if result.Outputs, err = b.upload(ctx, spec); err != nil {
		cache.save()
		return failed("UPLOAD_ARTIFACTS: %v", err)
	}
	cache.save()
	return result
}

// choosePrimary finds the input that the build starts in.
func (b *build) choosePrimary() (action.Result, bool) {
	inputs, want := b.Job.Inputs, b.Job.Action.Configuration["PrimarySource"]
	if len(inputs) == 0 {
		return action.Result{}, true
	}
	if want == "" && len(inputs) == 1 {
		b.primary = &inputs[0]
		return action.Result{}, true
	}
	i := slices.IndexFunc(inputs, func(a action.Artifact) bool { return a.Name == want })
	if i < 0 {
		return workspace.ConfigurationError("PrimarySource is %q, but has to be one of the %d input artifacts", want, len(inputs)), false
	}
	b.primary = &inputs[i]
	return action.Result{}, true
}

// buildspec returns the text of the buildspec and where it is from: the
// action's, the project's, or the file buildspec.yml.
func (b *build) buildspec() (text []byte, file string, err error) {
	name := b.Job.Action.Configuration["ProjectName"]
	from, where := "BuildspecOverride", b.Job.Action.Configuration["BuildspecOverride"]
	if where == "" {
		from, where = "project "+name, b.project.Buildspec
	}
	if strings.Contains(where, "\n") {
		return []byte(where), from, nil
	}
	if strings.HasPrefix(where, "arn:") {
		return nil, "", fmt.Errorf("%s: a buildspec in a bucket (%s) is not supported on this machine: name a file of the source", from, where)
	}
	file = where
	if file == "" {
		file = "buildspec.yml"
	}
	root, err := os.OpenRoot(b.Source) // a link or .. must not lead to a file of the user
	if err != nil {
		return nil, "", err
	}
	defer root.Close()
	text, err = root.ReadFile(file)
	switch _, mapped := b.opts.Projects[name]; {
	case err == nil:
		return text, file, nil
	case where == "" && !mapped:
		return nil, "", fmt.Errorf("project %q: the source has no buildspec.yml, and sluice.local.yaml does not know the project; write there:\nprojects:\n  %s:\n    buildspec: <a path in the source, or the text of the buildspec>", name, name)
	case where == "":
		return nil, "", fmt.Errorf("project %q: the source has no buildspec.yml; write buildspec: <path or text> under projects.%s in sluice.local.yaml", name, name)
	default:
		return nil, "", fmt.Errorf("%s: buildspec %s: %w", from, file, err)
	}
}

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// variables returns the variables of the buildspec, the project and the
// action, in the order of their strength.
func (b *build) variables(spec *buildspec.Spec) ([]workspace.Variable, error) {
	var vs []workspace.Variable
	add := func(list []buildspec.Variable, kind string) {
		for _, v := range list {
			vs = append(vs, workspace.Variable{Name: v.Name, Value: v.Value, Type: kind})
		}
	}
	add(spec.Env.Variables, "PLAINTEXT")
	add(spec.Env.Parameters, "PARAMETER_STORE")
	add(spec.Env.Secrets, "SECRETS_MANAGER")
	names := make([]string, 0, len(b.project.Environment))
	for name := range b.project.Environment {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		vs = append(vs, workspace.Variable{Name: name, Value: b.project.Environment[name]})
	}
	for _, v := range b.project.Variables {
		vs = append(vs, workspace.Variable(v))
	}
	if text := b.Job.Action.Configuration["EnvironmentVariables"]; text != "" {
		var own []mapping.EnvironmentVariable
		if err := json.Unmarshal([]byte(text), &own); err != nil {
			return nil, fmt.Errorf("EnvironmentVariables: %w; it has to be a JSON list of objects with name, value and type", err)
		}
		for _, v := range own {
			vs = append(vs, workspace.Variable(v))
		}
	}
	for _, v := range vs {
		if !identifier.MatchString(v.Name) {
			return nil, fmt.Errorf("%q cannot be the name of an environment variable", v.Name)
		}
	}
	return vs, nil
}

// upload stores the outputs. One for which the buildspec declares nothing is
// left out, as CodeBuild does.
func (b *build) upload(ctx context.Context, spec *buildspec.Spec) ([]action.Artifact, error) {
	var stored []action.Artifact
	for _, out := range b.Job.Outputs {
		set, ok, err := spec.Artifacts.Output(out.Name, len(b.Job.Outputs))
		if err != nil {
			return nil, err
		}
		if !ok {
			b.Log.Printf("No artifact files specified: there is no output artifact %s", out.Name)
			continue
		}
		if out, err = b.Output(ctx, out, set); err != nil {
			return nil, err
		}
		stored = append(stored, out)
	}
	b.Log.Printf("Phase complete: UPLOAD_ARTIFACTS State: SUCCEEDED")
	return stored, nil
}

// A cache moves folders between the builds of one project. Moving costs
// nothing; of two builds at once only one finds the cache, and one that is
// killed loses it, which a cache may.
type cache struct {
	source, store string
	paths         []string // relative to both
}

// cache returns the cache of the build's project. What it cannot cache it says
// in the log: places outside the source folder persist on this machine anyway.
func (b *build) cache(spec *buildspec.Spec) cache {
	c := cache{source: b.Source}
	name := b.Job.Action.Configuration["ProjectName"]
	if name == "" {
		return c
	}
	c.store = filepath.Join(b.runner.Data, "cache", strings.NewReplacer("/", "_", ".", "_").Replace(name))
	for _, p := range slices.Concat(spec.Cache, b.project.Cache) {
		dir := p
		if i := strings.IndexAny(p, "*?[{"); i >= 0 {
			dir = filepath.Dir(p[:i] + "x")
		}
		dir = filepath.Clean(dir)
		if !filepath.IsLocal(dir) || dir == "." {
			b.Log.Printf("Not cached, because it is not a folder of the source: %s", p)
			continue
		}
		if !slices.Contains(c.paths, dir) {
			c.paths = append(c.paths, dir)
		}
	}
	return c
}

func (c cache) restore() { c.move(c.store, c.source) }

func (c cache) save() { c.move(c.source, c.store) }

// move moves what is in from and not yet in to.
func (c cache) move(from, to string) {
	for _, p := range c.paths {
		target := filepath.Join(to, p)
		if from == c.source {
			os.RemoveAll(target)
		}
		if os.MkdirAll(filepath.Dir(target), 0o700) == nil {
			if _, err := os.Lstat(target); errors.Is(err, os.ErrNotExist) {
				os.Rename(filepath.Join(from, p), target)
			}
		}
	}
}
