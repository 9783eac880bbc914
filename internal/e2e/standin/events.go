package standin

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
)

// A Message is what was published to a topic of SNS.
type Message struct {
	Principal  string // who published it
	Subject    string
	Body       string
	Attributes map[string]string
}

// Messages returns what was published to a topic so far, by its ARN or name.
func (s *Standin) Messages(topic string) []Message {
	var all []Message
	entries, _ := s.calls.all()
	for _, e := range entries {
		q := e.request
		if e.failed || lastElement(q.text("TopicArn")) != lastElement(topic) {
			continue
		}
		switch q.name() {
		case "sns:Publish":
			all = append(all, message(e, ""))
		case "sns:PublishBatch":
			for i := 1; ; i++ {
				prefix := fmt.Sprintf("PublishBatchRequestEntries.member.%d.", i)
				if _, ok := q.in[prefix+"Message"]; !ok {
					break
				}
				all = append(all, message(e, prefix))
			}
		}
	}
	return all
}

func message(e entry, prefix string) Message {
	q := e.request
	m := Message{e.principal, q.text(prefix + "Subject"), q.text(prefix + "Message"), map[string]string{}}
	for i := 1; ; i++ {
		attribute := fmt.Sprintf("%sMessageAttributes.entry.%d.", prefix, i)
		name := q.text(attribute + "Name")
		if name == "" {
			return m
		}
		m.Attributes[name] = q.text(attribute + "Value.StringValue")
	}
}

// An Event is what was put on a bus of EventBridge by a client. What services
// put there themselves, such as the end of an execution, is not among them.
type Event struct {
	Principal          string // who put it there
	Source, DetailType string
	Resources          []string
	Detail             json.RawMessage
}

// Events returns what was put on a bus so far, by its ARN or name.
func (s *Standin) Events(bus string) []Event {
	var all []Event
	entries, _ := s.calls.all()
	for _, e := range entries {
		if e.failed || e.request.name() != "events:PutEvents" {
			continue
		}
		for _, put := range e.request.list("Entries") {
			on := lastElement(member(put, "EventBusName"))
			if on != lastElement(bus) && !(on == "" && bus == "default") {
				continue
			}
			event := Event{e.principal, member(put, "Source"), member(put, "DetailType"), nil, json.RawMessage(member(put, "Detail"))}
			resources, _ := put.(map[string]any)["Resources"].([]any)
			for _, r := range resources {
				event.Resources = append(event.Resources, fmt.Sprint(r))
			}
			all = append(all, event)
		}
	}
	return all
}

// Tick does once what the schedules of all rules ask for, and returns when the
// functions they call have ended. It returns the first error of a function.
func (s *Standin) Tick(ctx context.Context) error {
	client := eventbridge.NewFromConfig(s.direct())
	in := &eventbridge.ListRulesInput{}
	for {
		page, err := client.ListRules(ctx, in) // schedules are on the default bus
		if err != nil {
			return err
		}
		for _, rule := range page.Rules {
			if aws.ToString(rule.ScheduleExpression) == "" || rule.State != types.RuleStateEnabled {
				continue
			}
			if err := s.fire(ctx, client, rule); err != nil {
				return fmt.Errorf("rule %s: %w", *rule.Name, err)
			}
		}
		if page.NextToken == nil {
			return nil
		}
		in.NextToken = page.NextToken
	}
}

func (s *Standin) fire(ctx context.Context, client *eventbridge.Client, rule types.Rule) error {
	targets, err := client.ListTargetsByRule(ctx, &eventbridge.ListTargetsByRuleInput{Rule: rule.Name})
	if err != nil {
		return err
	}
	event, err := json.Marshal(map[string]any{
		"version": "0", "id": fmt.Sprintf("00000000-0000-4000-8000-%012x", s.host.ids.Add(1)),
		"detail-type": "Scheduled Event", "source": "aws.events", "account": Account, "region": Region,
		"time": time.Now().UTC().Format(time.RFC3339), "resources": []string{*rule.Arn}, "detail": map[string]any{},
	})
	if err != nil {
		return err
	}
	for _, target := range targets.Targets {
		if !strings.Contains(*target.Arn, ":lambda:") {
			return fmt.Errorf("target %s is no function; schedules of others are not run here", *target.Arn)
		}
		payload := event
		switch {
		case target.Input != nil:
			payload = []byte(*target.Input)
		case target.InputTransformer != nil:
			payload = fill(target.InputTransformer, event, *rule.Arn)
		}
		if _, err := s.Invoke(ctx, lastPart(*target.Arn), json.RawMessage(payload)); err != nil {
			return err
		}
	}
	return nil
}

// fill puts parts of an event into the template of a target. Of paths it knows
// those of names; what is inside quotes is put there as text.
func fill(t *types.InputTransformer, event []byte, rule string) []byte {
	var whole map[string]any
	json.Unmarshal(event, &whole) // just made
	out := strings.ReplaceAll(*t.InputTemplate, "<aws.events.rule-arn>", rule)
	for name, path := range t.InputPathsMap {
		var at any = whole
		for step := range strings.SplitSeq(strings.TrimPrefix(path, "$."), ".") {
			m, _ := at.(map[string]any)
			at = m[step]
		}
		value, _ := json.Marshal(at)
		text := strings.Trim(string(value), `"`)
		out = strings.ReplaceAll(out, `"<`+name+`>"`, `"`+text+`"`)
		out = strings.ReplaceAll(out, "<"+name+">", string(value))
	}
	return []byte(out)
}
