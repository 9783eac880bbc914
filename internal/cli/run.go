package cli

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sluice-ci/sluice/internal/codepipeline"
	"github.com/sluice-ci/sluice/internal/definition"
)

func (p *program) run() *cobra.Command {
	var sources, variables []string
	var mapped string
	var approve, simulate bool
	c := &cobra.Command{
		Use:   "run FILE",
		Short: "Run a definition once, to its end",
		Long: `Run a definition once, to its end or to the next approval, without a server.

Each source action has to be mapped to this machine: with --source, or by name
in sluice.local.yaml, beside FILE or in the working directory.`,
		Example: "  sluice run pipeline.yaml --source Source=. --approve",
		Args:    arguments(1, 1, "FILE"),
		RunE: p.do(func(ctx context.Context, args []string) error {
			def, err := definition.ReadFile(args[0], laptop())
			if errs, ok := errors.AsType[definition.Errors](err); ok {
				p.sayErrors(errs)
				return mistakes(errs)
			}
			if err != nil {
				return err
			}
			p.sayWarnings([]definition.Definition{def})
			m, err := findMapping(mapped, filepath.Dir(args[0]))
			if err != nil {
				return err
			}
			for _, s := range sources {
				if m, err = m.WithSource(s); err != nil {
					return err
				}
			}
			if !simulate {
				if err := unmapped(def.Declaration, m); err != nil {
					return err
				}
			}
			in := codepipeline.StartPipelineExecutionInput{Name: def.Declaration.Name}
			if in.Variables, err = parseVariables(variables); err != nil {
				return err
			}
			p.subject = in.Name
			if serverOf(ctx, p.folder()) != nil {
				return usagef("a server works on %s already", p.folder()).or(p.command("start", in.Name, "--watch"), "sluice run "+quoteWord(args[0])+" --data FOLDER")
			}
			c, err := p.open(ctx, opening{settings: &settings{m, simulate}})
			if err != nil {
				return err
			}
			defer c.Close()
			if _, _, err := c.system.Register(ctx, []definition.Definition{def}); err != nil {
				return err
			}
			var out codepipeline.StartPipelineExecutionOutput
			if err := c.Do(ctx, "StartPipelineExecution", in, &out); err != nil {
				return err
			}
			return p.toEnd(ctx, c, following{pipeline: in.Name, execution: out.PipelineExecutionID, approve: approve, all: true})
		}),
	}
	c.Flags().StringArrayVarP(&sources, "source", "s", nil, "source action on this machine as ACTION=PATH; repeat for more")
	c.Flags().StringArrayVar(&variables, "var", nil, "variable of the pipeline as NAME=VALUE; repeat for more")
	c.Flags().BoolVar(&approve, "approve", false, "answer every approval with yes")
	c.Flags().BoolVar(&simulate, "simulate", false, "simulate every action but approvals")
	c.Flags().StringVar(&mapped, "mapping", "", "file that maps names to this machine (default sluice.local.yaml)")
	c.Flags().StringVar(&p.where.data, "data", "", "data folder (default $SLUICE_DATA, or .sluice)")
	c.Flags().StringVarP(&p.format, "output", "o", "text", "text or json")
	c.MarkFlagDirname("data")
	c.MarkFlagFilename("mapping", "yaml", "yml")
	return c
}
