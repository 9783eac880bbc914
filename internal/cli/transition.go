package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sluice-ci/sluice/internal/codepipeline"
)

func (p *program) enable() *cobra.Command {
	return p.finds(&cobra.Command{
		Use:   "enable PIPELINE STAGE",
		Short: "Open the way into a stage",
		Long: `Open the transition into a stage. Who waits in front of it goes on: at once with
a server, else with the next command that runs the system, such as watch.`,
		Args:              arguments(2, 2, "PIPELINE STAGE"),
		ValidArgsFunction: p.completePipeline,
		RunE: p.on(func(ctx context.Context, c *connection, args []string) error {
			in := codepipeline.EnableStageTransitionInput{PipelineName: args[0], StageName: args[1], TransitionType: "Inbound"}
			if err := c.Do(ctx, "EnableStageTransition", in, nil); err != nil {
				return err
			}
			p.say("the way into stage %s is open", args[1])
			p.say("try: %s", p.command("watch", args[0]))
			return nil
		}),
	})
}

func (p *program) disable() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use:               "disable PIPELINE STAGE",
		Short:             "Close the way into a stage",
		Long:              "Close the transition into a stage. What is inside is not touched; who arrives waits.",
		Example:           "  sluice disable website Deploy --reason 'code freeze'",
		Args:              arguments(2, 2, "PIPELINE STAGE"),
		ValidArgsFunction: p.completePipeline,
		RunE: p.on(func(ctx context.Context, c *connection, args []string) error {
			in := codepipeline.DisableStageTransitionInput{PipelineName: args[0], StageName: args[1], TransitionType: "Inbound", Reason: reason}
			if err := c.Do(ctx, "DisableStageTransition", in, nil); err != nil {
				return err
			}
			p.say("the way into stage %s is closed", args[1])
			p.say("try: %s", p.command("enable", args[0], args[1]))
			return nil
		}),
	}
	c.Flags().StringVar(&reason, "reason", "closed by sluice disable", "why, at most 300 characters")
	return p.finds(c)
}
