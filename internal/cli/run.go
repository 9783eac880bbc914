package cli

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sluice-ci/sluice/internal/codepipeline"
	"github.com/sluice-ci/sluice/internal/definition"
	"github.com/sluice-ci/sluice/internal/mapping"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// A runOnce is what the flags of run say.
type runOnce struct {
	sources, variables []string
	mapping            string
	approve, simulate  bool
}

func (p *program) run() *cobra.Command {
	var r runOnce
	c := &cobra.Command{
		Use:   "run FILE",
		Short: "Run a definition once, to its end",
		Long: `Run a definition once, to its end or to the next approval, without a server.

Each source action has to be mapped to this machine: with --source, or by name
in sluice.local.yaml, beside FILE or in the working directory.`,
		Example: "  sluice run pipeline.yaml --source Source=. --approve",
		Args:    arguments(1, 1, "FILE"),
		RunE:    p.do(func(ctx context.Context, args []string) error { return p.runFile(ctx, args[0], r) }),
	}
	c.Flags().StringArrayVarP(&r.sources, "source", "s", nil, "source action on this machine as ACTION=PATH; repeat for more")
	c.Flags().StringArrayVar(&r.variables, "var", nil, "variable of the pipeline as NAME=VALUE; repeat for more")
	c.Flags().BoolVar(&r.approve, "approve", false, "answer every approval with yes")
	c.Flags().BoolVar(&r.simulate, "simulate", false, "simulate every action but approvals")
	c.Flags().StringVar(&r.mapping, "mapping", "", "file that maps names to this machine (default sluice.local.yaml)")
	c.Flags().StringVar(&p.where.data, "data", "", "data folder (default $SLUICE_DATA, or .sluice)")
	c.Flags().StringVarP(&p.format, "output", "o", "text", "text or json")
	c.MarkFlagDirname("data")
	c.MarkFlagFilename("mapping", "yaml", "yml")
	return c
}

// runFile runs the pipeline in file once.
func (p *program) runFile(ctx context.Context, file string, r runOnce) error {
	def, err := definition.ReadFile(file, laptop())
	if errs, ok := errors.AsType[definition.Errors](err); ok {
		p.sayErrors(errs)
		return mistakes(errs)
	}
	if err != nil {
		return err
	}
	p.sayWarnings([]definition.Definition{def})
	m, err := r.mapped(file, def.Declaration)
	if err != nil {
		return err
	}
	in := codepipeline.StartPipelineExecutionInput{Name: def.Declaration.Name}
	if in.Variables, err = parseVariables(r.variables); err != nil {
		return err
	}
	p.subject = in.Name
	if serverOf(ctx, p.folder()) != nil {
		return usagef("a server works on %s already", p.folder()).
			or(p.command("start", in.Name, "--watch"), "sluice run "+quoteWord(file)+" --data FOLDER")
	}
	c, err := p.open(ctx, opening{settings: &settings{m, r.simulate}})
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
	return p.toEnd(ctx, c, following{pipeline: in.Name, execution: out.PipelineExecutionID, approve: r.approve, all: true})
}

// mapped returns the mapping for a run of d. Every source has to be in it,
// unless all are simulated.
func (r runOnce) mapped(file string, d pipeline.Declaration) (mapping.Mapping, error) {
	m, err := findMapping(r.mapping, filepath.Dir(file))
	if err != nil {
		return m, err
	}
	for _, s := range r.sources {
		if m, err = m.WithSource(s); err != nil {
			return m, err
		}
	}
	if r.simulate {
		return m, nil
	}
	return m, unmapped(d, m)
}
