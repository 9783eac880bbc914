package orchestrator

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-ci/sluice/internal/bus"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// giveUp is how old a message may get. What nobody has taken until then is
// logged and forgotten: it must not stay in the outbox for ever, and it is
// never told in another message, which might fail in the same way.
const giveUp = 24 * time.Hour

// endpoint is where "sluice up" and "sluice connect" listen unless they are
// told otherwise.
const endpoint = "http://127.0.0.1:4317"

// A message is the detail of the event that carries a notice to its topic.
// Exactly one of Message and Text is set.
type message struct {
	ID      string          `json:"id"`
	Topic   string          `json:"topic"`
	Subject string          `json:"subject"`
	Message json.RawMessage `json:"message,omitempty"` // JSON, for programs
	Text    string          `json:"text,omitempty"`    // for people

	// Asks and Link are set when the text asks for an approval. A topic gets
	// neither: the link is in the text.
	Asks *record.ActionID `json:"asks,omitempty"`
	Link string           `json:"link,omitempty"`
}

// notify publishes a message that was decided on at that time.
func (s *Service) notify(ctx context.Context, in record.Notice, at time.Time) error {
	err := s.deliver(ctx, in, at)
	if err == nil || ctx.Err() != nil || s.now().Sub(at) < giveUp {
		return err
	}
	s.log.ErrorContext(ctx, "a message could not be delivered for a day and is dropped", "id", in.ID, "topic", in.Topic, "subject", in.Subject, "err", err)
	return nil
}

func (s *Service) deliver(ctx context.Context, in record.Notice, at time.Time) error {
	m := message{ID: in.ID, Topic: in.Topic, Subject: in.Subject, Message: in.Message, Text: in.Text, Asks: in.Asks}
	secret := ""
	if in.Asks != nil {
		a, err := s.Records.Action(ctx, *in.Asks)
		if pipeline.CodeOf(err) == pipeline.ActionNotFound || err == nil && asking(&a.Value, s.now()) != nil {
			return nil // it was answered, or ended: there is nothing to ask any more
		}
		if err != nil {
			return err
		}
		ask, err := s.ask(ctx, &a.Value)
		if err != nil {
			return err
		}
		if s.mail.Pages != "" {
			if secret, err = s.mint(ctx, &a.Value); err != nil {
				return err
			}
			m.Link = strings.TrimSuffix(s.mail.Pages, "/") + "/approve/" + secret // the URL of a function ends in one
		}
		m.Text = s.approvalText(ask, m.Link)
	}
	detail, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return without(secret, s.Bus.Publish(ctx, bus.Event{
		ID: in.ID, Source: "sluice", DetailType: "Notification", Time: at,
		Region: s.home.Region, Account: s.home.Account, Resources: []string{in.Topic}, Detail: detail,
	}))
}

// without returns err as it may be logged: some errors repeat what they were
// about.
func without(secret string, err error) error {
	if err == nil || secret == "" || !strings.Contains(err.Error(), secret) {
		return err
	}
	return errors.New(strings.ReplaceAll(err.Error(), secret, "(link "+LinkName(secret)+")"))
}

// askPeople tells people, if anybody wants to know, that an answer is asked for.
func (c *change) askPeople(a *record.Action) {
	if c.mail.Approvals == "" {
		return
	}
	id := a.Ref()
	c.out.Notices = append(c.out.Notices, record.Notice{
		ID: c.newID(), Topic: c.mail.Approvals, Asks: &id,
		Subject: fmt.Sprintf("APPROVAL NEEDED: %s at %s/%s", a.Pipeline, a.Stage, a.Name),
	})
}

// approvalText is the mail that asks for an approval. link may be empty.
func (s *Service) approvalText(a Ask, link string) string {
	var l letter
	l.line("%s waits for an answer at %s/%s.", a.Pipeline, a.Stage, a.Action)
	l.line("")
	l.line("What will go out")
	if len(a.Changes) == 0 {
		l.line("  nothing that a source would know of")
	}
	for _, c := range a.Changes {
		l.change(c)
	}
	l.line("")
	l.field("Why", a.Trigger)
	l.field("Started", fmt.Sprintf("%s, execution %s, version %d", clock(a.Started), a.Execution, a.Version))
	l.field("Answer by", clock(a.Until)+"; without an answer it fails then")
	l.field("Note", a.Note)
	l.field("See", a.See)
	if link != "" {
		l.line("")
		l.line("Answer here. The link works once, for whoever has it: do not pass this mail on.")
		l.line("%s", link)
	}
	l.line("")
	l.line("%s with the AWS CLI%s", map[bool]string{true: "Or", false: "Answer"}[link != ""], s.reach())
	l.line("%s", s.command("put-approval-result", "--pipeline-name", a.Pipeline, "--stage-name", a.Stage, "--action-name", a.Action,
		"--token", a.token, "--result", `"status=Approved,summary=Who you are and why"`))
	l.line("or the same with status=Rejected.")
	return l.String()
}

// reach says how the API is reached, where that takes more than a command.
func (s *Service) reach() string {
	if s.mail.Endpoint != "" {
		return ":"
	}
	return " (while sluice connect runs):"
}

// command returns a command of the AWS CLI in one line, so that it can be
// pasted. Arguments are names and ids, which no shell reads as more than words.
func (s *Service) command(operation string, args ...string) string {
	all := []string{"aws codepipeline", operation, "--endpoint-url", cmp.Or(s.mail.Endpoint, endpoint), "--region", s.home.Region}
	return strings.Join(append(all, args...), " ")
}

// A letter is a mail in the making: plain text, in short lines where the
// reader's data is short.
type letter struct{ strings.Builder }

func (l *letter) line(format string, args ...any) { fmt.Fprintf(l, format+"\n", args...) }

// field writes a labelled line, none when there is nothing to say.
func (l *letter) field(label, text string) {
	if text != "" {
		l.line("%-10s %s", label, text)
	}
}

// change writes what a source brings, and since when.
func (l *letter) change(c Change) {
	l.line("  %s: %s", c.Source, c.Revision.words())
	if c.Author != "" || c.Branch != "" {
		l.line("    %s", strings.TrimSpace(prefixed("by ", c.Author)+" "+prefixed("on ", c.Branch)))
	}
	if c.Revision.URL != "" {
		l.line("    %s", c.Revision.URL)
	}
	switch {
	case c.Since.ID == "":
		l.line("    nothing went past this stage before")
	case c.Unchanged():
		l.line("    the same as went past this stage last")
	default:
		l.line("    since %s", c.Since.words())
	}
}

// words returns a revision in a line.
func (r Revision) words() string {
	return strings.TrimSpace(Short(r.ID) + "  " + r.Summary)
}

// Short returns the first digits of a commit id; what is no commit id stays.
func Short(id string) string {
	if len(id) == 40 && strings.Trim(id, "0123456789abcdef") == "" {
		return id[:12]
	}
	return id
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

// clock returns t for people, who may be anywhere.
func clock(t time.Time) string { return t.UTC().Format("Mon 2 Jan 2006 15:04 UTC") }
