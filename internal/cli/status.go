package cli

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-ci/sluice/internal/codepipeline"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

func (p *program) status() *cobra.Command {
	c := &cobra.Command{
		Use:   "status PIPELINE",
		Short: "Show the stages of a pipeline",
		Long: `Show the stages of a pipeline: who was in them last, and who waits for them.
Different stages may show different executions.`,
		Args:              arguments(1, 1, "PIPELINE"),
		ValidArgsFunction: p.completePipeline,
		RunE: p.looks(func(ctx context.Context, c *connection, args []string) error {
			state, err := c.state(ctx, args[0])
			if err != nil {
				return err
			}
			if p.json() {
				return p.printJSON(state)
			}
			d, err := c.declaration(ctx, args[0], state.PipelineVersion)
			if err != nil {
				return err
			}
			p.showState(d, state)
			if asked := askedIn(state); len(asked) > 0 {
				p.sayLink(c.link(ctx, asked[0]))
			}
			return nil
		}),
	}
	return p.reads(c)
}

// showState prints the stages of a pipeline and what to do about them.
func (p *program) showState(d pipeline.Declaration, state codepipeline.GetPipelineStateOutput) {
	p.print(p.paint(d.Name, bold) + "  version " + itoa(state.PipelineVersion) + "  " + string(typeOf(d.Type)) + " " + string(modeOf(d.ExecutionMode)))
	if d.ExecutionMode == pipeline.Parallel {
		p.say("In PARALLEL mode executions are in no particular stage.")
		p.say("try: %s", p.command("list", d.Name))
	}
	stages := stagesOf(d, state)
	limit := 0
	if p.Terminal != nil {
		limit, _, _ = p.Terminal()
	}
	for _, r := range p.rows(stages) {
		if limit > 0 {
			r.text = cut(r.text, limit)
		}
		p.print(r.text)
	}
	for _, s := range stages {
		for _, a := range s.Actions {
			switch {
			case a.waits():
				p.say("try: %s", p.command("approve", d.Name))
				return
			case a.Status == pipeline.Failed:
				p.say("try: %s", p.command("logs", d.Name, a.path()))
				return
			}
		}
	}
}

// stagesOf makes stages of a pipeline's state, each as its latest execution
// left it.
func stagesOf(d pipeline.Declaration, state codepipeline.GetPipelineStateOutput) []stageView {
	declared := map[string]pipeline.Action{}
	for _, s := range d.Stages {
		for _, a := range s.Actions {
			declared[s.Name+"/"+a.Name] = a
		}
	}
	var all []stageView
	for _, s := range state.StageStates {
		sv := stageView{Name: s.StageName}
		if l := s.LatestExecution; l != nil {
			sv.Status, sv.Whose = l.Status, "execution "+short(l.PipelineExecutionID)
		}
		var notes []string
		for _, in := range s.InboundExecutions {
			notes = append(notes, "execution "+short(in.PipelineExecutionID)+" waits for its turn")
		}
		if !s.InboundTransition.Enabled {
			notes = append(notes, "transition disabled: "+s.InboundTransition.DisabledReason)
		}
		sv.Note = strings.Join(notes, ", ")
		for _, a := range s.ActionStates {
			av := actionView{Stage: s.StageName, Name: a.ActionName, Type: declared[s.StageName+"/"+a.ActionName].TypeID}
			if l := a.LatestExecution; l != nil {
				av.ID, av.Status, av.Error, av.Token = l.ActionExecutionID, l.Status, l.ErrorDetails, l.Token
				av.Summary, av.External = l.Summary, l.ExternalExecutionID
			}
			if a.CurrentRevision != nil {
				av.Revision = a.CurrentRevision.RevisionID
			}
			sv.Actions = append(sv.Actions, av)
		}
		all = append(all, sv)
	}
	return all
}

func itoa(n int) string { return strconv.Itoa(n) }
