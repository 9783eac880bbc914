package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sluice-ci/sluice/internal/codepipeline"
)

func (p *program) override() *cobra.Command {
	var gate, execution string
	c := &cobra.Command{
		Use:   "override PIPELINE STAGE",
		Short: "Let a run pass a condition that is being evaluated",
		Long: `Let the execution in a stage pass the condition it waits for, such as a
deployment window that is closed. Rules that still run are abandoned.`,
		Example:           "  sluice override website Release",
		Args:              arguments(2, 2, "PIPELINE STAGE"),
		ValidArgsFunction: p.completePipeline,
		RunE: p.on(func(ctx context.Context, c *connection, args []string) error {
			if gate != "BEFORE_ENTRY" && gate != "ON_SUCCESS" {
				return usagef("--condition %q: write BEFORE_ENTRY or ON_SUCCESS", gate)
			}
			id, err := p.failedIn(ctx, c, args[0], args[1], execution)
			if err != nil {
				return err
			}
			in := codepipeline.OverrideStageConditionInput{PipelineName: args[0], StageName: args[1], PipelineExecutionID: id, ConditionType: gate}
			if err := c.Do(ctx, "OverrideStageCondition", in, nil); err != nil {
				return err
			}
			if c.system != nil {
				return p.toEnd(ctx, c, following{pipeline: args[0], execution: id, news: true})
			}
			p.say("try: %s", p.command("watch", args[0]))
			return nil
		}),
	}
	c.Flags().StringVar(&gate, "condition", "BEFORE_ENTRY", "BEFORE_ENTRY or ON_SUCCESS")
	c.Flags().StringVar(&execution, "execution", "", "which execution (default: the latest in the stage)")
	c.RegisterFlagCompletionFunc("condition", cobra.FixedCompletions([]string{"BEFORE_ENTRY", "ON_SUCCESS"}, cobra.ShellCompDirectiveNoFileComp))
	return p.reads(c)
}
