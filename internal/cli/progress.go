package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

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
		p.talk.hold(true)
		return &picture{p: p, screen: screen{out: p.Stdout, talk: p.talk, size: p.Terminal}}
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
	s.p.talk.hold(false)
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
