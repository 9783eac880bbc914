package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sluice-ci/sluice/internal/codepipeline"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

func (p *program) rollback() *cobra.Command {
	var execution string
	var watch bool
	c := &cobra.Command{
		Use:   "rollback PIPELINE STAGE",
		Short: "Run a stage again as an earlier execution ran it",
		Long: `Run a stage with the revisions, variables and artifacts of an earlier execution
that succeeded in it. It is a new execution, of that stage only.

With a server the command returns at once, unless --watch is given. Without
one it follows the run to its end or to the next approval.`,
		Example:           "  sluice rollback website Release",
		Args:              arguments(2, 2, "PIPELINE STAGE"),
		ValidArgsFunction: p.completePipeline,
		RunE: p.on(func(ctx context.Context, c *connection, args []string) error {
			target, err := c.rollbackTarget(ctx, args[0], args[1], execution)
			if err != nil {
				return err
			}
			in := codepipeline.RollbackStageInput{PipelineName: args[0], StageName: args[1], TargetPipelineExecutionID: target}
			var out codepipeline.RollbackStageOutput
			if err := c.Do(ctx, "RollbackStage", in, &out); err != nil {
				return err
			}
			if watch || c.system != nil {
				return p.toEnd(ctx, c, following{pipeline: args[0], execution: out.PipelineExecutionID, news: true})
			}
			if p.json() {
				return p.printJSON(out)
			}
			p.print(out.PipelineExecutionID)
			p.say("try: %s", p.command("watch", args[0]))
			return nil
		}),
	}
	c.Flags().StringVar(&execution, "to", "", "which execution to go back to (default: the last that succeeded before the latest in the stage)")
	c.Flags().BoolVarP(&watch, "watch", "w", false, "follow the run and return its verdict")
	return p.reads(c)
}

// rollbackTarget returns the execution to go back to: the one named, else the
// newest that succeeded in the stage and is not the latest in it.
func (c *connection) rollbackTarget(ctx context.Context, name, stage, execution string) (string, error) {
	if execution != "" {
		return c.complete(ctx, name, execution)
	}
	state, err := c.state(ctx, name)
	if err != nil {
		return "", err
	}
	latest := ""
	for _, s := range state.StageStates {
		if s.StageName == stage && s.LatestExecution != nil {
			latest = s.LatestExecution.PipelineExecutionID
		}
	}
	var out codepipeline.ListPipelineExecutionsOutput
	in := codepipeline.ListPipelineExecutionsInput{
		PipelineName: name, MaxResults: 2,
		Filter: &codepipeline.PipelineExecutionFilter{SucceededInStage: &codepipeline.SucceededInStageFilter{StageName: stage}},
	}
	if err := c.Do(ctx, "ListPipelineExecutions", in, &out); err != nil {
		return "", err
	}
	for _, e := range out.Summaries {
		if e.PipelineExecutionID != latest {
			return e.PipelineExecutionID, nil
		}
	}
	return "", pipeline.Errorf(pipeline.UnableToRollbackStage, "no earlier execution of pipeline %s has succeeded in stage %s", name, stage)
}
