package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-ci/sluice/internal/codepipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

func (p *program) start() *cobra.Command {
	var variables []string
	var token string
	var watch bool
	c := &cobra.Command{
		Use:   "start PIPELINE",
		Short: "Start a run",
		Long: `Start a run of a pipeline and print its execution id.

With a server the command returns at once, unless --watch is given. Without
one it follows the run to its end or to the next approval, because nobody else
would run it.`,
		Example:           "  sluice start website --var target=staging --watch",
		Args:              arguments(1, 1, "PIPELINE"),
		ValidArgsFunction: p.completePipeline,
		RunE: p.on(func(ctx context.Context, c *connection, args []string) error {
			in := codepipeline.StartPipelineExecutionInput{Name: args[0], ClientRequestToken: token}
			var err error
			if in.Variables, err = parseVariables(variables); err != nil {
				return err
			}
			var out codepipeline.StartPipelineExecutionOutput
			if err := c.Do(ctx, "StartPipelineExecution", in, &out); err != nil {
				return err
			}
			if watch || c.system != nil {
				return p.toEnd(ctx, c, following{pipeline: args[0], execution: out.PipelineExecutionID, all: true})
			}
			if p.json() {
				return p.printJSON(out)
			}
			p.print(out.PipelineExecutionID)
			p.say("try: %s", p.command("watch", args[0]))
			return nil
		}),
	}
	c.Flags().StringArrayVar(&variables, "var", nil, "variable of the pipeline as NAME=VALUE; repeat for more")
	c.Flags().StringVar(&token, "token", "", "a second start with the same token is the first one")
	c.Flags().BoolVarP(&watch, "watch", "w", false, "follow the run and return its verdict")
	return p.reads(c)
}

// toEnd follows a run and returns its verdict.
func (p *program) toEnd(ctx context.Context, c *connection, f following) error {
	v, err := p.follow(ctx, c, f)
	if err != nil {
		return err
	}
	return p.conclude(v)
}

// parseVariables reads flags NAME=VALUE.
func parseVariables(flags []string) ([]record.Variable, error) {
	var all []record.Variable
	for _, f := range flags {
		name, value, ok := strings.Cut(f, "=")
		if !ok || name == "" {
			return nil, usagef("--var %q: write NAME=VALUE", f)
		}
		all = append(all, record.Variable{Name: name, Value: value})
	}
	return all, nil
}
