package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

// A row is one line of a picture of stages. Rank says how soon it may be left
// out when there is no room: 0 never.
type row struct {
	text string
	rank int
}

// glyphs and colours of statuses, with the empty one for what has not begun.
var looks = map[pipeline.Status]struct {
	glyph string
	color style
}{
	"":                           {"○", dim},
	pipeline.InProgress:          {"●", cyan},
	pipeline.Stopping:            {"●", yellow},
	pipeline.Succeeded:           {"✓", green},
	pipeline.Failed:              {"✗", red},
	pipeline.Stopped:             {"■", yellow},
	pipeline.Cancelled:           {"■", yellow},
	pipeline.Abandoned:           {"■", yellow},
	pipeline.SupersededExecution: {"»", dim},
	pipeline.Skipped:             {"»", dim},
}

const waitingGlyph = "◆"

// glyph returns the sign of a status.
func (p *program) glyph(s pipeline.Status) string {
	l, ok := looks[s]
	if !ok {
		l.glyph = "?"
	}
	return p.paint(l.glyph, l.color)
}

// word returns a status with its sign.
func (p *program) word(s pipeline.Status) string { return p.paint(string(s), looks[s].color) }

// headline returns what a view is about.
func (p *program) headline(v view) string {
	e := v.Execution
	line := fmt.Sprintf("%s %s  %s", p.paint(e.PipelineName, bold), short(e.PipelineExecutionID), p.word(e.Status))
	if !v.Started.IsZero() {
		line += "  " + span(p.until(v))
	}
	if e.Trigger != nil {
		line += p.paint("  "+e.Trigger.Type, dim)
	}
	if e.StatusSummary != "" {
		line += "  " + clean(e.StatusSummary, false)
	}
	return line
}

// until returns how long v took, or has taken so far.
func (p *program) until(v view) time.Duration {
	if v.Execution.Status.Final() {
		return v.Ended.Sub(v.Started)
	}
	return p.Now().Sub(v.Started)
}

// rows draws stages: one line a stage, one line an action.
func (p *program) rows(stages []stageView) []row {
	names := 0
	for _, s := range stages {
		names = max(names, cells(s.Name))
		for _, a := range s.Actions {
			names = max(names, cells(a.Name)+2)
		}
	}
	names = min(names, 40)
	timed := slices.ContainsFunc(stages, func(s stageView) bool {
		return slices.ContainsFunc(s.Actions, func(a actionView) bool { return !a.Started.IsZero() })
	})
	var rows []row
	for _, s := range stages {
		live := s.Status == pipeline.InProgress || s.Status == pipeline.Stopping || s.Status == pipeline.Failed || s.Note != ""
		rank := 1
		if live {
			rank = 0
		}
		glyph := p.glyph(s.Status)
		if slices.ContainsFunc(s.Actions, actionView.waits) {
			glyph = p.paint(waitingGlyph, yellow)
		}
		line := glyph + " " + pad(p.paint(cut(s.Name, names), bold), names)
		if s.Whose != "" {
			line += "  " + p.paint(s.Whose, dim)
		}
		if s.Note != "" {
			line += "  " + p.paint(clean(s.Note, false), yellow)
		}
		rows = append(rows, row{strings.TrimRight(line, " "), rank})
		for _, a := range s.Actions {
			rank := 2
			if a.Status == pipeline.InProgress || a.Status == pipeline.Failed {
				rank = 0
			} else if live {
				rank = 1
			}
			rows = append(rows, row{p.actionRow(a, names, timed), rank})
		}
	}
	return rows
}

// actionRow draws one action. Timed says whether times are known at all.
func (p *program) actionRow(a actionView, names int, timed bool) string {
	glyph, status := p.glyph(a.Status), p.word(a.Status)
	if a.waits() {
		glyph, status = p.paint(waitingGlyph, yellow), p.paint("Waiting", yellow)
	}
	line := fmt.Sprintf("  %s %s  %s", glyph, pad(cut(a.Name, names-2), names-2), pad(status, len(pipeline.InProgress)))
	if timed {
		line += "  " + pad(p.time(a), 6)
	}
	return strings.TrimRight(line+"  "+p.detail(a), " ")
}

// time returns how long a took, or has taken so far.
func (p *program) time(a actionView) string {
	switch {
	case a.Started.IsZero():
		return ""
	case a.Status == pipeline.InProgress:
		return span(p.Now().Sub(a.Started))
	}
	return span(a.Ended.Sub(a.Started))
}

// detail returns what there is to say about an action beside its status.
func (p *program) detail(a actionView) string {
	var parts []string
	if a.simulated() {
		parts = append(parts, p.paint("[simulated]", yellow))
	}
	if a.Revision != "" {
		parts = append(parts, p.paint(shortRevision(a.Revision), cyan))
	}
	switch {
	case a.waits():
		parts = append(parts, clean(cmp.Or(a.Question, "waits for an answer"), false))
	case a.Status == pipeline.Failed && a.Error != nil:
		parts = append(parts, clean(cmp.Or(a.Error.Message, a.Error.Code), false))
	case a.Status == "":
		parts = append(parts, p.paint(a.Type.Provider, dim))
	default:
		summary, _, _ := strings.Cut(strings.TrimSpace(a.Summary), "\n")
		if a.simulated() { // said already
			summary = strings.TrimPrefix(summary, "Simulated: ")
		}
		parts = append(parts, clean(summary, false))
	}
	return strings.Join(parts, " ")
}

// shortRevision returns a commit's id as git shortens it; other revisions are
// not longer than that for a person either.
func shortRevision(id string) string {
	id = clean(id, false)
	if len(id) == 40 && strings.Trim(id, "0123456789abcdef") == "" {
		return id[:7]
	}
	return cut(id, 20)
}

// fit returns at most limit lines of rows: first the least important are left
// out, from the top, and at last those at the end.
func fit(rows []row, limit int) []string {
	if limit < 1 {
		return nil
	}
	left := len(rows)
	drop := make([]bool, len(rows))
	for rank := 2; rank > 0 && left > limit; rank-- {
		for i := range rows {
			if rows[i].rank == rank && left > limit {
				drop[i] = true
				left--
			}
		}
	}
	var lines []string
	for i, r := range rows {
		if !drop[i] {
			lines = append(lines, r.text)
		}
	}
	if len(lines) > limit {
		more := fmt.Sprintf("… %d more", len(lines)-limit+1)
		lines = append(lines[:limit-1], more)
	}
	return lines
}
