package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A Shell runs one command after the other in one shell process, so that the
// working directory, variables and functions of one are there for the next.
// A command that ends the shell (exit, or a failure after set -e) counts as
// ended with that status; the next one gets a new shell with the exported
// variables and the directory the old one had.
//
// It starts its process with the first command and is used by one goroutine.
type Shell struct {
	Path    string   // of a POSIX shell; default /bin/sh
	Dir     string   // where the first command starts
	Env     []string // what it starts with
	Mark    string
	Log     *Log          // gets the commands' output, and what Printf says
	Scratch string        // a folder for its own use, which only the user can read
	Grace   time.Duration // default 5 s
	Now     func() time.Time

	proc    *Process
	answers *bufio.Reader
	pending strings.Builder // lines to show before the next command's output
	assign  strings.Builder // variables to set before the next command
	saved   bool            // whether a shell that ended left its state
	err     error           // of processes that have ended
}

// driver is the program of the shell: it evaluates what arrives on descriptor
// 3, line by line, and answers with the status. The answer comes first in the
// loop so that a command which says continue cannot leave it out. Commands do
// not inherit descriptor 3.
const driver = `_sluice_s=%s
trap 'test -z "$_sluice_s" || export -p >"$_sluice_s"' EXIT
_sluice_n='
'
while echo "$?" >&3; IFS= read -r _sluice_l <&3 || { _sluice_s=; exit 0; }; do
command eval "$_sluice_l"
done
`

// maxArgument is the most that Linux takes as one argument of a program.
const maxArgument = 128<<10 - 1

// Printf adds a line to the log, in order with the output of the commands.
func (s *Shell) Printf(format string, args ...any) {
	now := time.Now
	if s.Now != nil {
		now = s.Now
	}
	line := container(now(), format, args...)
	if s.proc == nil {
		s.Log.say(line)
		return
	}
	s.pending.WriteString(line)
}

// Set gives an environment variable to the commands that follow.
func (s *Shell) Set(name, value string) {
	fmt.Fprintf(&s.assign, "export %s=%s; ", name, quote(value))
}

// Begin starts the process before there is a command for it.
func (s *Shell) Begin(ctx context.Context) error { return s.ready(ctx) }

// Run runs a command and returns its exit status. The error is not about the
// command: ctx has ended, or there is no shell. ctx must be the same in all
// calls of one Shell; its end stops whatever runs.
func (s *Shell) Run(ctx context.Context, command string) (int, error) {
	return s.send(ctx, "command eval "+quote(command)+" 3<&-")
}

// RunLast runs the last command of all. It saves the conversation with the
// shell, and alone it costs no more than running sh -c.
func (s *Shell) RunLast(ctx context.Context, command string) (int, error) {
	if s.proc == nil && !s.saved && s.assign.Len() == 0 && len(command) < maxArgument {
		if err := s.start(ctx, command, false); err != nil {
			return 0, err
		}
		return s.end(ctx)
	}
	if err := s.ready(ctx); err != nil {
		return 0, err
	}
	if err := s.say("_sluice_s=; command eval " + quote(command) + " 3<&-; exit"); err != nil {
		return s.end(ctx)
	}
	return s.end(ctx)
}

// Values returns the values of those variables that are set.
func (s *Shell) Values(ctx context.Context, names []string) (map[string]string, error) {
	values := map[string]string{}
	if len(names) == 0 {
		return values, nil
	}
	var line strings.Builder
	line.WriteString(`printf '%s\0'`)
	for _, name := range names {
		fmt.Fprintf(&line, ` "${%s+x$%s}"`, name, name)
	}
	line.WriteString(" >&3")
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	if err := s.say(line.String()); err != nil {
		return nil, s.lost(ctx, err)
	}
	for _, name := range names {
		v, err := s.answers.ReadString(0)
		if err != nil {
			return nil, s.lost(ctx, err)
		}
		if v = strings.TrimSuffix(v, "\x00"); v != "" {
			values[name] = v[1:]
		}
	}
	if _, err := s.status(); err != nil {
		return nil, s.lost(ctx, err)
	}
	return values, nil
}

// Close ends the shell and returns when nothing of it runs any more. The error
// is that of keeping its output.
func (s *Shell) Close() error {
	if s.proc != nil {
		s.proc.Talk.Close()
		s.wait()
	}
	return s.err
}

// send has the shell evaluate line and returns the status.
func (s *Shell) send(ctx context.Context, line string) (int, error) {
	if err := s.ready(ctx); err != nil {
		return 0, err
	}
	if err := s.say(line); err != nil {
		return s.end(ctx)
	}
	status, err := s.status()
	if err != nil {
		return s.end(ctx)
	}
	return status, nil
}

// ready makes sure that there is a shell, in the state the last one had.
func (s *Shell) ready(ctx context.Context) error {
	if s.proc != nil {
		return nil
	}
	if err := s.start(ctx, fmt.Sprintf(driver, quote(s.state())), true); err != nil {
		return err
	}
	if _, err := s.status(); err != nil {
		return s.lost(ctx, err)
	}
	if s.saved {
		s.saved = false
		defer os.Remove(s.state())
		// Before what is to be set: that is newer than what was saved.
		if _, err := io.WriteString(s.proc.Talk, ". "+quote(s.state())+"; cd \"$PWD\"\n"); err != nil {
			return s.lost(ctx, err)
		}
		if _, err := s.status(); err != nil {
			return s.lost(ctx, err)
		}
	}
	return nil
}

func (s *Shell) state() string { return filepath.Join(s.Scratch, "shell-state") }

func (s *Shell) start(ctx context.Context, program string, talk bool) error {
	path := s.Path
	if path == "" {
		path = "/bin/sh"
	}
	// PWD is in the environment so that the shell exports it, and saves it.
	env := make([]string, 0, len(s.Env)+1)
	env = append(append(env, s.Env...), "PWD="+s.Dir)
	p, err := Start(ctx, Command{
		Args: []string{path, "-c", program}, Dir: s.Dir, Env: env, Mark: s.Mark,
		Output: s.Log, Talk: talk, Grace: s.Grace,
	})
	if err != nil {
		return err
	}
	s.proc = p
	s.err = errors.Join(s.err, s.Log.Flush()) // while the shell starts
	if talk {
		s.answers = bufio.NewReader(p.Talk)
	}
	return nil
}

// say sends a line, after what is to be shown and set before it.
func (s *Shell) say(line string) error {
	var b strings.Builder
	if s.pending.Len() > 0 {
		b.WriteString("printf %s " + quote(s.pending.String()) + "; ")
		s.pending.Reset()
	}
	b.WriteString(s.assign.String())
	s.assign.Reset()
	b.WriteString(line)
	b.WriteByte('\n')
	_, err := io.WriteString(s.proc.Talk, b.String())
	return err
}

// status reads the status of what was said last.
func (s *Shell) status() (int, error) {
	line, err := s.answers.ReadString('\n')
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSuffix(line, "\n"))
}

// end waits for a shell that is ending and returns its status as that of the
// command it ended with.
func (s *Shell) end(ctx context.Context) (int, error) {
	exit := s.wait()
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	_, err := os.Stat(s.state())
	s.saved = err == nil
	return exit.Code, nil
}

// lost ends a shell that does not answer.
func (s *Shell) lost(ctx context.Context, err error) error {
	exit := s.wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("the shell ended (%s) when it should not: %w", exit, err)
}

func (s *Shell) wait() Exit {
	exit, err := s.proc.Wait()
	s.err = errors.Join(s.err, err)
	s.proc = nil
	if s.pending.Len() > 0 {
		s.Log.say(s.pending.String())
		s.pending.Reset()
	}
	return exit
}

// quote spells text as one word of shell, on one line.
func quote(text string) string {
	text = strings.ReplaceAll(text, `'`, `'\''`)
	return "'" + strings.ReplaceAll(text, "\n", `'"$_sluice_n"'`) + "'"
}
