package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/sluice-ci/sluice/internal/codepipeline"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// How often a run is looked at: in this process, and at a server.
const (
	pollOwn    = 100 * time.Millisecond
	pollServer = 400 * time.Millisecond
)

// settle is how long a run has to stand still before it counts as waiting:
// the siblings of an approval begin an instant later.
const settle = 300 * time.Millisecond

// A following is how a run is followed.
type following struct {
	pipeline, execution string
	approve             bool // answers every approval with yes
	patient             bool // goes on through approvals that others answer
	all                 bool // shows logs of what ended before, too
	news                bool // says nothing of what ended before
}

// follow shows a run until it ends or waits for a person, and returns the view
// it had then.
func (p *program) follow(ctx context.Context, c *connection, f following) (view, error) {
	e, err := c.execution(ctx, f.pipeline, f.execution)
	if err != nil {
		return view{}, err
	}
	d, err := c.declaration(ctx, f.pipeline, e.PipelineVersion)
	if err != nil {
		return view{}, err
	}
	show := p.progress(f.news)
	defer p.talk.hold(false)
	logs := tails{c: c, all: f.all, brief: true}
	poll := pollServer
	var ended <-chan struct{}
	if c.system != nil {
		poll, ended = pollOwn, c.system.Ended(f.execution)
	}
	var still calm
	for {
		v, err := c.look(ctx, d, f.execution)
		if err != nil {
			return v, p.orInterrupted(ctx, err)
		}
		lines, err := logs.next(ctx, v)
		if err != nil {
			return v, p.orInterrupted(ctx, err)
		}
		show.update(v, lines)
		switch asked := v.approvals(); {
		case v.Execution.Status.Final():
			show.end(v)
			return v, nil
		case !still.lasts(v.waiting()):
		case f.approve && len(asked) > 0:
			if _, err := c.putApproval(ctx, f.pipeline, asked[0], true, "approved by sluice --approve"); err != nil {
				return v, p.orInterrupted(ctx, err)
			}
			still = calm{}
		case !f.patient:
			show.end(v)
			if len(asked) > 0 {
				v.Link = c.link(ctx, asked[0])
			}
			return v, nil
		}
		select {
		case <-ended:
			ended = nil
		case <-ctx.Done():
		case <-time.After(poll):
		}
		if ctx.Err() != nil {
			show.end(v)
			return v, p.interrupted(c, f.pipeline)
		}
	}
}

// calm is since when nothing moves.
type calm struct{ since time.Time }

// lasts notes whether nothing moves now, and reports whether that lasts.
func (c *calm) lasts(now bool) bool {
	switch {
	case !now:
		c.since = time.Time{}
	case c.since.IsZero():
		c.since = time.Now()
	default:
		return time.Since(c.since) >= settle
	}
	return false
}

// orInterrupted returns err, or that the user had enough.
func (p *program) orInterrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errInterrupted
	}
	return err
}

// interrupted says what becomes of a run that nobody watches any more.
func (p *program) interrupted(c *connection, name string) error {
	err := *errInterrupted
	if c.system != nil {
		err.err = fmt.Errorf("interrupted: the run stops here and goes on when a command opens %s", p.folder())
	} else {
		err.err = fmt.Errorf("interrupted: the run goes on at %s", c.url)
	}
	return err.or(p.command("watch", name), p.command("stop", name))
}

// conclude turns the end of a following into the command's result, with the
// next steps of a run that waits or failed.
func (p *program) conclude(v view) error {
	name := v.Execution.PipelineName
	if p.json() {
		if err := p.printJSON(codepipeline.GetPipelineExecutionOutput{PipelineExecution: v.Execution}); err != nil {
			return err
		}
	}
	switch {
	case v.Execution.Status == pipeline.Failed:
		for _, s := range v.Stages {
			for _, a := range s.Actions {
				if a.Status == pipeline.Failed {
					p.say("try: %s", p.command("logs", name, a.path()))
					p.say("try: %s", p.command("retry", name, s.Name))
					return quietly(ExitFailed)
				}
			}
		}
		p.say("try: %s", p.command("status", name))
	case v.Execution.Status == pipeline.Succeeded:
	case v.Execution.Status.Final():
		p.say("try: %s", p.command("list", name))
	default:
		p.sayWaiting(v)
		return quietly(ExitWaiting)
	}
	return quietly(verdict(v.Execution.Status))
}

// sayWaiting says what a run waits for and which commands answer it.
func (p *program) sayWaiting(v view) {
	name := v.Execution.PipelineName
	asked := v.approvals()
	if len(asked) == 0 {
		for _, s := range v.Stages {
			if s.Held {
				p.say("In front of stage %s the run %s.", s.Name, clean(s.Note, false))
				p.say("try: %s", p.command("enable", name, s.Name))
			}
		}
		p.say("try: %s", p.command("status", name))
		return
	}
	for _, a := range asked {
		whose := ""
		if a.Execution != v.Execution.PipelineExecutionID {
			whose = fmt.Sprintf(" of execution %s, which is in front of this one,", short(a.Execution))
		}
		p.say("%s/%s%s waits for an answer.", a.Stage, a.Action, whose)
	}
	which := []string{name}
	if len(asked) > 1 {
		which = append(which, "--action", asked[0].Stage+"/"+asked[0].Action)
	}
	if v.Execution.ExecutionMode == pipeline.Parallel { // others may wait at the same approval
		which = append(which, "--execution", short(asked[0].Execution))
	}
	p.say("try: %s", p.command("status", name))
	p.say("try: %s", p.command(append([]string{"approve"}, which...)...))
	p.say("try: %s", p.command(append([]string{"reject"}, which...)...))
	p.sayLink(v.Link)
}
