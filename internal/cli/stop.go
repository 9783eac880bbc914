package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-ci/sluice/internal/codepipeline"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

func (p *program) stop() *cobra.Command {
	var in codepipeline.StopPipelineExecutionInput
	var watch bool
	c := &cobra.Command{
		Use:   "stop PIPELINE [EXECUTION]",
		Short: "Stop a run",
		Long: `Stop a run once its running actions have ended, or at once with --abandon.
Without EXECUTION it is the only one in progress.`,
		Example:           "  sluice stop website --abandon --reason 'wrong branch'",
		Args:              arguments(1, 2, "PIPELINE [EXECUTION]"),
		ValidArgsFunction: p.completePipeline,
		RunE: p.on(func(ctx context.Context, c *connection, args []string) error {
			in.PipelineName = args[0]
			var err error
			if in.PipelineExecutionID, err = p.stoppable(ctx, c, args); err != nil {
				return err
			}
			var out codepipeline.StopPipelineExecutionOutput
			if err := c.Do(ctx, "StopPipelineExecution", in, &out); err != nil {
				return err
			}
			if watch || c.system != nil {
				v, err := p.follow(ctx, c, following{pipeline: args[0], execution: in.PipelineExecutionID, patient: true, news: true})
				if err != nil {
					return err
				}
				if v.Execution.Status == pipeline.Stopped {
					return nil
				}
				return p.conclude(v)
			}
			if p.json() {
				return p.printJSON(out)
			}
			p.print(out.PipelineExecutionID)
			p.say("try: %s", p.command("watch", args[0], short(in.PipelineExecutionID)))
			return nil
		}),
	}
	c.Flags().BoolVar(&in.Abandon, "abandon", false, "do not wait for running actions: end them")
	c.Flags().StringVar(&in.Reason, "reason", "", "why, at most 200 characters")
	c.Flags().BoolVarP(&watch, "watch", "w", false, "follow the run until it has stopped")
	return p.reads(c)
}

// stoppable returns the execution to stop.
func (p *program) stoppable(ctx context.Context, c *connection, args []string) (string, error) {
	if len(args) == 2 {
		return c.complete(ctx, args[0], args[1])
	}
	all, err := c.executions(ctx, args[0], searched)
	if err != nil {
		return "", err
	}
	var running []string
	for _, e := range all.Summaries {
		if !e.Status.Final() {
			running = append(running, e.PipelineExecutionID)
		}
	}
	switch len(running) {
	case 0:
		return "", notFoundf("pipeline %s has no run in progress", args[0]).or(p.command("list", args[0]))
	case 1:
		return running[0], nil
	}
	return "", usagef("pipeline %s has several runs in progress: %s", args[0], strings.Join(running, ", ")).
		or(p.command("stop", args[0], short(running[0])))
}
