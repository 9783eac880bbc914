package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

func (p *program) logs() *cobra.Command {
	var execution string
	var follow bool
	c := &cobra.Command{
		Use:   "logs PIPELINE [STAGE/ACTION]",
		Short: "Print what actions printed",
		Long: `Print the logs of a run, the newest one if none is named: of one action as it
is, of all actions with their names in front of every line.`,
		Example:           "  sluice logs website Build/Compile --follow",
		Args:              arguments(1, 2, "PIPELINE [STAGE/ACTION]"),
		ValidArgsFunction: p.completePipeline,
		RunE: p.looks(func(ctx context.Context, c *connection, args []string) error {
			id, err := c.which(ctx, []string{args[0], execution})
			if err != nil {
				return err
			}
			action := ""
			if len(args) == 2 {
				action = args[1]
			}
			return p.showLogs(ctx, c, args[0], id, action, follow)
		}),
	}
	c.Flags().StringVar(&execution, "execution", "", "which execution (default: the newest)")
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the actions have ended")
	return p.finds(c)
}

// showLogs prints the log of one action, or of all.
func (p *program) showLogs(ctx context.Context, c *connection, name, execution, action string, follow bool) error {
	e, err := c.execution(ctx, name, execution)
	if err != nil {
		return err
	}
	d, err := c.declaration(ctx, name, e.PipelineVersion)
	if err != nil {
		return err
	}
	if action != "" {
		if action, err = p.findAction(d, action); err != nil {
			return err
		}
	}
	if follow && action != "" {
		return p.orInterrupted(ctx, p.tailOne(ctx, c, d, execution, action))
	}
	if action != "" {
		return p.printLog(ctx, c, d, execution, action)
	}
	logs := tails{c: c, all: true}
	for {
		v, err := c.look(ctx, d, execution)
		if err != nil {
			return p.orInterrupted(ctx, err)
		}
		lines, err := logs.next(ctx, v)
		if err != nil {
			return p.orInterrupted(ctx, err)
		}
		for _, line := range lines {
			p.print(line.who + " | " + line.text)
		}
		if !follow || v.Execution.Status.Final() {
			return nil
		}
		if err := pause(ctx, pollServer); err != nil {
			return errInterrupted
		}
	}
}

// findAction returns STAGE/ACTION of a pipeline; ACTION alone is enough when
// only one stage has it.
func (p *program) findAction(d pipeline.Declaration, given string) (string, error) {
	var all, found []string
	for _, s := range d.Stages {
		for _, a := range s.Actions {
			path := s.Name + "/" + a.Name
			all = append(all, path)
			if path == given || a.Name == given {
				found = append(found, path)
			}
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		f := notFoundf("pipeline %s has no action %s; it has %s", d.Name, given, strings.Join(all, ", "))
		if near := pipeline.Nearest(given, all); near != "" {
			return "", f.or(p.command("logs", d.Name, near))
		}
		return "", f.or(p.command("status", d.Name))
	}
	return "", usagef("pipeline %s has several actions %s: %s", d.Name, given, strings.Join(found, ", ")).or(p.command("logs", d.Name, found[0]))
}

// printLog prints the log of one action as it is.
func (p *program) printLog(ctx context.Context, c *connection, d pipeline.Declaration, execution, action string) error {
	a, err := c.find(ctx, d, execution, action)
	if err != nil {
		return err
	}
	if a.ID == "" {
		return notFoundf("action %s has not run in execution %s", action, short(execution)).or(p.command("status", d.Name))
	}
	printed := int64(0)
	for {
		text, err := c.log(ctx, a.ID, printed)
		if err != nil {
			return err
		}
		if len(text) == 0 {
			break
		}
		printed += int64(len(text))
		p.raw(text)
	}
	if printed == 0 {
		p.say("Action %s keeps no log. It says: %s", action, p.detail(a))
	}
	return nil
}

// tailOne prints the log of one action until that has ended.
func (p *program) tailOne(ctx context.Context, c *connection, d pipeline.Declaration, execution, action string) error {
	var id string
	offset := int64(0)
	for {
		a, err := c.find(ctx, d, execution, action)
		if err != nil {
			return err
		}
		if a.ID != id { // it is run again
			id, offset = a.ID, 0
		}
		for id != "" {
			text, err := c.log(ctx, id, offset)
			if err != nil {
				return err
			}
			offset += int64(len(text))
			p.raw(text)
			if len(text) == 0 {
				break
			}
		}
		if a.Status.Final() {
			return nil
		}
		if a.ID == "" {
			if e, err := c.execution(ctx, d.Name, execution); err != nil || e.Status.Final() {
				return err
			}
		}
		if err := pause(ctx, pollServer); err != nil {
			return err
		}
	}
}

// find returns how an action of an execution stands.
func (c *connection) find(ctx context.Context, d pipeline.Declaration, execution, action string) (actionView, error) {
	v, err := c.look(ctx, d, execution)
	if err != nil {
		return actionView{}, err
	}
	for _, s := range v.Stages {
		for _, a := range s.Actions {
			if a.path() == action {
				return a, nil
			}
		}
	}
	return actionView{}, nil
}

// raw prints a part of a log: byte for byte into a pipe, without its control
// sequences on a terminal.
func (p *program) raw(text []byte) {
	if p.Terminal == nil {
		p.Stdout.Write(text)
		return
	}
	lines := strings.SplitAfter(string(text), "\n")
	for _, line := range lines {
		body, ended := strings.CutSuffix(line, "\n")
		if body = logLine(body); ended {
			body += "\n"
		}
		p.Stdout.Write([]byte(body))
	}
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
