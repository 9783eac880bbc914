package buildspec

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"github.com/sluice-ci/sluice/internal/process"
)

// A Build is one run of a Spec.
type Build struct {
	Spec    *Spec
	Dir     string   // the source folder, where commands start
	Env     []string // of the commands; the spec's own variables are in it already
	Mark    string   // see process.Command
	Log     *process.Log
	Scratch string   // a folder for the shell's own use
	Hidden  []string // names that are never exported, because their values are secret
}

// A Result is how a Build ended.
type Result struct {
	Failure   *Failure          // nil if it succeeded
	Variables map[string]string // the exported variables that are set, if it succeeded
}

// A Failure is the command that failed the build, the first if there are more.
type Failure struct {
	Phase   PhaseName
	Command string
	Status  int
}

func (f *Failure) Error() string {
	return fmt.Sprintf("Error while executing command: %s. Reason: exit status %d", f.Command, f.Status)
}

// Run runs the phases. A failed install or pre_build ends the build; a failed
// build phase is followed by post_build; on-failure says otherwise. The error
// is not about a command: ctx has ended, or there is no shell.
func (b *Build) Run(ctx context.Context) (Result, error) {
	sh, err := b.shell()
	if err != nil {
		return Result{}, err
	}
	r := run{b: b, sh: sh}
	result, err := r.phases(ctx)
	return result, errors.Join(err, r.sh.Close())
}

// shell returns a new shell, which has not started yet.
func (b *Build) shell() (*process.Shell, error) {
	path := "/bin/sh"
	if b.Spec.Env.Shell == "bash" {
		var err error
		if path, err = exec.LookPath("bash"); err != nil {
			return nil, errors.New("the buildspec wants bash, which is not installed here")
		}
	}
	return &process.Shell{Path: path, Dir: b.Dir, Env: b.Env, Mark: b.Mark, Log: b.Log, Scratch: b.Scratch}, nil
}

// A run is a Build on its way.
type run struct {
	b       *Build
	sh      *process.Shell
	failing bool
}

func (r *run) phases(ctx context.Context) (Result, error) {
	var result Result
	for i, name := range Phases {
		failure, err := r.phase(ctx, name, r.b.Spec.Phases[i])
		if err != nil {
			return Result{}, err
		}
		if failure == nil {
			continue
		}
		r.failing = true
		r.sh.Set("CODEBUILD_BUILD_SUCCEEDING", "0")
		onFailure := r.b.Spec.Phases[i].OnFailure
		if onFailure == Continue {
			continue
		}
		if result.Failure == nil {
			result.Failure = failure
		}
		if onFailure == Abort || name != "build" {
			break
		}
	}
	if result.Failure != nil || r.b.Spec.Version == V01 {
		return result, nil
	}
	var err error
	result.Variables, err = r.sh.Values(ctx, r.exported())
	return result, err
}

// phase runs the commands until one fails, and then the finally commands.
func (r *run) phase(ctx context.Context, name PhaseName, p Phase) (*Failure, error) {
	r.sh.Printf("Entering phase %s", name.Upper())
	failure, err := r.commands(ctx, name, p.Commands)
	if err != nil {
		return nil, err
	}
	last, err := r.commands(ctx, name, p.Finally)
	if err != nil {
		return nil, err
	}
	if failure == nil {
		failure = last
	}
	state, code, message := "SUCCEEDED", "", ""
	if failure != nil {
		state, code, message = "FAILED", "COMMAND_EXECUTION_ERROR", failure.Error()
	}
	r.sh.Printf("Phase complete: %s State: %s", name.Upper(), state)
	r.sh.Printf("Phase context status code: %s Message: %s", code, message)
	return failure, nil
}

func (r *run) commands(ctx context.Context, name PhaseName, commands []string) (*Failure, error) {
	for _, command := range commands {
		command = strings.TrimRight(command, "\n")
		status, err := r.command(ctx, command)
		if err != nil {
			return nil, err
		}
		if status != 0 {
			r.sh.Printf("Command did not exit successfully %s exit status %d", command, status)
			return &Failure{name, command, status}, nil
		}
	}
	return nil, nil
}

func (r *run) command(ctx context.Context, command string) (int, error) {
	r.sh.Printf("Running command %s", command)
	if r.b.Spec.Version == V02 {
		return r.sh.Run(ctx, command)
	}
	status, err := r.sh.RunLast(ctx, command)
	if closeErr := r.sh.Close(); err != nil || closeErr != nil {
		return status, errors.Join(err, closeErr)
	}
	if r.sh, err = r.b.shell(); err == nil && r.failing {
		r.sh.Set("CODEBUILD_BUILD_SUCCEEDING", "0")
	}
	return status, err
}

// exported returns the names whose values leave the build. Those of AWS and
// of secrets never do.
func (r *run) exported() []string {
	spec := r.b.Spec
	return slices.DeleteFunc(slices.Clone(spec.Env.Exported), func(name string) bool {
		named := func(v Variable) bool { return v.Name == name }
		secret := slices.Contains(r.b.Hidden, name) || slices.ContainsFunc(spec.Env.Parameters, named) || slices.ContainsFunc(spec.Env.Secrets, named)
		if secret || strings.HasPrefix(name, "AWS_") {
			r.sh.Printf("%s cannot be exported: it is a secret, or AWS's own", name)
			return true
		}
		return false
	})
}
