package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sluice-ci/sluice/internal/codepipeline"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

func (p *program) retry() *cobra.Command {
	var mode, execution string
	var watch bool
	c := &cobra.Command{
		Use:   "retry PIPELINE STAGE",
		Short: "Run a failed stage again",
		Long: `Run a failed or stopped stage of the latest execution in it again.

With a server the command returns at once, unless --watch is given. Without
one it follows the run to its end or to the next approval.`,
		Example:           "  sluice retry website Test --mode ALL_ACTIONS",
		Args:              arguments(2, 2, "PIPELINE STAGE"),
		ValidArgsFunction: p.completePipeline,
		RunE: p.on(func(ctx context.Context, c *connection, args []string) error {
			if mode != string(pipeline.FailedActions) && mode != string(pipeline.AllActions) {
				return usagef("--mode %q: write FAILED_ACTIONS or ALL_ACTIONS", mode)
			}
			id, err := p.failedIn(ctx, c, args[0], args[1], execution)
			if err != nil {
				return err
			}
			in := codepipeline.RetryStageExecutionInput{
				PipelineName: args[0], StageName: args[1], PipelineExecutionID: id, RetryMode: pipeline.RetryMode(mode),
			}
			var out codepipeline.RetryStageExecutionOutput
			if err := c.Do(ctx, "RetryStageExecution", in, &out); err != nil {
				return err
			}
			if watch || c.system != nil {
				return p.toEnd(ctx, c, following{pipeline: args[0], execution: id, news: true})
			}
			if p.json() {
				return p.printJSON(out)
			}
			p.print(out.PipelineExecutionID)
			p.say("try: %s", p.command("watch", args[0]))
			return nil
		}),
	}
	c.Flags().StringVar(&mode, "mode", string(pipeline.FailedActions), "FAILED_ACTIONS or ALL_ACTIONS")
	c.Flags().StringVar(&execution, "execution", "", "which execution (default: the latest in the stage)")
	c.Flags().BoolVarP(&watch, "watch", "w", false, "follow the run and return its verdict")
	c.RegisterFlagCompletionFunc("mode", cobra.FixedCompletions([]string{"FAILED_ACTIONS", "ALL_ACTIONS"}, cobra.ShellCompDirectiveNoFileComp))
	return p.reads(c)
}

// failedIn returns the execution to retry: the one named, else the latest in
// the stage. In PARALLEL mode stages know nobody, and it is the newest of all.
func (p *program) failedIn(ctx context.Context, c *connection, name, stage, execution string) (string, error) {
	if execution != "" {
		return c.complete(ctx, name, execution)
	}
	state, err := c.state(ctx, name)
	if err != nil {
		return "", err
	}
	var stages []string
	for _, s := range state.StageStates {
		stages = append(stages, s.StageName)
		if s.StageName != stage {
			continue
		}
		if s.LatestExecution != nil {
			return s.LatestExecution.PipelineExecutionID, nil
		}
		e, err := c.latest(ctx, name)
		return e.PipelineExecutionID, err
	}
	f := notFoundf("pipeline %s has no stage %s", name, stage).or(p.command("status", name))
	if near := pipeline.Nearest(stage, stages); near != "" {
		f = f.or(p.command("retry", name, near))
	}
	return "", f
}
