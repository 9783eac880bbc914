// Package workspace is what a job that runs commands here needs around them:
// folders with its inputs unpacked, its log, its environment, and its outputs
// packed and stored.
//
// It holds what CodeBuild and Commands have in common. Both present
// CodeBuild's environment variables, because both run in CodeBuild's machines
// in an AWS account.
package workspace

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/background"
	"github.com/sluice-ci/sluice/internal/archive"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/process"
	"github.com/sluice-ci/sluice/internal/secret"
)

// A Workspace is the place of one job. Its root is only for the user to read.
type Workspace struct {
	Job     action.Job
	Project string // what the build is called in CodeBuild's variables
	Root    string // has the scratch files
	Source  string // the primary input, or an empty folder
	Log     *process.Log
	Masker  *process.Masker

	mark    string
	blobs   blob.Store
	secrets secret.Store
	values  []string // secret values seen so far
	extra   []string // source folders of further inputs, as NAME=folder
}

// New makes a workspace without inputs.
func New(r *background.Runner, blobs blob.Store, secrets secret.Store, job action.Job, project string) (*Workspace, error) {
	w := &Workspace{Job: job, Project: project, Root: r.WorkFolder(job.ID), blobs: blobs, secrets: secrets, mark: r.Mark(job.ID)}
	w.Source = filepath.Join(w.Root, "src")
	if len(job.Inputs) == 0 {
		w.Source = w.Root // one folder less to make
	}
	log, err := process.CreateLog(r.LogFile(job.ID), process.LogOptions{Later: true})
	if err != nil {
		return nil, err
	}
	w.Log = log
	err = os.Mkdir(w.Root, 0o700)
	if errors.Is(err, fs.ErrExist) {
		// A process that died made ready for the job. It did not start it, else
		// the runner would not start it now.
		if err = r.RemoveWork(job.ID); err == nil {
			err = os.Mkdir(w.Root, 0o700)
		}
	}
	if err != nil {
		log.Close()
		return nil, err
	}
	return w, nil
}

// Close closes the log.
func (w *Workspace) Close() error { return w.Log.Close() }

// Mark returns the mark of the job's processes.
func (w *Workspace) Mark() string { return w.mark }

var notVariable = regexp.MustCompile(`[^A-Za-z0-9_]`)

// Fetch unpacks the inputs. The primary one goes to Source, each other one to
// a folder of its own that CODEBUILD_SRC_DIR_<name> names.
func (w *Workspace) Fetch(ctx context.Context, primary string) error {
	for i, input := range w.Job.Inputs {
		dir := w.Source
		if input.Name != primary {
			dir = filepath.Join(w.Root, "src"+strconv.Itoa(i))
			w.extra = append(w.extra, "CODEBUILD_SRC_DIR_"+notVariable.ReplaceAllString(input.Name, "_")+"="+dir)
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		if err := w.unpack(ctx, input, dir); err != nil {
			return fmt.Errorf("input artifact %s: %w", input.Name, err)
		}
	}
	return nil
}

func (w *Workspace) unpack(ctx context.Context, input action.Artifact, dir string) error {
	content, err := w.blobs.Open(ctx, input.Ref)
	if err != nil {
		return err
	}
	defer content.Close()
	if err := archive.Unzip(ctx, content, input.Ref.Size, dir, archive.Limits{}); err != nil {
		return err
	}
	return w.clone(ctx, dir)
}

// CloneRef is the one file of an artifact that is not the source but says
// where to clone it from (OutputArtifactFormat CODEBUILD_CLONE_REF).
const CloneRef = "codebuild-clone-ref.json"

var commitID = regexp.MustCompile(`^[0-9a-f]{40}([0-9a-f]{24})?$`)

// clone replaces a clone reference in dir by the repository, with its history.
func (w *Workspace) clone(ctx context.Context, dir string) error {
	file := filepath.Join(dir, CloneRef)
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		return err // a source that happens to have such a file
	}
	var ref struct{ Path, Commit, Branch string }
	if err := json.Unmarshal(text, &ref); err != nil {
		return fmt.Errorf("%s: %w", CloneRef, err)
	}
	if !filepath.IsAbs(ref.Path) || !commitID.MatchString(ref.Commit) || strings.HasPrefix(ref.Branch, "-") {
		return fmt.Errorf("%s: needs an absolute path and a commit id", CloneRef)
	}
	if err := os.Remove(file); err != nil {
		return err
	}
	checkout := []string{"checkout", "--quiet", "--detach", ref.Commit}
	if ref.Branch != "" {
		checkout = []string{"checkout", "--quiet", "-B", ref.Branch, ref.Commit}
	}
	// Without hard links and templates nothing the build does to its clone
	// reaches the repository, and no hook of the user runs.
	for _, args := range [][]string{{"clone", "--quiet", "--no-hardlinks", "--no-checkout", "--template=", "--", ref.Path, dir}, append([]string{"-C", dir}, checkout...)} {
		if err := w.git(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

func (w *Workspace) git(ctx context.Context, args ...string) error {
	path, err := exec.LookPath("git")
	if err != nil {
		return err
	}
	env := append(process.Environment(os.Environ(), nil), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*")
	p, err := process.Start(ctx, process.Command{Args: append([]string{path}, args...), Env: env, Mark: w.mark, Output: w.Log})
	if err != nil {
		return err
	}
	exit, err := p.Wait()
	if err == nil && exit.Code != 0 {
		err = fmt.Errorf("git %s: %s", args[0], exit)
	}
	return err
}

// A Variable is an environment variable whose value may have to be looked up.
type Variable struct {
	Name  string
	Value string
	Type  string // "" or PLAINTEXT, PARAMETER_STORE, SECRETS_MANAGER
}

// Resolve returns the values of vs as an environment, a later one of the same
// name winning. Looked-up values are masked in the log from here on; hidden
// has their names.
func (w *Workspace) Resolve(ctx context.Context, vs []Variable) (env, hidden []string, err error) {
	last := make(map[string]int, len(vs))
	for i, v := range vs {
		last[v.Name] = i
	}
	found := false
	for i, v := range vs {
		if last[v.Name] != i {
			continue
		}
		value := v.Value
		switch v.Type {
		case "", "PLAINTEXT":
		case "PARAMETER_STORE", "SECRETS_MANAGER":
			if w.secrets == nil {
				return nil, nil, fmt.Errorf("environment variable %s: there is no store of secrets here; name a file in secrets of sluice.local.yaml", v.Name)
			}
			lookup := w.secrets.Secret
			if v.Type == "PARAMETER_STORE" {
				lookup = w.secrets.Parameter
			}
			if value, err = lookup(ctx, v.Value); err != nil {
				return nil, nil, fmt.Errorf("environment variable %s: %w", v.Name, err)
			}
			hidden, found = append(hidden, v.Name), true
			w.values = append(w.values, value)
		default:
			return nil, nil, fmt.Errorf("environment variable %s: type %q is not known; it is PLAINTEXT, PARAMETER_STORE or SECRETS_MANAGER", v.Name, v.Type)
		}
		env = append(env, v.Name+"="+value)
	}
	if found {
		w.Masker = process.NewMasker(w.values)
		w.Log.Mask(w.Masker)
	}
	return env, hidden, nil
}

// Environment returns the environment of the job's commands: what may be seen
// of this process's (pass has further names of it), CodeBuild's variables, and
// then own.
func (w *Workspace) Environment(image string, primary *action.Artifact, own, pass []string) []string {
	j := w.Job
	build := w.Project + ":" + j.ID
	region := j.Region
	env := append(process.Environment(os.Environ(), pass),
		"CI=true", "CODEBUILD_CI=true",
		"AWS_REGION="+region, "AWS_DEFAULT_REGION="+region, "AWS_ACCOUNT_ID="+j.Account,
		"CODEBUILD_SRC_DIR="+w.Source,
		"CODEBUILD_BUILD_ID="+build,
		"CODEBUILD_BUILD_ARN=arn:aws:codebuild:"+region+":"+j.Account+":build/"+build,
		"CODEBUILD_PROJECT_UUID="+j.ID,
		"CODEBUILD_BUILD_NUMBER=1",
		"CODEBUILD_BUILD_IMAGE="+image,
		"CODEBUILD_BUILD_SUCCEEDING=1",
		"CODEBUILD_INITIATOR=codepipeline/"+j.Pipeline,
		"CODEBUILD_KMS_KEY_ID=arn:aws:kms:"+region+":"+j.Account+":alias/aws/s3",
		"CODEBUILD_LOG_PATH="+j.ID,
		"CODEBUILD_START_TIME="+strconv.FormatInt(time.Now().UnixMilli(), 10),
		"CODEBUILD_SOURCE_REPO_URL=",
	)
	resolved, version := "", ""
	if primary != nil {
		resolved, version = primary.Revision, "arn:aws:s3:::"+primary.Ref.Bucket+"/"+primary.Ref.Key
	}
	env = append(env, "CODEBUILD_RESOLVED_SOURCE_VERSION="+resolved, "CODEBUILD_SOURCE_VERSION="+version)
	return compact(append(append(env, w.extra...), own...))
}

// compact leaves of several values of a variable the last: not every program
// would choose the same one.
func compact(env []string) []string {
	last := make(map[string]int, len(env))
	for i, v := range env {
		name, _, _ := strings.Cut(v, "=")
		last[name] = i
	}
	kept := env[:0]
	for i, v := range env {
		if name, _, _ := strings.Cut(v, "="); last[name] == i {
			kept = append(kept, v)
		}
	}
	return kept
}

// errNoFiles is CodeBuild's own text.
var errNoFiles = errors.New("no matching artifact paths found")

// ConfigurationError is the result of a job that cannot be done as configured.
func ConfigurationError(format string, args ...any) action.Result {
	return action.Fail(action.ConfigurationError, fmt.Sprintf(format, args...))
}
