package cli

import (
	"bytes"
	"context"
	"strings"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

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
