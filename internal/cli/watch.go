package cli

import (
	"context"

	"github.com/spf13/cobra"
)

func (p *program) watch() *cobra.Command {
	var patient bool
	c := &cobra.Command{
		Use:   "watch PIPELINE [EXECUTION]",
		Short: "Follow a run",
		Long: `Follow a run, the newest one if none is named, and return its verdict.

On a terminal the picture is repainted in place; in a pipe there is one line
for each change. The command ends with exit code 3 when the run waits for
somebody's answer, unless --patient is given.`,
		Args:              arguments(1, 2, "PIPELINE [EXECUTION]"),
		ValidArgsFunction: p.completePipeline,
		RunE: p.on(func(ctx context.Context, c *connection, args []string) error {
			id, err := c.which(ctx, args)
			if err != nil {
				return err
			}
			return p.toEnd(ctx, c, following{pipeline: args[0], execution: id, patient: patient})
		}),
	}
	c.Flags().BoolVar(&patient, "patient", false, "go on through approvals that somebody else answers")
	return p.reads(c)
}

// which returns the execution that arguments PIPELINE [EXECUTION] name: the
// newest one if they name none. The beginning of an id is enough.
func (c *connection) which(ctx context.Context, args []string) (string, error) {
	if len(args) < 2 || args[1] == "" {
		e, err := c.latest(ctx, args[0])
		return e.PipelineExecutionID, err
	}
	return c.complete(ctx, args[0], args[1])
}
