package cli

import (
	"cmp"
	"context"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-ci/sluice/internal/codepipeline"
	"github.com/sluice-ci/sluice/internal/local"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

func (p *program) approve() *cobra.Command {
	return p.answers(true, &cobra.Command{
		Use:   "approve PIPELINE",
		Short: "Answer an approval with yes",
		Long: `Answer the approval that a pipeline waits for with yes.

With a server the command returns at once, unless --watch is given. Without
one it follows the run to its end or to the next approval.`,
		Example: "  sluice approve website --summary 'looks good'",
	})
}

func (p *program) reject() *cobra.Command {
	return p.answers(false, &cobra.Command{
		Use:   "reject PIPELINE",
		Short: "Answer an approval with no",
		Long: `Answer the approval that a pipeline waits for with no. The run fails, which is
what was asked for: the command ends with 0.`,
		Example: "  sluice reject website --summary 'not on a Friday'",
	})
}

// An answer is what the flags of approve and reject say.
type answer struct {
	yes                        bool
	action, execution, summary string
	watch                      bool
}

// answers completes a command that answers approvals with yes or no.
func (p *program) answers(yes bool, c *cobra.Command) *cobra.Command {
	given := answer{yes: yes}
	c.Args = arguments(1, 1, "PIPELINE")
	c.ValidArgsFunction = p.completePipeline
	c.RunE = p.on(func(ctx context.Context, c *connection, args []string) error { return p.answer(ctx, c, args[0], given) })
	c.Flags().StringVar(&given.action, "action", "", "which approval, as STAGE/ACTION, when there are several")
	c.Flags().StringVar(&given.execution, "execution", "", "of which execution, when there are several")
	c.Flags().StringVarP(&given.summary, "summary", "m", "", "what to remember about the answer, at most 512 characters")
	c.Flags().BoolVarP(&given.watch, "watch", "w", false, "follow the run and return its verdict")
	return p.reads(c)
}

// answer answers the approval that a pipeline waits for.
func (p *program) answer(ctx context.Context, c *connection, name string, given answer) error {
	asked, err := c.asked(ctx, name)
	if err != nil {
		return err
	}
	a, err := p.choose(name, asked, given.action, given.execution)
	if err != nil {
		return err
	}
	at, err := c.putApproval(ctx, name, a, given.yes, given.summary)
	if err != nil {
		return err
	}
	word := "approved"
	if !given.yes {
		word = "rejected"
	}
	p.say("%s %s/%s of execution %s", word, a.Stage, a.Action, short(a.Execution))
	if !given.watch && c.system == nil {
		p.say("try: %s", p.command("watch", name))
		if p.json() {
			return p.printJSON(at)
		}
		return nil
	}
	v, err := p.follow(ctx, c, following{pipeline: name, execution: a.Execution, news: true})
	if err != nil {
		return err
	}
	if !given.yes && v.Execution.Status == pipeline.Failed {
		return nil
	}
	return p.conclude(v)
}

// choose returns the one approval of asked that the flags name.
func (p *program) choose(name string, asked []approval, action, execution string) (approval, error) {
	var found []approval
	for _, a := range asked {
		if (action == "" || action == a.Stage+"/"+a.Action || action == a.Action) && strings.HasPrefix(a.Execution, execution) {
			found = append(found, a)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) == 0 && len(asked) > 0:
		return approval{}, notFoundf("pipeline %s waits for no such answer, but for %s", name, listed(asked)).or(p.command("status", name))
	case len(found) == 0:
		return approval{}, notFoundf("pipeline %s waits for nobody's answer", name).or(p.command("status", name))
	}
	return approval{}, usagef("pipeline %s waits for several answers: %s", name, listed(found)).
		or(p.command("approve", name, "--action", found[0].Stage+"/"+found[0].Action, "--execution", short(found[0].Execution)))
}

func listed(asked []approval) string {
	var all []string
	for _, a := range asked {
		all = append(all, a.Stage+"/"+a.Action+" of execution "+short(a.Execution))
	}
	return strings.Join(all, ", ")
}

// asked returns the approvals that a pipeline waits for. In PARALLEL mode they
// show in its executions only.
func (c *connection) asked(ctx context.Context, name string) ([]approval, error) {
	state, err := c.state(ctx, name)
	if err != nil {
		return nil, err
	}
	all := askedIn(state)
	if len(all) > 0 {
		return all, nil
	}
	d, err := c.declaration(ctx, name, 0)
	if err != nil || d.ExecutionMode != pipeline.Parallel {
		return nil, err
	}
	newest, err := c.executions(ctx, name, searched)
	if err != nil {
		return nil, err
	}
	for _, e := range newest.Summaries {
		if e.Status != pipeline.InProgress {
			continue
		}
		v, err := c.look(ctx, d, e.PipelineExecutionID)
		if err != nil {
			return nil, err
		}
		all = append(all, v.approvals()...)
	}
	return all, nil
}

// askedIn returns the approvals that wait in the stages of a pipeline.
func askedIn(state codepipeline.GetPipelineStateOutput) (all []approval) {
	for _, s := range state.StageStates {
		for _, a := range s.ActionStates {
			if l := a.LatestExecution; l != nil && l.Token != "" && s.LatestExecution != nil {
				all = append(all, approval{s.LatestExecution.PipelineExecutionID, s.StageName, a.ActionName, l.Token})
			}
		}
	}
	return all
}

// link returns the address of the page that answers a, or "". Only a server on
// this machine tells, and only of links that lead to itself: an earlier one had
// its links elsewhere.
func (c *connection) link(ctx context.Context, a approval) string {
	if c.system != nil {
		return ""
	}
	var mails []local.Mail
	if err := c.read(ctx, "/links/"+url.PathEscape(a.Execution), &mails); err != nil {
		return ""
	}
	for _, m := range mails {
		if m.Asks.Stage == a.Stage && m.Asks.Name == a.Action && strings.HasPrefix(m.Link, c.url+"/") {
			return m.Link
		}
	}
	return ""
}

// sayLink says where else an approval is answered.
func (p *program) sayLink(link string) {
	if link != "" {
		p.say("open: %s", link)
	}
}

// putApproval answers a.
func (c *connection) putApproval(ctx context.Context, name string, a approval, yes bool, summary string) (codepipeline.PutApprovalResultOutput, error) {
	status := "Approved"
	if !yes {
		status = "Rejected"
	}
	var out codepipeline.PutApprovalResultOutput
	err := c.Do(ctx, "PutApprovalResult", codepipeline.PutApprovalResultInput{
		PipelineName: name, StageName: a.Stage, ActionName: a.Action, Token: a.Token,
		Result: codepipeline.ApprovalResult{Status: status, Summary: cmp.Or(summary, status+" with sluice")},
	}, &out)
	return out, err
}
