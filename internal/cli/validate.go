package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-ci/sluice/internal/definition"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

func (p *program) validate() *cobra.Command {
	var strict bool
	c := &cobra.Command{
		Use:   "validate FILE|DIR...",
		Short: "Check definitions",
		Long: `Check definitions, and everything in them: each mistake is a line of stdout with
file, line and column, the path, what is wrong and what to write instead.`,
		Example: "  sluice validate infra/pipelines\n  sluice validate --strict pipeline.yaml",
		Args:    arguments(1, -1, "FILE|DIR"),
		RunE: p.do(func(_ context.Context, args []string) error {
			opts := laptop()
			if strict {
				opts = definition.Options{}
			}
			defs, err := readDefinitions(args, opts)
			errs, bad := errors.AsType[definition.Errors](err)
			if err != nil && !bad {
				return err
			}
			if len(defs) == 0 && !bad {
				return holdsNone(strings.Join(args, ", "))
			}
			if p.json() {
				if err := p.printJSON(report(defs, errs)); err != nil {
					return err
				}
				if bad {
					return quietly(ExitUsage)
				}
				return nil
			}
			p.sayWarnings(defs)
			for _, d := range defs {
				p.print(d.Declaration.Name + ": " + size(d.Declaration))
				for _, w := range simulatedHere(d) {
					p.say("%s %s", p.paint("warning:", yellow), clean(w.Error(), false))
				}
			}
			for _, e := range errs {
				p.print(clean(e.Error(), false))
			}
			switch {
			case bad && strict:
				return mistakes(errs, "--strict")
			case bad:
				return mistakes(errs)
			}
			return nil
		}),
	}
	c.Flags().BoolVar(&strict, "strict", false, "require what only AWS needs: the service role and the artifact store")
	c.Flags().StringVarP(&p.format, "output", "o", "text", "text or json")
	return c
}

// mistakes is the end of a command that was given wrong definitions; flags are
// those that made them mistakes.
func mistakes(errs definition.Errors, flags ...string) error {
	files := map[string]bool{}
	for _, e := range errs {
		files[e.File] = true
	}
	f := usagef("%s in %s", count(len(errs), "mistake"), count(len(files), "file"))
	return f.or(strings.Join(append([]string{"sluice validate"}, append(flags, quoteWord(errs[0].File))...), " "))
}

// holdsNone is the end of a command that was given folders without definitions.
func holdsNone(folders string) *failure {
	return usagef("%s holds no definition: no .yaml, .yml or .json file", folders)
}

// size says in a line what kind of pipeline d is.
func size(d pipeline.Declaration) string {
	actions := 0
	for _, s := range d.Stages {
		actions += len(s.Actions)
	}
	return fmt.Sprintf("%s, %s, %s %s", count(len(d.Stages), "stage"), count(actions, "action"), typeOf(d.Type), modeOf(d.ExecutionMode))
}

// A validReport is what validate prints as JSON.
type validReport struct {
	Pipelines []validPipeline `json:"pipelines"`
	Problems  []problem       `json:"problems"`
}

type validPipeline struct {
	File      string        `json:"file"`
	Name      string        `json:"name"`
	Stages    int           `json:"stages"`
	Type      pipeline.Type `json:"pipelineType"`
	Mode      pipeline.Mode `json:"executionMode"`
	Warnings  []problem     `json:"warnings"`
	Simulated []problem     `json:"simulated"`
}

type problem struct {
	File    string        `json:"file"`
	Line    int           `json:"line,omitempty"`
	Column  int           `json:"column,omitempty"`
	Code    pipeline.Code `json:"code,omitempty"`
	Path    string        `json:"path,omitempty"`
	Value   string        `json:"value,omitempty"`
	Message string        `json:"message"`
	Fix     string        `json:"fix,omitempty"`
}

func report(defs []definition.Definition, errs definition.Errors) validReport {
	r := validReport{Pipelines: []validPipeline{}, Problems: problems(errs)}
	for _, d := range defs {
		r.Pipelines = append(r.Pipelines, validPipeline{
			File: d.File, Name: d.Declaration.Name, Stages: len(d.Declaration.Stages),
			Type: typeOf(d.Declaration.Type), Mode: modeOf(d.Declaration.ExecutionMode),
			Warnings: problems(d.Warnings), Simulated: problems(simulatedHere(d)),
		})
	}
	return r
}

func problems(errs []definition.Error) []problem {
	all := make([]problem, len(errs))
	for i, e := range errs {
		all[i] = problem(e)
	}
	return all
}
