package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-ci/sluice/internal/codepipeline"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

func (p *program) list() *cobra.Command {
	var limit int
	c := &cobra.Command{
		Use:               "list [PIPELINE]",
		Short:             "List pipelines, or the runs of one",
		Args:              arguments(0, 1, "[PIPELINE]"),
		ValidArgsFunction: p.completePipeline,
		RunE: p.looks(func(ctx context.Context, c *connection, args []string) error {
			if limit < 1 {
				return usagef("--limit %d: write a number above 0", limit)
			}
			if len(args) == 0 {
				return p.listPipelines(ctx, c)
			}
			return p.listExecutions(ctx, c, args[0], limit)
		}),
	}
	c.Flags().IntVarP(&limit, "limit", "n", 20, "how many runs at most")
	return p.reads(c)
}

func (p *program) listPipelines(ctx context.Context, c *connection) error {
	all, err := c.pipelines(ctx)
	if err != nil {
		return err
	}
	if p.json() {
		return p.printJSON(all)
	}
	if len(all.Pipelines) == 0 {
		p.say("There is no pipeline yet.")
		p.say("try: %s", p.asCalled("sluice up --help"))
		return nil
	}
	rows := [][]string{{"NAME", "VERSION", "TYPE", "MODE", "UPDATED"}}
	for _, s := range all.Pipelines {
		rows = append(rows, []string{s.Name, itoa(s.Version), string(typeOf(s.Type)), string(modeOf(s.ExecutionMode)), clock(s.Updated.Time)})
	}
	p.table(rows)
	return nil
}

func (p *program) listExecutions(ctx context.Context, c *connection, name string, limit int) error {
	all, err := c.executions(ctx, name, limit)
	if err != nil {
		return err
	}
	if p.json() {
		return p.printJSON(all)
	}
	if len(all.Summaries) == 0 {
		p.say("Pipeline %s has not run yet.", name)
		p.say("try: %s", p.command("start", name))
		return nil
	}
	rows := [][]string{{"EXECUTION", "", "STATUS", "STARTED", "TOOK", "TRIGGER", "REVISION"}}
	for _, e := range all.Summaries {
		rows = append(rows, []string{short(e.PipelineExecutionID), p.glyph(e.Status), p.word(e.Status), clock(e.StartTime.Time), p.took(e), triggerType(e), revisions(e)})
	}
	p.table(rows)
	return nil
}

// table prints rows in columns; on a terminal no line is wider than it.
func (p *program) table(rows [][]string) {
	limit := 0
	if p.Terminal != nil {
		limit, _, _ = p.Terminal()
	}
	for i, line := range columns(rows) {
		if limit > 0 {
			line = cut(line, limit)
		}
		if i == 0 {
			line = p.paint(line, dim)
		}
		p.print(line)
	}
}

func (p *program) took(e codepipeline.PipelineExecutionSummary) string {
	if e.StartTime.IsZero() {
		return "-"
	}
	if e.Status.Final() {
		return span(e.LastUpdateTime.Sub(e.StartTime.Time))
	}
	return span(p.Now().Sub(e.StartTime.Time))
}

func triggerType(e codepipeline.PipelineExecutionSummary) string {
	if e.Trigger == nil {
		return "-"
	}
	return e.Trigger.Type
}

func revisions(e codepipeline.PipelineExecutionSummary) string {
	var all []string
	for _, r := range e.SourceRevisions {
		summary, _, _ := strings.Cut(r.RevisionSummary, "\n")
		all = append(all, strings.TrimSpace(shortRevision(r.RevisionID)+" "+clean(summary, false)))
	}
	return strings.Join(all, ", ")
}

// typeOf and modeOf return the API's default for what was left out.
func typeOf(t pipeline.Type) pipeline.Type {
	if t == "" {
		return pipeline.V1
	}
	return t
}

func modeOf(m pipeline.Mode) pipeline.Mode {
	if m == "" {
		return pipeline.Superseded
	}
	return m
}
