package cli

import (
	"context"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/sluice-ci/sluice/internal/record"
)

func (p *program) decisions() *cobra.Command {
	return p.reads(&cobra.Command{
		Use:   "decisions PIPELINE",
		Short: "Tell which events started a pipeline, and why others did not",
		Long: `Tell what was made of each push, new object or image that the pipeline
listens to, newest first: the run it started, or why it started none.`,
		Args:              arguments(1, 1, "PIPELINE"),
		ValidArgsFunction: p.completePipeline,
		RunE: p.looks(func(ctx context.Context, c *connection, args []string) error {
			all, err := c.decisions(ctx, args[0])
			if err != nil {
				return err
			}
			if p.json() {
				return p.printJSON(all)
			}
			if len(all) == 0 {
				p.say("No event has come yet that pipeline %s listens to.", args[0])
				p.say("try: %s", p.command("start", args[0]))
				return nil
			}
			rows := [][]string{{"WHEN", "EXECUTION", "EVENT", "WHY"}}
			for _, d := range all {
				started := "-"
				if d.Started {
					started = short(d.Execution)
				}
				rows = append(rows, []string{clock(d.At), started, clean(d.Event, false), clean(d.Reason, false)})
			}
			p.table(rows)
			return nil
		}),
	})
}

// decisions returns what was decided about a pipeline, newest first.
func (c *connection) decisions(ctx context.Context, name string) ([]record.Decision, error) {
	var all []record.Decision
	err := c.read(ctx, "/decisions/"+url.PathEscape(name), &all)
	return all, err
}
