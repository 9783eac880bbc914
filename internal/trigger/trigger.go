// Package trigger decides which pipelines an event starts, and says why, for
// those it does not start as well.
//
// It is pure: what arrived is turned into an [Event] elsewhere, and elsewhere
// a [Decision] is carried out and recorded. Starts that name their pipeline
// (by a person, by a schedule, by a rule on a pipeline's ARN) never come here.
package trigger

import (
	"fmt"
	"strings"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// The trigger types of executions that an event starts.
const (
	CloudWatchEvent = "CloudWatchEvent" // CodeCommit, S3, ECR
	WebhookV2       = "WebhookV2"       // connections
	Webhook         = "Webhook"         // GitHub version 1
)

// A Decision is what one pipeline makes of an event.
type Decision struct {
	Pipeline string
	Start    bool
	Reason   string // why, or why not
	Action   string // the source action that decided
	Type     string // trigger type: CloudWatchEvent, WebhookV2, Webhook
	Detail   string // trigger detail: the connection's ARN, or what happened

	// Overrides pin what the event brought, by source action. Actions whose
	// filter the event did not pass take their newest revision.
	Overrides map[string]action.Override
}

// Decide returns a decision for each of ps with a source action that looks at
// the place of ev (its repository or bucket), in the order of ps. The others
// have nothing to do with it.
func Decide(ps []pipeline.Declaration, ev Event) []Decision {
	var ds []Decision
	for _, p := range ps {
		if sources := listeners(p, ev); len(sources) > 0 {
			ds = append(ds, decide(p, sources, ev))
		}
	}
	return ds
}

// listeners returns the source actions of p that look at the place of ev.
func listeners(p pipeline.Declaration, ev Event) []pipeline.Action {
	var as []pipeline.Action
	for _, s := range p.Stages {
		for _, a := range s.Actions {
			if a.TypeID.Category == pipeline.Source && ev.at(a) {
				as = append(as, a)
			}
		}
	}
	return as
}

// decide asks every one of sources: one that agrees starts p.
func decide(p pipeline.Declaration, sources []pipeline.Action, ev Event) Decision {
	d := Decision{Pipeline: p.Name, Action: sources[0].Name}
	var reasons []string
	for _, a := range sources {
		v := ev.judge(a, triggerOf(p, a))
		if v.ok && !d.Start {
			d.Start, d.Action, reasons = true, a.Name, nil
		}
		if v.ok != d.Start {
			continue
		}
		if v.ok {
			d.pin(a.Name, ev.revision())
		}
		if len(sources) > 1 {
			v.why = fmt.Sprintf("action %s: %s", a.Name, v.why)
		}
		reasons = append(reasons, v.why)
	}
	d.Reason = strings.Join(reasons, "; ")
	for _, a := range sources {
		if a.Name == d.Action {
			d.Type, d.Detail = origin(a, ev)
		}
	}
	return d
}

// pin makes source action name take o, if that is known.
func (d *Decision) pin(name string, o action.Override) {
	if o == (action.Override{}) {
		return
	}
	if d.Overrides == nil {
		d.Overrides = map[string]action.Override{}
	}
	d.Overrides[name] = o
}

// triggerOf returns the trigger of p that names a, or nil.
func triggerOf(p pipeline.Declaration, a pipeline.Action) *pipeline.Trigger {
	for i, t := range p.Triggers {
		if t.Git.SourceActionName == a.Name {
			return &p.Triggers[i]
		}
	}
	return nil
}

// origin is the trigger type and detail of a start by source action a.
func origin(a pipeline.Action, ev Event) (kind, detail string) {
	switch a.TypeID.Provider {
	case "CodeStarSourceConnection":
		return WebhookV2, a.Configuration["ConnectionArn"]
	case "GitHub":
		return Webhook, ev.String()
	}
	return CloudWatchEvent, ev.String()
}
