package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
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
	logs := tails{c: c, all: f.all, brief: true}
	poll := pollServer
	if c.system != nil {
		poll = pollOwn
	}
	tick := time.NewTicker(poll)
	defer tick.Stop()
	var still time.Time // since when nothing moves
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
		switch {
		case v.Execution.Status.Final():
			show.end(v)
			return v, nil
		case !v.waiting():
			still = time.Time{}
		case still.IsZero():
			still = time.Now()
		case time.Since(still) < settle:
		case f.approve && len(v.approvals()) > 0:
			a := v.approvals()[0]
			if err := p.answer(ctx, c, f.pipeline, a, true, "approved by sluice --approve"); err != nil {
				return v, p.orInterrupted(ctx, err)
			}
			still = time.Time{}
		case !f.patient:
			show.end(v)
			return v, nil
		}
		select {
		case <-ctx.Done():
			show.end(v)
			return v, p.interrupted(c, f.pipeline)
		case <-tick.C:
		}
	}
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
				p.say("The run %s in front of stage %s.", clean(s.Note, false), s.Name)
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
	p.say("try: %s", p.command("status", name))
	p.say("try: %s", p.command(append([]string{"approve"}, which...)...))
	p.say("try: %s", p.command(append([]string{"reject"}, which...)...))
}

// A progress shows how a run goes on.
type progress interface {
	update(v view, log []logged)
	end(v view)
}

// progress returns a picture that repaints itself on a terminal, or a line a
// change anywhere else. With --output json stdout is for the result.
func (p *program) progress(news bool) progress {
	if p.json() {
		return &lines{p: p, out: p.Stderr, news: news}
	}
	if p.Terminal != nil {
		return &picture{p: p, screen: screen{out: p.Stdout, size: p.Terminal}}
	}
	return &lines{p: p, out: p.Stdout, news: news}
}

// A picture is the progress on a terminal: logs scroll by above it.
type picture struct {
	p      *program
	screen screen
}

func (s *picture) update(v view, log []logged) {
	rows := append([]row{{s.p.headline(v), 0}}, s.p.rows(v.Stages)...)
	above := make([]string, len(log))
	for i, line := range log {
		above[i] = s.p.paint(line.who+" |", dim) + " " + line.text
	}
	s.screen.paint(above, rows)
}

// end leaves the whole picture behind, however high the window is.
func (s *picture) end(v view) {
	size := s.screen.size
	s.screen.size = func() (int, int, bool) {
		w, _, ok := size()
		return w, 1 << 20, ok
	}
	s.update(v, nil)
}

// lines is the progress in a pipe.
type lines struct {
	p     *program
	out   io.Writer
	news  bool // what had ended at the first look is not said
	begun bool
	seen  map[string]string // what was said of a stage or action last
}

// update tells of one action after the other: that it began, what it printed,
// how it ended. So it reads as it happened, whatever happened between two looks.
func (l *lines) update(v view, log []logged) {
	e := v.Execution
	first := !l.begun
	if first {
		l.begun, l.seen = true, map[string]string{}
		by := ""
		if e.Trigger != nil {
			by = ", started by " + e.Trigger.Type
		}
		fmt.Fprintf(l.out, "execution %s of %s%s\n", e.PipelineExecutionID, e.PipelineName, by)
	}
	for _, s := range v.Stages {
		if s.Note != "" {
			l.change(s.Name, s.Note, clean(s.Note, false))
		}
		for _, a := range s.Actions {
			if first && l.news && a.Status.Final() {
				l.seen[a.path()] = a.ID + string(a.Status)
			}
			if a.waits() {
				l.change(a.path(), a.ID, strings.TrimSuffix("waits for an answer: "+clean(a.Question, false), ": "))
			} else if a.Status == pipeline.InProgress {
				l.change(a.path(), a.ID, string(a.Status))
			}
			for _, line := range log {
				if line.who == a.path() {
					fmt.Fprintln(l.out, line.who+" | "+line.text)
				}
			}
			if a.Status.Final() {
				took := span(a.Ended.Sub(a.Started))
				l.change(a.path(), a.ID+string(a.Status), strings.TrimSpace(fmt.Sprintf("%s %s %s", a.Status, took, l.p.detail(a))))
			}
		}
	}
}

// change says something of who, unless mark says that it was said.
func (l *lines) change(who, mark, said string) {
	if l.seen[who] == mark {
		return
	}
	l.seen[who] = mark
	fmt.Fprintf(l.out, "%s: %s\n", who, said)
}

func (l *lines) end(v view) {
	e := v.Execution
	if !e.Status.Final() {
		return
	}
	line := fmt.Sprintf("execution %s of %s: %s", e.PipelineExecutionID, e.PipelineName, e.Status)
	if !v.Started.IsZero() {
		line += " in " + span(v.Ended.Sub(v.Started))
	}
	if e.StatusSummary != "" {
		line += ": " + clean(e.StatusSummary, false)
	}
	fmt.Fprintln(l.out, line)
}

// tails reads the logs of actions as they grow.
type tails struct {
	c     *connection
	all   bool // also of what had ended at the first look
	brief bool // without the bookkeeping of builds
	begun bool
	of    map[string]*tail // by action execution
}

// A logged line and the action that wrote it.
type logged struct{ who, text string }

// A tail is one log and what was read of it.
type tail struct {
	offset int64
	rest   []byte // of a line that has not ended
	done   bool
}

// next returns the lines that came since the last call, each with who wrote it.
func (t *tails) next(ctx context.Context, v view) ([]logged, error) {
	if t.of == nil {
		t.of = map[string]*tail{}
	}
	var lines []logged
	for _, s := range v.Stages {
		for _, a := range s.Actions {
			if !keepsLog(a) {
				continue
			}
			one := t.of[a.ID]
			if one == nil {
				one = &tail{done: !t.begun && !t.all && a.Status.Final()}
				t.of[a.ID] = one
			}
			more, err := one.read(ctx, t.c, a)
			if err != nil {
				return nil, err
			}
			for _, line := range more {
				line, wanted := logLine(line), true
				if t.brief {
					line, wanted = essence(line)
				}
				if wanted {
					lines = append(lines, logged{a.path(), line})
				}
			}
		}
	}
	t.begun = true
	return lines, nil
}

// keepsLog reports whether a has begun and may print something.
func keepsLog(a actionView) bool {
	return a.ID != "" && a.Type.Category != pipeline.Source && a.Type.Category != pipeline.Approval
}

// read returns the lines of a's log that came since the last call. The status
// of a was read before, so a log that has ended is read to its end.
func (t *tail) read(ctx context.Context, c *connection, a actionView) ([]string, error) {
	if t.done {
		return nil, nil
	}
	var lines []string
	for {
		text, err := c.log(ctx, a.ID, t.offset)
		if err != nil {
			return lines, err
		}
		t.offset += int64(len(text))
		t.rest = append(t.rest, text...)
		for {
			line, rest, ended := bytes.Cut(t.rest, []byte("\n"))
			if !ended {
				break
			}
			lines, t.rest = append(lines, string(line)), rest
		}
		if len(text) == 0 || !a.Status.Final() {
			break
		}
	}
	if a.Status.Final() {
		t.done = true
		if len(t.rest) > 0 {
			lines, t.rest = append(lines, string(t.rest)), nil
		}
	}
	return lines, nil
}

// essence returns what a person who watches wants to see of a line. A build's
// own lines are "[Container] DATE TIME text", and of those the commands and
// what went wrong; "sluice logs" shows all of them.
func essence(line string) (string, bool) {
	text, ours := strings.CutPrefix(line, "[Container] ")
	if !ours {
		return line, true
	}
	if words := strings.SplitN(text, " ", 3); len(words) == 3 {
		text = words[2]
	}
	if command, ok := strings.CutPrefix(text, "Running command "); ok {
		return "$ " + command, true
	}
	for _, bad := range []string{"FAILED", "ERROR", "TIMED_OUT", "STOPPED", "FAULT"} {
		if strings.Contains(text, bad) {
			return text, true
		}
	}
	return "", false
}
