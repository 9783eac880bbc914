package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/sqlite"
)

// The exit codes of sluice. Scripts rely on them.
const (
	ExitOK          = 0
	ExitFailed      = 1   // the run failed, or the command did
	ExitUsage       = 2   // wrong arguments, or a definition with mistakes
	ExitWaiting     = 3   // the run waits for a person: an approval or a disabled transition
	ExitNotFound    = 4   // no such pipeline, execution, stage or action
	ExitEnded       = 9   // the run was superseded, stopped or cancelled
	ExitInterrupted = 130 // by Ctrl-C
)

const exitHelp = `Exit codes:
  0    it went well
  1    the run failed, or the command did
  2    wrong arguments, or a definition with mistakes
  3    the run waits for a person: an approval or a disabled transition
  4    no such pipeline, execution, stage or action
  9    the run was superseded, stopped or cancelled
  130  interrupted`

// A failure is an error with the exit code it leads to and what to type next.
// A quiet one was reported before: only its code counts.
type failure struct {
	exit  int
	err   error
	try   []string // commands
	quiet bool
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// usagef returns an error about arguments.
func usagef(format string, args ...any) *failure {
	return &failure{exit: ExitUsage, err: fmt.Errorf(format, args...)}
}

// notFoundf returns an error about something that does not exist.
func notFoundf(format string, args ...any) *failure {
	return &failure{exit: ExitNotFound, err: fmt.Errorf(format, args...)}
}

// or makes the failure end with commands to type next.
func (f *failure) or(commands ...string) *failure {
	f.try = commands
	return f
}

// quietly returns the exit code of something the user has seen already, as an
// error.
func quietly(exit int) error {
	if exit == ExitOK {
		return nil
	}
	return &failure{exit: exit, err: fmt.Errorf("exit code %d", exit), quiet: true}
}

var errInterrupted = &failure{exit: ExitInterrupted, err: errors.New("interrupted")}

// explain turns any error into a failure with a next step. It is the only
// place where codes of the API become exit codes. Command is the one that
// failed, such as "sluice list".
func (p *program) explain(ctx context.Context, command string, err error) *failure {
	f := &failure{exit: ExitFailed, err: err}
	if known, ok := errors.AsType[*failure](err); ok {
		*f = *known
	} else if ctx.Err() != nil {
		*f = *errInterrupted
	} else if locked, ok := errors.AsType[*sqlite.LockedError](err); ok {
		f.err = fmt.Errorf("another command is working on %s (process %d)", locked.Folder, locked.PID)
		f.try = []string{"wait until it has ended, or use another folder: " + command + " --data FOLDER"}
	} else {
		f.exit = exitOf(pipeline.CodeOf(err))
		f.try = p.nextAfter(pipeline.CodeOf(err))
	}
	if len(f.try) == 0 {
		f.try = []string{command + " --help"}
	}
	return f
}

// exitOf returns the exit code for an error code of the API.
func exitOf(code pipeline.Code) int {
	switch code {
	case pipeline.PipelineNotFound, pipeline.PipelineVersionNotFound, pipeline.PipelineExecutionNotFound,
		pipeline.StageNotFound, pipeline.ActionNotFound:
		return ExitNotFound
	case pipeline.Validation, pipeline.InvalidStructure, pipeline.InvalidStageDeclaration, pipeline.InvalidActionDeclaration:
		return ExitUsage
	}
	return ExitFailed
}

// nextAfter returns what to type after an error with this code.
func (p *program) nextAfter(code pipeline.Code) []string {
	switch code {
	case pipeline.PipelineNotFound:
		return []string{p.command("list")}
	case pipeline.PipelineExecutionNotFound:
		return []string{p.command("list", p.subject)}
	case pipeline.StageNotFound, pipeline.ActionNotFound, pipeline.StageNotRetryable, pipeline.InvalidApprovalToken,
		pipeline.ApprovalAlreadyCompleted, pipeline.Conflict:
		return []string{p.command("status", p.subject)}
	case pipeline.NotLatestPipelineExecution, pipeline.NotStoppable, pipeline.DuplicatedStopRequest, pipeline.ConcurrentExecutionsLimit:
		return []string{p.command("list", p.subject)}
	case pipeline.ServiceUnavailable: // the process that worked on the folder may have ended
		if p.endpoint() == "" && p.subject != "" {
			return []string{p.command("status", p.subject)}
		}
		return []string{"sluice up"}
	}
	return nil
}

// asCalled returns a command line with the program's name as the user typed it,
// so that it can be typed again.
func (p *program) asCalled(line string) string {
	if rest, ok := strings.CutPrefix(line, "sluice "); ok && p.Name != "" {
		return p.Name + " " + rest
	}
	return line
}

// command returns a command line that reaches the same system as this one.
func (p *program) command(words ...string) string {
	line := "sluice"
	for _, w := range append(words, p.where.flags()...) {
		if w != "" {
			line += " " + quoteWord(w)
		}
	}
	return p.asCalled(line)
}

// quoteWord returns w as one word of a shell.
func quoteWord(w string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=@%+,~", r)
	}
	if w != "" && strings.IndexFunc(w, func(r rune) bool { return !plain(r) }) < 0 {
		return w
	}
	return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
}
