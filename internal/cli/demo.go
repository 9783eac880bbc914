package cli

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-ci/sluice/internal/codepipeline"
	"github.com/sluice-ci/sluice/internal/definition"
	"github.com/sluice-ci/sluice/internal/demo"
	"github.com/sluice-ci/sluice/internal/mapping"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

const demoData = ".sluice/demo"

// patience is how long a push may take to start a run.
const patience = 30 * time.Second

func (p *program) demo() *cobra.Command {
	var approve bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "See a whole pipeline run on this machine",
		Long: `Make a small Go program in a git repository, with a pipeline that builds, tests
and deploys it, push a commit and watch what that starts. Everything happens in
one folder of this machine, with git and go and nothing else.

The run stops at an approval (exit code 3), unless --approve is given. Called
again, it pushes another commit.`,
		Args: arguments(0, 0, "no arguments"),
		RunE: p.do(func(ctx context.Context, _ []string) error {
			if p.where.data == "" && p.Getenv("SLUICE_DATA") == "" {
				p.where.data = demoData
			}
			d, err := demo.Create(ctx, p.folder())
			if err != nil {
				return err
			}
			c, err := p.openDemo(ctx, d)
			if err != nil {
				return err
			}
			defer c.Close()
			if c.system != nil {
				ctx, stop := context.WithCancel(ctx)
				defer stop()
				if err := c.system.Look(ctx); err != nil {
					return p.orInterrupted(ctx, err)
				}
				go c.system.Watch(ctx) // its end is the command's
			}
			id, err := p.push(ctx, c, d)
			if err != nil {
				return p.orInterrupted(ctx, err)
			}
			v, err := p.follow(ctx, c, following{pipeline: demo.Pipeline, execution: id, approve: approve, all: true})
			if err != nil {
				return err
			}
			return p.concludeDemo(v, d)
		}),
	}
	c.Flags().BoolVar(&approve, "approve", false, "answer the approval with yes and go on to the deployment")
	c.Flags().StringVar(&p.where.data, "data", "", "data folder (default $SLUICE_DATA, or "+demoData+")")
	c.Flags().StringVarP(&p.format, "output", "o", "text", "text or json")
	c.MarkFlagDirname("data")
	return c
}

// openDemo opens the demo's folder in this process, or joins the server that
// works on it.
func (p *program) openDemo(ctx context.Context, d demo.Demo) (*connection, error) {
	if c := serverOf(ctx, p.folder()); c != nil {
		return c, nil
	}
	defs, err := readDefinitions([]string{d.Pipelines()}, laptop())
	if errs, ok := errors.AsType[definition.Errors](err); ok { // somebody changed it
		p.sayErrors(errs)
		return nil, mistakes(errs)
	}
	if err != nil {
		return nil, err
	}
	m, err := mapping.Read(filepath.Join(d.Pipelines(), mapping.File))
	if err != nil {
		return nil, err
	}
	c, err := p.open(ctx, opening{settings: &settings{Mapping: m}})
	if err != nil {
		return nil, err
	}
	if _, _, err := c.system.Register(ctx, defs); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// push pushes a commit and returns the execution that it started.
func (p *program) push(ctx context.Context, c *connection, d demo.Demo) (string, error) {
	before, err := c.executions(ctx, demo.Pipeline, 1)
	if err != nil {
		return "", err
	}
	commit, message, err := d.Push(ctx)
	if err != nil {
		return "", err
	}
	p.say("git push of %s %q to %s", shortRevision(commit), message, shown(d.Origin()))
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("the push has started no run"))
	defer cancel()
	for {
		after, err := c.executions(ctx, demo.Pipeline, 1)
		if err != nil {
			return "", err
		}
		if newest := after.Summaries; len(newest) > 0 && (len(before.Summaries) == 0 || newest[0].PipelineExecutionID != before.Summaries[0].PipelineExecutionID) {
			return newest[0].PipelineExecutionID, nil
		}
		if pause(ctx, pollOwn) != nil {
			return "", (&failure{exit: ExitFailed, err: context.Cause(ctx)}).or(p.command("start", demo.Pipeline))
		}
	}
}

// concludeDemo says what there is to see and returns the run's verdict.
func (p *program) concludeDemo(v view, d demo.Demo) error {
	switch {
	case v.Execution.Status == pipeline.Succeeded:
		if p.json() {
			return p.printJSON(codepipeline.GetPipelineExecutionOutput{PipelineExecution: v.Execution})
		}
		p.print("deployed to " + shown(d.Deployed()))
		p.print("run it with: " + quoteWord(shown(d.Program())))
		return nil
	case v.Execution.Status.Final() || !v.waiting() || len(v.approvals()) == 0 || p.json():
		return p.conclude(v)
	}
	p.say("")
	for _, a := range v.approvals() {
		if a.Execution != v.Execution.PipelineExecutionID {
			p.say("An earlier run, %s, is in front of this one.", short(a.Execution))
		}
	}
	p.say("It waits for somebody's approval, and may do so for days. Now try:")
	for _, line := range columns([][]string{
		{p.command("status", demo.Pipeline), "# where it stands"},
		{p.command("logs", demo.Pipeline, "Build/Compile"), "# what the build printed"},
		{p.command("approve", demo.Pipeline), "# let it go on"},
	}) {
		p.say("  %s", line)
	}
	return quietly(ExitWaiting)
}

// shown returns path as a person in the working directory would write it.
func shown(path string) string {
	here, err := filepath.Abs(".")
	if err != nil {
		return path
	}
	rel, err := filepath.Rel(here, path)
	if err != nil || len(rel) >= len(path) || rel[0] == '.' && len(rel) > 1 && rel[1] == '.' {
		return path
	}
	if rel[0] != '.' {
		rel = "./" + rel
	}
	return rel
}
