package cli

import (
	"context"
	"encoding/json"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/sluice-ci/sluice/events"
	"github.com/sluice-ci/sluice/internal/bus"
	"github.com/sluice-ci/sluice/internal/local"
)

func (p *program) events() *cobra.Command {
	var limit int
	c := &cobra.Command{
		Use:   "events",
		Short: "Show what was announced: state changes, and messages to topics",
		Long: `Show the latest events, oldest first: state changes of pipelines, stages and
actions in the shape that EventBridge gets from CodePipeline, and messages that
would go to SNS topics, such as requests for approvals.`,
		Args: arguments(0, 0, "no arguments"),
		RunE: p.looks(func(ctx context.Context, c *connection, _ []string) error {
			if limit < 1 {
				return usagef("--limit %d: write a number above 0", limit)
			}
			all, err := c.events(ctx, limit)
			if err != nil {
				return err
			}
			if p.json() {
				return p.printJSON(all)
			}
			if len(all) == 0 {
				p.say("Nothing was announced yet.")
				p.say("try: %s", p.command("list"))
				return nil
			}
			rows := [][]string{{"WHEN", "STATE", "PIPELINE", "EXECUTION", "SUBJECT"}}
			for _, e := range all {
				rows = append(rows, eventRow(e))
			}
			p.table(rows)
			return nil
		}),
	}
	c.Flags().IntVarP(&limit, "limit", "n", 50, "how many events at most")
	return p.reads(c)
}

// eventRow draws an event in a line.
func eventRow(e bus.Event) []string {
	detail, err := events.Envelope{DetailType: e.DetailType, Source: e.Source, Detail: e.Detail}.Open()
	if err != nil {
		detail = nil // it is shown by its type
	}
	when := clock(e.Time)
	switch d := detail.(type) {
	case events.PipelineStateChange:
		return []string{when, string(d.State), d.Pipeline, short(d.ExecutionID), "pipeline"}
	case events.StageStateChange:
		return []string{when, string(d.State), d.Pipeline, short(d.ExecutionID), "stage " + d.Stage}
	case events.ActionStateChange:
		return []string{when, string(d.State), d.Pipeline, short(d.ExecutionID), "action " + d.Stage + "/" + d.Action}
	}
	var notice struct{ Topic, Subject string }
	if json.Unmarshal(e.Detail, &notice) == nil && notice.Topic != "" {
		return []string{when, "MESSAGE", "-", "-", clean(notice.Subject+" to "+notice.Topic, false)}
	}
	return []string{when, "-", "-", "-", clean(e.DetailType, false)}
}

// events returns the latest events, oldest first.
func (c *connection) events(ctx context.Context, limit int) ([]bus.Event, error) {
	var all []bus.Event
	for after := ""; ; {
		var page local.Page
		if err := c.read(ctx, "/events?after="+url.QueryEscape(after), &page); err != nil {
			return nil, err
		}
		all = append(all, page.Events...)
		all = all[max(0, len(all)-limit):]
		if len(page.Events) == 0 {
			return all, nil
		}
		after = page.Next
	}
}
