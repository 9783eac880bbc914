package orchestrator

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// alert adds a message for people about each execution that this change lets
// fail: one, although its action and its stage have failed too. A rejected or
// expired approval is such a failure. What somebody stopped, replaced or
// cancelled is as somebody wanted it, and what Sluice retries by itself has
// not failed yet: of those nobody is told.
func (c *change) alert() error {
	if c.mail.Alerts == "" {
		return nil
	}
	for _, e := range c.failed {
		f, err := c.failure(e)
		if err != nil {
			return err
		}
		c.out.Notices = append(c.out.Notices, record.Notice{ID: c.newID(), Topic: c.mail.Alerts, Subject: f.subject(), Text: f.text(c.Service)})
	}
	return nil
}

// A failure is what there is to say of an execution that failed.
type failure struct {
	e       *record.Execution
	stage   string
	actions []*record.Action // that failed, in the order of their declaration
}

// failure collects what failed in the stage that e was in.
func (c *change) failure(e *record.Execution) (failure, error) {
	d, err := c.declaration(c.ctx, e)
	if err != nil {
		return failure{}, err
	}
	declared := d.Stages[e.Stage]
	latest, err := c.latestActions(e, declared)
	if err != nil {
		return failure{}, err
	}
	f := failure{e: e, stage: declared.Name}
	for _, declared := range declared.Actions {
		a := latest[declared.Name]
		if a == nil {
			continue
		}
		if t, ok := c.actions[a.Key()]; ok { // it may have failed just now
			a = &t.value
		}
		if a.Status == pipeline.Failed {
			f.actions = append(f.actions, a)
		}
	}
	return f, nil
}

func (f failure) subject() string {
	what := "FAILED"
	if f.e.Entry == 0 {
		return fmt.Sprintf("%s: %s did not start", what, f.e.Pipeline)
	}
	if len(f.actions) != 1 {
		return fmt.Sprintf("%s: %s at stage %s", what, f.e.Pipeline, f.stage)
	}
	a := f.actions[0]
	switch {
	case rejected(a):
		what = "REJECTED"
	case expired(a):
		what = "NOT ANSWERED"
	}
	return fmt.Sprintf("%s: %s at %s/%s", what, f.e.Pipeline, f.stage, a.Name)
}

func rejected(a *record.Action) bool {
	return a.Job.Action.TypeID.Category == pipeline.Approval && a.UpdatedBy != ""
}

func expired(a *record.Action) bool {
	return a.Job.Action.TypeID.Category == pipeline.Approval && a.Result.Error != nil && a.Result.Error.Code == action.Timeout
}

// text is the mail: what failed, why, with what, and what to do next.
func (f failure) text(s *Service) string {
	var l letter
	switch e := f.e; {
	case e.Entry == 0:
		l.line("%s did not start.", e.Pipeline)
	default:
		l.line("%s failed in stage %s.", e.Pipeline, f.stage)
	}
	l.line("")
	for _, a := range f.actions {
		l.line("%s/%s (%s)", f.stage, a.Name, a.Job.Action.TypeID.Provider)
		l.line("  %s", why(a))
		if a.Result.ExternalURL != "" {
			l.line("  %s", oneLine(a.Result.ExternalURL, 1000))
		}
		l.line("")
	}
	if len(f.actions) == 0 {
		l.line("%s", cmp.Or(oneLine(f.e.StatusSummary, 1000), "No action of the stage failed."))
		l.line("")
	}
	for _, r := range f.e.Revisions {
		l.field("Revision", revision(r).words())
		l.field("", revision(r).URL)
	}
	l.field("Why", whoStarted(f.e.Trigger))
	l.field("Started", fmt.Sprintf("%s, execution %s, version %d, attempt %d", clock(f.e.Started), f.e.ID, f.e.Version, f.e.Attempt))
	f.next(s, &l)
	return l.String()
}

// why says in a line why an action failed.
func why(a *record.Action) string {
	code, text := "", oneLine(a.Result.Summary, 1000)
	if a.Result.Error != nil {
		code = a.Result.Error.Code
		text = cmp.Or(text, oneLine(a.Result.Error.Message, 1000))
	}
	switch {
	case rejected(a):
		return fmt.Sprintf("Rejected by %s: %s", oneLine(a.UpdatedBy, 200), text)
	case expired(a):
		return fmt.Sprintf("Nobody had answered by %s.", clock(a.Job.Deadline))
	}
	return strings.TrimPrefix(strings.TrimSuffix(code+": "+text, ": "), ": ")
}

// next writes the commands that one would type next.
func (f failure) next(s *Service, l *letter) {
	l.line("")
	l.line("What happened%s", s.reach())
	l.line("%s", s.command("list-action-executions", "--pipeline-name", f.e.Pipeline, "--filter", "pipelineExecutionId="+f.e.ID))
	for _, a := range f.actions {
		if a.Result.Log {
			l.line("sluice logs %s %s/%s --execution %s --endpoint %s", f.e.Pipeline, f.stage, a.Name, f.e.ID, cmp.Or(s.mail.Endpoint, endpoint))
		}
	}
	l.line("")
	if f.e.Entry == 0 { // it never came to a stage: there is nothing to retry
		l.line("Start it again:")
		l.line("%s", s.command("start-pipeline-execution", "--name", f.e.Pipeline, "--variables", "name=NAME,value=VALUE"))
		return
	}
	l.line("Once the cause is gone, go on with the same revision:")
	l.line("%s", s.command("retry-stage-execution", "--pipeline-name", f.e.Pipeline, "--stage-name", f.stage,
		"--pipeline-execution-id", f.e.ID, "--retry-mode", "FAILED_ACTIONS"))
}
