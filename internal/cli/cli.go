package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// An Env is what the program gets from whoever starts it.
type Env struct {
	Name           string   // of the program, as the user typed it; default sluice
	Args           []string // what comes after it
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	Terminal       func() (width, height int, ok bool) // of Stdout; nil when that is no terminal
	Now            func() time.Time                    // default time.Now
}

// A program is one run of sluice.
type program struct {
	Env
	talk    *gate // Stderr
	where   place
	format  string // text or json
	subject string // the pipeline it is about, for next steps
	color   bool
}

// Main runs one command and returns its exit code.
func Main(ctx context.Context, env Env) int {
	p := &program{Env: env, talk: &gate{out: env.Stderr}}
	p.Stderr = p.talk
	if p.Now == nil {
		p.Now = time.Now
	}
	p.color = p.Terminal != nil && p.Getenv("NO_COLOR") == ""
	root := p.root()
	root.SetArgs(p.Args)
	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		return ExitOK
	}
	if _, ok := errors.AsType[*failure](err); !ok { // cobra's own: an unknown command or flag
		err = &failure{exit: ExitUsage, err: err, try: []string{command.CommandPath() + " --help"}}
	}
	f := p.explain(ctx, command.CommandPath(), err)
	if !f.quiet {
		p.say("%s: %s", p.paint("error", red), clean(f.Error(), true))
		for _, try := range f.try {
			p.say("try: %s", p.asCalled(try))
		}
	}
	return f.exit
}

// root returns the command without a name, with all others below it.
func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "sluice",
		Short: "AWS CodePipeline as software you own",
		Long: `Sluice runs AWS CodePipeline's pipelines on this machine: it reads the same
definitions, answers the same API and follows the same rules.

Begin with:
  sluice demo                        a whole pipeline, from a git push to a deployment
  sluice run pipeline.yaml --help    one run of one of your own definitions
  sluice up infra/pipelines          a server that runs all of them

A command talks to the server at --endpoint. Without one it looks for the
server that works on the folder --data, and opens the folder itself if there
is none.

` + exitHelp,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usagef("%w", err).or(c.CommandPath() + " --help")
	})
	root.AddGroup(&cobra.Group{ID: "begin", Title: "Begin:"}, &cobra.Group{ID: "act", Title: "Act:"}, &cobra.Group{ID: "look", Title: "Look:"})
	for group, commands := range map[string][]*cobra.Command{
		"begin": {p.demo(), p.up(), p.connectTo(), p.run(), p.validate(), p.graph()},
		"act":   {p.start(), p.approve(), p.reject(), p.stop(), p.retry(), p.rollback(), p.override(), p.enable(), p.disable()},
		"look":  {p.list(), p.status(), p.watch(), p.logs(), p.decisions(), p.events()},
	} {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	root.AddCommand(p.version())
	root.SetHelpCommand(help(root))
	root.InitDefaultCompletionCmd(p.Args...)
	if c, _, err := root.Find([]string{"completion"}); err == nil {
		c.Args, c.RunE = arguments(1, 1, "SHELL"), func(c *cobra.Command, args []string) error {
			return usagef("there is no completion for %q; there is for bash, zsh, fish and powershell", args[0]).or(c.CommandPath() + " --help")
		}
	}
	return root
}

// help returns cobra's command of that name, but one that knows a mistake.
func help(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about any command",
		RunE: func(_ *cobra.Command, args []string) error {
			c, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return usagef("there is no command %q", strings.Join(args, " ")).or("sluice --help")
			}
			return c.Help()
		},
	}
}

// do wraps the body of a command: what it returns is a [failure] with a next
// step, so that every other error is one of cobra's.
func (p *program) do(body func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		if p.format != "" && p.format != "text" && p.format != "json" {
			return usagef("--output %q: write text or json", p.format).or(c.CommandPath() + " --help")
		}
		err := body(c.Context(), args)
		if err == nil {
			return nil
		}
		return p.explain(c.Context(), c.CommandPath(), err)
	}
}

// on is do for a command whose first argument is a pipeline.
func (p *program) on(body func(ctx context.Context, c *connection, args []string) error) func(*cobra.Command, []string) error {
	return p.with(opening{}, body)
}

// looks is on for a command that only reads. If no server runs, looking must
// not make interrupted runs go on, only to cut them off again.
func (p *program) looks(body func(ctx context.Context, c *connection, args []string) error) func(*cobra.Command, []string) error {
	return p.with(opening{paused: true}, body)
}

func (p *program) with(o opening, body func(ctx context.Context, c *connection, args []string) error) func(*cobra.Command, []string) error {
	return p.do(func(ctx context.Context, args []string) error {
		if len(args) > 0 {
			p.subject = args[0]
		}
		c, err := p.connect(ctx, o)
		if err != nil {
			return err
		}
		defer c.Close()
		return body(ctx, c, args)
	})
}

// arguments accepts from min to max arguments; what names them for a person.
func arguments(min, max int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) >= min && (max < 0 || len(args) <= max) {
			return nil
		}
		if len(args) < min {
			return usagef("%s: %s is missing", c.CommandPath(), what).or(c.CommandPath() + " --help")
		}
		return usagef("%s: %q is too much; it takes %s", c.CommandPath(), args[max], what).or(c.CommandPath() + " --help")
	}
}

// say tells the user something on stderr.
func (p *program) say(format string, args ...any) { fmt.Fprintf(p.Stderr, format+"\n", args...) }

// print puts a line of data on stdout.
func (p *program) print(line string) { fmt.Fprintln(p.Stdout, line) }

// json reports whether the user wants JSON.
func (p *program) json() bool { return p.format == "json" }

// printJSON puts v on stdout.
func (p *program) printJSON(v any) error {
	enc := json.NewEncoder(p.Stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// reads adds the flags of a command that reads.
func (p *program) reads(c *cobra.Command) *cobra.Command {
	c.Flags().StringVarP(&p.format, "output", "o", "text", "text, or json as the API answers it")
	c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	return p.finds(c)
}

// finds adds the flags of a command that talks to a system.
func (p *program) finds(c *cobra.Command) *cobra.Command {
	c.Flags().StringVar(&p.where.endpoint, "endpoint", "", "URL of the server (default $SLUICE_ENDPOINT)")
	c.Flags().StringVar(&p.where.data, "data", "", "data folder (default $SLUICE_DATA, or .sluice)")
	c.MarkFlagsMutuallyExclusive("endpoint", "data")
	c.MarkFlagDirname("data")
	return c
}
